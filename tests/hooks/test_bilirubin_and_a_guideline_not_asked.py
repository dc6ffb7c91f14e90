"""Where the guideline can't be asked, a high bilirubin is still no silence: neither an older scan nor a score that
leads the card keeps it from being told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from story_house import TODAY, House, untold
from test_diabetes_known_before import SCORED
from test_jaundice_by_bilirubin import PATIENT, QUIET, Answered, bilirubin, problem, weighed

from cds.inference.model import Model
from cds.inference.prediction import Assessment, Failed
from cds.services import Past
from hooks import risk_decision
from hooks.risk_decision import NOT_ASSESSED, TOPIC, RiskParameters
from hooks.risk_jaundice import Reading


def scan(days_ago: int) -> dict[str, Any]:
    modality = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    return {
        "resourceType": "ImagingStudy",
        "id": "ct",
        "status": "available",
        "subject": {"reference": f"Patient/{QUIET.id}"},
        "started": (TODAY - timedelta(days=days_ago)).isoformat(),
        "modality": [modality],
        "procedureCode": [{"coding": [{"system": "http://loinc.org", "code": "79103-8"}]}],
    }


def scored() -> list[dict[str, Any]]:
    return [one | {"subject": {"reference": f"Patient/{QUIET.id}"}} for one in SCORED]


def test_imaging_from_before_the_rise_does_not_silence_it(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(205), scan(60), cut="conditions")
    assert card["summary"].startswith("Bilirubin 205 umol/L: look for jaundice")


def test_imaging_made_since_holds_it_back_and_the_ledger_says_so(house: House) -> None:
    untold(house)
    assert house.cards_for("pancreas-risk", PATIENT, bilirubin(205), scan(2), cut="conditions") == []
    assert untold(house) == {(TOPIC, "recent-imaging (ImagingStudy/ct)")}


def test_imaging_silences_what_tells_of_no_bilirubin_as_ever(house: House) -> None:
    assert house.cards_for("pancreas-risk", PATIENT, bilirubin(50), scan(60), cut="conditions") == []


@pytest.mark.parametrize(
    ("language", "headline", "look", "scan", "told", "limit"),
    [
        (
            "en",
            "Possibly new diabetes with END-PAC",
            "**Look for jaundice. If it is there, refer",
            " Consider a CT of the pancreas, or ask a specialist",
            "- Bilirubin 205 umol/L (18 Nov 2026). Whether jaundice, or a cause of it, is on record could not be read.",
            "(51 µmol/L), the limit here",
        ),
        (
            "nl",
            "Mogelijk nieuwe diabetes met END-PAC",
            "**Kijk of er geelzucht is. Zo ja, verwijs",
            " Overweeg een CT van de alvleesklier, of overleg",
            "- Bilirubine 205 umol/L (18 nov 2026). Of geelzucht of een oorzaak ervan is vastgelegd, kon niet worden",
            "51 µmol/L (3 mg/dL), de grens hier",
        ),
    ],
)
def test_a_card_that_the_score_leads_tells_of_it_first(
    house: House, language: str, headline: str, look: str, scan: str, told: str, limit: str
) -> None:
    chart = (PATIENT, bilirubin(205), *scored())
    (card,) = house.cards_for("pancreas-risk", *chart, cut="conditions", language=language)
    assert card["summary"].startswith(headline)
    assert card["detail"].startswith(look)
    assert scan in card["detail"].partition("\n\n")[0]  # an EHR may show the first paragraph alone
    assert [text for text in (told, limit) if text not in card["detail"]] == []
    (read,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(50), *scored(), cut="conditions", language=language)
    assert "Bilirubin" not in read["detail"]


def test_the_ledger_remembers_it_as_more_than_the_score(house: House) -> None:
    def remembered(value: float) -> str:
        (card,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(value), *scored(), cut="conditions")
        found = house.engine.ledger.card(card["uuid"])
        assert found is not None
        return found.entry.topic

    assert remembered(205) == f"{TOPIC}/{risk_decision.RAISED}" and remembered(50) == f"{TOPIC}/endpac"


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guideline, and nothing else."""
    assess = Model.assess

    def fails(model: Model, *asked: Any) -> Assessment:
        return Failed(model.manifest, "broken") if model.manifest.id == "nice-ng12" else assess(model, *asked)

    monkeypatch.setattr(Model, "assess", fails)


