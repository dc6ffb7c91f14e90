"""The ledger: every call, prediction, card, suppression and piece of feedback, on SQLite or PostgreSQL.

The patient is a keyed hash. A database that is down never holds up a card: the row goes to a spool on disk and
is moved in later. May import ``cds.errors`` only.
"""

from cds.ledger.entries import (
    CallEntry,
    CardEntry,
    FeedbackEntry,
    HeldCard,
    Override,
    PolicyAct,
    PolicyEntry,
    PolicyEvent,
    PolicyRecord,
    PolicyVersion,
    PredictionEntry,
    ProblemEntry,
    ProblemKind,
    SealedSession,
    ShadowCard,
    ShownCard,
    StoredCard,
    StoredPrediction,
    SuppressionEntry,
)
from cds.ledger.policies import PolicyLedger
from cds.ledger.writer import Ledger

__all__ = [
    "CallEntry",
    "CardEntry",
    "FeedbackEntry",
    "HeldCard",
    "Ledger",
    "Override",
    "PolicyAct",
    "PolicyEntry",
    "PolicyEvent",
    "PolicyLedger",
    "PolicyRecord",
    "PolicyVersion",
    "PredictionEntry",
    "ProblemEntry",
    "ProblemKind",
    "SealedSession",
    "ShadowCard",
    "ShownCard",
    "StoredCard",
    "StoredPrediction",
    "SuppressionEntry",
]
