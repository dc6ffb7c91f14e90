"""A service in this process that is asked about the stories as an EHR asks: every service of a hook, prefetch along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from hook_context import hook_context
from ready_ledger import ready

from cds.app import create_app
from cds.demo.fhir_endpoint import create_fhir_app
from cds.engine import Engine
from cds.ledger import tables
from cds.settings import load
from hooks import stories
from hooks.stories.concept_map import concept_map

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

Fire = Callable[[stories.Story, str, str], dict[str, Any]]


class House:
    """``client``: settings of the one EHR that calls."""

    def __init__(self, folder: Path, **client: Any) -> None:
        (folder / "map.json").write_text(json.dumps(concept_map()), encoding="utf-8")
        settings = load(
            None,
            environment="demo",
            data_dir=folder,
            concept_map=folder / "map.json",
            clients={"demo": {"authentication": "loopback", **client}},
        )
        ready(settings.ledger_url)
        app = create_app(settings, now=lambda: NOW)
        self.engine: Engine = app.extensions["cds"]
        self.http: FlaskClient = app.test_client()
        self.services: list[dict[str, Any]] = self.http.get("/cds-services").get_json()["services"]
        self._record = create_fhir_app(stories.all_resources(TODAY), page_size=1000).test_client()

    def ask(
        self,
        story: stories.Story,
        hook: str,
        language: str = "en",
        beside: tuple[dict[str, Any], ...] = (),
        *,
        lost: str = "",
        **changes: Any,
    ) -> dict[str, list[dict[str, Any]]]:
        """Cards by service id. ``beside``: resources that the chart holds, too; ``lost``: the key of a prefetch that
        the EHR could not read; ``changes``: of the context."""
        context = hook_context(hook, story.id, stories.draft_orders(story, TODAY)) | changes
        cards = {}
        for found in (s for s in self.services if s["hook"] == hook):
            prefetch = {
                key: self._record.get("/fhir/" + template.replace("{{context.patientId}}", story.id)).get_json()
                for key, template in found.get("prefetch", {}).items()
            }
            for key, bundle in prefetch.items():
                asked = found["prefetch"][key].partition("?")[0]
                more = [{"resource": r} for r in beside if r["resourceType"] == asked]
                if more:
                    bundle["entry"] = [*bundle.get("entry", ()), *more]
            if lost in prefetch:
                prefetch[lost] = {
                    "resourceType": "OperationOutcome",
                    "issue": [{"severity": "error", "code": "timeout"}],
                }
            cards[found["id"]] = self._answer(found, context, prefetch, language)
        return cards

    def cards_for(
        self, service: str, *chart: dict[str, Any], language: str = "en", cut: str = ""
    ) -> list[dict[str, Any]]:
        """Of a patient-view service, for a patient of whom nothing else is known. ``chart``: the Patient among it;
        ``cut``: the key of a prefetch that has more pages, which nobody can fetch."""
        patient = next(r["id"] for r in chart if r["resourceType"] == "Patient")
        record = create_fhir_app(list(chart), page_size=1000).test_client()
        (found,) = (s for s in self.services if s["id"] == service and s["hook"] == "patient-view")
        asked = {key: text.replace("{{context.patientId}}", patient) for key, text in found["prefetch"].items()}
        prefetch = {key: record.get(f"/fhir/{query}").get_json() for key, query in asked.items()}
        if cut:
            prefetch[cut]["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
        return self._answer(found, hook_context("patient-view", patient), prefetch, language)

    def _answer(
        self, service: dict[str, Any], context: dict[str, Any], prefetch: dict[str, Any], language: str
    ) -> list[dict[str, Any]]:
        answer = self.http.post(
            f"/cds-services/{service['id']}",
            json={"hook": service["hook"], "hookInstance": "x", "context": context, "prefetch": prefetch},
            headers={"Accept-Language": language},
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        cards: list[dict[str, Any]] = answer.get_json()["cards"]
        return cards


def untold(house: House) -> set[tuple[str, str]]:
    """(topic, reason) of everything the ledger says was left unsaid since the last time it was asked."""
    engine = sa.create_engine(house.engine.settings.ledger_url)
    try:
        with engine.begin() as connection:
            found = connection.execute(sa.select(tables.suppressions.c.topic, tables.suppressions.c.reason))
            pairs = {(topic, reason) for topic, reason in found}
            connection.execute(sa.delete(tables.suppressions))
    finally:
        engine.dispose()
    return pairs


@contextmanager
def opened(folder: Path, **client: Any) -> Iterator[House]:
    house = House(folder, **client)
    try:
        yield house
    finally:
        house.engine.ledger.close()
