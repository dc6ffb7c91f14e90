"""One patient's rows are found by the keyed hash with all that hangs on them: handed over whole, or gone whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import ledger_entries
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from cds.cli import main
from cds.errors import SettingsError
from cds.jobs import Jobs
from cds.ledger import Ledger, ProblemEntry, SealedSession, erased, migrate, privacy, rekeying, retention
from cds.ledger.book import Book
from cds.ledger.chain import Chain
from cds.ledger.chain_changes import Chained
from cds.ledger.committee_tables import WHOLE as metadata
from cds.ledger.database import make_engine, parse_url
from cds.ledger.drain import Drain
from cds.ledger.patient_hash import moved, person
from cds.ledger.spool import Spool
from cds.ledger_key import chain, whole, with_one_more
from cds.sealing import chain_keys, require_own_key
from cds.settings import load
from cds.trust.smart.secrets import derived

KEY = "an-example-key-of-the-privacy-tests-0123456789"
NORTH, OTHER = "north", "south"
SECRET = "Mrs Strange's own words"


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "cds.toml"
    (tmp_path / "ledger.key").write_text(KEY, encoding="utf-8")
    clients = "".join(f'[clients.{name}]\nissuer = "{name}"\njwks = {{keys = []}}\n' for name in (NORTH, OTHER))
    path.write_text(
        f'data_dir = "{tmp_path}"\ndatabase_url = "{url}"\nledger_key_file = "{tmp_path}/ledger.key"\n{clients}',
        encoding="utf-8",
    )
    return path


Open = Callable[[str, bytes], Ledger]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A ledger at a URL under a key; closed at the end."""
    made: list[Ledger] = []

    def make(url: str, key: bytes) -> Ledger:
        made.append(Ledger(url, key, tmp_path / "spool", now=lambda: ledger_entries.NOW))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def kept(url: str, opened: Open) -> Ledger:
    """Two calls of p1, one of p2, one of another hospital's p1; feedback, a problem and a scan of p1."""
    migrate.upgrade(url)
    ledger = opened(url, KEY.encode())
    for client, patient in ((NORTH, "p1"), (NORTH, "p1"), (NORTH, "p2"), (OTHER, "p1")):
        fill(ledger, client, patient)
    jobs = Jobs(url)
    study = ledger.patient_key(NORTH, "study/1.2.3")[:32]
    payload = {"study": "1.2.3", "client": NORTH}
    jobs.enqueue("study", f"{study}:m:1:x", payload, subject=ledger.patient_key(NORTH, "p1"), item=study)
    jobs.enqueue("study", f"{study}:n:1:x", payload, item=study)  # asked for by one who did not know whose it is
    jobs.enqueue("study", "other:m:1:x", {"study": "9.9", "client": NORTH}, subject=ledger.patient_key(NORTH, "p2"))
    jobs.close()
    return ledger


def fill(ledger: Ledger, client: str, patient: str, **changes: Any) -> None:
    entry = ledger_entries.call(client=client, patient_key=ledger.patient_key(client, patient), **changes)
    assert ledger.record_call(entry)
    [card] = entry.cards
    ledger.record_feedback([ledger_entries.feedback(card.id, client=client)])
    ledger.record_problem(
        ProblemEntry(entry.id + "-p", ledger_entries.NOW, entry.id, card.id, client, None, "wrong-data", SECRET, "open")
    )


def counts(url: str) -> dict[str, int]:
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    try:
        with engine.connect() as connection:
            return {
                table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }
    finally:
        engine.dispose()


def verified(url: str, key: str) -> list[tuple[int, str]]:
    """Faults of the audit."""
    with Book(url) as book:
        return [(fault.seq, fault.what) for fault in Chain(book, *chain_keys(key.encode())).verify().faults]


