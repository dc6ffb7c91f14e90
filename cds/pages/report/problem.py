"""'Report a problem': what a reader says is wrong with a report, kept in the ledger for those who look after it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from cds.engine import Engine
from cds.ids import new_id
from cds.ledger import ProblemEntry, ProblemKind
from cds.pages.report.stored import Opened
from cds.trust.smart import ReportSession

KINDS: tuple[ProblemKind, ...] = get_args(ProblemKind)
LONGEST = 2000
"""Characters of a description."""
_REFERENCE = re.compile(r"[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True)
class Typed:
    """A form that was not taken: what was typed, and the key of the sentence that says why."""

    kind: str = ""
    text: str = ""
    error: str = ""


def read(sent: Mapping[str, str]) -> tuple[ProblemKind, str] | Typed:
    kind = next((k for k in KINDS if k == sent.get("kind")), None)
    # browsers send line ends as CR LF and count one
    text = sent.get("text", "").replace("\r\n", "\n").strip()
    if kind is None:
        return Typed("", text[:LONGEST], "kind")
    if len(text) < 3:
        return Typed(kind, text, "empty")
    if len(text) > LONGEST:
        return Typed(kind, text[:LONGEST], "long")
    return kind, text


def record(engine: Engine, session: ReportSession, opened: Opened, kind: ProblemKind, text: str) -> str:
    """Keep it; a short reference for the reader. Raises LedgerError when neither database nor spool took it."""
    user = engine.ledger.patient_key(session.client, session.user) if session.user else None
    found = new_id()
    engine.ledger.record_problem(
        ProblemEntry(found, engine.now(), opened.call.id, opened.card.id, session.client, user, kind, text)
    )
    return found[-8:]


def reference(text: str | None) -> str:
    """Of a problem that was kept, from an address; nothing else gets onto the page that way."""
    return text if text is not None and _REFERENCE.fullmatch(text) else ""
