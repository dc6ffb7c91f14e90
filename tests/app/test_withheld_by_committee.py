"""A model that the committee stops says "withheld by the committee" where it would have spoken, nothing elsewhere."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from ledger_reading import last_call, rows
from service import MakeApp, StoryCalls, loopback, prefetcher

from cds.committee.standing import Standings
from cds.errors import LedgerError
from cds.ids import new_id
from cds.ledger import tables
from cds.ledger.book import Book
from cds.ledger.committee_tables import standings
from cds.ledger.standings import EVERYWHERE, Standing

RISK = ("chronic-pancreatitis", "pancreas-risk", "patient-view")
"""Only the two-year risk speaks."""
GUIDELINE = ("new-diabetes", "pancreas-risk", "patient-view")
SIGN = ("folfirinox-falling", "pancreas-first-line", "order-sign")
QUIET = 0.05
WHEN = datetime(2026, 11, 20, 9, tzinfo=UTC)


def decided(app: Flask, model: str, action: Any = "stop", site: str = EVERYWHERE, cause: Any = "manual") -> None:
    """As the committee's commands write it, and then long enough for the service to look."""
    url = app.extensions["cds"].settings.ledger_url
    row = Standing(new_id(), WHEN, model, site, action, cause, "a reason", "A", "B", None)
    with Book(url) as book:
        book.put_all(standings, [dict(row.__dict__)])
    time.sleep(QUIET * 2)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(**loopback(), committee={"poll_s": QUIET})


@pytest.fixture
def fire(app: Flask) -> StoryCalls:
    return StoryCalls(app.test_client(), prefetcher(app))


def cards(fire: StoryCalls, *story: str, **changed: Any) -> list[dict[str, Any]]:
    answer = fire(*story, **changed)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: list[dict[str, Any]] = answer.get_json()["cards"]
    return found


def test_its_card_says_withheld_and_its_answer_is_kept_for_the_committee_alone(app: Flask, fire: StoryCalls) -> None:
    [before] = cards(fire, *RISK)
    assert "4 in 100" in before["summary"]
    decided(app, "qcancer-2013-pancreas")
    [card] = cards(fire, *RISK)
    assert card["summary"] == "Pancreatic cancer risk: withheld by the committee"
    assert card["indicator"] == "info"
    assert card["source"]["topic"]["code"] == before["source"]["topic"]["code"]
    assert "since 20 Nov 2026" in card["detail"] and "neither good nor bad" in card["detail"]
    assert "in 100" not in json.dumps(card) and "suggestions" not in card
    call = last_call(app)["id"]
    kept = {r["model"]: r for r in rows(app, tables.predictions) if r["call_id"] == call}
    shadow = kept["qcancer-2013-pancreas"]
    assert (shadow["outcome"], shadow["reason"]) == ("predicted", "withheld")
    assert shadow["outputs"]["risk"] > 0.03
    assert kept["nice-ng12"]["reason"] is None
    linked = {r["prediction_id"] for r in rows(app, tables.card_predictions)}
    assert shadow["id"] not in linked  # a report behind the card has nothing to show of it


def test_a_card_that_rests_on_another_model_stays_and_says_what_is_missing(app: Flask, fire: StoryCalls) -> None:
    [before] = cards(fire, *GUIDELINE)
    decided(app, "qcancer-2013-pancreas", cause="floor")
    [card] = cards(fire, *GUIDELINE)
    assert (card["summary"], card["indicator"]) == (before["summary"], "warning")
    assert card["suggestions"]
    assert "withheld by the committee" in card["detail"] and "worse here than the committee accepts" in card["detail"]


def test_a_wrong_reason_is_not_given_in_its_place(app: Flask, fire: StoryCalls) -> None:
    """Without its model the service would say that data is missing, which it is not."""
    decided(app, "metastatic-os")
    decided(app, "msk-prognostic-score", cause="input-failure")
    [card] = [c for c in cards(fire, *SIGN) if c["source"]["topic"]["code"] == "pancreas-survival"]
    assert card["summary"].endswith("withheld by the committee")
    assert "data it needs no longer arrives" in card["detail"]


def test_what_is_left_speaks_by_itself(app: Flask, fire: StoryCalls) -> None:
    decided(app, "metastatic-os")
    [card] = [c for c in cards(fire, *SIGN) if c["source"]["topic"]["code"] == "pancreas-survival"]
    assert "score only" in card["summary"]
    assert "withheld by the committee since" in card["detail"]


def test_the_comparator_does_not_lead_the_report_of_a_score(app: Flask, fire: StoryCalls) -> None:
    """It expects too long a survival, and is only ever shown beside the full estimate."""
    decided(app, "metastatic-os")
    [card] = [c for c in cards(fire, *SIGN) if c["source"]["topic"]["code"] == "pancreas-survival"]
    models = {r["id"]: (r["model"], r["outcome"]) for r in rows(app, tables.predictions)}
    assert ("pantheia-siri", "predicted") in models.values()
    linked = {models[r["prediction_id"]] for r in rows(app, tables.card_predictions) if r["card_id"] == card["uuid"]}
    assert linked == {("msk-prognostic-score", "predicted")}