def run(settings: Path, *arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--settings", str(settings), "ledger", *arguments], input=input, prog_name="cds")


def test_a_patient_is_gone_with_all_that_hangs_on_them_and_nobody_else_is(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    before = counts(url)
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert result.exit_code == 0, result.output
    after = counts(url)
    gone = {name: before[name] - after[name] for name in before if before[name] != after[name]}
    each = {"calls": 1, "predictions": 4, "cards": 1, "card_predictions": 2, "suppressions": 1}
    each |= {"feedback": 1, "problems": 1}
    assert {name: gone[name] for name in each} == {name: 2 * count for name, count in each.items()}
    # two works of their scan, the one that nobody knew to be theirs included; one row says that it was done
    assert gone["jobs"] == 2 - 1
    again = opened(url, KEY.encode())
    assert again.newest_card(NORTH, again.patient_key(NORTH, "p1")) is None
    for client, patient in ((NORTH, "p2"), (OTHER, "p1")):
        assert again.newest_card(client, again.patient_key(client, patient)) is not None


def test_an_open_report_is_told_without_what_is_sealed_and_ends(
    kept: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    """Of somebody of whom there is nothing else, too."""
    ends = ledger_entries.NOW + timedelta(hours=1)
    for patient in ("p1", "p9"):
        key = kept.patient_key(NORTH, patient)
        kept.put_session(SealedSession(f"of {patient}", NORTH, ledger_entries.NOW, ends, b"\x00sealed", key))
    content, _ = exported(settings, tmp_path / "mine.json")
    [told] = content["rows"]["report_sessions"]
    assert told["id"] == "of p1" and told["sealed"] == "(7 bytes that the reader's browser opens)"
    for patient, left in (("p9", 1), ("p1", 0)):
        result = run(settings, "erase", "--client", NORTH, "--patient", patient, "--yes")
        assert "1 report_sessions" in result.output and counts(url)["report_sessions"] == left


def test_what_the_committee_noted_of_them_goes_as_well(kept: Ledger, settings: Path, url: str) -> None:
    """A table of another part of the house, found by the names of its columns."""
    note = {"at": ledger_entries.NOW, "action": "note", "person": "a", "text": SECRET}
    theirs = kept.patient_key(NORTH, "p1")
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    with engine.begin() as connection:
        ids = list(connection.scalars(sa.select(metadata.tables["problems"].c.id)))
        for number, id in enumerate(ids):
            table = metadata.tables["incident_events"]
            connection.execute(sa.insert(table).values(id=str(number), problem_id=id, **note))
        event = {"client": NORTH, "kind": "event", "outcome": "o", "day": ledger_entries.NOW.date(), "source": "s"}
        more = {"sweep_id": "w", "recorded_at": ledger_entries.NOW}
        table = metadata.tables["outcome_events"]
        for id, key in (("e1", theirs), ("e2", kept.patient_key(NORTH, "p2"))):
            connection.execute(sa.insert(table).values(id=id, patient_key=key, **event, **more))
    engine.dispose()
    before = counts(url)
    assert run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes").exit_code == 0
    after = counts(url)
    assert before["incident_events"] - after["incident_events"] == 2
    assert before["outcome_events"] - after["outcome_events"] == 1


# PostgreSQL's vacuum frees its pages in its own time
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_nothing_of_the_patient_is_left_in_the_file(kept: Ledger, settings: Path, url: str, tmp_path: Path) -> None:
    for client, patient in ((NORTH, "p1"), (NORTH, "p2"), (OTHER, "p1")):
        assert run(settings, "erase", "--client", client, "--patient", patient, "--yes").exit_code == 0
    kept.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert SECRET.encode() not in content
    assert b"Consider a scan" not in content


def test_a_dry_run_counts_and_removes_nothing(kept: Ledger, settings: Path, url: str) -> None:
    before = counts(url)
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--dry-run")
    assert "2 calls" in result.output and "2 jobs" in result.output
    assert counts(url) == before


def test_it_asks_before_and_the_id_may_be_typed(kept: Ledger, settings: Path, url: str) -> None:
    before = counts(url)
    refused = run(settings, "erase", "--client", NORTH, input="p1\nn\n")
    assert refused.exit_code == 1
    assert counts(url) == before
    assert run(settings, "erase", "--client", NORTH, input="p1\ny\n").exit_code == 0
    assert counts(url)["calls"] == before["calls"] - 2


def test_whose_id_it_is_has_to_be_said_where_there_are_several_hospitals(kept: Ledger, settings: Path) -> None:
    result = run(settings, "erase", "--patient", "p1", "--yes")
    assert result.exit_code == 2
    assert "--client: there is not just one" in result.stderr


def ids_of(connection: sa.Connection, table: str) -> list[str]:
    return list(connection.scalars(sa.select(metadata.tables[table].c.id)))


def test_that_it_was_done_is_kept_and_not_to_whom(kept: Ledger, settings: Path, url: str) -> None:
    with Book(url) as book:
        ids = [id for table in ("calls", "cards") for id in book.read(lambda c, t=table: ids_of(c, t))]  # type: ignore[misc]
    run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    jobs = Jobs(url)
    [row] = [job for job in jobs.newest() if job.kind == "erase"]
    jobs.close()
    assert row.result is not None and len(row.result["gone"]) == 2 + 2  # calls and cards
    assert not any(id in json.dumps(row.result) for id in ids)
    assert row.result is not None and row.result["rows"]["calls"] == 2
    told = json.dumps([row.key, row.payload, row.result])
    assert "p1" not in told and person(chain(KEY.encode()), NORTH, "p1") not in told


def test_what_waits_on_the_spool_goes_too(kept: Ledger, settings: Path, tmp_path: Path) -> None:
    kept.close()
    for patient in ("p1", "p2"):
        entry = ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, patient))
        Spool(tmp_path / "spool").put([entry, ledger_entries.feedback(entry.cards[0].id, client=NORTH)])
    assert len(list((tmp_path / "spool").glob("*.json"))) == 4
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "2 from this machine's spool" in result.output
    [call, _] = sorted((tmp_path / "spool").glob("*.json"))
    assert json.loads(call.read_text())["entry"]["patient_key"] == person(chain(KEY.encode()), NORTH, "p2")


def test_what_is_stored_of_a_call_that_is_on_the_spool_is_found_as_well(
    kept: Ledger, settings: Path, tmp_path: Path
) -> None:
    """A call that no database takes was answered all the same: what is said of its cards is stored."""
    entry = ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p7"))
    other = ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p8"))
    for call in (entry, other):
        Spool(tmp_path / "spool").reject(call, "DataError")
        kept.record_feedback([ledger_entries.feedback(call.cards[0].id, client=NORTH)])
        kept.record_problem(
            ProblemEntry(call.id, ledger_entries.NOW, call.id, None, NORTH, None, "wrong-data", SECRET, "open")
        )
    assert run(settings, "export", "--client", NORTH, "--patient", "p7", str(tmp_path / "f.json")).exit_code == 0
    rows = json.loads((tmp_path / "f.json").read_text())["rows"]
    assert [row["card_id"] for row in rows["feedback"]] == [entry.cards[0].id]
    assert [row["call_id"] for row in rows["problems"]] == [entry.id]
    result = run(settings, "erase", "--client", NORTH, "--patient", "p7", "--yes")
    assert "Removed: 1 feedback, 1 problems" in result.output
    assert kept.feedback_on(entry.cards[0].id) == () and len(kept.feedback_on(other.cards[0].id)) == 1
    left = {problem.id for problem in kept.problems()}
    assert entry.id not in left and other.id in left


def test_everything_of_a_patient_is_handed_over_and_of_nobody_else(
    kept: Ledger, settings: Path, tmp_path: Path
) -> None:
    result = run(settings, "export", str(tmp_path / "mine.json"), "--client", NORTH, "--patient", "Patient/p1")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "mine.json").stat().st_mode & 0o777 == 0o600
    rows = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))["rows"]
    assert {name: len(found) for name, found in rows.items()}.items() >= {
        "calls": 2, "predictions": 8, "cards": 2, "feedback": 2, "problems": 2, "jobs": 2
    }.items()  # fmt: skip
    assert {row["patient_key"] for row in rows["calls"]} == {person(chain(KEY.encode()), NORTH, "p1")}
    assert rows["cards"][0]["body"]["summary"] == "Consider a scan"
    assert run(settings, "export", str(tmp_path / "mine.json"), "--client", NORTH, "--patient", "p1").exit_code == 2


ANOTHER = "another-key-of-the-privacy-tests-9876543210"


def sealed(url: str, key: bytes) -> None:
    with Book(url) as book:
        Chain(book, *chain_keys(key)).seal(ledger_entries.NOW, thorough=True)


