"""A changed or removed row is found and named, on both databases; what is purged for its age is not a theft."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import ledger_entries
import pytest
import sqlalchemy as sa
from ledger_entries import NOW

from cds.ledger import Ledger, ProblemEntry
from cds.ledger.book import Book
from cds.ledger.chain import BEGIN, Chain, Head
from cds.ledger.chain_links import Excused
from cds.ledger.chained import BY_NAME, contents
from cds.ledger.committee_tables import audit_links, standings
from cds.ledger.standings import Standing

KEY = b"chain" * 8
DECISION = Standing("1", NOW, "m", "*", "stop", "manual", "why", "A", "B", None)


@pytest.fixture
def book(url: str, ledger: Ledger) -> Iterator[Book]:
    with Book(url) as opened:
        yield opened


@pytest.fixture
def chain(book: Book) -> Chain:
    return Chain(book, KEY)


@pytest.fixture
def filled(book: Book, ledger: Ledger, chain: Chain) -> list[str]:
    """Calls with everything in them, feedback, a policy, a decision; linked. The calls' ids."""
    ids = []
    for n in range(5):
        call = ledger_entries.call(at=NOW + timedelta(minutes=n), snapshot="c2VhbGVk" if n % 2 else None)
        ledger.record_call(call)
        ledger.record_feedback([ledger_entries.feedback(call.cards[0].id, client=call.client)])
        ids.append(call.id)
    ledger.remember_policy("v1", "name: a policy")
    ledger.record_problem(ProblemEntry(str(uuid.uuid4()), NOW, None, None, "north", None, "other", "typed"))
    book.put_all(standings, [dict(DECISION.__dict__)])
    ledger.drain()  # a machine under load may have spooled some
    assert chain.seal(NOW + timedelta(hours=1)) == 13
    return ids


def execute(book: Book, statement: str, **values: Any) -> None:
    book.write(lambda c: c.execute(sa.text(statement), values))


def test_untouched_rows_are_whole_and_nothing_waits(chain: Chain, filled: list[str]) -> None:
    found = chain.verify()
    assert (found.links, found.faults, found.unchained) == (13, [], {})
    assert found.head == chain.head() and found.head.seq == 13
    assert chain.seal(NOW + timedelta(hours=2)) == 0


def test_a_column_of_a_later_version_changes_nothing_of_what_was_linked_and_counts_from_then_on(
    book: Book, ledger: Ledger, chain: Chain, filled: list[str]
) -> None:
    """The language of a call's patient: rows from before it was kept have none."""
    [written] = book.read(lambda c: contents(c, BY_NAME["call"], filled[:1])).values()
    assert b"patient_language" not in written
    call = ledger_entries.call(at=NOW + timedelta(hours=1, minutes=1), patient_language="tr")
    ledger.record_call(call)
    ledger.drain()
    chain.seal(NOW + timedelta(hours=2))
    assert (chain.verify().faults, chain.verify().partly) == ([], 0)
    for language in ("'nl'", "NULL"):
        execute(book, f"UPDATE calls SET patient_language = {language} WHERE id = :id", id=call.id)
        assert [fault.row_id for fault in chain.verify().faults] == [call.id]


def test_a_worker_of_the_version_before_links_rows_of_this_one_and_no_theft_is_told_of(
    book: Book, chain: Chain, filled: list[str]
) -> None:
    """While a release is rolled out both are at work. It knows nothing of the last version's columns."""
    execute(book, "UPDATE standings SET second_id = 'local account B' WHERE id = :id", id=DECISION.id)
    found = chain.verify()
    assert (found.faults, found.partly) == ([], 1)
    execute(book, "UPDATE standings SET second = 'x' WHERE id = :id", id=DECISION.id)
    found = chain.verify()
    assert ([fault.row_id for fault in found.faults], found.partly) == ([DECISION.id], 0)
    execute(book, "UPDATE calls SET patient_language = 'tr' WHERE id = :id", id=filled[0])
    assert len(chain.verify().faults) == 2, "a column of the version before that one is known to both"


