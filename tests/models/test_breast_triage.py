"""Another organ, another specialty, a folder and nothing else: mammography read by one radiologist or by two."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from ledger_reading import last_call, rows, suppressions
from service import NOW, MakeApp, loopback, request

from cds.inference import vectors
from cds.inference.attributes import complete
from cds.inference.registry import Registry
from cds.ledger import tables

ROOT = Path(__file__).resolve().parents[2]
CODE = {"system": "urn:cds:finding", "code": "mammography-ai-exam-score"}

Json = dict[str, Any]


def chart(*scores: Json, gender: str = "female", born: str | None = "1968-05-02") -> Json:
    """Prefetch of a woman of 58 with the given Observations."""
    woman: Json = {"resourceType": "Patient", "id": "screened", "gender": gender}
    if born is not None:
        woman["birthDate"] = born
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": s} for s in scores]}
    return {"patient": woman, "observations": bundle}


def score(value: float, days_ago: int = 0, code: Json = CODE) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"score-{days_ago}",
        "status": "final",
        "code": {"coding": [code]},
        "subject": {"reference": "Patient/screened"},
        "effectiveDateTime": (NOW - timedelta(days=days_ago)).date().isoformat(),
        "valueQuantity": {"value": value, "unit": "{score}", "system": "http://unitsofmeasure.org", "code": "{score}"},
    }


def call(client: FlaskClient, prefetch: Json, language: str = "en") -> list[Json]:
    body = request("patient-view", {"userId": "Practitioner/1", "patientId": "screened"}, prefetch)
    answer = client.post("/cds-services/breast-triage", json=body, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    cards: list[Json] = answer.get_json()["cards"]
    return cards


def abstained(app: Flask) -> tuple[str, str]:
    """Outcome and reason of the last call's one prediction."""
    call_id = last_call(app)["id"]
    (row,) = (p for p in rows(app, tables.predictions) if p["call_id"] == call_id)
    return row["outcome"], row["reason"]


def test_discovery_lists_the_service_that_only_the_manifest_describes(client: FlaskClient) -> None:
    services = {s["id"]: s for s in client.get("/cds-services").get_json()["services"]}
    found = services["breast-triage"]
    assert found["hook"] == "patient-view"
    assert found["title"] == "Mammography: one reader or two"
    assert "MASAI" in found["description"]


def test_the_prefetch_is_what_the_manifest_reads_and_no_more(client: FlaskClient) -> None:
    services = {s["id"]: s for s in client.get("/cds-services").get_json()["services"]}
    assert services["breast-triage"]["prefetch"] == {
        "patient": "Patient/{{context.patientId}}",
        "observations": (
            "Observation?patient={{context.patientId}}"
            "&code=urn:cds:finding|mammography-ai-exam-score&_sort=-date&_count=250"
        ),
    }


@pytest.mark.parametrize(
    ("value", "summary"),
    [
        (1, "Single reading: AI exam score 1 (23 Nov 2026)"),
        (7, "Single reading: AI exam score 7 (23 Nov 2026)"),
        (8, "Single reading, with the AI system's marks: exam score 8 (23 Nov 2026)"),
        (9, "Single reading, with the AI system's marks: exam score 9 (23 Nov 2026)"),
        (10, "Double reading: AI exam score 10 (23 Nov 2026)"),
    ],
)
def test_scores_of_1_to_9_are_read_once_and_10_twice(client: FlaskClient, value: int, summary: str) -> None:
    (card,) = call(client, chart(score(value)))
    assert card["summary"] == summary
    assert card["indicator"] == "info"
    assert card["source"]["topic"]["code"] == "mammography-reading"


def test_the_card_says_why_how_sure_and_on_what_it_rests(client: FlaskClient) -> None:
    (card,) = call(client, chart(score(10)))
    detail = card["detail"]
    assert detail.startswith("**Have this mammogram read by two radiologists.**")
    for part in (
        "- AI exam score of the mammogram: 10 (23 Nov 2026)",
        "- A score of 10 is read by two radiologists.",
        "- The randomised MASAI trial, Sweden (n = 105,915",
        "ratio 0.88 (0.65 to 1.18).",
        "Tested with one AI system only (Transpara 1.7.0)",
        "Mammography reading by AI exam score (MASAI)",
    ):
        assert part in detail
    assert card["links"][0]["url"].startswith("https://")
    # no code for the order in the packaged policy, so nothing is proposed
    assert not card.get("suggestions")


def test_it_speaks_dutch(client: FlaskClient) -> None:
    (card,) = call(client, chart(score(10)), language="nl")
    assert card["summary"] == "Dubbele beoordeling: AI-score 10 (23 nov 2026)"
    assert card["detail"].startswith("**Laat dit mammogram door twee radiologen beoordelen.**")


def test_the_newest_score_counts(client: FlaskClient) -> None:
    (card,) = call(client, chart(score(10, days_ago=20), score(3, days_ago=1)))
    assert card["summary"].startswith("Single reading")


