"""The hash's key replaced: every hash in the ledger moved under one more key, in one transaction.

The service must not run meanwhile: what it wrote under the old key would be nobody's. A row of work that is done says
that it happened, so that doing it twice, after a crash halfway, is doing it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cds.errors import LedgerError
from cds.ledger.book import Book
from cds.ledger.chain import Checked
from cds.ledger.chain_changes import Chained
from cds.ledger.committee_tables import WHOLE, call_snapshots, outcome_events
from cds.ledger.outcomes import OutcomeEvent
from cds.ledger.patient_hash import moved, person
from cds.ledger.privacy import record
from cds.ledger.tables import jobs, predictions
from cds.ledger_key import chain, materials, whole

KIND = "rekey"
_PEOPLE = ("patient_key", "subject", "user_key")


def fingerprint(material: bytes) -> str:
    """Of the whole chain; leads back to no key."""
    return hashlib.sha256(b"ledger key " + whole(material)).hexdigest()[:16]


@dataclass(frozen=True)
class Audit:
    """The chain under the keys as they will be, and what it said under those before, just now."""

    chained: Chained
    checked: Checked


def _mark(material: bytes) -> str:
    return f"{KIND}:{fingerprint(material)}"


def done(book: Book, after: bytes) -> bool:
    """Whether the database is under these keys already."""
    question = sa.select(jobs.c.id).where(jobs.c.key == _mark(after))
    return book.read(lambda c: c.execute(question).first()) is not None


def require_one_more(before: bytes, after: bytes) -> None:
    """Raises LedgerError."""
    if materials(after)[:-1] != materials(before):
        raise LedgerError(
            "the new key file must hold the keys of the old one, and one more as its last line; name a file that is "
            "not there yet, and it is written so"
        )


def require_rest(connection: sa.Connection) -> None:
    """Raises LedgerError while a scan is being read."""
    if connection.execute(sa.select(jobs.c.id).where(jobs.c.state == "running").limit(1)).first() is not None:
        raise LedgerError("a scan is being read: stop the workers and the service first")


def rekey(
    connection: sa.Connection,
    before: bytes,
    after: bytes,
    audit: Audit,
    reseal: Callable[[str, bytes], bytes | None],
) -> int | None:
    """How many hashes were moved; None: it was done before. ``after``: the key file as it will be, one key more.

    ``reseal``: a call's snapshot under the new key, by the call's id; None where it can't be opened, which leaves it as
    it is. Rows of the audit's chain are linked again under the new key. Raises LedgerError while a scan is being read.
    """
    require_one_more(before, after)
    mark, new = _mark(after), chain(after)[-1]
    if connection.execute(sa.select(jobs.c.id).where(jobs.c.key == mark)).first() is not None:
        return None
    require_rest(connection)
    count = sum(_moved(connection, column, new) for column in _columns())
    count += _studies(connection, chain(after))
    _snapshots(connection, reseal)
    audit.chained.renew(connection, audit.checked, _outcomes(connection))
    record(connection, KIND, mark, {"hashes": count})
    return count


def _columns() -> Iterator[sa.Column[Any]]:
    for table in WHOLE.sorted_tables:
        yield from (table.c[name] for name in _PEOPLE if name in table.c)


def _moved(connection: sa.Connection, column: sa.Column[Any], key: bytes) -> int:
    """One after the other: each of the column's hashes, once."""
    found = [v for v in connection.scalars(sa.select(column).distinct()) if v]
    for value in found:
        connection.execute(sa.update(column.table).where(column == value).values({column.name: moved(value, key)}))
    return len(found)


def _studies(connection: sa.Connection, keys: tuple[bytes, ...]) -> int:
    """A study's hash is cut short, so it is made anew from the study, which the work names."""
    count = 0
    for row in connection.execute(sa.select(jobs).where(jobs.c.item.is_not(None))).mappings().all():
        uid, client = row["payload"].get("study"), row["payload"].get("client")
        if not uid or not client:
            continue
        old, new = row["item"], person(keys, client, f"study/{uid}")[: len(row["item"])]
        changed = {"item": new, "key": row["key"].replace(old, new, 1)}
        connection.execute(sa.update(jobs).where(jobs.c.id == row["id"]).values(**changed))
        _in_prediction(connection, row["result"], new)
        count += 1
    return count


def _snapshots(connection: sa.Connection, reseal: Callable[[str, bytes], bytes | None]) -> None:
    for call in connection.scalars(sa.select(call_snapshots.c.call_id)).all():
        where = call_snapshots.c.call_id == call
        sealed = reseal(call, connection.execute(sa.select(call_snapshots.c.sealed).where(where)).scalar_one())
        if sealed is not None:
            connection.execute(sa.update(call_snapshots).where(where).values(sealed=sealed))


def _outcomes(connection: sa.Connection) -> dict[str, str]:
    """An outcome's id is made of what it says, the hash included, so that one found again is the same: ids before and
    after."""
    renamed: dict[str, str] = {}
    names = [column.name for column in outcome_events.c if column.name not in ("id", "sweep_id", "recorded_at")]
    for row in connection.execute(sa.select(outcome_events)).mappings().all():
        new = OutcomeEvent(**{name: row[name] for name in names}).id
        renamed[row["id"]] = new
        connection.execute(sa.update(outcome_events).where(outcome_events.c.id == row["id"]).values(id=new))
    return renamed


def _in_prediction(connection: sa.Connection, result: Any, new: str) -> None:
    """A reading's prediction names its study as its input."""
    id = (result or {}).get("prediction")
    found = connection.execute(sa.select(predictions.c.inputs).where(predictions.c.id == str(id))).scalar_one_or_none()
    if found and "scan" in found:
        inputs = {**found, "scan": {**found["scan"], "value": new}}
        connection.execute(sa.update(predictions).where(predictions.c.id == str(id)).values(inputs=inputs))
