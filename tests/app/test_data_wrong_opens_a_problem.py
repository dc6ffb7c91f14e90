"""An override that says "the data is wrong" is more than a snooze: somebody has to put the record right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from service import Json, StoryCalls

from cds.cli import main
from cds.engine import Engine
from cds.ledger import ProblemEntry

FEEDBACK = "/cds-services/pancreas-risk/feedback"


def override(fire: StoryCalls, card: str, reason: str | None, at: str = "2026-11-23T12:00:10Z", **more: Any) -> Json:
    why = {"reason": {"code": reason, "system": "urn:cds:override-reason"}} if reason else {}
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": at, "overrideReason": {**why, **more}}
    answer = fire.client.post(FEEDBACK, json={"feedback": [item]})
    assert answer.status_code == 200
    return dict(answer.get_json())


def card_of(fire: StoryCalls, story: str = "wrong-unit") -> str:
    return str(fire(story).get_json()["cards"][0]["uuid"])


def engine_of(fire: StoryCalls) -> Engine:
    engine: Engine = fire.client.application.extensions["cds"]
    return engine


def problems(fire: StoryCalls) -> tuple[ProblemEntry, ...]:
    return engine_of(fire).ledger.problems()


def test_it_opens_a_problem_that_leads_to_the_card_and_its_call(fire_fresh: StoryCalls) -> None:
    card = card_of(fire_fresh)
    override(fire_fresh, card, "data-wrong", userComment="Mrs Testpatient's HbA1c is another's")
    (problem,) = problems(fire_fresh)
    assert (problem.kind, problem.state, problem.client, problem.card_id) == ("wrong-data", "open", "demo", card)
    assert problem.text == ""  # the words of a comment may name the patient
    stored = engine_of(fire_fresh).ledger.card(card)
    assert stored is not None
    assert problem.call_id == stored.call_id
    assert engine_of(fire_fresh).ledger.call(stored.call_id) is not None


def test_it_still_silences_the_topic(fire_fresh: StoryCalls) -> None:
    override(fire_fresh, card_of(fire_fresh), "data-wrong")
    assert fire_fresh("wrong-unit").get_json() == {"cards": []}


def test_sent_again_or_at_another_time_it_is_one_problem(fire_fresh: StoryCalls) -> None:
    card = card_of(fire_fresh)
    for at in ("2026-11-23T12:00:10Z", "2026-11-23T12:00:10Z", "2026-11-23T12:05:00Z"):
        override(fire_fresh, card, "data-wrong", at)
    override(fire_fresh, card_of(fire_fresh, "jaundice-head"), "data-wrong")
    assert len(problems(fire_fresh)) == 2


@pytest.mark.parametrize("reason", ["later", "declined", "unheard-of", None])
def test_another_reason_opens_none(fire_fresh: StoryCalls, reason: str | None) -> None:
    override(fire_fresh, card_of(fire_fresh), reason)
    assert problems(fire_fresh) == ()


def test_a_card_this_ledger_never_gave_is_a_problem_without_a_call(fire_fresh: StoryCalls) -> None:
    override(fire_fresh, "123456", "data-wrong")
    (problem,) = problems(fire_fresh)
    assert (problem.card_id, problem.call_id) == ("123456", None)


def test_whoever_keeps_the_record_finds_them_listed(fire_fresh: StoryCalls) -> None:
    folder: Path = engine_of(fire_fresh).settings.data_dir

    def listed(*options: str) -> str:
        toml = folder / "list.toml"
        toml.write_text(f'environment = "demo"\ndata_dir = {json.dumps(str(folder))}\n', encoding="utf-8")
        result = CliRunner().invoke(main, ["--settings", str(toml), "problems", "list", *options])
        assert result.exit_code == 0, result.output
        return result.output

    assert "No problem is open." in listed()
    card = card_of(fire_fresh)
    override(fire_fresh, card, "data-wrong")
    typed = ProblemEntry("p2", engine_of(fire_fresh).now(), None, None, "demo", None, "unclear", "[red]Mrs T's age[/]")
    engine_of(fire_fresh).ledger.record_problem(typed)
    told = listed()
    assert "wrong-data" in told and "pancreas-risk" in told
    assert "Mrs T" not in told  # only when asked for
    newest, oldest = json.loads(listed("--json", "--with-text"))
    assert {newest["card_id"], oldest["card_id"]} == {card, None}
    assert "[red]Mrs T's age[/]" in {newest["text"], oldest["text"]}
