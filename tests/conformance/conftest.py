"""What the conformance tests share: every answer to every story, and a FHIR server that counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from answers import Answered, all_answers
from counting_hospital import Hospital, running_hospital
from flask import Flask
from flask.testing import FlaskClient
from service import Json, MakeApp, StoryCalls, loopback, prefetcher


@pytest.fixture(scope="session")
def every_answer(make_app: MakeApp) -> list[Answered]:
    app = make_app(**loopback())
    return all_answers(StoryCalls(app.test_client(), prefetcher(app)))


@pytest.fixture(scope="session")
def every_card(every_answer: list[Answered]) -> list[Json]:
    cards = [card for answer in every_answer for card in answer.body["cards"]]
    assert len(cards) > 20, "too few cards to prove anything of cards"
    return cards


@pytest.fixture(scope="session")
def open_hospital() -> Iterator[Hospital]:
    with running_hospital() as hospital:
        yield hospital


@pytest.fixture
def hospital(open_hospital: Hospital) -> Hospital:
    """Not yet asked anything."""
    open_hospital.asked.clear()
    return open_hospital


@pytest.fixture(scope="session")
def fetching_app(make_app: MakeApp, open_hospital: Hospital) -> Flask:
    """An application that may read the hospital's FHIR server for its client."""
    return make_app(**loopback(fhir_servers=[open_hospital.base]), fhir={"deadline_s": 10})


@pytest.fixture
def fetching(fetching_app: Flask) -> FlaskClient:
    return fetching_app.test_client()
