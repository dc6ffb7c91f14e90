"""A past call decided again gives what a live call under that policy gives: same cards, same weight, same flags."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from flask import Flask
from ledger_reading import rows
from service import NOW, MakeApp, StoryCalls, loopback, prefetcher

import hooks
from cds.inference import registry
from cds.inference.guideline import edition_of
from cds.ledger import tables
from cds.ledger.past import Before, PastCall, PastCalls
from cds.policy.differences import differences
from cds.policy.schema import Known, Policy
from cds.preview.figures import figures
from cds.preview.preview import Asked, House, preview
from cds.preview.reach import reaches, unseen
from cds.preview.replay import Beginning, Memory, Replay
from cds.preview.whole import Whole
from cds.snapshot import Fingerprints, Snapshots
from hooks import stories

PACKAGED = yaml.safe_load((Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8"))
HOOKS = ("patient-view", "order-select", "order-sign")

Ready = dict[tuple[str, str, str], set[tuple[Any, ...]]]
"""(patient, service, hook) -> (memory, indicator, band, flags) of every card that was ready."""


def asked(app: Flask) -> None:
    """Every story, by every service, once."""
    fire = StoryCalls(app.test_client(), prefetcher(app))
    for service in app.test_client().get("/cds-services").get_json()["services"]:
        if service["hook"] not in HOOKS:
            continue
        for story in stories.STORIES:
            if service["hook"] == "patient-view" or story.drafts:
                assert fire(story.id, service["id"], service["hook"]).status_code == 200


def live(app: Flask) -> Ready:
    engine = app.extensions["cds"]
    calls = {c["id"]: c for c in rows(app, tables.calls)}
    people = {engine.ledger.patient_key("demo", story.id): story.id for story in stories.STORIES}
    found: Ready = {}
    for card in rows(app, tables.cards):
        call = calls[card["call_id"]]
        key = (people[call["patient_key"]], call["service"], call["hook"])
        flags = frozenset(card["flags"] or ())
        found.setdefault(key, set()).add((card["topic"], card["indicator"], card["band"], flags))
    assert not [s for s in rows(app, tables.suppressions) if s["body"]], "one visit: nothing is held back"
    return found


@pytest.fixture(scope="module")
def base(make_app: MakeApp) -> Flask:
    app = make_app(**loopback())
    asked(app)
    return app


@pytest.fixture(scope="module")
def calls(base: Flask) -> list[PastCall]:
    past = PastCalls(base.extensions["cds"].settings.ledger_url)
    try:
        services, models = base.extensions["cds"].services.services, base.extensions["cds"].models.models
        whole, since = {id for id, _ in services}, NOW - timedelta(days=1)
        return list(past.between(since, since + timedelta(days=2), about=list(models), whole=whole))
    finally:
        past.close()


def again(app: Flask, calls: list[PastCall], policy: Any, *, whole: bool = False) -> Ready:
    engine = app.extensions["cds"]
    replay, memory = (
        Replay(engine.services, engine.models, ZoneInfo("UTC")),
        Memory(ZoneInfo("UTC"), Beginning(Before())),
    )
    people = {engine.ledger.patient_key("demo", story.id): story.id for story in stories.STORIES}
    found: Ready = {}
    kept = Whole(engine.services, replay.editions, engine.catalogues, engine.snapshots)
    for call in calls:
        if whole and (opened := kept.opened(call)) is not None:
            made = kept.under(call, opened, policy)
            assert made is not None
            call = made
        decided = memory.hold_back(call, replay.ready(call, policy), policy)
        shown = {(w.memory, w.indicator, w.band, frozenset(w.flags)) for w in decided.shown}
        if shown:
            found[people[call.patient], call.service, call.hook] = shown
    return found


Change = Callable[[dict[str, Any]], None]


def risk(**parameters: Any) -> Change:
    def change(policy: dict[str, Any]) -> None:
        policy["services"]["pancreas-risk"]["parameters"].update(parameters)

    return change


def off(*models: str) -> Change:
    def change(policy: dict[str, Any]) -> None:
        policy["models"] |= {model: {"enabled": False} for model in models}

    return change


def service_off(policy: dict[str, Any]) -> None:
    policy["services"]["pancreas-risk"]["enabled"] = False


def test_under_the_policy_of_that_day_it_is_what_was_shown(base: Flask, calls: list[PastCall]) -> None:
    found = live(base)
    assert len(found) > 15
    assert again(base, calls, base.extensions["cds"].policies.current()) == found


@pytest.mark.parametrize(
    "change",
    [
        risk(risk_at_least=0.0005),
        risk(risk_at_least=0.5),
        risk(risk_at_least=0.001, endpac_at_least=-5, risk_bands=[0.002, 0.004]),
        risk(ages=[70, 80], recent_imaging="0d", active_order="0d", endpac_at_least=1),
        risk(recent_imaging="10y", imaging_modalities=["US"], model_indicator="warning", guideline_indicator="info"),
        risk(say_when_not_assessed=False),
        off("nice-ng12"),
        off("nice-ng12", "endpac", "ipmn-european-2018"),
        off("ca19-9-response", "molecular-targets", "dpyd-dosing"),
        service_off,
    ],
)
def test_under_another_policy_it_is_what_would_have_been_shown(
    make_app: MakeApp, base: Flask, calls: list[PastCall], tmp_path: Path, change: Change
) -> None:
    app = under(make_app, tmp_path, change)
    assert again(base, calls, app.extensions["cds"].policies.current()) == live(app)


def under(make_app: MakeApp, folder: Path, change: Change) -> Flask:
    """Every story asked live under the packaged policy so changed."""
    policy = yaml.safe_load(yaml.safe_dump(PACKAGED))
    policy["cards"] = {"most": 3, "most_warnings": 3}
    change(policy)
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    app = make_app(policy_file=path, **loopback())
    asked(app)
    return app


# ---- what hangs on more than stored answers: decided again from what calls with a card kept


def edited(model: str, turn: Callable[[dict[str, Any]], None], **of_guidelines: Any) -> Change:
    """A newer edition of a guideline, as its committee would publish it."""

    def change(policy: dict[str, Any]) -> None:
        content = edition_of(registry.load(registry.installed_folders())[model].manifest)
        edition = content.model_dump(mode="json", exclude_defaults=True) | {"version": "99.0.0"}
        turn(edition)
        policy["guidelines"] = {"editions": {model: edition}, **of_guidelines}

    return change


def last_rule_alone(edition: dict[str, Any]) -> None:
    edition["rules"] = edition["rules"][-1:]


def long_overdue(edition: dict[str, Any]) -> None:
    edition["review_by"] = "2020-01-01"


def another_first_line(policy: dict[str, Any]) -> None:
    off("metastatic-os", "resected-os")(policy)
    policy["services"]["pancreas-first-line"]["parameters"]["say_when_not_possible"] = False


@pytest.mark.parametrize(
    ("change", "by_answers"),
    [
        (another_first_line, False),
        (edited("nice-ng12", long_overdue), True),
        (edited("caps-surveillance", last_rule_alone), True),
    ],
)
def test_so_it_is_for_every_service_and_kind_of_card(
    make_app: MakeApp, base: Flask, calls: list[PastCall], tmp_path: Path, change: Change, by_answers: bool
) -> None:
    """``by_answers``: an edition is asked with the inputs that its answers kept, too: calls without a card have no
    more."""
    app = under(make_app, tmp_path, change)
    policy, in_force = (each.extensions["cds"].policies.current() for each in (app, base))
    found = again(base, calls, policy, whole=True)
    assert found == live(app)
    assert found != again(base, calls, in_force, whole=True)
    assert (again(base, calls, policy) == found) is by_answers


def test_a_model_switched_on_speaks_where_the_facts_were_kept_and_is_told_of_elsewhere(
    make_app: MakeApp, base: Flask, calls: list[PastCall], tmp_path: Path
) -> None:
    app = under(make_app, tmp_path, lambda policy: policy["models"].update({"purist-subtype": {"enabled": True}}))
    engine = app.extensions["cds"]
    policy = engine.policies.current()
    known = Known(engine.models.thresholds(), engine.services.parameters(), engine.models.limits())
    changed = differences(base.extensions["cds"].policies.current(), policy, known)
    found, now = again(base, calls, policy, whole=True), live(app)
    reach = reaches(changed, engine.services, engine.models)
    replay = Replay(engine.services, engine.models, ZoneInfo("UTC"))
    people = {base.extensions["cds"].ledger.patient_key("demo", story.id): story.id for story in stories.STORIES}
    told = {
        (people[c.patient], c.service, c.hook)
        for c in calls
        if c.sealed is None and [*unseen(c, reach, replay, policy)]
    }
    assert found != again(base, calls, base.extensions["cds"].policies.current(), whole=True)
    assert {key for key in now if now[key] != found.get(key)} <= told


@pytest.mark.parametrize("of_one_service", [False, True], ids=["for all", "a layer of one service"])
def test_the_figures_rest_on_cards_made_again_and_say_of_how_many_calls_too_little_was_kept(
    base: Flask, of_one_service: bool
) -> None:
    engine = base.extensions["cds"]
    in_force = engine.policies.current()
    content = yaml.safe_load(yaml.safe_dump(PACKAGED))
    another_first_line(content)
    tried = Policy.model_validate(content | {"version": "tried"})
    known = Known(engine.models.thresholds(), engine.services.parameters(), engine.models.limits())
    since, zone = NOW - timedelta(days=1), ZoneInfo("UTC")
    scopes = [("", service, None) for service in ("", *engine.services.parameters())]
    asked = Asked(
        lambda *_: in_force,
        lambda _, service, __: tried if service == "pancreas-first-line" or not of_one_service else in_force,
        since, since + timedelta(days=2), scopes=scopes,
    )  # fmt: skip
    other = Snapshots(engine.settings.load_ledger_key(), Fingerprints({}, {}, "another program"))
    snapshots = other if of_one_service else engine.snapshots
    past = PastCalls(engine.settings.ledger_url)
    try:
        found = preview(
            lambda about, whole: past.between(asked.since, asked.until, about=about, whole=whole),
            Before(), House(engine.services, engine.models, known, zone, (engine.catalogues, snapshots)), asked,
        )  # fmt: skip
    finally:
        past.close()
    told = figures(found)
    assert 0 < found.after.total < found.before.total
    whole = next(note for note in told["notes"] if note["note"] == "whole")["calls"]
    assert whole > 0
    by_others = [note["calls"] for note in told["notes"] if note["note"] == "by-others"]
    assert by_others == ([whole] if of_one_service else []), "by the files that answered, it is not said"
    lacking = {note["setting"]: note["calls"] for note in told["notes"] if note["note"] == "kept-too-little"}
    key = "services.pancreas-first-line.parameters.say_when_not_possible"
    # what a manifest alone says of its model's answer is told by the answer: of the second model nothing is lacking
    assert lacking.keys() == {key, "models.metastatic-os.enabled"} and all(lacking.values())
    mine = sum(c["service"] == "pancreas-first-line" for c in rows(base, tables.calls))
    assert lacking["models.metastatic-os.enabled"] <= mine or not of_one_service, "others are under the same as before"
    whose = {each["key"]: each["services"] for each in told["differences"]}
    assert whose["models.metastatic-os.enabled"] == (["pancreas-first-line"] if of_one_service else [])
    assert whose[key] == [], "a service's own key is its alone"
