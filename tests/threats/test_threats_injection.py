"""What a caller sends stays data: no line of the log, no statement of the database, no path of the disk."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from service import prefetcher

from cds.engine import Engine

FORGED = "call request=forged method=POST status=200"
BREAKS = ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85", "\x1b[2K", "\x00"]
SQL = [
    "'; DROP TABLE calls; --",
    '" OR 1=1 --',
    "x') ; DELETE FROM cards; --",
    "\\'; SELECT pg_sleep(9); --",
    "%s %(id)s :id",
]


def call(story: str = "new-diabetes", **changed: Any) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/gp", "patientId": story},
        **changed,
    }


@pytest.mark.threat("log-injection")
@pytest.mark.parametrize("broken", BREAKS, ids=ascii)
def test_nothing_sent_begins_a_line_of_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    caplog.set_level(logging.DEBUG)
    evil = f"x{broken}{FORGED}"
    path = "/cds-services/pancreas-risk"
    where = call()["context"]
    for body in (
        call(hookInstance=evil),
        call(hook=evil),
        call(fhirServer=f"http://a/{evil}"),
        call(context={**where, "patientId": evil}),
        call(context={**where, "userId": f"Practitioner/{evil}"}),
        call(prefetch={evil: {"resourceType": evil}, "patient": {"resourceType": "Patient", "id": evil}}),
        call(extension={evil: evil}),
    ):
        client.post(path, json=body)
    client.post(f"{path}/feedback", json={"feedback": [{"card": evil, "outcome": evil}]})
    client.post(f"{path}/feedback", json={"feedback": [{"card": evil, "outcome": "accepted"}]})
    client.post(f"/cds-services/{evil}", json=call())
    client.get(f"/calls/{evil}")
    for name in ("X-Request-ID", "Accept-Language", "User-Agent", "X-Forwarded-For", "Authorization", "Origin"):
        # werkzeug refuses line breaks in a header it is to send; what is left of them is sent
        client.post(path, json=call(), headers={name: evil.replace("\r", "").replace("\n", "")})
    said = [record.getMessage() for record in caplog.records if record.name.startswith("cds")]
    assert said
    assert [line for line in said if not line.isprintable()] == []
    assert [line for line in said if line.startswith(FORGED)] == []


def rows(app: Flask) -> dict[str, int]:
    engine: Engine = app.extensions["cds"]
    database = sa.create_engine(engine.settings.ledger_url)
    try:
        with database.connect() as connection:
            return {
                table: connection.execute(sa.text(f'SELECT count(*) FROM "{table}"')).scalar_one()
                for table in sa.inspect(database).get_table_names()
            }
    finally:
        database.dispose()


@pytest.mark.threat("ledger-injection")
@pytest.mark.parametrize("sql", SQL)
def test_sql_in_a_call_or_its_feedback_is_kept_as_the_text_it_is(app: Flask, sql: str) -> None:
    before = rows(app)
    answer = fire_with(app, sql)
    assert answer["cards"]
    client = app.test_client()
    feedback = {"feedback": [{"card": sql, "outcome": "overridden", "overrideReason": {"reason": {"code": sql}}}]}
    assert client.post("/cds-services/pancreas-risk/feedback", json=feedback).status_code == 200
    after = rows(app)
    assert set(after) == set(before)
    assert after["calls"] == before["calls"] + 1
    assert after["feedback"] == before["feedback"] + 1
    assert client.get(f"/calls/{sql}").status_code in (200, 404)
    assert rows(app)["calls"] == after["calls"]


def fire_with(app: Flask, instance: str) -> dict[str, Any]:
    prefetch = prefetcher(app)("new-diabetes", "pancreas-risk", "patient-view")
    body = call(hookInstance=instance, prefetch=prefetch)
    answer = app.test_client().post("/cds-services/pancreas-risk", json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


@pytest.mark.threat("ledger-injection", "other-client")
def test_feedback_on_ids_like_a_cards_silences_no_card(app: Flask) -> None:
    given = fire_with(app, "one")["cards"][0]
    client = app.test_client()
    for card in (given["uuid"] + "'", given["uuid"].upper() + " ", f"{given['uuid']}\x00", "%", "_" * 36):
        body = {"feedback": [{"card": card, "outcome": "overridden"}]}
        assert client.post("/cds-services/pancreas-risk/feedback", json=body).status_code == 200
    assert [card["summary"] for card in fire_with(app, "two")["cards"]] == [given["summary"]]


@pytest.mark.threat("path-traversal")
@pytest.mark.parametrize("up", ["..", "%2e%2e", "..%2f", "%2e%2e%2f", "..\\", "%5c..", "....//", "%00", "/"])
@pytest.mark.parametrize("at", ["/report/static", "/cds-services", "/calls", "/studies", "/.well-known"])
def test_no_address_leads_out_of_its_folder(client: FlaskClient, at: str, up: str) -> None:
    for depth in (1, 3, 9):
        for target in ("etc/passwd", "pyproject.toml", "cds/settings.py", "cds.toml", "ledger.db"):
            answer = client.get(f"{at}/{f'{up}/' * depth}{target}")
            assert answer.status_code in (301, 308, 400, 401, 404, 405), (answer.status_code, answer.text[:80])
            assert "root:x:0" not in answer.text and "[project]" not in answer.text and "SQLite" not in answer.text


@pytest.mark.threat("path-traversal")
@pytest.mark.parametrize("language", ["../../etc/passwd", "en/../../x", "..", "C:\\x", "\u0000", "a" * 5000])
def test_a_language_is_a_name_in_a_list_and_no_file(client: FlaskClient, language: str) -> None:
    answer = client.post(
        "/cds-services/pancreas-risk", json=call(), headers={"Accept-Language": language.replace("\x00", "")}
    )
    assert answer.status_code in (200, 400, 412)