def test_whoever_the_withheld_model_refused_hears_the_scores_own_refusal(
    app: Flask, fire: StoryCalls, stories_today: date
) -> None:
    """The score can't go by a refusal that it is not shown: its own manifest has one."""
    decided(app, "metastatic-os")
    body = fire.body(*SIGN)
    poor = {
        "resourceType": "Observation",
        "id": "poor",
        "status": "final",
        "subject": {"reference": f"Patient/{SIGN[0]}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
        "effectiveDateTime": stories_today.isoformat(),
        "valueQuantity": {"value": 3, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"},
    }
    for bundle in body["prefetch"].values():
        if any(e["resource"]["resourceType"] == "Observation" for e in bundle.get("entry", ())):
            bundle["entry"] = [*bundle["entry"], {"resource": poor}]
    found = cards(fire, *SIGN, prefetch=body["prefetch"])
    told = " ".join(c["summary"] + c["detail"] for c in found)
    assert "score only" not in told and not re.search(r"\d+ months|\d of 100", told)
    assert [c["summary"] for c in found] == ["No prognosis possible: withheld by the committee"]


def test_with_both_withheld_no_other_reason_is_given(app: Flask, fire: StoryCalls) -> None:
    decided(app, "metastatic-os")
    decided(app, "msk-prognostic-score")
    assert [c["summary"] for c in cards(fire, *SIGN)] == ["Pancreatic cancer prognosis: withheld by the committee"]


def test_a_model_that_speaks_through_its_manifest_is_withheld_alike(app: Flask, fire: StoryCalls) -> None:
    sign = ("dpyd-variant", "pancreas-dosing", "order-sign")
    [before] = [c for c in cards(fire, *sign) if "DPYD" in c["summary"] or "dpyd" in c["source"]["topic"]["code"]]
    decided(app, "dpyd-dosing")
    [card] = [c for c in cards(fire, *sign) if c["source"]["topic"]["code"] == before["source"]["topic"]["code"]]
    assert card["summary"].endswith(": withheld by the committee")


def test_where_it_had_nothing_to_say_nothing_is_said(app: Flask, fire: StoryCalls) -> None:
    decided(app, "qcancer-2013-pancreas")
    assert cards(fire, "ipmn-followup", "pancreas-risk", "patient-view") == []


def test_it_is_said_in_dutch_too(app: Flask, fire: StoryCalls) -> None:
    decided(app, "qcancer-2013-pancreas", cause="emergency")
    [card] = cards(fire, *RISK, headers={"Accept-Language": "nl"})
    assert card["summary"].endswith(": tegengehouden door de commissie")
    assert "sinds 20 nov 2026 door de commissie tegengehouden uit voorzorg" in card["detail"]


def test_patients_themselves_get_no_more_than_before(make_app: MakeApp) -> None:
    app = make_app(**loopback(patient_facing=True), committee={"poll_s": QUIET})
    decided(app, "metastatic-os")
    fire = StoryCalls(app.test_client(), prefetcher(app))
    assert [c for c in cards(fire, *SIGN) if c["source"]["topic"]["code"] == "pancreas-survival"] == []


def test_a_stop_at_another_site_is_none_here_and_resuming_brings_the_card_back(app: Flask, fire: StoryCalls) -> None:
    decided(app, "qcancer-2013-pancreas", site="south")
    assert "4 in 100" in cards(fire, *RISK)[0]["summary"]
    decided(app, "qcancer-2013-pancreas", site="demo")
    assert "withheld" in cards(fire, *RISK)[0]["summary"]
    decided(app, "qcancer-2013-pancreas", "resume", site="demo")
    assert "4 in 100" in cards(fire, *RISK)[0]["summary"]


# what a process remembers


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


STOP = Standing("1", WHEN, "m", EVERYWHERE, "stop", "manual", "r", "A", "B", None)


def answers(*given: tuple[Standing, ...] | None) -> Iterator[tuple[Standing, ...] | None]:
    yield from given


def test_a_ledger_that_is_away_changes_nothing_and_a_new_process_remembers(tmp_path: Path) -> None:
    clock, asked = Clock(), answers((STOP,), None, (), None)

    def read() -> tuple[Standing, ...]:
        found = next(asked)
        if found is None:
            raise LedgerError("away")
        return found

    first = Standings(read, tmp_path / "withheld.json", 5, clock)
    assert set(first.withheld("north")) == {"m"}
    clock.now = 4.9
    assert set(first.withheld("north")) == {"m"}  # not asked again
    clock.now = 5.1
    assert set(first.withheld("north")) == {"m"}  # asked, no answer
    clock.now = 10.3
    assert first.withheld("north") == {}
    (tmp_path / "withheld.json").write_text('{"*": {"m": {"since": "2026-11-20", "cause": "manual"}}}')
    second = Standings(read, tmp_path / "withheld.json", 5, clock)
    assert set(second.withheld("north")) == {"m"}


def test_a_spoilt_memory_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "withheld.json").write_text("{oops")

    def read() -> tuple[Standing, ...]:
        raise LedgerError("away")

    assert Standings(read, tmp_path / "withheld.json", 5).withheld("north") == {}


def test_every_client_has_its_own_and_everywhere_s() -> None:
    own = Standing("2", WHEN, "o", "north", "stop", "floor", "r", "system", None, None)
    found = Standings(lambda: (STOP, own), Path("/nonexistent/x"), 5)
    assert set(found.withheld("north")) == {"m", "o"}
    assert set(found.withheld("south")) == {"m"}
