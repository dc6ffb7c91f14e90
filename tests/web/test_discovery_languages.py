"""Who sets up the hospital's record system reads in discovery what each service does, in the language asked for."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from service import MakeApp, loopback

from cds.engine import Engine


def discovered(client: FlaskClient, language: str | None) -> tuple[str, dict[tuple[str, str], tuple[str, str]]]:
    """(its language, what each service is called and does)"""
    answer = client.get("/cds-services", headers={"Accept-Language": language} if language else {})
    assert answer.headers["Vary"] == "Accept-Language"
    found = {(s["id"], s["hook"]): (s["title"], s["description"]) for s in answer.get_json()["services"]}
    return answer.headers["Content-Language"], found


def test_every_service_is_described_in_dutch(client: FlaskClient) -> None:
    (_, english), (spoken, dutch) = discovered(client, "en"), discovered(client, "nl-NL,nl;q=0.9")
    assert spoken == "nl" and english.keys() == dutch.keys()
    assert [key for key in english if english[key][0] == dutch[key][0] or english[key][1] == dutch[key][1]] == []


def test_the_english_words_are_those_of_the_declaration(app: Flask, client: FlaskClient) -> None:
    """They stand in the catalogue beside the Dutch ones, so that both can be read and changed together."""
    engine: Engine = app.extensions["cds"]
    declared = {key: (s.title, s.description) for key, s in engine.services.services.items()}
    assert discovered(client, "en")[1] == declared


@pytest.mark.parametrize(("asked", "usual", "spoken"), [(None, "en", "en"), (None, "nl", "nl"), ("fr", "nl", "nl")])
def test_who_asks_for_none_or_for_another_gets_the_deployments(
    make_app: MakeApp, asked: str | None, usual: str, spoken: str
) -> None:
    settings: dict[str, Any] = {**loopback(), "language": usual}
    assert discovered(make_app(**settings).test_client(), asked)[0] == spoken


def test_an_unchanged_document_is_not_sent_again_and_another_language_is(client: FlaskClient) -> None:
    tag = client.get("/cds-services", headers={"Accept-Language": "en"}).headers["ETag"]
    again = {"If-None-Match": tag}
    assert client.get("/cds-services", headers={"Accept-Language": "en", **again}).status_code == 304
    assert client.get("/cds-services", headers={"Accept-Language": "nl", **again}).status_code == 200