def test_beside_a_scan_that_is_due_whatever_the_sex_both_are_asked_for_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch)
    sexless = {key: value for key, value in PATIENT.items() if key != "gender"}
    pain, thin, no_appetite = (problem(code, days_ago=6) for code in ("21522001", "89362005", "64379006"))
    (card,) = house.cards_for("pancreas-risk", sexless, bilirubin(205), pain, thin, no_appetite)
    asked = card["detail"].partition("\n\n")[0]
    assert asked.startswith("**Look for jaundice. If it is there, refer")
    assert asked.endswith(" Consider a CT of the pancreas.**")
    assert "with either, a CT of the pancreas is proposed here" in card["detail"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            "The criteria of NICE NG12 could not be applied: jaundice, which it refers from the age of 40, may be on",
        ),
        (
            "nl",
            "De criteria van NICE NG12 waren niet toe te passen: geelzucht, waarvoor die vanaf 40 jaar verwijst, kan",
        ),
    ],
)
def test_a_guideline_that_failed_is_no_problem_list_that_was_not_read(
    house: House, monkeypatch: pytest.MonkeyPatch, language: str, told: str
) -> None:
    fail(monkeypatch)
    chart = (PATIENT, bilirubin(205), problem("R17", days_ago=6))
    (card,) = house.cards_for("pancreas-risk", *chart, language=language)
    assert told in card["detail"]
    assert "could not be read" not in card["detail"]
    assert "niet worden gelezen" not in card["detail"]


@pytest.mark.parametrize("cut", ["", "conditions"])
@pytest.mark.parametrize(
    ("language", "headline", "told", "ageless"),
    [
        (
            "en",
            "Bilirubin 205 umol/L: look for jaundice; not all criteria for pancreatic cancer could be assessed",
            "from the age of 40, and the age is not known.",
            "No criterion could be applied. This says nothing of the risk, and what is on record may be alarming.",
        ),
        (
            "nl",
            "Bilirubine 205 umol/L: kijk of er geelzucht is; niet alle criteria voor alvleesklierkanker waren te "
            "beoordelen",
            "vanaf 40 jaar, en de leeftijd is niet bekend.",
            "Geen enkel criterium kon worden toegepast.",
        ),
    ],
)
def test_an_age_that_nobody_knows_hides_it_no_more(
    house: House, language: str, headline: str, told: str, ageless: str, cut: str
) -> None:
    nobody_knows = {key: value for key, value in PATIENT.items() if key != "birthDate"}
    (card,) = house.cards_for("pancreas-risk", nobody_knows, bilirubin(205), language=language, cut=cut)
    assert (card["summary"], card["indicator"]) == (headline, "info")
    assert [text for text in (told, ageless) if text not in card["detail"]] == []
    (low,) = house.cards_for("pancreas-risk", nobody_knows, bilirubin(50), language=language, cut=cut)
    assert "ilirubin" not in low["summary"] + low["detail"]


def test_below_the_age_of_referral_it_stays_untold(house: House) -> None:
    young = PATIENT | {"birthDate": "1988-03-01"}
    assert house.cards_for("pancreas-risk", young, bilirubin(205), cut="conditions") == []


SEXLESS = {key: value for key, value in PATIENT.items() if key != "gender"}
DUE = tuple(problem(code, days_ago=6) for code in ("21522001", "89362005", "64379006"))


def overridden(house: House, card: dict[str, Any]) -> None:
    reason = {"code": "declined", "system": "urn:cds:override-reason"}
    feedback = {"card": card["uuid"], "outcome": "overridden", "overrideReason": {"reason": reason}}
    stamped = feedback | {"outcomeTimestamp": "2026-11-23T12:00:00Z"}
    answer = house.http.post("/cds-services/pancreas-risk/feedback", json={"feedback": [stamped]})
    assert answer.status_code == 200, answer.get_data(as_text=True)


