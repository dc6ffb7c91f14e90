"""A FHIR bulk export (NDJSON, one resource a line) as if every patient's chart were opened on one day.

For a hospital that has no past calls yet: the records are read and the models asked as in a live call. Nothing is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import orjson

from cds import audit
from cds.cards.phrasebook import Phrasebook
from cds.errors import PolicyError
from cds.fhir.decoding import decode
from cds.fhir.evidence import Evidence
from cds.inference.batch import PATIENTS, assess
from cds.inference.model import Model
from cds.inference.prediction import Assessment
from cds.inference.registry import Registry
from cds.ledger.past import PastCall, PastPrediction
from cds.policy.schema import Policy
from cds.protocol.request import parse_call
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary
from cds.services import Case, Service, ServiceRegistry, Weighed

_HOOK = "patient-view"
CLIENT = "bulk-export"


class _Owner(msgspec.Struct):
    reference: str | None = None


class _Line(msgspec.Struct):
    """What says whose a resource is."""

    resourceType: str
    id: str | None = None
    subject: _Owner | None = None
    patient: _Owner | None = None

    @property
    def owner(self) -> str | None:
        if self.resourceType == "Patient":
            return self.id
        reference = (self.subject or self.patient or _Owner()).reference or ""
        kind, _, id = reference.rpartition("/")
        return id if kind == "Patient" or kind.endswith("/Patient") else None


_decoder = msgspec.json.Decoder(_Line)


def read_export(folder: Path) -> tuple[dict[str, list[bytes]], int]:
    """(lines by patient, lines that are no resource). Raises PolicyError for a folder without a patient in it."""
    found: dict[str, list[bytes]] = defaultdict(list)
    known, broken = set[str](), 0
    for path in sorted(folder.rglob("*.ndjson")):
        with path.open("rb") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    resource = _decoder.decode(line)
                except msgspec.MsgspecError:
                    broken += 1
                    continue
                owner = resource.owner
                if owner is None:
                    continue
                found[owner].append(line)
                if resource.resourceType == "Patient":
                    known.add(owner)
    patients = {id: lines for id, lines in found.items() if id in known}
    if not patients:
        raise PolicyError(f"{folder}: no *.ndjson file in it holds a Patient: give the folder of a FHIR bulk export")
    return patients, broken


class Export:
    """Iterated, it gives one past call a patient and service; it can be read again."""

    def __init__(
        self, patients: dict[str, list[bytes]], services: ServiceRegistry, models: Registry, words: Phrasebook,
        policy: Policy, at: datetime, zone: ZoneInfo, step: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """``policy``: the one in force; ``at``: when every chart is opened. ``step``: told after each patient."""
        self._patients, self._models, self._words, self._policy = patients, models, words, policy
        self._at, self._zone, self._step = at, zone, step
        self._services = [s for s in services.services.values() if s.hook == _HOOK]
        self._kept: list[PastCall] | None = None

    def __call__(self, about: Collection[str] = (), whole: Collection[str] = ()) -> Iterator[PastCall]:
        """Of every model what it answered, or why not; of whole records, none: a call's cards are not made."""
        if self._kept is None:
            self._kept = list(self._made())
        return iter(self._kept)

    def _made(self) -> Iterator[PastCall]:
        wanted = dict.fromkeys(id for service in self._services for id in service.all_models)
        models = [self._models[id] for id in wanted]
        ids = list(self._patients)
        for start in range(0, len(ids), PATIENTS):
            some = ids[start : start + PATIENTS]
            records = [_record(self._patients[id], id, self._models.vocabulary, self._at, self._zone) for id in some]
            for id, record, said in zip(some, records, assess(models, records), strict=True):
                yield from self._calls(id, record, models, said)
                self._step()

    def _calls(
        self, patient: str, record: Record, models: list[Model], said: tuple[Assessment, ...]
    ) -> Iterator[PastCall]:
        by_id = {model.manifest.id: answer for model, answer in zip(models, said, strict=True)}
        for service in self._services:
            mine = {id: by_id[id] for id in service.all_models}
            weighed = self._weighed(service, record, patient, mine)
            answers = tuple(_past(answer) for answer in mine.values())
            yield PastCall(self._at, CLIENT, service.id, service.hook, patient, None, weighed, answers)

    def _weighed(
        self, service: Service, record: Record, patient: str, assessments: dict[str, Assessment]
    ) -> dict[str, object]:
        context = {"userId": "Practitioner/preview", "patientId": patient}
        body = {"hook": service.hook, "hookInstance": "preview", "context": context}
        case = Case(
            parse_call(orjson.dumps(body)), record, record, assessments, Evidence(),
            service.parameters.model_validate(self._policy.service(service.id).parameters), self._policy, self._words,
            False,
        )  # fmt: skip
        found: dict[str, object] = {f.topic: dict(f.values) for f in service.run(case) if isinstance(f, Weighed)}
        return found | ({audit.CALL: ["deceased"]} if record.deceased else {})


def _record(lines: list[bytes], patient: str, vocabulary: Vocabulary, at: datetime, zone: ZoneInfo) -> Record:
    reader = Reader(vocabulary, patient, at, zone)
    evidence = Evidence()
    for line in lines:
        evidence.add(decode(line))
    reader.read(evidence.resources)
    record = reader.finish()
    record.malformed = evidence.malformed
    return record


def _past(answer: Assessment) -> PastPrediction:
    entry = audit.prediction(answer)
    return PastPrediction(
        entry.model, entry.model_version, entry.outputs,
        orjson.dumps(entry.inputs, option=orjson.OPT_SERIALIZE_NUMPY).decode(), False, entry.model_sha256,
        entry.outcome, entry.reason,
    )  # fmt: skip
