"""What the clinical lead switches off is off, and the ledger says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ledger_reading import last_call, outcomes, suppressions
from service import MakeApp, StoryCalls, loopback, prefetcher

import hooks

PACKAGED = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
JAUNDICE = ("jaundice-head", "pancreas-risk", "patient-view")


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in PACKAGED
    path = folder / "policy.yaml"
    path.write_text(PACKAGED.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_model_that_is_off_does_not_run(make_app: MakeApp, tmp_path: Path) -> None:
    policy = changed(tmp_path, "nice-ng12: {enabled: true}", "nice-ng12: {enabled: false}")
    app = make_app(**loopback(), policy_file=policy)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    assert fire(*JAUNDICE).status_code == 200
    assert set(outcomes(app)) == {"endpac", "qcancer-2013-pancreas"}


def test_a_service_that_is_off_gives_no_cards_and_says_so(make_app: MakeApp, tmp_path: Path) -> None:
    policy = changed(tmp_path, "pancreas-risk:\n    enabled: true", "pancreas-risk:\n    enabled: false")
    app = make_app(**loopback(), policy_file=policy)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    answer = fire(*JAUNDICE)
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})
    assert suppressions(app) == {"pancreas-risk": "service-disabled"}


def test_a_research_model_runs_only_if_it_is_named(make_app: MakeApp, tmp_path: Path) -> None:
    sign = ("folfirinox-falling", "pancreas-first-line", "order-sign")
    named = make_app(**loopback())
    StoryCalls(named.test_client(), prefetcher(named))(*sign)
    assert "pantheia-siri" in outcomes(named)
    unnamed = make_app(**loopback(), policy_file=changed(tmp_path, "  pantheia-siri: {enabled: true}\n", ""))
    StoryCalls(unnamed.test_client(), prefetcher(unnamed))(*sign)
    assert "pantheia-siri" not in outcomes(unnamed)


def test_an_order_without_a_code_of_this_site_is_left_out_not_the_card(make_app: MakeApp, tmp_path: Path) -> None:
    """A lead who takes an order off the list must not silence the warning that would propose it."""
    line = next(line for line in PACKAGED.splitlines() if line.strip().startswith("referral-hpb:"))
    app = make_app(**loopback(), policy_file=changed(tmp_path, line + "\n", ""))
    fire = StoryCalls(app.test_client(), prefetcher(app))
    answer = fire(*JAUNDICE)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (card,) = answer.get_json()["cards"]
    assert card["indicator"] == "warning"
    assert "suspected cancer pathway" in card["summary"]


def test_a_saved_policy_takes_effect_and_its_version_is_on_card_and_row(make_app: MakeApp, tmp_path: Path) -> None:
    policy = changed(tmp_path, "guideline_indicator: warning", "guideline_indicator: info")
    app = make_app(**loopback(), policy_file=policy, policy_poll_s=0.01)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    (card,) = fire(*JAUNDICE).get_json()["cards"]
    first = last_call(app)["policy_version"]
    assert card["indicator"] == "info"
    assert first in card["detail"]
    fresh = tmp_path / "new.yaml"
    fresh.write_text(PACKAGED, encoding="utf-8")
    os.replace(fresh, policy)
    for _ in range(2):  # a changed file is looked at twice
        time.sleep(0.05)
        (card,) = fire(*JAUNDICE).get_json()["cards"]
    second = last_call(app)["policy_version"]
    assert card["indicator"] == "warning"
    assert second != first
    assert second in card["detail"]


def test_a_spoilt_policy_leaves_the_last_good_one_in_force_and_ready_tells(make_app: MakeApp, tmp_path: Path) -> None:
    policy = changed(tmp_path, "name: Packaged default", "name: Ours")
    app = make_app(**loopback(), policy_file=policy, policy_poll_s=0.01)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    fire(*JAUNDICE)
    first = last_call(app)["policy_version"]
    policy.write_text(PACKAGED.replace("risk_at_least", "risk_atleast"), encoding="utf-8")
    for _ in range(2):  # a changed file is judged when it reads the same twice
        time.sleep(0.05)
        assert fire(*JAUNDICE).get_json()["cards"]
    assert last_call(app)["policy_version"] == first
    told = app.test_client().get("/ready").get_json()
    assert told["ready"] is True
    assert "did you mean 'risk_at_least'?" in told["policy"]["rejected"]