def test_rows_of_one_moment_are_all_linked_and_older_ones_when_all_is_gone_over(
    chain: Chain, ledger: Ledger, filled: list[str]
) -> None:
    """More rows than are linked at a time, one moment for all of them; and one that a spool held."""
    at = NOW + timedelta(hours=2)
    for _ in range(120):
        ledger.record_call(ledger_entries.call(at=at))
    ledger.record_call(ledger_entries.call(at=NOW - timedelta(hours=3)))
    ledger.drain()
    now = at + timedelta(minutes=1)
    assert chain.seal(now, since=at - timedelta(minutes=15)) == 120
    assert chain.verify().unchained == {"call": 1}
    assert chain.seal(now, thorough=True) == 1
    assert chain.verify().faults == []


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE calls SET policy_version = 'x' WHERE id = :id", "call"),
        ("UPDATE calls SET duration_ms = duration_ms + 1 WHERE id = :id", "call"),
        ("UPDATE predictions SET model_version = '9' WHERE call_id = :id", "call"),
        ("UPDATE cards SET indicator = 'info2' WHERE call_id = :id", "call"),
        ("UPDATE suppressions SET reason = 'x' WHERE call_id = :id", "call"),
        ("DELETE FROM suppressions WHERE call_id = :id", "call"),
        ("DELETE FROM card_predictions WHERE card_id IN (SELECT id FROM cards WHERE call_id = :id)", "call"),
        ("DELETE FROM call_snapshots WHERE call_id = :id", "call"),
        (
            "UPDATE feedback SET reason_code = 'x' WHERE card_id IN (SELECT id FROM cards WHERE call_id = :id)",
            "feedback",
        ),
    ],
)
def test_a_changed_row_is_named_whichever_part_of_it(
    book: Book, chain: Chain, filled: list[str], statement: str, kind: str
) -> None:
    execute(book, statement, id=filled[3])
    [fault] = chain.verify().faults
    assert (fault.kind, fault.what) == (kind, "changed")
    if kind == "call":
        assert fault.row_id == filled[3]


@pytest.mark.parametrize("statement", ["DELETE FROM standings", "UPDATE standings SET person = 'somebody else'"])
def test_a_decision_can_t_be_undone_in_silence(book: Book, chain: Chain, filled: list[str], statement: str) -> None:
    execute(book, statement)
    [fault] = chain.verify().faults
    assert (fault.kind, fault.row_id) == ("standing", "1")
    assert fault.what == ("removed" if statement.startswith("DELETE") else "changed")


def test_a_removed_row_is_named(book: Book, chain: Chain, filled: list[str]) -> None:
    execute(book, "DELETE FROM feedback WHERE card_id IN (SELECT id FROM cards WHERE call_id = :id)", id=filled[0])
    [fault] = chain.verify().faults
    assert (fault.kind, fault.what) == ("feedback", "removed")


def test_a_row_that_was_changed_and_linked_anew_without_the_key_is_found(
    book: Book, chain: Chain, filled: list[str]
) -> None:
    """Whoever has the database alone: links made with a guessed key do not hold."""
    execute(book, "UPDATE calls SET client = 'x' WHERE id = :id", id=filled[2])
    execute(book, "DELETE FROM audit_links")
    Chain(book, b"guessed" * 5).seal(NOW + timedelta(hours=3), thorough=True)
    assert {fault.what for fault in chain.verify().faults} == {"chain"}


def test_a_link_that_is_gone_or_changed_is_found(book: Book, chain: Chain, filled: list[str]) -> None:
    execute(book, "DELETE FROM audit_links WHERE seq = 4")
    assert [(f.seq, f.what) for f in chain.verify().faults] == [(5, "gap")]
    execute(book, "UPDATE audit_links SET digest = :d WHERE seq = 9", d="0" * 64)
    assert {(f.seq, f.what) for f in chain.verify().faults} == {(5, "gap"), (9, "chain"), (9, "changed")}


def test_a_cut_off_end_is_seen_by_a_head_that_was_written_down(book: Book, chain: Chain, filled: list[str]) -> None:
    head = chain.head()
    assert chain.verify(head).head_known is True
    assert chain.verify(BEGIN).head_known is True
    execute(book, "DELETE FROM audit_links WHERE seq > 10")
    cut = chain.verify(head)
    assert (cut.faults, cut.head_known) == ([], False)
    assert sum(cut.unchained.values()) == 3
    assert chain.verify(Head(5, "0" * 64)).head_known is False


def test_a_row_from_the_spool_is_linked_however_old_it_is(book: Book, ledger: Ledger, chain: Chain) -> None:
    ledger.record_call(ledger_entries.call(at=NOW - timedelta(days=30)))
    assert chain.seal(NOW) == 0
    assert chain.verify().unchained == {"call": 1}
    assert chain.seal(NOW, thorough=True) == 1


def test_what_is_old_goes_and_the_chain_stays_whole(
    book: Book, ledger: Ledger, chain: Chain, filled: list[str]
) -> None:
    later = NOW + timedelta(days=400)
    young = ledger_entries.call(at=later)
    ledger.record_call(young)
    chain.seal(later)
    removed = chain.purge(later - timedelta(days=30), later)
    assert removed == {"call": 5, "feedback": 5, "problem": 1}
    found = chain.verify()
    assert (found.faults, found.purged) == ([], 11)
    assert ledger.call(filled[0]) is None and ledger.call(young.id) is not None
    # decisions and policies are about nobody, and stay
    assert book.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(standings)).scalar_one()) == 1
    execute(book, "DELETE FROM feedback")
    execute(book, "DELETE FROM policies")
    assert [(f.kind, f.what) for f in chain.verify().faults] == [("policy", "removed")]


