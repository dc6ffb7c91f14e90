"""Rows of the tables back to entries; ``cds.ledger.inserts`` is the way there."""

from __future__ import annotations

from sqlalchemy import RowMapping

from cds.ledger.entries import CardEntry, FeedbackEntry, PredictionEntry, ProblemEntry, ShadowCard, SuppressionEntry


def read_prediction(row: RowMapping) -> PredictionEntry:
    return PredictionEntry(
        id=row["id"],
        model=row["model"],
        model_version=row["model_version"],
        model_sha256=row["model_sha256"],
        outcome=row["outcome"],
        reason=row["reason"],
        inputs=row["inputs"],
        outputs=row["outputs"],
    )


def read_card(row: RowMapping, prediction_ids: tuple[str, ...]) -> CardEntry:
    about = dict(row["about"] or {})
    beside = tuple(about.pop("beside", ()))
    return CardEntry(
        row["id"],
        row["topic"],
        row["indicator"],
        row["body"],
        prediction_ids,
        about,
        row["band"] or 0,
        tuple(row["flags"] or ()),
        beside,
    )


def read_suppression(row: RowMapping) -> SuppressionEntry:
    return SuppressionEntry(row["topic"], row["reason"], row["until"], tuple(row["prediction_ids"]), row["body"])


def read_shadow(row: RowMapping) -> ShadowCard:
    return ShadowCard(row["topic"], row["indicator"], tuple(row["prediction_ids"]))


def read_problem(row: RowMapping) -> ProblemEntry:
    return ProblemEntry(**row)


def read_feedback(row: RowMapping) -> FeedbackEntry:
    return FeedbackEntry(
        card_id=row["card_id"],
        outcome=row["outcome"],
        suggestion_ids=tuple(row["suggestion_ids"]),
        reason_code=row["reason_code"],
        reason_system=row["reason_system"],
        reason_display=row["reason_display"],
        comment_present=row["comment_present"],
        client=row["client"],
        service=row["service"],
        outcome_at=row["outcome_at"],
        received_at=row["received_at"],
    )
