"""The subtype speaks only where a hospital switched it on, and then says what it is and what it is not for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cds.app import create_app
from cds.ledger.migrate import upgrade
from cds.settings import load
from hooks import stories

TODAY = date(2026, 11, 23)
POLICY = Path(stories.__file__).parents[1] / "policy.yaml"


def cards(folder: Path, *, enabled: bool) -> list[dict[str, Any]]:
    """Cards of the service on opening the chart of a patient whose tumour's expression is on record."""
    text = POLICY.read_text(encoding="utf-8")
    policy = text.replace("purist-subtype: {enabled: false}", f"purist-subtype: {{enabled: {str(enabled).lower()}}}")
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    settings = load(
        None,
        environment="demo",
        data_dir=folder,
        policy_file=folder / "policy.yaml",
        clients={"demo": {"authentication": "loopback"}},
    )
    upgrade(settings.ledger_url)
    app = create_app(settings, now=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    story = stories.story("gemnab-rising")
    resources = stories.build(story, TODAY)
    client = app.test_client()
    (found,) = (s for s in client.get("/cds-services").get_json()["services"] if s["id"] == "pancreas-care")
    prefetch: dict[str, Any] = {}
    for key, template in found["prefetch"].items():
        kind = template.partition("?")[0].partition("/")[0]
        held = [r for r in resources if r["resourceType"] == kind]
        prefetch[key] = (
            held[0] if kind == "Patient" else {"resourceType": "Bundle", "entry": [{"resource": r} for r in held]}
        )
    call = {"hook": "patient-view", "hookInstance": "x", "prefetch": prefetch}
    call["context"] = {"userId": "Practitioner/gp", "patientId": story.id}
    answer = client.post("/cds-services/pancreas-care", data=json.dumps(call), content_type="application/json")
    app.extensions["cds"].ledger.close()
    assert answer.status_code == 200, answer.get_data(as_text=True)
    told: list[dict[str, Any]] = answer.get_json()["cards"]
    return [card for card in told if card["source"]["topic"]["code"] == "tumour-subtype"]


@pytest.mark.parametrize("enabled", [False, True])
def test_it_speaks_only_where_the_policy_names_it(tmp_path: Path, enabled: bool) -> None:
    assert len(cards(tmp_path, enabled=enabled)) == int(enabled)


def test_its_card_says_research_and_no_ground_for_a_choice(tmp_path: Path) -> None:
    (card,) = cards(tmp_path, enabled=True)
    assert card["summary"].startswith("Tumour subtype basal-like (strong)")
    assert "do not choose a regimen on it" in card["detail"]
    assert "PASS-01" in card["detail"]
    assert "esearch" in card["detail"]
    assert "suggestions" not in card
