"""What this hospital has let out, and the refusal of a question that would, beside an earlier one, tell a single
person.

Two answers about almost the same people differ by the few who are in one only. So a person is asked about in one
period: a second round may ask about the same days again (another model, say), or about other days, and not about
overlapping ones; and the same model is answered for the same days once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError, ValidationRoundError
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.migrate import upgrade
from cds.ledger.tables import validation_answers
from cds.validation import rounds
from cds.validation.rounds import Round


@dataclass(frozen=True)
class Answer:
    """One signed result."""

    round_digest: str
    round_id: str
    model: str
    outcome: str
    begins: date
    ends: date
    result_digest: str
    reviewer: str
    at: datetime


class History:
    """In the ledger's database, so that every colleague who runs a round meets the same refusals."""

    def __init__(self, url: str) -> None:
        upgrade(url)
        self._engine = make_engine(parse_url(url), statement_s=5.0, connect_s=5.0)

    def answers(self) -> tuple[Answer, ...]:
        """Newest first. Raises LedgerError."""
        question = sa.select(validation_answers).order_by(validation_answers.c.at.desc())
        try:
            with self._engine.begin() as connection:
                return tuple(Answer(**row) for row in connection.execute(question).mappings())
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger's database: {fault(error)}") from error

    def check(self, asked: Round, result_digest: str | None = None) -> None:
        """Raises ValidationRoundError when answering would give somebody away, beside an earlier answer."""
        for answer in self.answers():
            self._compare(answer, asked, result_digest)

    def record(self, asked: Round, result_digest: str, reviewer: str, now: datetime) -> None:
        """Before the signed file exists: what is not written down does not leave. Again with the same result:
        nothing."""
        self.check(asked, result_digest)
        if any(answer.round_digest == rounds.digest(asked) for answer in self.answers()):
            return
        row = Answer(
            rounds.digest(asked),
            asked.id,
            asked.model.id,
            asked.outcome.name,
            asked.cohort.begins,
            asked.cohort.ends,
            result_digest,
            reviewer,
            now,
        )
        try:
            with self._engine.begin() as connection:
                connection.execute(validation_answers.insert(), row.__dict__)
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger's database: {fault(error)}") from error

    def close(self) -> None:
        self._engine.dispose()

    @staticmethod
    def _compare(answer: Answer, asked: Round, result_digest: str | None) -> None:
        told = (
            f"this hospital answered round {answer.round_id} about {answer.begins} to {answer.ends} on "
            f"{answer.at:%Y-%m-%d}"
        )
        if answer.round_digest == rounds.digest(asked):
            if result_digest not in (None, answer.result_digest):
                raise ValidationRoundError(
                    f"{told}, with other counts than these: two answers to one question tell who came in between; send "
                    "the first one again"
                )
            return
        same_days = (answer.begins, answer.ends) == (asked.cohort.begins, asked.cohort.ends)
        overlap = answer.begins <= asked.cohort.ends and asked.cohort.begins <= answer.ends
        if overlap and not same_days:
            raise ValidationRoundError(
                f"{told}: round {asked.id} asks about days that overlap them, and the difference of the two answers "
                "would be about few people; ask for other days, or for exactly the same"
            )
        if same_days and answer.model == asked.model.id and answer.outcome == asked.outcome.name:
            raise ValidationRoundError(
                f"{told} for the same model and outcome: other bins or subgroups over the same people can be "
                "subtracted from each other; one answer is enough"
            )
