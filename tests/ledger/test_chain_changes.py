"""Rows go at a person's wish or for their age, and move under a new key; the chain tells each from theft."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ledger_entries
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from ready_ledger import ready

from cds.cli import main
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.ledger.chain import Chain
from cds.ledger.chained import BY_NAME, digests
from cds.ledger.committee_tables import call_snapshots, outcome_events
from cds.ledger.database import make_engine, parse_url
from cds.ledger.outcomes import OutcomeEvent
from cds.sealing import chain_keys
from cds.trust.smart.secrets import Seal, derived, to_text

KEY = "an-example-key-of-the-chain-tests-0123456789ab"


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "cds.toml"
    (tmp_path / "ledger.key").write_text(KEY, encoding="utf-8")
    path.write_text(
        f'data_dir = "{tmp_path}"\ndatabase_url = "{url}"\nledger_key_file = "{tmp_path}/ledger.key"\n'
        '[clients.north]\nissuer = "north"\njwks = {keys = []}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def book(url: str) -> Iterator[Book]:
    with Book(url) as opened:
        yield opened


@pytest.fixture
def calls(url: str, settings: Path, tmp_path: Path, book: Book) -> dict[str, str]:
    """p1 and p2, each with a call, what it was made from, feedback and an outcome; an old call of p3. All are linked.
    Patient -> call."""
    ready(url)
    ledger = Ledger(url, KEY.encode(), tmp_path / "spool", now=lambda: ledger_entries.NOW)
    seal = Seal(derived(KEY.encode(), "call snapshot"))
    made = {}
    for patient, at in (
        ("p1", datetime.now(UTC)),
        ("p2", datetime.now(UTC)),
        ("p3", datetime.now(UTC) - timedelta(days=900)),
    ):
        key = ledger.patient_key("north", patient)
        entry = ledger_entries.call(client="north", patient_key=key, at=at)
        entry = ledger_entries.call(
            client="north",
            patient_key=key,
            at=at,
            id=entry.id,
            snapshot=to_text(seal.close(b"facts", entry.id.encode())),
        )
        ledger.record_call(entry)
        ledger.record_feedback([ledger_entries.feedback(entry.cards[0].id, client="north")])
        event = OutcomeEvent("north", key, "event", "o", date(2026, 3, 1), "registry", None)
        book.put_all(outcome_events, [event.row("sweep", at)])
        made[patient] = entry.id
    ledger.drain()  # a machine under load may have spooled some
    ledger.close()
    assert run(settings, "audit", "seal").exit_code == 0
    return made


def run(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--settings", str(settings), *arguments], prog_name="cds")


def verified(settings: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(settings, "audit", "verify", "--json").stdout)
    return found


def execute(book: Book, statement: str, **values: Any) -> None:
    book.write(lambda c: c.execute(sa.text(statement), values))


def rekey(settings: Path, name: str = "new.key", *more: str) -> Result:
    folder = settings.parent
    result = run(settings, "ledger", "rekey", str(folder / name), "--yes", *more)
    if result.exit_code == 0:
        (folder / "ledger.key").write_bytes((folder / name).read_bytes())
    return result


def test_an_erased_patient_is_no_theft_and_a_stolen_row_still_is(
    settings: Path, calls: dict[str, str], book: Book
) -> None:
    assert run(settings, "ledger", "erase", "--patient", "p1", "--yes").exit_code == 0
    found = verified(settings)
    assert (found["good"], found["erased"], found["purged"]) == (True, 3, 0)
    execute(book, "DELETE FROM feedback")
    assert [(f["kind"], f["what"]) for f in verified(settings)["faults"]] == [("feedback", "removed")] * 2


def test_what_the_ledger_purged_is_no_theft(settings: Path, calls: dict[str, str]) -> None:
    assert run(settings, "ledger", "purge", "--older-than", "400", "--yes").exit_code == 0
    found = verified(settings)
    assert (found["good"], found["purged"]) == (True, 3)


@pytest.mark.parametrize("purge", [("ledger", "purge", "--older-than", "400"), ("audit", "purge")])
def test_what_became_of_a_patient_goes_with_their_last_call_and_not_before(
    settings: Path, calls: dict[str, str], book: Book, tmp_path: Path, purge: tuple[str, ...]
) -> None:
    """Outcomes of today: of p3, whose only call is old, and of p2, whose call is new."""
    (tmp_path / "cds.toml").write_text(settings.read_text("utf-8") + '[audit]\nkeep = "1y"\n', "utf-8")
    with_old_links(book)
    patient = sa.text("SELECT patient_key FROM calls WHERE id = :id")
    p2, p3 = (book.read(lambda c, id=calls[p]: c.execute(patient, {"id": id}).scalar_one()) for p in ("p2", "p3"))
    today = datetime.now(UTC)
    for key in (p2, p3):
        event = OutcomeEvent("north", key, "looked", "o", today.date(), "registry", None)
        book.put_all(outcome_events, [event.row("sweep", today)])
    assert run(settings, "audit", "seal").exit_code == 0
    removed = run(settings, *purge, "--yes")
    assert removed.exit_code == 0 and "outcome" in removed.stdout
    left = book.read(lambda c: set(c.scalars(sa.select(outcome_events.c.patient_key))))
    assert p3 not in left and p2 in left
    assert verified(settings)["good"]


def with_old_links(book: Book) -> None:
    """The old call was linked when it was new: when a link was made is no part of what it proves."""
    execute(
        book,
        "UPDATE audit_links SET at = :old WHERE row_id IN (SELECT id FROM calls WHERE at < :bound)",
        old=(datetime.now(UTC) - timedelta(days=899)).replace(tzinfo=None).isoformat(" "),
        bound=(datetime.now(UTC) - timedelta(days=800)).replace(tzinfo=None).isoformat(" "),
    )


def test_a_new_key_begins_a_segment_that_says_so(settings: Path, calls: dict[str, str], book: Book) -> None:
    before = verified(settings)
    assert rekey(settings).exit_code == 0
    found = verified(settings)
    # one link says that the key was replaced, and each row is linked again
    assert found["good"] and found["links"] == 2 * before["links"] + 1
    assert (found["renewed"], found["segments"], found["unlinked"]) == (before["links"], 2, {})
    told = run(settings, "audit", "verify").stdout
    assert "prove that they were not changed themselves, and no longer what their rows said" in told
    assert run(settings, "audit", "verify", "--head", before["head"]).exit_code == 0


def test_what_a_replay_needs_is_sealed_anew(settings: Path, calls: dict[str, str], book: Book) -> None:
    assert rekey(settings).exit_code == 0
    sealed = book.read(
        lambda c: c.execute(
            sa.select(call_snapshots.c.sealed).where(call_snapshots.c.call_id == calls["p1"])
        ).scalar_one()
    )
    material = (settings.parent / "new.key").read_bytes().strip()
    assert Seal(derived(material, "call snapshot")).open(sealed, calls["p1"].encode()) == b"facts"
    assert Seal(derived(KEY.encode(), "call snapshot")).open(sealed, calls["p1"].encode()) is None


def test_an_outcome_found_again_under_the_new_key_is_the_same_row(
    settings: Path, calls: dict[str, str], book: Book
) -> None:
    assert rekey(settings).exit_code == 0
    rows = book.read(lambda c: c.execute(sa.select(outcome_events)).mappings().all())
    names = ("client", "patient_key", "kind", "outcome", "day", "source", "reference")
    assert {OutcomeEvent(**{name: row[name] for name in names}).id for row in rows} == {row["id"] for row in rows}


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE calls SET language = 'xx' WHERE id = :id", ("call", "changed")),
        ("DELETE FROM call_snapshots WHERE call_id = :id", ("call", "changed")),
        ("UPDATE audit_links SET digest = 'x' WHERE seq = 2", ("call", "chain")),
    ],
)
def test_after_a_new_key_tampering_is_found_as_before(
    settings: Path, calls: dict[str, str], book: Book, statement: str, fault: tuple[str, str]
) -> None:
    assert rekey(settings).exit_code == 0
    execute(book, statement, **({"id": calls["p2"]} if ":id" in statement else {}))
    assert [(f["kind"], f["what"]) for f in verified(settings)["faults"]] == [fault]


def test_a_fault_is_not_covered_by_a_new_key(settings: Path, calls: dict[str, str], book: Book) -> None:
    execute(book, "UPDATE calls SET language = 'xx' WHERE id = :id", id=calls["p2"])
    refused = rekey(settings)
    assert refused.exit_code == 2 and "1 fault(s)" in refused.stderr
    assert rekey(settings, "new.key", "--despite-faults").exit_code == 0
    [fault] = verified(settings)["faults"]
    assert (fault["kind"], fault["row_id"], fault["what"]) == ("call", calls["p2"], "changed")


def test_the_old_key_alone_makes_no_link_in_the_new_segment(settings: Path, calls: dict[str, str], book: Book) -> None:
    """Whoever stole it, which is what keys are replaced for."""
    assert rekey(settings).exit_code == 0
    execute(
        book, "INSERT INTO policies (version, content, first_used_at) VALUES ('v', 'forged', '2026-01-01 00:00:00')"
    )
    assert Chain(book, *chain_keys(KEY.encode())).seal(datetime.now(UTC), thorough=True) == 1
    assert [(f["kind"], f["what"]) for f in verified(settings)["faults"]] == [("policy", "chain")]


def test_keys_replaced_twice_and_rows_that_go_after_that(settings: Path, calls: dict[str, str], book: Book) -> None:
    assert rekey(settings, "second.key").exit_code == 0
    assert rekey(settings, "third.key").exit_code == 0
    assert run(settings, "ledger", "erase", "--patient", "p2", "--yes").exit_code == 0
    assert run(settings, "ledger", "purge", "--older-than", "400", "--yes").exit_code == 0
    found = verified(settings)
    assert found["good"] and found["segments"] == 3
    assert found["erased"] == 3 and found["purged"] == 3


@pytest.mark.parametrize("removal", [("erase", "--patient", "p4"), ("purge", "--older-than", "400")])
def test_a_row_that_is_linked_just_as_it_goes_is_no_theft(
    url: str, settings: Path, calls: dict[str, str], book: Book, tmp_path: Path, removal: tuple[str, ...]
) -> None:
    """Another connection has linked it and not committed that yet when the removal begins."""
    ledger = Ledger(url, KEY.encode(), tmp_path / "spool", now=lambda: ledger_entries.NOW)
    old = datetime.now(UTC) - timedelta(days=900)
    entry = ledger_entries.call(client="north", patient_key=ledger.patient_key("north", "p4"), at=old)
    ledger.record_call(entry)
    ledger.drain()
    ledger.close()
    chain, call = Chain(book, *chain_keys(KEY.encode())), BY_NAME["call"]
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as sealing:
            chain.hold(sealing)
            assert chain.link(sealing, call, digests(sealing, call, [entry.id]), datetime.now(UTC)) == 1
            going = pool.submit(run, settings, "ledger", *removal, "--yes")
            # long enough to ask which of its rows have links, were that not put off
            wait([going], timeout=3)
            assert not going.done()
        assert going.result().exit_code == 0, going.result().output
    engine.dispose()
    assert book.read(lambda c: c.execute(sa.text("SELECT count(*) FROM calls")).scalar_one()) in (2, 3)
    found = verified(settings)
    assert found["faults"] == [] and found["unlinked"] == {}
