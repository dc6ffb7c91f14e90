"""Fixtures ``make_house`` and ``house``: a FHIR server and an engine that may read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from charted_house import House, MakeHouse, serving
from flask import Response, request
from service import TODAY, MakeApp, loopback

from cds.demo.fhir_endpoint import create_fhir_app
from hooks.stories import all_resources


@pytest.fixture(scope="session")
def make_house(make_app: MakeApp) -> Iterator[MakeHouse]:
    """Call it with further resources and settings for a house of its own."""
    with ExitStack() as running:

        def make(*more: dict[str, Any], client: dict[str, Any] | None = None, **settings: Any) -> House:
            fhir = create_fhir_app([*all_resources(TODAY), *more])
            base = running.enter_context(serving(fhir)) + "/fhir"
            given = {"timezone": "Europe/Amsterdam", **loopback(fhir_servers=[base], **(client or {})), **settings}
            house = House(make_app(**given).extensions["cds"], base)

            @fhir.before_request
            def fault() -> Response | None:
                house.tokens.append(request.headers.get("Authorization", ""))
                status = house.broken.get(request.path.split("/")[2])
                return Response("{}", status, content_type="application/fhir+json") if status else None

            return house

        yield make


@pytest.fixture(scope="session")
def shared_house(make_house: MakeHouse) -> House:
    return make_house()


@pytest.fixture
def house(shared_house: House) -> House:
    shared_house.tokens.clear()
    shared_house.broken.clear()
    return shared_house