def test_without_a_score_it_abstains_in_silence_and_the_ledger_says_why(app: Flask, client: FlaskClient) -> None:
    """Most charts hold none. Silence leaves the usual practice: two readers."""
    assert call(client, chart()) == []
    assert abstained(app) == ("not-assessed", "input-absent")
    assert suppressions(app) == {"mammography-reading": "input-absent"}


@pytest.mark.parametrize(
    "found", [score(6, days_ago=45), score(37)], ids=["of an earlier examination", "on another scale"]
)
def test_a_score_that_is_not_of_this_examination_or_scale_is_none(app: Flask, client: FlaskClient, found: Json) -> None:
    assert call(client, chart(found)) == []
    assert abstained(app) == ("not-assessed", "input-absent")


def test_a_score_that_could_not_be_had_is_no_single_reading(client: FlaskClient) -> None:
    body = request(
        "patient-view", {"userId": "Practitioner/1", "patientId": "screened"}, {"patient": chart()["patient"]}
    )
    answer = client.post("/cds-services/breast-triage", json=body)
    assert answer.status_code == 412
    assert "observations" in answer.get_json()["issue"][0]["details"]["text"]


@pytest.mark.parametrize(
    "who",
    [{"gender": "male"}, {"born": "1990-01-01"}, {"born": "1940-01-01"}],
    ids=["a man", "younger than 40", "older than 80"],
)
def test_outside_the_trials_population_it_is_silent_and_the_ledger_says_why(
    app: Flask, client: FlaskClient, who: Json
) -> None:
    assert call(client, chart(score(10), **who)) == []
    assert abstained(app) == ("not-assessed", "not-eligible")


def test_an_unknown_age_is_not_taken_for_an_eligible_one(app: Flask, client: FlaskClient) -> None:
    assert call(client, chart(score(3), born=None)) == []
    assert abstained(app) == ("not-assessed", "input-absent")


def test_a_hospitals_own_code_for_the_score_is_one_line_of_its_concept_map(make_app: MakeApp, tmp_path: Path) -> None:
    own = {"system": "https://screening.example/codes", "code": "AI10"}
    group = {
        "source": own["system"],
        "target": CODE["system"],
        "element": [{"code": own["code"], "target": [{"code": CODE["code"], "equivalence": "equivalent"}]}],
    }
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "status": "active", "group": [group]}), encoding="utf-8")
    client = make_app(**loopback(), concept_map=path).test_client()
    (card,) = call(client, chart(score(10, code=own)))
    assert card["summary"].startswith("Double reading")


def test_a_site_that_gives_the_order_a_code_gets_it_proposed(
    make_app: MakeApp, tmp_path: Path, packaged_policy_text: Callable[[], str]
) -> None:
    order = "  mammography-second-reading: {system: urn:site, code: read-2, display: Second reading}\n"
    path = tmp_path / "policy.yaml"
    path.write_text(packaged_policy_text().replace("orders:\n", "orders:\n" + order), encoding="utf-8")
    client = make_app(**loopback(), policy_file=path).test_client()
    (card,) = call(client, chart(score(10)))
    (suggestion,) = card["suggestions"]
    assert suggestion["label"] == "Ask for a second reading"
    assert suggestion["actions"][0]["resource"]["code"]["coding"][0]["code"] == "read-2"
    assert not call(client, chart(score(3)))[0].get("suggestions")


@pytest.fixture
def packaged_policy_text() -> Callable[[], str]:
    return lambda: (ROOT / "hooks" / "policy.yaml").read_text(encoding="utf-8")


def test_its_vectors_pass_and_its_attributes_are_its_own(registry: Registry) -> None:
    model = registry["breast-triage"]
    given = vectors.read(model.folder)
    assert len(given) >= 3
    assert vectors.misses(model, given) == []
    assert vectors.unnamed(model.manifest, given) == []
    own = {a.name for a in complete(model.manifest, model.shared) if a.origin in ("manifest", "derived")}
    assert {"intended_use", "training_criteria", "fairness_approach", "outcome_references", "validity_external"} <= own


def test_it_is_a_folder_only() -> None:
    """Nothing of the engine and nothing of the pancreas' services knows of it."""
    name = re.compile(r"breast|mammo|masai", re.IGNORECASE)
    texts = (p for top in ("cds", "hooks") for p in (ROOT / top).rglob("*") if p.suffix in (".py", ".yaml", ".html"))
    assert [str(p) for p in texts if name.search(p.read_text(encoding="utf-8"))] == []
    shared = [p for p in (ROOT / "models" / "vocabulary").glob("*.yaml")]
    assert [p.name for p in shared if "mammography-ai" in p.read_text(encoding="utf-8")] == []
    assert sorted(p.name for p in (ROOT / "models" / "breast-triage").iterdir() if p.suffix == ".py") == []
