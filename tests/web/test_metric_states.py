"""States that an operator is alerted on are in ``/metrics`` as they are now, beside the counts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from service import MakeApp, loopback

from cds import __version__

PACKAGED = Path(__file__).parents[2] / "hooks" / "policy.yaml"


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_bytes(PACKAGED.read_bytes())
    return path


@pytest.fixture
def app(make_app: MakeApp, policy_file: Path, tmp_path: Path) -> Flask:
    broken = tmp_path / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model.yaml").write_text("id: broken\n", encoding="utf-8")
    return make_app(
        **loopback(), policy_file=policy_file, policy_poll_s=0.001, model_dirs=[broken.parent], data_dir=tmp_path
    )


def states(app: Flask) -> dict[str, float]:
    families = text_string_to_metric_families(app.test_client().get("/metrics").text)
    return {s.name: s.value for f in families for s in f.samples if not s.labels}


def test_what_is_good_and_what_is_not_is_told(app: Flask, policy_file: Path) -> None:
    told = states(app)
    assert (told["cds_ready"], told["cds_ledger_reachable"], told["cds_ledger_waiting"]) == (1, 1, 0)
    assert told["cds_models_not_loaded"] == 1
    assert told["cds_policy_rejected"] == 0

    policy_file.write_text("version: [\n", encoding="utf-8")
    states(app)  # a changed file is judged when it reads the same twice
    time.sleep(0.01)
    assert states(app)["cds_policy_rejected"] == 1


def test_a_row_that_no_database_takes_goes_on_being_told(app: Flask, tmp_path: Path) -> None:
    """Once set aside it waits no more, and is lost with this host all the same."""
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "0-torn.json").write_text('{"kind": "call", "ent', encoding="utf-8")
    told = states(app)
    assert (told["cds_ledger_waiting"], told["cds_ledger_rejected"]) == (1, 0)
    app.extensions["cds"].ledger.drain()
    told = states(app)
    assert (told["cds_ledger_waiting"], told["cds_ledger_rejected"]) == (0, 1)
    assert app.test_client().get("/ready").get_json()["ledger"] == {"reachable": True, "spooled": 0, "rejected": 1}


def test_the_versions_in_force_are_told(app: Flask) -> None:
    families = {f.name: f.samples for f in text_string_to_metric_families(app.test_client().get("/metrics").text)}
    (info,) = families["cds_info"]
    assert info.labels == {
        "version": __version__,
        "policy": app.test_client().get("/ready").get_json()["policy"]["version"],
    }
