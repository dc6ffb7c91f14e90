"""Layers of one service or of some callers: each call is judged by its own, and a change is told of whose it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hospital import KEY, NOW, Hospital
from trying import Preview as Command

from cds.cli.policy.house import file_of
from cds.cli.policy.preview import house_of
from cds.ledger.past import Before, PastCalls
from cds.policy.schema import Known, Policy, read
from cds.policy.store import text_of
from cds.preview.changes import changes
from cds.preview.preview import Asked
from cds.preview.preview import preview as decided_again
from cds.preview.replay import PolicyOf, Scope
from cds.settings import Settings, load

SCOPES: tuple[Scope, ...] = tuple((c, s, None) for c in ("", "north") for s in ("", "one", "two"))


def of(version: str, **models: bool) -> Policy:
    content: dict[str, Any] = {
        "name": version, "author": "A", "approver": "B", "effective": "2026-01-01", "reason": "a test",
        "version": version, "models": {id: {"enabled": on} for id, on in models.items()},
    }  # fmt: skip
    return Policy.model_validate(content)


def by(choose: Callable[[str, str], Policy]) -> PolicyOf:
    return lambda client, service, _: choose(client, service)


def test_a_key_that_goes_both_ways_is_told_both_ways_with_whose_calls_each_is_of() -> None:
    on, off = of("on", score=True), of("off", score=False)
    before = by(lambda _, service: off if service == "one" else on)
    after = by(lambda _, service: on if service == "one" else off)
    found = {(c.difference.before, c.difference.after): c for c in changes(before, after, SCOPES, Known({}, {}))}
    assert {way: (c.services, c.some_callers) for way, c in found.items()} == {
        (False, True): (("one",), False),
        (True, False): (("two",), False),
    }


def test_a_change_for_a_client_is_told_as_of_some_callers() -> None:
    on, off = of("on", score=True), of("off", score=False)
    (found,) = changes(by(lambda *_: off), by(lambda c, _: on if c == "north" else off), SCOPES, Known({}, {}))
    assert (found.services, found.some_callers) == ((), True)


def test_the_policy_tried_is_named_as_those_are_under_it_whom_it_changes() -> None:
    on, off = of("on"), of("off")
    asked = Asked(by(lambda *_: off), by(lambda _, s: on if s == "two" else off), NOW, NOW, scopes=SCOPES)
    assert asked.tried.name == "on"


def switched(settings: Settings, model: str, on: bool) -> Policy:
    content, _ = read(text_of(file_of(settings)), "the packaged policy")
    content["models"] |= {model: {"enabled": on}}
    return Policy.model_validate(content | {"version": f"{model} {on}"})


def test_a_model_switched_on_for_some_and_off_for_others_is_judged_for_each_by_what_it_is_for_them(
    hospital: Hospital, tmp_path: Path
) -> None:
    """Switched off, what it said then is enough; switched on, it has not been asked."""
    file = tmp_path / "cds.toml"
    file.write_text(f"data_dir = {json.dumps(str(hospital.folder))}\nledger_key = {json.dumps(KEY.decode())}\n")
    for n, client in enumerate(("north", "north", "south", "south", "south")):
        hospital.call(f"p{n}", client=client, service="pancreas-care", weighed={}, predictions=())
    house = house_of(load(file))
    on, off = (switched(load(file), "purist-subtype", each) for each in (True, False))
    asked = Asked(
        by(lambda client, _: on if client == "north" else off), by(lambda client, _: on if client == "south" else off),
        NOW - timedelta(days=9), NOW, scopes=[(c, "pancreas-care", None) for c in ("", "north", "south")],
    )  # fmt: skip
    past = PastCalls(hospital.url)
    try:
        found = decided_again(
            lambda about, whole: past.between(asked.since, asked.until, about=about, whole=whole),
            Before(), house, asked,
        )  # fmt: skip
    finally:
        past.close()
    assert found.seen.unseen == {"models.purist-subtype.enabled": 3}


LAYER = """\
name: Of care alone
layer: service/pancreas-care
author: A. Lead
effective: 2026-01-01
reason: a test
guidelines: {grace: 1d}
"""


def test_a_layer_of_one_service_is_judged_by_its_calls_and_told_by_its_name(
    hospital: Hospital, preview: Command
) -> None:
    """A grace bears on guidelines of several services; calls at which a visit begins keep too little to see it."""
    for n in range(3):
        hospital.call(f"p{n}", hook="encounter-start")
    told = {}
    for whose in ("pancreas-care", "pancreas-risk"):
        result = preview(hospital, "--json", change=LAYER.replace("pancreas-care", whose))
        assert result.exit_code == 0, result.output
        told[whose] = json.loads(result.stdout)
        assert told[whose]["policy"]["name"].endswith(" + Of care alone")
        assert [d["services"] for d in told[whose]["differences"]] == [[whose]]
    lacking = {
        whose: {n["setting"]: n["calls"] for n in each["notes"] if n["note"] == "kept-too-little"}
        for whose, each in told.items()
    }
    assert lacking == {"pancreas-care": {}, "pancreas-risk": {"guidelines.grace": 3}}
    text = " ".join(preview(hospital, change=LAYER).stdout.split())
    assert "guidelines.grace (calls of pancreas-care): " in text
