"""What to know before the scan that a risk card asks for: imaging that may have been that scan, and a pregnancy.

Neither holds the card back. Imaging whose region no code tells may be of the head, and a CT that a pregnant patient
needs is not to be withheld (ACOG Committee Opinion 723, PMID 28937575, which calls ultrasound and MRI the techniques
of choice in pregnancy).
"""

from __future__ import annotations

import re

from cds.cards.phrasebook import Phrasebook
from cds.record.facts import Fact, Record
from cds.record.moments import Moment
from cds.services import Case
from hooks import gates, risk_decision
from hooks.risk_decision import Kind, RiskWeighed

PREGNANCY, STATUS = "pregnancy", "pregnancy-status"
PREGNANT, NOT_PREGNANT = "pregnant", "not-pregnant"
READS = (PREGNANCY, STATUS)

PREGNANT_FOR_DAYS = 304.0
"""Ten months: an entry older than that is of a pregnancy that has ended, whatever its status."""
UNDATED_UNTIL = 55
"""Years of age: an entry without a date that still stands later in life is one that nobody took off the list."""
_NAMED = 5
_LONGEST = 60
# Cards are Markdown: without brackets, dots and colons a text from the archive can't become a link, an image or a tag
_ODD = re.compile(r"[^\w/%+,() '-]|_")


def sentences(case: Case, weighed: RiskWeighed, kind: Kind | None, *, refers: bool = False) -> list[str]:
    """``refers``: the card asks for a referral, which waits for no imaging of nobody knows what."""
    words, parameters, found = case.words, case.parameters, list[str]()
    imaging = gates.may_have_answered(
        case.record,
        parameters.recent_imaging,
        parameters.imaging_modalities,
        risk_decision.since(weighed, kind, parameters),
    )
    if imaging:
        items = [_called(words, fact, parameters.imaging_modalities) for fact in imaging[:_NAMED]]
        told = "risk.before.imaging_and_referral" if refers else "risk.before.imaging"
        found.append(words(told, items=words.join(items)))
    if (fact := pregnancy(case.record)) is not None:
        found.append(words("risk.before.pregnancy", day=words.day(fact.when)))
    return found


def pregnancy(record: Record) -> Fact | None:
    """What says that the patient is pregnant now: an active problem or a status of the last ten months, or a problem
    without a date in who may be; none where a later status says that she is not."""
    status = record.has(STATUS, within_days=PREGNANT_FOR_DAYS)
    if status is not None and PREGNANT in status.answers:
        return status
    denied = status.when if status is not None and NOT_PREGNANT in status.answers else None
    told = (fact for fact in record.of(PREGNANCY) if fact.status != "inactive" and not fact.provisional)
    return next((fact for fact in told if _current(fact, record, denied)), None)


def _current(problem: Fact, record: Record, denied: Moment | None) -> bool:
    if problem.when is None:
        return denied is None and (record.age is None or record.age <= UNDATED_UNTIL)
    recent = problem.when.days_before(record.now) <= PREGNANT_FOR_DAYS
    return recent and (denied is None or problem.when.middle > denied.middle)


def _called(words: Phrasebook, study: Fact, modalities: tuple[str, ...]) -> str:
    """``CT of 16 Nov 2026 (“CT abdomen”)``"""
    kinds = "/".join(kind for kind in study.modalities if kind in modalities) or words("risk.before.unknown")
    key = "named" if (title := _plain(study.title)) else "unnamed"
    return words(f"risk.before.{key}", kind=kinds, day=words.day(study.when), title=title)


def _plain(title: str) -> str:
    text = " ".join(_ODD.sub(" ", title).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"