def test_a_purge_that_nobody_signed_covers_nothing(book: Book, ledger: Ledger, chain: Chain, filled: list[str]) -> None:
    row = {
        "seq": 14,
        "at": NOW,
        "kind": "purge",
        "row_id": "x",
        "digest": "",
        "link": "0" * 64,
        "note": {"through": 13},
    }
    book.write(lambda c: c.execute(sa.insert(audit_links), [row]))
    execute(book, "DELETE FROM feedback")
    assert ("chain", 14) in {(f.what, f.seq) for f in chain.verify().faults}


def test_many_rows_are_linked_in_turns(book: Book, ledger: Ledger, chain: Chain) -> None:
    for n in range(450):
        ledger.remember_policy(f"v{n}", "text")
    assert chain.seal(NOW + timedelta(days=1), thorough=True) == 450
    assert chain.verify().links == 450


def test_rows_are_read_while_others_may_write_and_one_that_goes_meanwhile_gets_no_link(
    book: Book, ledger: Ledger, url: str
) -> None:
    """And a rest is given after each batch that another follows, told what the batch took."""

    class Meanwhile(Book):
        def write(self, work: Any) -> Any:
            execute(book, "DELETE FROM policies WHERE version = 'v7'")
            return super().write(work)

    for n in range(120):
        ledger.remember_policy(f"v{n}", "text")
    rests: list[float] = []
    with Meanwhile(url) as own:
        chain = Chain(own, KEY)
        assert chain.seal(NOW + timedelta(days=1), thorough=True, rest=rests.append) == 119
        assert (chain.verify().links, chain.verify().faults) == (119, [])
    assert len(rests) == 5 and all(took > 0 for took in rests)


def test_two_that_seal_at_once_make_one_chain(book: Book, ledger: Ledger, url: str, chain: Chain) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for n in range(300):
        ledger.remember_policy(f"v{n}", "text")

    def seal(_: int) -> int:
        with Book(url) as own:
            return Chain(own, KEY).seal(NOW + timedelta(days=1), thorough=True)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(seal, range(3))) == 300
    assert chain.verify().faults == []


def test_the_ledger_knows_no_entry_that_the_chain_leaves_out(ledger: Ledger) -> None:
    """A table with rows about what happened is chained, or it is said here why not."""
    from cds.ledger.chained import KINDS
    from cds.ledger.committee_tables import WHOLE

    chained = {kind.table.name for kind in KINDS} | {
        "predictions",
        "cards",
        "suppressions",
        "call_snapshots",
        "shadow_cards",
        "card_predictions",
    }
    passing = {
        "jti",
        "report_sessions",
        "ended_sessions",
        "sign_in_attempts",
        "jobs",
    }  # used once, expired, or on their way
    assert set(WHOLE.tables) - chained - passing == {"audit_links"}


def test_what_went_while_the_chain_is_gone_over_is_no_theft(
    url: str, book: Book, chain: Chain, filled: list[str]
) -> None:
    later = NOW + timedelta(days=400)

    class Interrupted(Book):
        """Rows go between the first question and the second."""

        asked = 0

        def read(self, question: Any) -> Any:
            self.asked += 1
            if self.asked == 2:
                assert chain.purge(later, later)["call"] == 5
            return super().read(question)

    with Interrupted(url) as own:
        found = Chain(own, KEY).verify()
    assert (found.faults, found.purged) == ([], 11)


@pytest.mark.parametrize("seed", range(5))
def test_of_several_that_tell_of_a_link_the_range_that_begins_first_speaks(seed: int) -> None:
    draw = random.Random(seed)
    told = []
    for _ in range(60):
        first = draw.randrange(200)
        told.append((first, first + draw.randrange(12), draw.choice(["purge", "erase"])))
    excused = Excused([(kind, {"links": [[first, last]]}) for first, last, kind in told])
    for seq in range(-1, 220):
        expected = next((kind for first, last, kind in sorted(told) if first <= seq <= last), None)
        assert excused.why(seq) == expected, seq


def test_asking_why_a_link_s_row_is_gone_takes_no_longer_for_many_that_are() -> None:
    """Years of purges at night: 40,000 ranges, each asked about. One after the other that took minutes."""
    excused = Excused([("purge", {"links": [[3 * n, 3 * n + 1] for n in range(40_000)]})])
    start = time.process_time()
    assert all(excused.why(3 * n) == "purge" and excused.why(3 * n + 2) is None for n in range(40_000))
    assert time.process_time() - start < 5
