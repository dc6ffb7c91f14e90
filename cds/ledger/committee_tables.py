"""The committee's tables: outcomes, standings, verdicts, what became of problems, what replay needs, the chain.

Rows are only ever added. The chain's own rows stay when others go for their age: they hold digests alone.
"""

from __future__ import annotations

import sqlalchemy as sa

from cds.ledger.tables import Json, UtcDateTime, metadata

WHOLE = metadata
"""Every table of the ledger: whoever needs all of them asks here, so that these are there, too."""

charters = sa.Table(
    "charters",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("first_used_at", UtcDateTime, nullable=False),
)

outcome_sweeps = sa.Table(
    "outcome_sweeps",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    # which registry, as the person who imported it calls it
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("person", sa.Text),
    sa.Column("outcomes", Json, nullable=False),
    sa.Column("since", sa.Date),
    # up to this day the source is said to know of every outcome
    sa.Column("through", sa.Date),
    sa.Column("counts", Json, nullable=False),
    sa.Column("faults", Json, nullable=False),
    sa.Index("ix_outcome_sweeps_client_at", "client", "at"),
)

outcome_events = sa.Table(
    "outcome_events",
    metadata,
    # hash of what it says: found again, it is the same row
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("patient_key", sa.Text, nullable=False),
    # event, looked (somebody examined the patient for it) or contact (the patient was seen)
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reference", sa.Text),
    sa.Column("sweep_id", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Index("ix_outcome_events_client_patient_key", "client", "patient_key"),
)

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("model", sa.Text, nullable=False),
    # a client's name, or * for all
    sa.Column("site", sa.Text, nullable=False),
    # stop, resume, confirm, or ask (that it may be resumed)
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("second", sa.Text),
    # the stop that is confirmed, or the verdict that stopped it
    sa.Column("about", sa.Text),
    # who acted and who agreed, beside the names: issuer and subject of the hospital's own sign-in, or a local account
    sa.Column("person_id", sa.Text),
    sa.Column("second_id", sa.Text),
)

ended_sessions = sa.Table(
    "ended_sessions",
    metadata,
    # of the console: the number in its cookie
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("until", UtcDateTime, nullable=False, index=True),
)

sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    # a keyed hash of what wrong passwords are counted for
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("wrong", sa.Integer, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False, index=True),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("site", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("charter_version", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    # what this evaluation alone says, before hysteresis, and how often in a row
    sa.Column("raised", sa.Text, nullable=False),
    sa.Column("streak", sa.Integer, nullable=False),
    sa.Column("findings", Json, nullable=False),
    # fingerprint of the file that was judged; none in rows from before it was kept
    sa.Column("model_sha256", sa.Text),
    sa.Index("ix_verdicts_model_site_at", "model", "site", "at"),
)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("problem_id", sa.Text, nullable=False, index=True),
    # triage, link, note or close
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("severity", sa.Text),
    sa.Column("call_id", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
)

card_openings = sa.Table(
    "card_openings",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    # no foreign key: the card may still be on the spool
    sa.Column("card_id", sa.Text, nullable=False, index=True),
    sa.Column("client", sa.Text, nullable=False),
)

call_snapshots = sa.Table(
    "call_snapshots",
    metadata,
    sa.Column("call_id", sa.ForeignKey("calls.id"), primary_key=True),
    # what the models and the service saw, sealed with the ledger's key: see cds.replay
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

audit_links = sa.Table(
    "audit_links",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("row_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("note", Json),
    # how often the ledger's key had been replaced: the row is linked again under each
    sa.Column("segment", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("kind", "row_id", "segment"),
)
