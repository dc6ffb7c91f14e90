"""``cds audit``: a changed row is named to whoever looks, and what happened can be handed on as FHIR."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from command_line import cds
from fhir.resources.R4B.auditevent import AuditEvent
from flask import Flask
from service import MakeApp, StoryCalls, loopback, prefetcher

from cds.sealing import Sealer
from hooks.stories import STORIES


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app(**loopback())
    fire = StoryCalls(app.test_client(), prefetcher(app))
    for story in ("new-diabetes", "jaundice-head", "deceased"):
        assert fire(story).status_code == 200
    app.test_client().post("/cds-services/pancreas-risk", json={"hook": "patient-view"})
    return app


@pytest.fixture
def settings(app: Flask) -> Path:
    """A ``cds.toml`` of the application's own ledger and key."""
    given = app.extensions["cds"].settings
    path = given.data_dir / "audit.toml"
    path.write_text(f'data_dir = "{given.data_dir}"\nenvironment = "demo"\n', encoding="utf-8")
    return Path(path)


def execute(app: Flask, statement: str) -> None:
    database = app.extensions["cds"].settings.data_dir / "ledger.db"
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
    connection.close()


def test_the_service_s_own_links_are_what_the_command_verifies(app: Flask, settings: Path) -> None:
    engine = app.extensions["cds"]
    assert (Sealer(engine.settings, engine.now).once() or 0) >= 5
    result = cds("audit", "verify", settings=settings)
    assert result.exit_code == 0, result.output
    assert "links" in result.stdout and "not linked yet" not in result.stdout


def test_a_round_that_ends_lets_the_next_look_less_far_back_and_once_an_hour_all_is_gone_over(app: Flask) -> None:
    engine = app.extensions["cds"]
    sealer = Sealer(engine.settings, engine.now)
    assert sealer.all_due
    sealer.once()
    assert sealer.all_due  # nothing but a look without a bound settles it
    sealer.once(thorough=True)
    assert not sealer.all_due


def test_a_changed_and_a_removed_row_are_named(app: Flask, settings: Path) -> None:
    cds("audit", "seal", settings=settings)
    head = cds("audit", "head", settings=settings).stdout.strip()
    execute(app, "UPDATE cards SET indicator = 'info' WHERE indicator = 'warning'")
    execute(app, "DELETE FROM policies")
    result = cds("audit", "verify", "--head", head, settings=settings)
    assert result.exit_code == 1
    assert "the row was changed after it was linked" in result.stdout and "policy" in result.stdout
    found = json.loads(cds("audit", "verify", "--json", settings=settings).stdout)
    assert {f["what"] for f in found["faults"]} == {"changed", "removed"}


def test_what_has_no_link_yet_is_counted(settings: Path) -> None:
    result = cds("audit", "verify", settings=settings)
    assert result.exit_code == 0
    assert "not linked yet, so nothing is proven of them: 4 call" in result.stdout


def test_a_head_of_another_chain_is_not_in_this_one(settings: Path) -> None:
    cds("audit", "seal", settings=settings)
    result = cds("audit", "verify", "--head", f"2:{'0' * 64}", settings=settings)
    assert result.exit_code == 1 and "links were cut off or made anew" in result.stdout
    assert "as `cds audit head` printed it" in cds("audit", "verify", "--head", "x", settings=settings).stderr


def test_what_happened_is_valid_fhir_and_names_nobody(app: Flask, settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.ndjson"
    result = cds("audit", "export", "--since", "2026-11-23", "--until", "2026-11-23", "--out", out, settings=settings)
    assert result.exit_code == 0, result.output
    text = out.read_text(encoding="utf-8")
    events = [AuditEvent.model_validate_json(line) for line in text.splitlines()]
    assert len(events) == 4 and "4 AuditEvent(s) written" in result.stdout
    assert sorted(e.outcome for e in events) == ["0", "0", "0", "4"]
    answered = json.loads(text.splitlines()[0])
    told = {d["type"]: d["valueString"] for entity in answered["entity"] for d in entity.get("detail", ())}
    assert told["service"] == "pancreas-risk" and told["policy"]
    assert any(entity["role"]["code"] == "1" for entity in answered["entity"])
    for story in STORIES:
        assert story.id not in text and story.name not in text


def test_a_day_that_is_none_and_a_file_that_can_t_be_written_are_sentences(settings: Path, tmp_path: Path) -> None:
    assert "write a day as 2026-03-31" in cds("audit", "export", "--since", "may", settings=settings).stderr
    away = cds("audit", "export", "--since", "2026-11-23", "--out", tmp_path / "no" / "x", settings=settings)
    assert away.exit_code == 2 and "can't be written" in away.stderr


def test_purging_is_told_first_and_refuses_to_cover_up(app: Flask, settings: Path) -> None:
    cds("audit", "seal", settings=settings)
    told = cds("audit", "purge", settings=settings)
    assert told.exit_code == 0 and "add --yes to do it" in told.stdout
    execute(app, "UPDATE calls SET language = 'xx'")
    refused = cds("audit", "purge", "--yes", settings=settings)
    assert refused.exit_code == 2 and "look into them first" in refused.stderr


def test_logs_are_kept_for_six_months_at_least(settings: Path) -> None:
    settings.write_text(settings.read_text(encoding="utf-8") + '[audit]\nkeep = "3m"\n', encoding="utf-8")
    result = cds("audit", "head", settings=settings)
    assert result.exit_code == 2 and "six months at least" in result.stderr
