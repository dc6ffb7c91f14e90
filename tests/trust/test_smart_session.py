"""An open report: readable with the browser's secret and the ledger's key together, for its own patient only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import ledger_entries as made
import pytest
from ready_ledger import ready

from cds.errors import NoReportSession
from cds.ledger import Ledger, privacy
from cds.settings import Settings, load
from cds.trust.smart import ReportSession, ReportSessions

PATIENT = "patient-of-the-test"
TOKEN = "an-access-token-of-the-test"


@dataclass
class House:
    """Sessions over a database, with a clock to be moved."""

    url: str
    folder: Path
    hours: float = 0.0

    def __post_init__(self) -> None:
        ready(self.url)
        self.ledger = self.opened()

    def now(self) -> Any:
        return made.NOW + timedelta(hours=self.hours)

    def opened(self, key: bytes = made.KEY) -> Ledger:
        return Ledger(self.url, key, self.folder / "spool", now=self.now)

    def settings(self, **client: Any) -> Settings:
        empty = self.folder / "empty.toml"
        empty.touch()
        given = {"issuer": "https://ehr.example", "jku": "https://ehr.example/keys", **client}
        usual = {"fhir_servers": ["https://ehr.example/fhir"], "smart": {"client_id": "report"}}
        other = {"issuer": "https://south.example", "jku": "https://south.example/keys"}
        clients = {"north": {**usual, **given}, "south": other}
        return load(empty, public_url="https://cds.example", clients=clients)

    def sessions(self, key: bytes = made.KEY, **client: Any) -> ReportSessions:
        return ReportSessions(self.settings(**client), self.ledger, key, self.now)


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        new_database: Callable[[], str] = request.getfixturevalue("postgres_database")
        url = new_database()
    found = House(url, tmp_path)
    yield found
    found.ledger.close()


def begin(sessions: ReportSessions, **changes: Any) -> tuple[ReportSession, str]:
    usual: dict[str, Any] = {
        "card_id": "card-1",
        "fhir_server": "https://ehr.example/fhir",
        "access_token": TOKEN,
        "scopes": ["patient/*.read", "launch"],
        "user": "Practitioner/7",
        "encounter": "e-1",
    }
    return sessions.open("north", PATIENT, **{**usual, **changes})


def test_a_session_is_found_with_its_secret(house: House) -> None:
    session, secret = begin(house.sessions())
    assert house.sessions().find(session.rid, secret) == session
    assert session.patient_id == PATIENT and session.scopes == {"patient/*.read", "launch"}
    assert session.expires == made.NOW + timedelta(hours=1)


@pytest.mark.threat("report-session")
def test_no_secret_an_altered_one_and_anothers_find_nothing(house: House) -> None:
    sessions = house.sessions()
    session, secret = begin(sessions)
    _, foreign = begin(sessions)
    wrong = secret[:-2] + ("A" if secret[-2] != "A" else "B") + secret[-1]
    for held in (None, "", "x", "ä", wrong, foreign, secret + "="):
        with pytest.raises(NoReportSession):
            sessions.find(session.rid, held)
    with pytest.raises(NoReportSession):
        sessions.find("unknown", secret)


@pytest.mark.threat("report-session")
def test_an_expired_session_finds_nothing(house: House) -> None:
    sessions = house.sessions()
    session, secret = begin(sessions)
    house.hours = 0.99
    assert sessions.find(session.rid, secret)
    house.hours = 1
    with pytest.raises(NoReportSession):
        sessions.find(session.rid, secret)


def test_a_session_left_finds_nothing_and_only_its_reader_may_leave(house: House) -> None:
    sessions = house.sessions()
    session, secret = begin(sessions)
    with pytest.raises(NoReportSession):
        sessions.close(session.rid, None)
    sessions.close(session.rid, secret)
    with pytest.raises(NoReportSession):
        sessions.find(session.rid, secret)


def test_a_client_that_opens_no_reports_any_more_ends_its_sessions(house: House) -> None:
    session, secret = begin(house.sessions())
    with pytest.raises(NoReportSession):
        house.sessions(smart=None).find(session.rid, secret)


@pytest.mark.threat("report-session")
def test_neither_database_nor_cookie_alone_tells_who_the_patient_is(house: House) -> None:
    session, secret = begin(house.sessions())
    row = house.ledger.session(session.rid)
    assert row is not None
    for clue in (PATIENT, TOKEN, "card-1", "Practitioner/7"):
        assert clue.encode() not in row.sealed and clue not in secret and clue not in session.rid
    # the database and the cookie together, with another ledger's key
    with pytest.raises(NoReportSession):
        house.sessions(key=os.urandom(32)).find(session.rid, secret)


@pytest.mark.threat("report-session")
def test_a_row_moved_to_another_address_or_client_does_not_open(house: House) -> None:
    sessions = house.sessions()
    first, secret = begin(sessions)
    second, _ = begin(sessions)

    def swap(connection: Any) -> None:
        connection.exec_driver_sql(
            "UPDATE report_sessions SET sealed = (SELECT sealed FROM report_sessions "
            f"WHERE id = '{first.rid}') WHERE id = '{second.rid}'"
        )

    house.ledger._process().database.transaction(swap)
    with pytest.raises(NoReportSession):
        sessions.find(second.rid, secret)


def test_an_erasure_ends_what_is_open_on_the_person_and_nothing_else(house: House) -> None:
    sessions = house.sessions()
    session, secret = begin(sessions)
    other, others = sessions.open("north", "somebody else", card_id=None, fhir_server="https://e", access_token=TOKEN)
    mine = frozenset({house.ledger.patient_key("north", PATIENT)})
    gone = privacy.in_one_transaction(house.url, lambda c: privacy.erase(c, privacy.whose(c, mine)))
    assert gone == {"report_sessions": 1}
    # a page that was on its way keeps what it renewed, and brings nothing back
    sessions.keep(session, secret)
    with pytest.raises(NoReportSession):
        sessions.find(session.rid, secret)
    assert sessions.find(other.rid, others) == other


def test_a_session_does_not_show_its_patient_when_printed(house: House) -> None:
    session, _ = begin(house.sessions())
    shown = f"{session!r} {session}"
    assert PATIENT not in shown and TOKEN not in shown and "Practitioner/7" not in shown


@pytest.mark.threat("other-client")
def test_only_calls_of_its_own_patient_and_client_may_be_seen(house: House) -> None:
    sessions = house.sessions()
    session, _ = begin(sessions)
    mine = house.ledger.patient_key("north", PATIENT)
    assert sessions.may_see(session, made.call(client="north", patient_key=mine))
    assert not sessions.may_see(session, made.call(client="south", patient_key=mine))
    assert not sessions.may_see(session, made.call(client="north", patient_key="0f" * 32))
    assert not sessions.may_see(session, made.call(client="north", patient_key=""))


@pytest.mark.parametrize("user", ["Patient/1", "RelatedPerson/2", "https://elsewhere.example/Patient/1"])
def test_a_reader_who_is_no_professional_is_marked(house: House, user: str) -> None:
    assert begin(house.sessions(), user=user)[0].patient_facing
    assert not begin(house.sessions())[0].patient_facing
    assert begin(house.sessions(patient_facing=True))[0].patient_facing
