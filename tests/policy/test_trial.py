"""A file that is previewed is resolved through its layers as it would be live: its own day, its users, its canary."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from layered import BASE, KNOWN, TODAY, layer

from cds.errors import PolicyError
from cds.policy.layers import Layer, parse_layer
from cds.policy.standing import Approved, Canary, Standing
from cds.preview.trial import Trial

FLOOR = "department/floor"
LATER = TODAY + timedelta(days=30)


def of(text: str) -> Layer:
    return parse_layer(text, "x.yaml")


def trial(file: str, standing: Standing | None = None, later: Standing | None = None) -> Trial:
    """``later``: the layers of the day a month on."""
    on = {LATER: later or standing}
    none = Standing({}, {}, {})
    return Trial(BASE, "base.yaml", lambda day: on.get(day) or standing or none, TODAY, file, "new.yaml", KNOWN, key)


def key(client: str, user: str) -> str:
    return f"hash of {client} {user}"


def threshold(policy: object) -> object:
    return policy.service("my-service").parameters["threshold"]  # type: ignore[attr-defined]


def test_a_department_of_people_is_under_its_own_layer_by_the_ledgers_key_of_them() -> None:
    ward = layer(0.07, layer=FLOOR, applies_to={"users": ["PractitionerRole/12"]})
    held = Standing({FLOOR: Approved(of(ward), "B")}, {}, {})
    found = trial(layer(0.03), held)
    found.require()
    assert threshold(found.after("north", "my-service", key("north", "PractitionerRole/12"))) == 0.07
    assert threshold(found.after("north", "my-service", key("south", "PractitionerRole/12"))) == 0.03
    assert threshold(found.after("north", "my-service", None)) == 0.03
    assert threshold(found.before("north", "my-service", key("north", "PractitionerRole/12"))) == 0.07


def test_a_department_that_is_tried_concerns_its_own_people_alone() -> None:
    found = trial(layer(0.07, layer=FLOOR, applies_to={"users": ["PractitionerRole/12"]}))
    assert threshold(found.after("north", "my-service", key("north", "PractitionerRole/12"))) == 0.07
    assert threshold(found.after("north", "my-service", key("north", "PractitionerRole/13"))) == 0.02


def test_what_waits_or_ends_by_its_day_is_laid_as_on_that_day() -> None:
    """Another layer takes effect before it, and one has ended by then."""
    today = Standing({"site": Approved(of(layer(0.05)), "B")}, {}, {})
    then = Standing({"site": Approved(of(layer(0.06)), "B")}, {}, {})
    found = trial(layer(None, layer="service/my-service", effective=LATER.isoformat(), orders={}), today, then)
    assert found.from_day == LATER
    assert threshold(found.after("north", "my-service")) == 0.06
    assert threshold(found.before("north", "my-service")) == 0.06, "what another layer does by then is not its doing"
    assert found.others == ("site",)
    own = trial(layer(0.03, effective=LATER.isoformat()), today, then)
    assert threshold(own.before("north", "my-service")) == 0.06
    assert own.others == (), "the layer tried does not stand on both sides"


def test_a_running_trial_of_the_same_layer_ends_and_others_go_on() -> None:
    mine = Canary("v1", clients=("north",)), Approved(of(layer(0.05)), "B")
    other = Canary("v2", users=("nurse",)), Approved(of(layer(0.08, layer="service/my-service")), "B")
    found = trial(layer(0.03), Standing({}, {"site": mine, "service/my-service": other}, {}))
    assert found.trial_ends
    assert found.others == ()
    assert threshold(found.before("north", "my-service")) == 0.05
    assert threshold(found.after("north", "my-service")) == 0.03
    assert threshold(found.after("north", "my-service", key("north", "nurse"))) == 0.08


def test_one_whose_last_day_has_passed_is_refused() -> None:
    with pytest.raises(PolicyError, match="its last day, 2026-11-02, has passed: it would never be in force"):
        trial(layer(0.03, until=date(2026, 11, 2).isoformat())).require()


def test_everybody_whose_policy_may_differ_is_compared() -> None:
    mine = Canary("v1", clients=("north",)), Approved(of(layer(0.05)), "B")
    ward = layer(0.07, layer=FLOOR, applies_to={"clients": ["south"], "users": ["PractitionerRole/12"]})
    found = trial(ward, Standing({}, {"site": mine}, {}))
    scopes = set(found.scopes(["my-service"]))
    assert {("", "", None), ("", "my-service", None), ("north", "", None)} <= scopes
    whose = "south", "my-service", key("south", "PractitionerRole/12")
    assert whose in scopes and threshold(found.after(*whose)) == 0.07
