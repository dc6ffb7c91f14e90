"""What a call with cards was made from, kept so that the cards can be made again: facts as read, states, switches.

It is sealed with the ledger's key: with the day of birth it says more of a person than the ledger does anywhere else.
Who the person is, it does not say: no name, no number, no text of the request. Beside the facts stand fingerprints of
everything else a card depends on (each model's folder, the sentences, the program), so that a part which has changed
since is named instead of being suspected.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from cds import __version__
from cds.cards.phrasebook import Catalogues
from cds.cards.withheld import Stopped
from cds.errors import ReplayFailed
from cds.fhir.evidence import KeyState
from cds.inference.registry import Registry
from cds.inference.volumes.reading import StudyReading
from cds.record.facts import Record
from cds.services import Case
from cds.trust.smart.secrets import Seal, derived, to_text

_PURPOSE = "call snapshot"
_FORMAT = 1


class Held(msgspec.Struct, frozen=True):
    """A model that did not speak: withheld by the committee, or past its guideline's review."""

    since: str
    cause: str


class Snapshot(msgspec.Struct, frozen=True):
    format: int
    hook: str
    language: str
    patient_facing: bool
    record: Record
    """Its patient's id is empty."""
    drafts: Record
    states: dict[str, KeyState]
    """By prefetch key."""
    studies: dict[str, StudyReading]
    withheld: dict[str, Held]
    report: str | None
    """Address of the link to the report; None: the card had none."""
    models: dict[str, str]
    """Fingerprint of each model that was asked."""
    wording: str
    program: str
    version: str
    """Of the product."""


@dataclass(frozen=True)
class Fingerprints:
    """Of what is installed here; made once a process."""

    models: Mapping[str, str]
    wording: Mapping[str, str]
    """By language."""
    program: str


def fingerprints(models: Registry, catalogues: Catalogues, packages: Iterable[Path]) -> Fingerprints:
    """``packages``: folders of services beside the product's own code."""
    return Fingerprints(
        {id: _model(model.folder, model.manifest.runtime.fingerprint) for id, model in models.models.items()},
        {language: _wording(catalogues, language) for language in catalogues.languages},
        _program([Path(__file__).parent, *packages]),
    )


def _model(folder: Path, graph: str) -> str:
    try:
        content = (folder / "model.yaml").read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(content + graph.encode()).hexdigest()[:16]


def _wording(catalogues: Catalogues, language: str) -> str:
    book = catalogues.book(language)
    told = json.dumps([dict(book.texts), {k: dict(v) for k, v in book.labels.items()}], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _program(folders: Iterable[Path]) -> str:
    """Of every line of Python that may have a say in a card."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Snapshots:
    """Seals and opens them. ``about`` is the call's id: one call's snapshot is no other's."""

    def __init__(self, key: bytes, here: Fingerprints) -> None:
        """``key``: the ledger's."""
        self._seal = Seal(derived(key, _PURPOSE))
        self.here = here

    def close(
        self, call_id: str, case: Case, models: Iterable[str], report: str | None, withheld: Mapping[str, Stopped]
    ) -> str:
        """``withheld``: what may not speak here, by model."""
        kept = Snapshot(
            format=_FORMAT,
            hook=case.call.hook,
            language=case.words.language,
            patient_facing=case.patient_facing,
            record=_bare(case.record),
            drafts=_bare(case.drafts),
            states=case.evidence.states,
            studies=dict(case.studies),
            withheld={id: Held(withheld[id].since, withheld[id].cause) for id in case.withheld},
            report=report,
            models={id: self.here.models.get(id, "") for id in models},
            wording=self.here.wording.get(case.words.language, ""),
            program=self.here.program,
            version=__version__,
        )
        # the fastest level takes a tenth of the time of the usual one and leaves a fifth more
        return to_text(self._seal.close(zlib.compress(msgspec.json.encode(kept), 1), call_id.encode()))

    def open(self, call_id: str, sealed: bytes) -> Snapshot:
        """Raises ReplayFailed for one that was changed, is another call's or of a later version."""
        content = self._seal.open(sealed, call_id.encode())
        if content is None:
            raise ReplayFailed("what the call was made from was changed, or sealed with another ledger key")
        try:
            found = msgspec.json.decode(zlib.decompress(content), type=Snapshot)
        except (msgspec.MsgspecError, zlib.error) as error:
            raise ReplayFailed("what the call was made from was written by another version of the product") from error
        if found.format != _FORMAT:
            raise ReplayFailed(f"what the call was made from has format {found.format}, this version reads {_FORMAT}")
        return found


def readable(key: bytes) -> Callable[[str, bytes], Any]:
    """Opens a call's snapshot for the person it is of, by the call's id: whatever version wrote it. None: it can't be
    opened."""
    seal = Seal(derived(key, _PURPOSE))

    def opened(call_id: str, sealed: bytes) -> Any:
        content = seal.open(sealed, call_id.encode())
        try:
            return json.loads(zlib.decompress(content)) if content is not None else None
        except (zlib.error, ValueError):
            return None

    return opened


def resealed(before: bytes, after: bytes) -> Callable[[str, bytes], bytes | None]:
    """Moves a call's snapshot from one ledger key to another; None: it can't be opened."""
    old, new = Seal(derived(before, _PURPOSE)), Seal(derived(after, _PURPOSE))

    def move(call_id: str, sealed: bytes) -> bytes | None:
        content = old.open(sealed, call_id.encode())
        return new.close(content, call_id.encode()) if content is not None else None

    return move


def _bare(record: Record) -> Record:
    """Without the patient's id and language, which make no card, and without the drafts, which are kept apart."""
    return replace(record, patient_id="", language=None, drafts=None)
