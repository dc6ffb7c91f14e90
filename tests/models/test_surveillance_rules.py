"""Who is offered surveillance (CAPS 2020), whom the Scottish guideline refers, and the prognostic equations."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds.fhir.decoding import decode
from cds.inference.prediction import NotAssessed, Prediction
from cds.record.facts import Fact, Record, Refused
from cds.record.moments import parse
from cds.record.reading import Reader
from hooks import stories

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Path(__file__).parents[2] / "hooks" / "policy.yaml"
PROGNOSTIC = Path(__file__).parents[2] / "models" / "qcancer-prognostic" / "coefficients.json"


def fact(concept: str, days_ago: float | None, value: float | None = None, **more: Any) -> Fact:
    when = None if days_ago is None else parse((NOW - timedelta(days=days_ago)).isoformat())
    return Fact(concept, f"X/{concept}-{days_ago}-{value}", when, value=value, **{"status": "active", **more})


def patient(age: int, *facts: Fact) -> Record:
    birth = NOW.replace(year=NOW.year - age) - timedelta(days=30)
    made = Record(now=NOW, patient_id="p", birth=parse(birth.date().isoformat()), male=False)
    for item in facts:
        made.add(item)
    made.arrange()
    return made


def relative(onset: float | None = None, *, kindred: bool = False) -> tuple[Fact, ...]:
    """One affected first-degree relative as the family history is read: no date, the onset as value."""
    names = ["first-degree-relative-pancreatic-cancer", "blood-relative-pancreatic-cancer"]
    names += ["familial-pancreatic-cancer"] if kindred else []
    return tuple(fact(name, None, onset) for name in names)


BRCA2 = fact("germline-brca2-pathogenic", 700, 1.0)


@pytest.mark.parametrize(
    ("age", "facts", "expected"),
    [
        (60, (), "no-criterion"),
        (60, (BRCA2,), "no-criterion"),
        (60, relative(55), "no-criterion"),
        (45, (BRCA2, *relative()), "eligible"),
        (44, (BRCA2, *relative()), "later"),
        (44, (BRCA2, *relative(54)), "eligible"),
        (43, (BRCA2, *relative(54)), "later"),
        (40, (fact("germline-stk11-pathogenic", 90, 1.0),), "eligible"),
        (39, (fact("germline-cdkn2a-pathogenic", 90, 1.0),), "later"),
        (50, (*relative(70, kindred=True), *relative(66, kindred=True)), "eligible"),
        (49, (*relative(70, kindred=True), *relative(66, kindred=True)), "later"),
        (42, (*relative(52, kindred=True), *relative(66, kindred=True)), "eligible"),
    ],
)
def test_criteria_and_start_ages_of_the_consensus(registry, age, facts, expected) -> None:
    found = registry["caps-surveillance"].assess(patient(age, *facts))
    assert isinstance(found, Prediction)
    assert found.category("eligibility") == expected


@pytest.mark.parametrize("gene", ["brca1", "brca2", "palb2", "atm", "mlh1", "msh2", "msh6"])
def test_seven_genes_count_with_an_affected_first_degree_relative(registry, gene) -> None:
    carrier = fact(f"germline-{gene}-pathogenic", 90, 1.0)
    found = registry["caps-surveillance"].assess(patient(52, carrier, *relative(70)))
    assert isinstance(found, Prediction)
    assert found.rules == ("CAPS-GENE",)


def test_known_cancer_is_no_surveillance(registry) -> None:
    found = registry["caps-surveillance"].assess(patient(52, BRCA2, *relative(70), fact("pancreatic-cancer", 9)))
    assert isinstance(found, NotAssessed)


def test_a_family_history_that_was_not_read_is_not_an_empty_one(registry) -> None:
    record = patient(52, BRCA2)
    record.unread = frozenset({"FamilyMemberHistory"})
    found = registry["caps-surveillance"].assess(record)
    assert isinstance(found, NotAssessed)
    assert "first_degree" in {f.input.name for f in found.lacking}


@pytest.mark.parametrize("reason", ["origin-unknown", "significance-unknown"])
def test_a_variant_reported_by_half_is_no_missing_criterion(registry, reason: str) -> None:
    made = patient(60)
    made.refused.append(Refused("germline-cdkn2a-pathogenic", "Observation/1", reason, "CDKN2A c.225_243del"))
    found = registry["caps-surveillance"].assess(made)
    assert isinstance(found, NotAssessed)
    assert [(f.input.name, f.state) for f in found.lacking] == [("cdkn2a", reason)]


@pytest.mark.parametrize(
    ("concept", "days", "recent"),
    [("pancreas-imaging", 300, True), ("eus", 300, True), ("pancreas-imaging", 400, False)],
)
def test_a_look_in_the_last_year_is_enough(registry, concept, days, recent) -> None:
    look = fact(concept, days, status="available")
    found = registry["caps-surveillance"].assess(patient(52, BRCA2, *relative(70), look))
    assert isinstance(found, Prediction)
    assert bool(found.feature("imaged_recently").value) is recent


def test_ca_19_9_is_not_proposed_for_surveillance(registry) -> None:
    card = registry["caps-surveillance"].manifest.card
    assert "ca19-9" not in {p.order for speech in card.speaks for p in speech.proposals}
    assert all("CA 19-9" in speech.more["en"] for speech in card.speaks)


@pytest.mark.parametrize(
    ("facts", "refers"),
    [
        ((fact("jaundice", 5),), True),
        ((fact("jaundice", 200),), False),
        ((fact("weight-loss", 20),), False),
        ((fact("weight-loss", 20), fact("upper-abdominal-mass", 20)), True),
        ((fact("weight-loss", 20), fact("type-2-diabetes", 60)), True),
        ((fact("weight-loss", 20), fact("type-2-diabetes", 1500)), False),
        ((fact("weight-loss", 20), fact("back-pain", 60)), True),
        ((fact("weight-loss", 20), fact("back-pain", 60), fact("back-pain", 900)), False),  # old back pain
        ((fact("weight-loss", 20), fact("abdominal-pain", 20)), False),  # counts in England, not here
    ],
)
def test_the_scottish_criteria(registry, facts, refers) -> None:
    found = registry["scottish-referral"].assess(patient(48, *facts))
    assert isinstance(found, Prediction)
    assert (found.category("referral") == "urgent-referral") is refers


@pytest.mark.parametrize("model", ["scottish-referral", "qcancer-prognostic"])
def test_what_is_not_verified_does_not_run_as_packaged(registry, model) -> None:
    assert registry[model].manifest.status.needs_enabling
    assert model not in yaml.safe_load(POLICY.read_text(encoding="utf-8"))["models"]


SYMPTOMS = (
    "abdominal-pain",
    "appetite-loss",
    "bowel-habit-change",
    "constipation",
    "dysphagia",
    "gastrointestinal-bleed",
    "indigestion",
    "venous-thromboembolism",
    "weight-loss",
)


def test_every_symptom_that_the_symptom_equations_count_is_one_that_the_equations_without_refuse(registry) -> None:
    counted = {c for i in registry["qcancer-2013-pancreas"].manifest.inputs if i.within == "12m" for c in i.concepts}
    assert counted == set(SYMPTOMS)


@pytest.mark.parametrize("symptom", [*SYMPTOMS, "jaundice", "cholestasis"])
def test_the_equations_for_people_without_symptoms_refuse_a_symptom_of_the_last_year(registry, symptom) -> None:
    refused = registry["qcancer-prognostic"].assess(patient(60, fact(symptom, 300)))
    assert isinstance(refused, NotAssessed)
    assert refused.reason == "not-eligible"
    assert "without symptoms" in refused.says["en"]
    assert "zonder klachten" in refused.says["nl"]
    assert isinstance(registry["qcancer-prognostic"].assess(patient(60, fact(symptom, 400))), Prediction)


def by_hand(numbers: dict[str, Any], values: dict[str, float], year: int) -> float:
    """The published form in plain arithmetic: risk = 1 - S0(t) ** exp(lp)."""
    sex = numbers["male" if values["male"] else "female"]
    beta, centre, bmi = sex["beta"], sex["centre"], values["bmi"]
    lp = beta["age_1"] * ((values["age"] / 10) ** -0.5 - centre["age_1"]) + sex["smoke"][int(values["smoking"])]
    if values["male"]:
        lp += beta["bmi_1"] * ((bmi / 10) ** -2 - centre["bmi_1"])
        lp += beta["bmi_2"] * ((bmi / 10) ** -2 * math.log(bmi / 10) - centre["bmi_2"])
        lp += beta["b_bloodcancer"] * values.get("blood_cancer", 0)
    else:
        lp += beta["bmi"] * (bmi - centre["bmi"])
        lp += beta["b_breastcancer"] * values.get("breast_cancer", 0)
        lp += beta["b_renalcancer"] * values.get("renal_cancer", 0)
    lp += beta["b_chronicpan"] * values.get("chronic_pancreatitis", 0) + beta["b_type2"] * values.get(
        "type_2_diabetes", 0
    )
    return 1 - float(sex["S0"][str(year)]) ** math.exp(lp)


@pytest.mark.parametrize("year", range(1, 6))
@pytest.mark.parametrize(
    "values",
    [
        {"male": 0, "age": 25, "bmi": 20, "smoking": 0},
        {"male": 0, "age": 84, "bmi": 40, "smoking": 4, "chronic_pancreatitis": 1, "type_2_diabetes": 1},
        {"male": 0, "age": 61, "bmi": 27.3, "smoking": 2, "breast_cancer": 1, "renal_cancer": 1, "blood_cancer": 1},
        {"male": 1, "age": 25, "bmi": 40, "smoking": 1},
        {"male": 1, "age": 84, "bmi": 20, "smoking": 3, "chronic_pancreatitis": 1, "blood_cancer": 1},
    ],
)
def test_the_prognostic_graph_is_its_equation(registry, values, year) -> None:
    numbers = json.loads(PROGNOSTIC.read_text(encoding="utf-8"))
    answer = registry["qcancer-prognostic"].answer(values)
    assert answer.number(f"risk_{year}y") == pytest.approx(by_hand(numbers, values, year), rel=1e-10)


def test_the_prognostic_numbers_are_those_of_the_port() -> None:
    numbers = json.loads(PROGNOSTIC.read_text(encoding="utf-8"))
    women, men = numbers["female"], numbers["male"]
    assert women["S0"] == {
        "1": 0.999964594841003,
        "2": 0.999925315380096,
        "3": 0.999884843826294,
        "4": 0.999844610691071,
        "5": 0.999795138835907,
    }
    assert women["smoke"] == [0, 0.025375758413601845, 0.56992068782963, 0.6390568783974057, 0.7042894505810613]
    assert women["beta"]["age_1"] == -23.260189976963467
    assert women["beta"]["b_chronicpan"] == 1.2927221506222435
    assert men["S0"]["5"] == 0.999760389328003
    assert men["smoke"] == [0, 0.0836788783415418, 0.4448949320585067, 0.6729012024361618, 0.6636259714225735]
    assert men["beta"]["bmi_2"] == -11.281643872666246
    assert men["beta"]["b_bloodcancer"] == 0.5369701587873449


def test_the_equations_keep_their_copyright_notice(registry) -> None:
    """The licence wants it kept; so it stands in every language, untranslated."""
    notice = registry["qcancer-prognostic"].manifest.licence.notice
    assert set(notice) == {"en", "nl"}
    assert all("Copyright ClinRisk Ltd." in said and "Lesser General Public" in said for said in notice.values())


def on_story(registry, story_id: str, model: str) -> str:
    """What a model concludes on a demo patient's whole chart."""
    story = stories.story(story_id)
    reader = Reader(registry.vocabulary, story.id, NOW, UTC)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in stories.build(story, NOW.date())]}
    reader.read(decode(json.dumps(bundle).encode()).resources)
    found = registry[model].assess(reader.finish())
    if isinstance(found, NotAssessed):
        return found.reason
    assert isinstance(found, Prediction), found
    category = next((o.name for o in found.manifest.outputs if o.kind == "category"), None)
    return str(found.category(category)) if category else "answered"