@pytest.mark.parametrize("due", [True, False], ids=["beside a scan that is due", "alone"])
def test_a_snooze_of_a_card_that_did_not_tell_of_it_does_not_silence_it(
    house: House, monkeypatch: pytest.MonkeyPatch, due: bool
) -> None:
    fail(monkeypatch)
    patient = SEXLESS | {"id": f"snoozed-{due}"}
    chart = [one | {"subject": {"reference": f"Patient/{patient['id']}"}} for one in (DUE if due else ())]
    (high, low) = (bilirubin(v) | {"subject": {"reference": f"Patient/{patient['id']}"}} for v in (205, 50))
    (card,) = house.cards_for("pancreas-risk", patient, low, *chart)
    assert "ilirubin 205" not in card["summary"] + card["detail"]
    overridden(house, card)
    assert house.cards_for("pancreas-risk", patient, low, *chart) == []
    (told,) = house.cards_for("pancreas-risk", patient, high, *chart)
    assert told["summary"].startswith("Bilirubin 205 umol/L: look for jaundice")
    overridden(house, told)  # which silences what weighs less, too
    assert house.cards_for("pancreas-risk", patient, high, *chart) == []
    assert house.cards_for("pancreas-risk", patient, low, *chart) == []


@pytest.mark.parametrize("by_sex", [(0.03, 0.04), (0.01, 0.03), ()], ids=["due", "of one sex", "not assessed"])
def test_a_past_card_in_place_of_an_answer_weighs_as_a_live_one(by_sex: tuple[float, ...]) -> None:
    kinds = []
    for unasked in (True, False):
        found = weighed(Reading(5, 12), imaged=60, unassessed=True, newest={}, unasked=unasked, by_sex=by_sex)
        past = Past({}, {TOPIC: msgspec.to_builtins(found)})
        policy: Any = None
        (would,) = risk_decision.decide(past, RiskParameters(imaging_modalities=()), policy)
        kinds.append((would.memory, would.silenced_by))
    (high, heavier), (low, _) = kinds
    assert high != low and low not in heavier


class Scored(Answered):
    def number(self, name: str) -> float:
        return 10.0


def test_a_past_cards_kind_is_that_of_a_live_one() -> None:
    found = weighed(Reading(5, 12), imaged=60, unassessed=True, newest={"endpac": 56.0}, unasked=True)
    read = weighed(Reading(5, 12), imaged=60, unassessed=True, newest={"endpac": 56.0})
    policy: Any = None
    for one, kind in ((found, risk_decision.RAISED), (read, "endpac")):
        past = Past({"endpac": Scored()}, {TOPIC: msgspec.to_builtins(one)})
        assert [would.kind for would in risk_decision.decide(past, RiskParameters(imaging_modalities=()), policy)] == [
            kind
        ]


def again(answers: dict[str, Any], **more: Any) -> list[tuple[str, tuple[str, ...]]]:
    """(topic, flags) of a past call, decided again."""
    found = weighed(Reading(5, 12), imaged=60, unassessed=True, newest={"endpac": 56.0}, **more)
    past = Past(answers, {TOPIC: msgspec.to_builtins(found)})
    policy: Any = None
    return [(one.topic, one.flags) for one in risk_decision.decide(past, RiskParameters(), policy)]


def test_a_past_call_is_decided_as_it_was() -> None:
    assert again({}, unasked=True) == [(NOT_ASSESSED, ())]
    assert again({"endpac": Scored()}, unasked=True) == [(TOPIC, ("jaundice",))]
    assert again({}) == []  # a row of a version that did not keep it


def test_the_flags_of_a_guideline_that_does_not_answer_are_no_one_s() -> None:
    assert again({"endpac": Scored()}, unasked=True, flags=("weight_loss",)) == [(TOPIC, ("jaundice",))]
