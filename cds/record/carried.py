"""The stage that a problem carries itself (FHIR R4, ``Condition.stage``), as chart systems keep it that write no
Observation of it.

It has no day, so that of the problem stands in, and it is asked only where no observation tells the stage: one of those
has a day of its own and may be newer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cds.fhir import resources as fhir
from cds.record import concepts
from cds.record.facts import Fact, Record, Refused
from cds.record.moments import Moment


class _Stage(msgspec.Struct, gc=False):
    summary: fhir.CodeableConcept | None = None


_stages = msgspec.json.Decoder(list[_Stage])


class Carried:
    def __init__(
        self, asked: Mapping[str, concepts.Carried], answers: Callable[[fhir.CodeableConcept], tuple[str, ...]]
    ) -> None:
        """``asked``: by concept; ``answers``: what a summary's codes say."""
        self._asked, self._answers = asked, answers
        self._facts: list[Fact] = []
        self._refused: list[Refused] = []

    def take(self, names: tuple[str, ...], source: str, sent: bytes, when: Moment | None) -> None:
        """``names``: concepts of a problem that stands; ``sent``: its stages; ``when``: its day, and no future one."""
        asked = {concept: carried for concept, carried in self._asked.items() if carried.by in names} if sent else {}
        try:
            told = [stage.summary for stage in _stages.decode(sent) if stage.summary is not None] if asked else []
        except msgspec.MsgspecError:
            return
        for summary in told:
            answers = self._answers(summary)
            for concept, carried in asked.items():
                if said := tuple(a for a in answers if a in carried.answers):
                    self._facts.append(Fact(concept, source, when, answers=said))
                elif not answers and (summary.text or any(coding.code for coding in summary.coding)):
                    self._refused.append(Refused(concept, source, "no-value", when=when))

    def into(self, record: Record) -> None:
        if record.of(*self._asked):
            return
        for fact in self._facts:
            record.add(fact)
        if not self._facts:
            record.refused += self._refused
