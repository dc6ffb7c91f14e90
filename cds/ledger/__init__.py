"""The ledger: every call, prediction, card, suppression and piece of feedback, on SQLite or PostgreSQL.

The patient is a keyed hash. A database that is down never holds up a card: the row goes to a spool on disk and
is moved in later. May import ``cds.errors`` and ``cds.ids`` only.
"""

from cds.ledger.entries import (
    CallEntry,
    CardEntry,
    FeedbackEntry,
    Override,
    PolicyEntry,
    PredictionEntry,
    ProblemEntry,
    ProblemKind,
    SealedSession,
    StoredCard,
    StoredPrediction,
    SuppressionEntry,
)
from cds.ledger.writer import Ledger

__all__ = [
    "CallEntry",
    "CardEntry",
    "FeedbackEntry",
    "Ledger",
    "Override",
    "PolicyEntry",
    "PredictionEntry",
    "ProblemEntry",
    "ProblemKind",
    "SealedSession",
    "StoredCard",
    "StoredPrediction",
    "SuppressionEntry",
]