def test_under_another_key_nothing_is_answered_and_nothing_removed(
    kept: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    """Nobody is found under it, which must not be told as if the ledger had nothing of them."""
    sealed(url, KEY.encode())
    (tmp_path / "ledger.key").write_text(ANOTHER, encoding="utf-8")
    before = counts(url)
    of = ("--client", NORTH, "--patient", "p1")
    for command in (
        ("erase", *of, "--yes"), ("erase", *of, "--dry-run"), ("export", str(tmp_path / "mine.json"), *of),
        ("purge", "--older-than", "1", "--yes"),
    ):  # fmt: skip
        result = run(settings, *command)
        assert result.exit_code == 2, (command, result.output)
        assert "the ledger key is not this ledger's" in result.stderr
    assert counts(url) == before and not (tmp_path / "mine.json").exists()


def test_when_the_key_was_replaced_the_old_one_is_another(
    kept: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    """And so is a file that holds a key more than the ledger is under."""
    sealed(url, KEY.encode())
    kept.close()
    of = ("--client", NORTH, "--patient", "p1", "--dry-run")
    (tmp_path / "ledger.key").write_text(f"{KEY}\n{ANOTHER}\n", encoding="utf-8")
    assert "not this ledger's" in run(settings, "erase", *of).stderr
    (tmp_path / "ledger.key").write_text(KEY, encoding="utf-8")
    assert run(settings, "rekey", str(tmp_path / "new.key"), "--yes").exit_code == 0
    assert "not this ledger's" in run(settings, "erase", *of).stderr
    (tmp_path / "ledger.key").write_bytes((tmp_path / "new.key").read_bytes())
    assert "2 calls" in run(settings, "erase", *of).output


def test_the_line_end_of_a_key_from_the_environment_is_part_of_it(
    url: str, settings: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Secret made of a file has it: rows were kept so, and no other key finds them."""
    migrate.upgrade(url)
    fill(opened(url, f"{KEY}\n".encode()), NORTH, "p1")
    monkeypatch.setenv("CDS_LEDGER_KEY", f"{KEY}\n")
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "1 calls" in result.output
    assert "the key could not be tried" in result.stderr  # no row is linked yet


def test_a_key_changed_without_more_stays_visible_after_links_of_its_own(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    sealed(url, KEY.encode())
    (tmp_path / "ledger.key").write_text(ANOTHER, encoding="utf-8")
    fill(opened(url, ANOTHER.encode()), NORTH, "p2")
    sealed(url, ANOTHER.encode())
    before = counts(url)
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert result.exit_code == 2 and "not this ledger's alone" in result.stderr
    assert counts(url) == before
    # whose rows are is not asked of what is old
    assert run(settings, "purge", "--older-than", "1", "--yes").exit_code == 0


def test_links_that_an_earlier_version_made_with_the_line_end_after_several_keys_are_of_no_other_key(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Secret made of the file that `rekey` writes hands it over. Its rows are found: nothing is to be refused."""
    sealed(url, KEY.encode())
    assert run(settings, "rekey", str(tmp_path / "new.key"), "--yes").exit_code == 0
    material = (tmp_path / "new.key").read_bytes()
    assert material.endswith(b"\n")
    monkeypatch.setenv("CDS_LEDGER_KEY", material.decode())
    ledger = opened(url, material)
    with Book(url) as book:
        for keys in (
            (chain_keys(material)[0], derived(material, "audit chain")),
            chain_keys(material),
        ):
            fill(ledger, NORTH, "p1")
            assert Chain(book, *keys).seal(ledger_entries.NOW, thorough=True) == 3
            result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--dry-run")
            assert result.exit_code == 0, result.stderr
    assert "4 calls" in result.output
    verified = CliRunner().invoke(main, ["--settings", str(settings), "audit", "verify"], prog_name="cds")
    assert verified.exit_code == 0, verified.output
    assert run(settings, "rekey", str(tmp_path / "third.key"), "--yes").exit_code == 0


def test_a_line_end_after_a_lone_key_makes_another_key_of_it(
    kept: Ledger, settings: Path, url: str, opened: Open
) -> None:
    """Rows are under it, so that they are not found without."""
    sealed(url, KEY.encode())
    fill(opened(url, f"{KEY}\n".encode()), NORTH, "p1")
    sealed(url, f"{KEY}\n".encode())
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--dry-run")
    assert result.exit_code == 2 and "not this ledger's" in result.stderr


@pytest.fixture
def between(kept: Ledger, settings: Path, url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Another key was in use for a while, and the one before is back: what the newest link and the first are of."""
    monkeypatch.setattr("cds.ledger.chain._LINKS_AT_ONCE", 3)
    sealed(url, KEY.encode())
    ledger = opened(url, ANOTHER.encode())
    fill(ledger, NORTH, "p1")
    sealed(url, ANOTHER.encode())
    fill(kept, NORTH, "p2")
    sealed(url, KEY.encode())
    return ledger


def test_a_key_that_was_in_use_for_a_while_between_stays_visible(
    between: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    """Its rows would be told as if they were not there."""
    before = counts(url)
    of = ("--client", NORTH, "--patient", "p1")
    for command in (("erase", *of, "--yes"), ("erase", *of, "--dry-run"), ("export", str(tmp_path / "mine.json"), *of)):
        result = run(settings, *command)
        assert result.exit_code == 2, result.output
        # a call, feedback and a problem
        assert "CDS-101: 3 link(s) of the ledger's audit, of " in result.stderr
        assert "With --despite-key the command goes on" in result.stderr
    assert counts(url) == before and not (tmp_path / "mine.json").exists()


def test_despite_other_keys_a_person_is_found_under_one_key_at_a_time(
    between: Ledger, settings: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = ("--client", NORTH, "--patient", "p1", "--despite-key")
    before = counts(url)["calls"]
    for key, calls in ((ANOTHER, 1), (KEY, 2)):
        monkeypatch.setenv("CDS_LEDGER_KEY", key)
        exported = run(settings, "export", str(tmp_path / f"{calls}.json"), *of)
        content = json.loads((tmp_path / f"{calls}.json").read_text(encoding="utf-8"))
        assert len(content["rows"]["calls"]) == calls and content["about"].startswith("Some of the rows")
        result = run(settings, "erase", *of, "--yes")
        assert f"Removed: {calls} calls" in result.output
        nothing = run(settings, "erase", *of, "--yes")
        assert "nothing of this patient" in nothing.output
        for one in (exported, result, nothing):
            assert one.exit_code == 1 and "This may not be all: rows that were kept under another key" in one.stderr
        before -= calls
        assert counts(url)["calls"] == before


def test_an_erasure_with_the_service_s_own_key_last_leaves_the_ledger_this_key_s(
    between: Ledger, settings: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing is found under it: at night nobody calls, so nothing is linked, and the purge would refuse it."""
    of = ("--client", NORTH, "--patient", "p1", "--despite-key")
    for key in (KEY, ANOTHER):
        monkeypatch.setenv("CDS_LEDGER_KEY", key)
        assert "Removed: " in run(settings, "erase", *of, "--yes").output
    monkeypatch.setenv("CDS_LEDGER_KEY", KEY)
    assert run(settings, "erase", *of, "--dry-run").exit_code == 1
    with pytest.raises(SettingsError, match="newest link"):
        require_own_key(url, KEY.encode())
    faults = verified(url, KEY)
    assert "nothing of this patient" in run(settings, "erase", *of, "--yes").output
    assert require_own_key(url, KEY.encode())
    assert verified(url, KEY) == faults and faults
    # the next has no need of another link, and a key that no link was made with makes none
    before = counts(url)["audit_links"]
    for key in (KEY, "a key of nobody's, mistyped, 0123456789abcdef"):
        monkeypatch.setenv("CDS_LEDGER_KEY", key)
        assert run(settings, "erase", *of, "--yes").exit_code == 1
    assert counts(url)["audit_links"] == before


def test_an_erasure_under_a_key_of_before_takes_no_ledger_over(
    opened: Open, settings: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service began with another key and goes on with its own, as after a line end that its Secret lost."""
    migrate.upgrade(url)
    for key, patient in ((ANOTHER, "p1"), (KEY, "p2")):
        ledger = opened(url, key.encode())
        fill(ledger, NORTH, patient)
        sealed(url, key.encode())
    links = counts(url)["audit_links"]
    monkeypatch.setenv("CDS_LEDGER_KEY", ANOTHER)
    of = ("--client", NORTH, "--despite-key", "--yes")
    assert "nothing of this patient" in run(settings, "erase", *of, "--patient", "nobody").output
    assert counts(url)["audit_links"] == links
    assert "Removed: " in run(settings, "erase", *of, "--patient", "p1").output
    assert counts(url)["audit_links"] == links + 1
    monkeypatch.setenv("CDS_LEDGER_KEY", KEY)
    assert "nothing of this patient" in run(settings, "erase", *of, "--patient", "p1").output
    assert require_own_key(url, KEY.encode(), for_persons=False)


def test_with_the_ledgers_own_key_the_option_changes_nothing(kept: Ledger, settings: Path, url: str) -> None:
    sealed(url, KEY.encode())
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes", "--despite-key")
    assert result.exit_code == 0 and "2 calls" in result.output and "not all" not in result.output


def test_that_nobody_was_there_is_told_and_no_erasure_kept(kept: Ledger, settings: Path, url: str) -> None:
    before = counts(url)
    result = run(settings, "erase", "--client", NORTH, "--patient", "nobody", "--yes")
    assert result.exit_code == 0 and "The ledger has nothing of this patient." in result.output
    assert "Removed" not in result.output
    assert counts(url) == before


class Drainer:
    """A service on this machine that would store what waits as soon as the database has nothing of a patient."""

    def __init__(self, ledger: Ledger, patient: str) -> None:
        self._ledger, self._patient, self._at_it = ledger, patient, False
        self.moved: list[int] = []

    def __call__(self, *_: Any) -> None:
        """Whenever a connection to the database ends."""
        if not self._at_it:
            self._at_it = True
            if self._ledger.newest_card(NORTH, self._patient) is None:
                self.moved.append(self._ledger.drain())
            self._at_it = False


def test_no_row_of_the_spool_comes_back_between_the_database_and_the_spool(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    kept.close()
    key = kept.patient_key(NORTH, "p1")
    Spool(tmp_path / "spool").put([ledger_entries.call(client=NORTH, patient_key=key) for _ in range(3)])
    drainer = Drainer(opened(url, KEY.encode()), key)
    counting = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--dry-run")
    assert "3 on this machine's spool" in counting.output
    sa.event.listen(sa.pool.Pool, "checkin", drainer)
    try:
        result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    finally:
        sa.event.remove(sa.pool.Pool, "checkin", drainer)
    assert "Removed: 3 from this machine's spool" in result.output
    assert drainer.moved and not any(drainer.moved)
    assert opened(url, KEY.encode()).newest_card(NORTH, key) is None
    assert list(Spool(tmp_path / "spool").all()) == []


def test_a_row_that_is_stored_while_it_is_looked_for_is_found(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the database was counted, before the spool is: it would be in neither."""
    kept.close()
    drainer, look = opened(url, KEY.encode()), privacy.in_one_transaction
    moved: list[int] = []
    Spool(tmp_path / "spool").put([ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p9"))])

    def counted(url: str, work: Callable[[Any], Any]) -> Any:
        found = look(url, work)
        moved.append(drainer.drain())
        return found

    monkeypatch.setattr(privacy, "in_one_transaction", counted)
    result = run(settings, "erase", "--client", NORTH, "--patient", "p9", "--yes")
    assert moved and "Removed: 1 from this machine's spool" in result.output, result.output
    assert (
        drainer.newest_card(NORTH, kept.patient_key(NORTH, "p9")) is None and Spool(tmp_path / "spool").waiting() == []
    )


@pytest.fixture
def elsewhere(kept: Ledger, settings: Path, tmp_path: Path) -> tuple[Path, Spool]:
    """Settings of another machine, and its spool: feedback on stored cards of p1 and p2, and problems."""
    file = tmp_path / "elsewhere.toml"
    lines = settings.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([f'data_dir = "{tmp_path}/elsewhere"', *lines[1:]]), encoding="utf-8")
    spool = Spool(tmp_path / "elsewhere" / "spool")
    for patient in ("p1", "p2"):
        card = kept.newest_card(NORTH, kept.patient_key(NORTH, patient))
        assert card is not None
        stored = kept.card(card)
        assert stored is not None
        problem = ProblemEntry(
            patient, ledger_entries.NOW, stored.call_id, None, NORTH, None, "wrong-data", SECRET, "open"
        )
        spool.put([ledger_entries.feedback(card, client=NORTH, reason_code="late"), problem])
    return file, spool


def test_what_waits_on_another_machine_does_not_come_back_after_an_erasure(
    elsewhere: tuple[Path, Spool], settings: Path, url: str, tmp_path: Path
) -> None:
    assert run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes").exit_code == 0
    before = counts(url)
    ledger = Ledger(url, KEY.encode(), tmp_path / "elsewhere" / "spool", now=lambda: ledger_entries.NOW)
    assert ledger.drain() == 2
    after = counts(url)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "feedback": 1, "problems": 1
    }  # fmt: skip
    assert {problem.id for problem in ledger.problems()} >= {"p2"} and ledger.spooled() == ledger.rejected() == 0
    assert "p1" not in {problem.id for problem in ledger.problems()}
    ledger.close()


def test_what_is_said_of_a_card_that_was_erased_is_not_kept(kept: Ledger, settings: Path, url: str) -> None:
    """The EHR shows it still, and the report stands open. Nobody would find it with its person."""
    cards = {one: kept.newest_card(NORTH, kept.patient_key(NORTH, one)) for one in ("p1", "p2")}
    assert run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes").exit_code == 0
    before = counts(url)
    said = [ledger_entries.feedback(card or "", client=NORTH, reason_code="late") for card in cards.values()]
    assert kept.record_feedback(said) == 1
    problem = ProblemEntry("p1", ledger_entries.NOW, None, cards["p1"], NORTH, None, "wrong-data", SECRET, "open")
    assert kept.record_problem(problem)
    after = counts(url)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {"feedback": 1}
    assert kept.spooled() == kept.rejected() == 0


def test_what_is_said_of_cards_waits_where_it_can_not_be_told_whether_they_were_erased(
    kept: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And calls, which need no answer to that, are stored as ever."""

    def slow(self: erased.Gone, connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("SELECT", None, TimeoutError())

    monkeypatch.setattr(erased.Gone, "look", slow)
    card = kept.newest_card(NORTH, kept.patient_key(NORTH, "p2")) or ""
    assert kept.record_feedback([ledger_entries.feedback(card, client=NORTH, reason_code="late")]) == 0
    assert kept.spooled() == 1
    assert kept.record_call(ledger_entries.call(client=NORTH))


def test_what_is_erased_while_rows_are_being_stored_elsewhere_does_not_come_back_with_the_next(
    elsewhere: tuple[Path, Spool], settings: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feedback on p1 was looked at before, the problem is in the batch that follows."""
    monkeypatch.setattr("cds.ledger.drain._BATCH", 1)
    ledger = Ledger(url, KEY.encode(), tmp_path / "elsewhere" / "spool", now=lambda: ledger_entries.NOW)
    move, done = Drain._move, list[Result]()

    def moved(drain: Drain, found: Any) -> int:
        if not done:
            done.append(run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes"))
        return move(drain, found)

    monkeypatch.setattr(Drain, "_move", moved)
    assert ledger.drain() == 3
    assert done[0].exit_code == 0 and ledger.spooled() == 0
    assert "p1" not in {problem.id for problem in ledger.problems()}
    ledger.close()


def test_what_was_erased_is_found_without_going_over_all_work(url: str) -> None:
    """A service gives up after half a second, and a hospital's studies are many."""
    migrate.upgrade(url)
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    jobs, asked = metadata.tables["jobs"], list[tuple[str, Any]]()
    work = {"payload": {}, "state": "done", "priority": 0, "attempts": 1, "most_attempts": 1, "stage": ""}
    work |= {"run_at": ledger_entries.NOW, "created_at": ledger_entries.NOW, "progress": 1.0, "reason": ""}
    studies = [{**work, "kind": "study", "key": f"s{n}", "item": f"{n}", "cancel_asked": False} for n in range(3000)]
    with engine.begin() as connection:
        connection.execute(sa.insert(jobs), studies)
        privacy.record(connection, erased.KIND, "erase:1", erased.kept(["gone"], []))
        connection.exec_driver_sql("ANALYZE jobs")
        sa.event.listen(connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        of = erased.remains(connection)
        [(question, row)] = asked
        explain = "EXPLAIN " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = str(connection.exec_driver_sql(explain + question, row).fetchall())
    engine.dispose()
    assert of(ledger_entries.feedback("gone")) and not of(ledger_entries.feedback("there"))
    assert "ix_jobs_item" in plan, plan


@pytest.mark.parametrize("renewed", [False, True])
def test_what_was_rejected_on_another_machine_is_found_after_an_erasure(
    elsewhere: tuple[Path, Spool], settings: Path, url: str, tmp_path: Path, renewed: bool
) -> None:
    """Whoever is asked for then, and under the next key as well."""
    file, spool = elsewhere
    for path in spool.waiting():
        (tmp_path / "elsewhere" / "spool" / "rejected").mkdir(exist_ok=True)
        spool.set_aside(path, "DataError")
    assert run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes").exit_code == 0
    if renewed:
        assert run(settings, "rekey", str(tmp_path / "new.key"), "--yes").exit_code == 0
        (tmp_path / "ledger.key").write_bytes((tmp_path / "new.key").read_bytes())
    exported = run(file, "export", str(tmp_path / "theirs.json"), "--client", NORTH, "--patient", "nobody")
    assert exported.exit_code == 0 and json.loads((tmp_path / "theirs.json").read_text())["spool"] == []
    result = run(file, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "nothing; 2 on this machine's spool speak of cards that were erased before" in result.output
    assert "Removed: 2 from this machine's spool" in result.output
    left = [spool.read(path) for path in spool.rejected()]
    assert len(left) == 2 and "p1" not in {getattr(entry, "id", None) for entry in left}


@pytest.mark.parametrize("rejected", [False, True])
def test_what_speaks_of_a_call_that_only_waited_does_not_come_back_either(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, rejected: bool
) -> None:
    """The call was on the spool of the machine that the erasure is run on and in no database; on another machine waits
    what was said of it."""
    entry = ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p1"))
    here, there = Spool(tmp_path / "spool"), Spool(tmp_path / "elsewhere" / "spool")
    here.put([entry])
    if rejected:
        [path] = here.waiting()
        (tmp_path / "spool" / "rejected").mkdir()
        here.set_aside(path, "DataError")
    problem = ProblemEntry("theirs", ledger_entries.NOW, entry.id, None, NORTH, None, "wrong-data", SECRET, "open")
    there.put([ledger_entries.feedback(entry.cards[0].id, client=NORTH), problem])
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "Removed: 1 from this machine's spool" in result.output
    ledger = Ledger(url, KEY.encode(), tmp_path / "elsewhere" / "spool", now=lambda: ledger_entries.NOW)
    assert ledger.drain() == 0
    assert ledger.spooled() == ledger.rejected() == 0
    assert ledger.feedback_on(entry.cards[0].id) == () and "theirs" not in {one.id for one in ledger.problems()}
    ledger.close()


def test_what_waits_elsewhere_does_not_come_back_when_another_key_found_the_person(
    between: Ledger, settings: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service, which stores what waits, has its own key alone."""
    card = between.newest_card(NORTH, between.patient_key(NORTH, "p1"))
    assert card is not None
    of_theirs = between.feedback_on(card)
    Spool(tmp_path / "elsewhere" / "spool").put([ledger_entries.feedback(card, client=NORTH, reason_code="late")])
    monkeypatch.setenv("CDS_LEDGER_KEY", ANOTHER)
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--despite-key", "--yes")
    assert "Removed: 1 calls" in result.output and len(of_theirs) == 1
    ledger = Ledger(url, KEY.encode(), tmp_path / "elsewhere" / "spool", now=lambda: ledger_entries.NOW)
    assert ledger.drain() == 0 and ledger.feedback_on(card) == ()
    ledger.close()


def test_where_the_database_fails_nothing_is_removed_from_the_spool_either(
    kept: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    """A table of somebody else's that holds on to one of the calls."""
    kept.close()
    key = kept.patient_key(NORTH, "p1")
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    with engine.begin() as connection:
        [held, *_] = connection.scalars(sa.select(metadata.tables["calls"].c.id).where(sa.column("patient_key") == key))
        connection.execute(sa.text("CREATE TABLE held (call_id TEXT REFERENCES calls (id))"))
        connection.execute(sa.text("INSERT INTO held VALUES (:id)"), {"id": held})
    engine.dispose()
    spool, entry = Spool(tmp_path / "spool"), ledger_entries.call(client=NORTH, patient_key=key)
    spool.put([entry])
    spool.reject(ledger_entries.feedback(entry.cards[0].id, client=NORTH), "DataError")
    before, files = counts(url), sorted(path.name for path in (tmp_path / "spool").rglob("[0-9]*"))
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert result.exit_code == 2 and "nothing was changed" in result.stderr
    assert counts(url) == before
    assert sorted(path.name for path in (tmp_path / "spool").rglob("[0-9]*")) == files


def exported(settings: Path, file: Path) -> Any:
    result = run(settings, "export", str(file), "--client", NORTH, "--patient", "p1")
    assert result.exit_code == 0, result.output
    return json.loads(file.read_text(encoding="utf-8")), result


def test_what_waits_or_was_rejected_is_handed_over_as_well(kept: Ledger, settings: Path, tmp_path: Path) -> None:
    """The rows that an erasure removes: a call, what speaks of it, and what speaks of a call in the database."""
    kept.close()
    stored = kept.newest_card(NORTH, kept.patient_key(NORTH, "p1"))
    assert stored is not None
    spool = Spool(tmp_path / "spool")
    rejected, waiting, strange = (
        ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, patient))
        for patient in ("p1", "p1", "p2")
    )
    spool.reject(rejected, "DataError")
    spool.put([waiting, ledger_entries.feedback(rejected.cards[0].id, client=NORTH)])
    spool.put([strange, ledger_entries.feedback(strange.cards[0].id, client=NORTH)])
    spool.put([ledger_entries.feedback(stored, client=NORTH)])
    (tmp_path / "spool" / "rejected" / "0-broken.json").write_text("{", encoding="utf-8")
    found, result = exported(settings, tmp_path / "mine.json")
    assert [(one["kind"], one["state"], one.get("reason")) for one in found["spool"]] == [
        ("call", "rejected", "DataError"),
        ("call", "waits", None),
        ("feedback", "waits", None),
        ("feedback", "waits", None),
    ]
    assert [one["entry"].get("id") for one in found["spool"]] == [rejected.id, waiting.id, None, None]
    assert found["spool"][0]["entry"]["cards"][0]["body"]["summary"] == "Consider a scan"
    assert "4 from this machine's spool" in result.output
    assert "0-broken.json can't be read" in result.stderr
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "4 on this machine's spool" in result.output and "Removed: 4 from this machine's spool" in result.output
    assert [one.kind for one in spool.all()] == ["", "call", "feedback"]
    assert exported(settings, tmp_path / "then.json")[0]["spool"] == []


def test_what_a_killed_process_left_half_done_is_handed_over_and_erased_as_well(
    kept: Ledger, settings: Path, tmp_path: Path
) -> None:
    """Killed before the file had its name: the entry may be whole. One that was begun just now is being written."""
    kept.close()
    spool, folder = Spool(tmp_path / "spool"), tmp_path / "spool"
    ours = [ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p1")) for _ in range(2)]
    spool.put(ours)
    old, young = spool.waiting()
    old.rename(folder / f"{time.time_ns() - 61 * 10**9:020d}-old.part")
    young.rename(young.with_suffix(".part"))
    (folder / "0-broken.part").write_text("{", encoding="utf-8")
    found, result = exported(settings, tmp_path / "mine.json")
    assert [(one["entry"]["id"], one["state"]) for one in found["spool"]] == [(ours[0].id, "rejected")]
    assert "0-broken.part can't be read" in result.stderr
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--yes")
    assert "Removed: 1 from this machine's spool" in result.output
    assert [path.name for path in sorted(folder.glob("*.part"))] == ["0-broken.part", young.with_suffix(".part").name]


def test_nothing_is_handed_over_while_rows_move(kept: Ledger, settings: Path, tmp_path: Path) -> None:
    kept.close()
    spool = Spool(tmp_path / "spool")
    spool.put([ledger_entries.call(client=NORTH, patient_key=kept.patient_key(NORTH, "p1"))])
    with spool.turn() as mine:
        assert mine
        result = run(settings, "export", str(tmp_path / "mine.json"), "--client", NORTH, "--patient", "p1")
    assert result.exit_code == 2 and "being stored this moment" in result.stderr
    assert not (tmp_path / "mine.json").exists()


@pytest.mark.parametrize(("days", "left"), [(30, 4), (3, 1), (400, 5)])
def test_what_is_old_goes_with_all_that_hangs_on_it(
    url: str, settings: Path, tmp_path: Path, days: int, left: int, open_ledger: Callable[[str], Ledger]
) -> None:
    migrate.upgrade(url)
    ledger = open_ledger(url)
    from datetime import UTC, datetime

    today = datetime.now(UTC)
    for age in (0, 5, 10, 20, 365):
        assert ledger.record_call(ledger_entries.call(at=today - timedelta(days=age)))
    counted = run(settings, "purge", "--older-than", str(days), "--dry-run")
    assert f"{5 - left} calls" in counted.output
    result = run(settings, "purge", "--older-than", str(days), "--yes")
    assert result.exit_code == 0, result.output
    after = counts(url)
    assert (after["calls"], after["predictions"], after["cards"]) == (left, 4 * left, left)


def test_feedback_on_no_card_goes_by_its_own_age(
    url: str, settings: Path, open_ledger: Callable[[str], Ledger]
) -> None:
    """It came when its card had gone, or names one that never was. Feedback on a card stays as long as that does, and
    the audit misses none of it."""
    migrate.upgrade(url)
    ledger = open_ledger(url)
    from datetime import UTC, datetime

    today = datetime.now(UTC)
    call = ledger_entries.call(at=today)
    ledger.record_call(call)
    for card, age in ((call.cards[0].id, 40), ("gone", 40), ("gone", 5)):
        at = today - timedelta(days=age)
        ledger.record_feedback([ledger_entries.feedback(card, received_at=at, outcome_at=at.isoformat())])
    sealed(url, KEY.encode())
    counted = run(settings, "purge", "--older-than", "30", "--dry-run")
    assert "1 feedback" in counted.output
    assert "Removed: 1 feedback" in run(settings, "purge", "--older-than", "30", "--yes").output
    assert len(ledger.feedback_on(call.cards[0].id)) == len(ledger.feedback_on("gone")) == 1
    with Book(url) as book:
        checked = Chain(book, *chain_keys(KEY.encode())).verify()
    assert checked.faults == [] and checked.purged == 1


def test_what_was_rejected_goes_by_the_age_of_its_file(
    url: str, settings: Path, tmp_path: Path, open_ledger: Callable[[str], Ledger]
) -> None:
    """It holds clinical values, and no database will ever take it; what only waits is left alone."""
    migrate.upgrade(url)
    spool, rejected = Spool(tmp_path / "spool"), tmp_path / "spool" / "rejected"
    for _ in range(2):
        spool.reject(ledger_entries.call(), "DataError")
    spool.put([ledger_entries.call()])
    [old, young] = sorted(rejected.glob("*.json"))
    [waiting] = spool.waiting()
    ago = time.time_ns() - timedelta(days=40) // timedelta(microseconds=1) * 1000
    for file in (old, old.with_suffix(".reason"), waiting):
        file.rename(file.with_name(f"{ago:020d}-{file.name.split('-')[1]}"))
    (rejected / "copied-here.json").write_text("{", encoding="utf-8")
    os.utime(rejected / "copied-here.json", (ago / 1e9, ago / 1e9))
    (tmp_path / "spool" / f"{ago:020d}-x.part").write_text("{", encoding="utf-8")
    counted = run(settings, "purge", "--older-than", "30", "--dry-run")
    assert "3 rejected on this machine's spool" in counted.output
    assert len(list(rejected.iterdir())) == 5
    result = run(settings, "purge", "--older-than", "30", "--yes")
    assert result.exit_code == 0 and "Removed: 3 rejected from this machine's spool" in result.output
    assert sorted(rejected.iterdir()) == [young, young.with_suffix(".reason")]
    assert len(spool.waiting()) == 1 and not list((tmp_path / "spool").glob("*.part"))


def test_a_purge_of_many_goes_batch_by_batch_and_keeps_younger_problems(
    url: str, monkeypatch: pytest.MonkeyPatch, open_ledger: Callable[[str], Ledger]
) -> None:
    migrate.upgrade(url)
    ledger = open_ledger(url)
    monkeypatch.setattr(retention, "_BATCH", 3)
    old = [ledger_entries.call(at=ledger_entries.NOW - timedelta(days=400 + n)) for n in range(7)]
    for entry in old:
        ledger.record_call(entry)
    problem = ProblemEntry("p", ledger_entries.NOW, old[0].id, None, NORTH, None, "wrong-data", "", "open")
    ledger.record_problem(problem)
    steps: list[int] = []
    with Book(url) as book:
        audit = Chained(Chain(book, b"chain" * 8), ledger_entries.NOW)
        removed = retention.purge(url, ledger_entries.NOW - timedelta(days=30), audit, steps.append)
    assert steps == [3, 3, 1]
    assert removed["calls"] == 7
    assert counts(url)["problems"] == 1


def test_a_new_key_finds_everybody_and_the_old_one_nobody(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    kept.close()
    new = tmp_path / "new.key"
    result = run(settings, "rekey", str(new), "--yes")
    assert result.exit_code == 0, result.output
    assert new.stat().st_mode & 0o777 == 0o600
    assert new.read_text(encoding="utf-8").splitlines()[0] == KEY
    material = new.read_bytes().strip()
    after, before = opened(url, material), opened(url, KEY.encode())
    for client, patient in ((NORTH, "p1"), (NORTH, "p2"), (OTHER, "p1")):
        assert after.newest_card(client, after.patient_key(client, patient)) is not None
        assert after.newest_card(client, before.patient_key(client, patient)) is None
    jobs = Jobs(url)
    study = after.patient_key(NORTH, "study/1.2.3")[:32]
    found = jobs.concerning("study", subject=after.patient_key(NORTH, "p1"), items=[study])
    assert {job.key for job in found} == {f"{study}:m:1:x", f"{study}:n:1:x"}
    jobs.close()


def test_replacing_the_key_twice_by_accident_is_replacing_it_once(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    kept.close()
    new = tmp_path / "new.key"
    assert run(settings, "rekey", str(new), "--yes").exit_code == 0
    # the settings still name the old file: somebody was interrupted
    again = run(settings, "rekey", str(new), "--yes")
    assert again.exit_code == 0 and "already" in again.output
    ledger = opened(url, new.read_bytes().strip())
    assert ledger.newest_card(NORTH, ledger.patient_key(NORTH, "p1")) is not None


def test_keys_can_be_replaced_again_and_again(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    kept.close()
    for name in ("second.key", "third.key"):
        assert run(settings, "rekey", str(tmp_path / name), "--yes").exit_code == 0
        (tmp_path / "ledger.key").write_bytes((tmp_path / name).read_bytes())
    assert len((tmp_path / "third.key").read_text().splitlines()) == 3
    ledger = opened(url, (tmp_path / "third.key").read_bytes().strip())
    assert ledger.newest_card(NORTH, ledger.patient_key(NORTH, "p2")) is not None


def test_a_key_file_that_does_not_continue_the_old_one_changes_nothing(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open
) -> None:
    kept.close()
    (tmp_path / "strange.key").write_text("z" * 40 + "\n" + "y" * 40 + "\n", encoding="utf-8")
    result = run(settings, "rekey", str(tmp_path / "strange.key"), "--yes")
    assert result.exit_code == 2
    assert "must hold the keys of the old one" in result.stderr
    ledger = opened(url, KEY.encode())
    assert ledger.newest_card(NORTH, ledger.patient_key(NORTH, "p1")) is not None


def test_a_scan_in_hand_stops_it(kept: Ledger, settings: Path, url: str, tmp_path: Path) -> None:
    """And no file is left of a key that is not in use."""
    kept.close()
    jobs = Jobs(url)
    assert jobs.claim("worker", ["study"]) is not None
    jobs.close()
    result = run(settings, "rekey", str(tmp_path / "new.key"), "--yes")
    assert result.exit_code == 2 and "stop the workers" in result.stderr
    assert not (tmp_path / "new.key").exists()


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\t", "ü" * 8 + KEY])
def test_a_key_that_is_no_line_of_text_can_be_replaced_as_well(
    url: str, settings: Path, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Its line end is part of it, as long as it is alone; then it stands in the file in hexadecimal."""
    migrate.upgrade(url)
    monkeypatch.setenv("CDS_LEDGER_KEY", key)
    fill(opened(url, key.encode()), NORTH, "p1")
    sealed(url, key.encode())
    of = ("--client", NORTH, "--patient", "p1", "--dry-run")
    for name in ("second.key", "third.key"):
        result = run(settings, "rekey", str(tmp_path / name), "--yes")
        assert result.exit_code == 0, result.output
        assert "CDS_LEDGER_KEY is set and goes before ledger_key_file" in result.output
        content = (tmp_path / name).read_text(encoding="ascii")
        assert content.startswith("key-in-hex:" + key.encode().hex())
        monkeypatch.setenv("CDS_LEDGER_KEY", content)
        assert "1 calls" in run(settings, "erase", *of).output
        verified = CliRunner().invoke(main, ["--settings", str(settings), "audit", "verify"], prog_name="cds")
        assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize("place", ["CDS_LEDGER_KEY", "CDS_LEDGER_KEY_FILE"])
def test_the_file_of_a_new_key_is_the_same_key_wherever_it_is_put(
    kept: Ledger, settings: Path, url: str, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The environment hands the line end at its end over, and a file may have those of another system."""
    sealed(url, KEY.encode())
    new = tmp_path / "new.key"
    assert run(settings, "rekey", str(new), "--yes").exit_code == 0
    monkeypatch.setenv(place, new.read_text() if place == "CDS_LEDGER_KEY" else str(new))
    new.write_bytes(new.read_bytes().replace(b"\n", b" \r\n"))
    result = run(settings, "erase", "--client", NORTH, "--patient", "p1", "--dry-run")
    assert "2 calls" in result.output
    assert load(settings).load_ledger_key() == b"\n".join(line.strip() for line in new.read_bytes().splitlines())


def test_a_fault_of_the_audit_leaves_no_file_of_a_new_key(
    kept: Ledger, settings: Path, url: str, tmp_path: Path
) -> None:
    sealed(url, ANOTHER.encode())
    result = run(settings, "rekey", str(tmp_path / "new.key"), "--yes")
    assert result.exit_code == 2 and "fault(s)" in result.stderr
    assert not (tmp_path / "new.key").exists()


def test_a_key_in_hexadecimal_is_read_as_it_was_written_and_no_other_line_is() -> None:
    second = b"k" * 40
    for key in (b"\x00\x01\n" + bytes(range(40, 80)), "ü".encode() * 20, b"key-in-hex:" + b"61" * 40, KEY.encode()):
        material = with_one_more(key, second)
        assert chain(material) == (key, second) and whole(material + b"\n") == material
        assert chain(with_one_more(material, b"z" * 40)) == (key, second, b"z" * 40)
    for line in (b"key-in-hex:" + KEY.encode().hex().encode(), b"key-in-hex:" + b"FF" * 40, b"key-in-hex:" + b"f" * 41):
        assert chain(line + b"\n" + second) == (line, second)


def test_the_hash_of_a_lone_key_is_what_it_was_before_keys_could_be_replaced() -> None:
    import hashlib
    import hmac

    expected = hmac.new(KEY.encode(), b"5:north:p1", hashlib.sha256).hexdigest()
    assert person(chain(KEY.encode()), "north", "p1") == expected
    # a key of raw bytes with a line break in it stays one key
    raw = b"\x00\x01\n" + bytes(range(40, 80))
    assert chain(raw) == (raw,)
    second = "k" * 40
    both = chain(f"{KEY}\n{second}\n".encode())
    assert len(both) == 2
    assert person(both, "north", "p1") == moved(expected, second.encode())


def test_a_fingerprint_leads_back_to_no_key() -> None:
    assert KEY not in rekeying.fingerprint(KEY.encode())
    assert rekeying.fingerprint(KEY.encode()) != rekeying.fingerprint(KEY.encode() + b"x")


def test_every_column_that_names_a_patient_is_one_that_an_erasure_looks_at() -> None:
    named = {
        column.name for table in metadata.sorted_tables for column in table.columns if column.name.endswith("_key")
    } | {"subject"}
    # a clinician's hash is no patient's, and a token's is nobody's
    assert named - {"user_key"} == set(privacy.PATIENT)