@pytest.mark.parametrize(
    ("story", "model", "expected"),
    [
        ("brca2-carrier", "caps-surveillance", "eligible"),
        ("gbrca-olaparib", "caps-surveillance", "not-eligible"),  # the cancer is there already
        ("new-diabetes", "caps-surveillance", "no-criterion"),
        ("ipmn-followup", "ipmn-kyoto-2024", "worrisome-features"),
        ("ipmn-followup", "ipmn-european-2018", "no-indication"),
        ("chronic-pancreatitis", "ipmn-kyoto-2024", "not-eligible"),  # no cyst
        ("folfirinox-falling", "ca19-9-response", "falling"),
        ("gemnab-rising", "ca19-9-response", "rising"),
        ("lewis-negative", "ca19-9-response", "not-made"),
        ("cholestasis", "ca19-9-response", "not-eligible"),  # no cancer: nothing to follow
        ("jaundice-head", "scottish-referral", "urgent-referral"),
        ("new-diabetes", "scottish-referral", "urgent-referral"),
        ("hospice", "scottish-referral", "not-eligible"),
        ("chronic-pancreatitis", "qcancer-prognostic", "not-eligible"),  # abdominal pain since two weeks
        ("no-complaints", "qcancer-prognostic", "answered"),
    ],
)
def test_each_model_is_exercised_by_a_demo_patient(registry, story, model, expected) -> None:
    assert on_story(registry, story, model) == expected
