"""Cards that a manifest alone describes: when they speak, what their sentences hold, and what stays unsaid."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from ledger_reading import rows, suppressions
from manifest_card import POLICY, Say, policy
from service import NOW, Clock, MakeApp, loopback, request
from tiny_models import Change, Json

from cds.cards import by_manifest
from cds.errors import PolicyError
from cds.fhir.evidence import Evidence, KeyState
from cds.inference.prediction import Failed, NotAssessed
from cds.inference.registry import load
from cds.ledger import tables
from cds.services import CardDraft, Suppressed

SayWith = Callable[..., Say]


@pytest.fixture
def say(tmp_path: Path) -> SayWith:
    def made(change: Change = lambda content: None, base: Callable[[str], Json] = tiny_models.manifest) -> Say:
        return Say(tmp_path, change, base)

    return made


def speech(content: Json, **fields: Any) -> None:
    content["card"]["speaks"][0] |= fields


# ---- fields of a sentence


@pytest.mark.parametrize(
    ("field", "english", "dutch"),
    [
        ("{age}", "66", "66"),
        ("{marker}", "90.5 U/mL (1 Nov 2026)", "90,5 U/mL (1 nov 2026)"),
        ("{risk}", "about 88 in 100", "ongeveer 88 op de 100"),
        ("{found}", "marker", "merkstof"),
        ("{risk} and {{braces}}", "about 88 in 100 and {braces}", "ongeveer 88 op de 100 and {braces}"),
    ],
)
def test_a_field_reads_as_people_write_it(say: SayWith, field: str, english: str, dutch: str) -> None:
    made = say(lambda c: speech(c, summary={"en": field, "nl": field}))
    record = tiny_models.patient(90.5)
    assert made(record).summary == english
    assert made(record, language="nl").summary == dutch


def test_a_rules_fields_are_labels_not_ids(say: SayWith) -> None:
    words = {"en": "{band}: {rules} ({found})", "nl": "{band}: {rules} ({found})"}

    def change(content: Json) -> None:
        speech(content, summary=words)
        content["outputs"][0]["category_labels"] = {"high": {"en": "high band", "nl": "hoge band"}}

    made = say(change, tiny_models.by_rules)
    assert made(tiny_models.patient(120)).summary == "high band: Marker high (marker)"
    assert made(tiny_models.patient(120), language="nl").summary == "hoge band: Merkstof hoog (merkstof)"


def test_a_category_without_words_is_called_by_its_name(say: SayWith) -> None:
    made = say(lambda c: speech(c, summary={"en": "{band}"}), tiny_models.by_rules)
    assert made(tiny_models.patient(120)).summary == "high"


def test_a_score_has_two_significant_digits_and_its_unit(say: SayWith) -> None:
    def change(content: Json) -> None:
        content["outputs"] = [{"name": "risk", "kind": "score", "unit": "points"}]
        speech(content, summary={"en": "{risk}"})

    assert say(change)(tiny_models.patient(90)).summary == "0.88 points"


def test_an_absent_input_says_so_in_a_sentence(say: SayWith) -> None:
    def change(content: Json) -> None:
        content["inputs"][1]["absent"] = {"does": "assume", "value": 90, "vary": [10, 200]}
        speech(content, summary={"en": "Marker: {marker}"})

    card = say(change)(tiny_models.patient(None))
    assert card.summary == "Marker: not recorded"
    assert (
        "Marker (not recorded); known, risk, within 2 years: between about 12 in 100 and about 100 in 100."
        in card.detail
    )


# ---- when it speaks

COMPARISONS = [
    ({"output": "risk", "at_least": 0.5}, 50, 49),
    ({"output": "risk", "above": 0.5}, 51, 50),
    ({"output": "risk", "at_most": 0.5}, 50, 51),
    ({"output": "risk", "below": 0.5}, 49, 50),
    ({"input": "marker", "at_least": 70}, 70, 69),
    ({"input": "marker", "below": 70}, 69, 70),
]


@pytest.mark.parametrize(("test", "speaks", "silent"), COMPARISONS)
def test_each_comparison_holds_on_its_own_side_of_the_limit(
    say: SayWith, test: Json, speaks: float, silent: float
) -> None:
    made = say(lambda c: speech(c, when=[test]))
    assert isinstance(made.findings(tiny_models.patient(speaks))[0], CardDraft)
    assert made.findings(tiny_models.patient(silent)) == [
        Suppressed("topic-probe", "nothing-to-say", models=("probe",))
    ]


def test_a_rule_or_a_category_may_be_tested(say: SayWith, tmp_path: Path) -> None:
    made = say(lambda c: speech(c, when=[{"rule": "R1"}, {"output": "band", "is": "high"}]), tiny_models.by_rules)
    assert isinstance(made.findings(tiny_models.patient(100))[0], CardDraft)
    assert isinstance(made.findings(tiny_models.patient(99))[0], Suppressed)


def test_an_absent_input_holds_no_test(say: SayWith) -> None:
    def change(content: Json) -> None:
        content["inputs"][1]["absent"] = {"does": "assume", "value": 90}
        speech(content, when=[{"input": "marker", "at_least": 0}])

    assert isinstance(say(change).findings(tiny_models.patient(None))[0], Suppressed)


def test_the_first_whose_tests_all_hold_is_the_card(say: SayWith) -> None:
    def change(content: Json) -> None:
        both = {"when": [{"output": "risk", "at_least": "high"}, {"input": "age", "at_least": 70}]}
        last = {"when": [], "summary": {"en": "Otherwise"}, "recommendation": {"en": "Nothing."}}
        content["card"]["speaks"] = [content["card"]["speaks"][0] | both | {"summary": {"en": "Both"}}, last]

    made = say(change)
    assert made(tiny_models.patient(90, born="1950-01-01")).summary == "Both"
    assert made(tiny_models.patient(90, born="1960-01-01")).summary == "Otherwise"


def test_the_policy_moves_a_threshold_and_only_the_one_it_names(say: SayWith) -> None:
    made = say()
    record = tiny_models.patient(50)
    assert isinstance(made.findings(record)[0], CardDraft)
    stricter = policy("{probe: {thresholds: {high: 0.6}}}", "probe")
    assert isinstance(made.findings(record, policy=stricter)[0], Suppressed)
    other = policy("{probe: {thresholds: {low: 0.6}}}", "probe")
    assert isinstance(made.findings(record, policy=other)[0], CardDraft)


def test_a_policy_that_names_no_threshold_of_the_card_is_refused_with_its_line(
    make_app: MakeApp, tmp_path: Path
) -> None:
    tiny_models.write(tmp_path / "models", tiny_models.manifest("probe"), tiny_models.graph())
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("models: {}", "models: {probe: {thresholds: {hihg: 1}}}"), encoding="utf-8")
    with pytest.raises(PolicyError, match=r"policy.yaml:\d+: .*hihg: no such threshold; its card has: high"):
        make_app(**loopback(), model_dirs=[tmp_path / "models"], policy_file=path)


# ---- when it must not


def test_the_dead_get_no_card_and_the_ledger_is_told(say: SayWith) -> None:
    gone = dataclasses.replace(tiny_models.patient(90), deceased=True)
    assert say().findings(gone) == [Suppressed("topic-probe", "deceased", models=("probe",))]


@pytest.mark.parametrize("meant", [False, True])
def test_a_patients_own_eyes_see_only_what_is_meant_for_them(say: SayWith, meant: bool) -> None:
    made = say(lambda c: c["card"].update(patient_facing=meant))
    (found,) = made.findings(tiny_models.patient(90), patient_facing=True)
    assert isinstance(found, CardDraft) is meant
    if isinstance(found, Suppressed):
        assert found.reason == "patient-facing"


def test_another_models_conclusion_does_not_reach_a_patients_eyes_by_the_side_door(tmp_path: Path) -> None:
    """Two models of one topic share a card; only one of them is meant for patients."""
    for id, meant in (("probe", True), ("staff", False)):
        content = tiny_models.manifest(id)
        content["card"] |= {"topic": "shared", "patient_facing": meant}
        tiny_models.write(tmp_path, content, tiny_models.graph())
    registry = load([tmp_path])
    record = tiny_models.patient(90)
    made = Say.__new__(Say)
    made.model = registry["probe"]
    both = {id: registry[id].assess(record) for id in ("probe", "staff")}
    for eyes, shown in ((True, False), (False, True)):
        case = made.case(record, assessments=both, patient_facing=eyes)
        (card,) = (f for f in by_manifest.findings(case, ["probe", "staff"]) if isinstance(f, CardDraft))
        assert ("Model staff" in card.detail) is shown
        assert ("Model staff: risk, within 2 years, about 88 in 100." in card.detail) is shown
        assert card.models == (("probe", "staff") if shown else ("probe",))


def test_a_model_the_policy_switched_off_is_not_even_suppressed(say: SayWith) -> None:
    assert say().findings(tiny_models.patient(90), assessments={}) == []


def test_a_failure_is_said_even_where_abstaining_is_silent(say: SayWith) -> None:
    made = say()
    assert made.model.manifest.card is not None
    assert made.model.manifest.card.when_unable == "silent"
    failed = Failed(made.model.manifest, "secret detail of 12.5")
    card = made(tiny_models.patient(90), assessments={"probe": failed})
    assert card.summary == "Could not be assessed: Model probe"
    assert card.indicator == "info"
    assert "no reassurance" in card.detail
    assert "secret detail" not in card.detail
    assert card.topic == "topic-probe-not-assessed"


def test_abstaining_for_want_of_an_input_is_silent_or_said_as_the_manifest_wants(say: SayWith) -> None:
    record = tiny_models.patient(None)
    silent = say()
    assert silent.findings(record) == [Suppressed("topic-probe", "input-absent", models=("probe",))]
    said = Say(
        silent.model.folder.parent / "other", lambda c: c["card"].update(when_unable="say"), tiny_models.manifest
    )
    card = said(record)
    assert card.summary == "Could not be assessed: Model probe"
    assert "- Marker (not recorded)" in card.detail


def test_a_source_that_could_not_be_read_is_said_whatever_the_manifest_wants(say: SayWith) -> None:
    record = dataclasses.replace(tiny_models.patient(None), unread=frozenset({"Observation"}))
    evidence = Evidence(states={"observations": KeyState("failed", error="CDS-601")})
    card = say()(record, evidence=evidence)
    assert card.summary == "Could not be assessed: Model probe"
    assert "CDS-601" in card.detail


@pytest.mark.parametrize(
    ("language", "told", "unread"),
    [
        (
            "en",
            "“Model probe” and “Model probe” need what could not be had:",
            "Whether “Model probe” is meant for this patient could not be read.",
        ),
        (
            "nl",
            "“Model probe” en “Model probe” hebben nodig wat er niet was:",
            "Of “Model probe” voor deze patiënt bedoeld is, was niet te lezen.",
        ),
    ],
)
def test_each_model_that_could_not_be_asked_is_named_in_quotes_of_its_own_above_what_it_lacks(
    say: SayWith, language: str, told: str, unread: str
) -> None:
    made = say(lambda c: c["card"].update(when_unable="say"))
    record = tiny_models.patient(None)
    lacking = made.model.assess(record)
    assert isinstance(lacking, NotAssessed)
    of_whom = dataclasses.replace(lacking, reason="eligibility-unread", lacking=())
    both = {"probe": lacking, "again": lacking, "third": of_whom}
    case = made.case(record, assessments=both, language=language)
    (card,) = (f for f in by_manifest.findings(case, list(both)) if isinstance(f, CardDraft))
    assert f"{unread}\n\n{told}\n\n- " in card.detail


def test_a_model_of_which_only_its_population_could_not_be_read_has_no_empty_list(say: SayWith) -> None:
    made = say()
    lacking = made.model.assess(tiny_models.patient(None))
    assert isinstance(lacking, NotAssessed)
    unread = dataclasses.replace(lacking, reason="eligibility-unread", lacking=())
    card = made(tiny_models.patient(None), assessments={"probe": unread})
    assert card.detail.startswith("Whether “Model probe” is meant for this patient could not be read.\n\n")
    assert "could not be had" not in card.detail


def test_a_population_it_was_not_made_for_is_silence_with_a_reason(say: SayWith) -> None:
    only_old = [{"input": "age", "at_least": 90, "says": {"en": "Only from 90."}}]
    made = say(lambda c: c["population"].update(eligibility=only_old))
    assert made.findings(tiny_models.patient(90)) == [Suppressed("topic-probe", "not-eligible", models=("probe",))]


def test_a_fault_in_writing_the_card_is_a_modest_card_and_tells_the_log_no_values(
    say: SayWith, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = say()

    def breaks(*args: Any) -> str:
        raise ValueError("the patient's 90 U/mL")

    monkeypatch.setattr(by_manifest, "_input_text", breaks)
    card = made(tiny_models.patient(90))
    assert card.summary == "Could not be assessed: Model probe"
    assert "card.failed model=probe error=ValueError" in caplog.text
    assert "90 U/mL" not in caplog.text


# ---- what the engine adds


def test_a_status_that_is_not_established_is_on_the_card(say: SayWith) -> None:
    card = say(lambda c: c.update(status="research"))(tiny_models.patient(90))
    assert "For research only." in card.detail


def test_evidence_and_the_kinds_of_input_that_spoke_are_on_the_card(say: SayWith) -> None:
    evidence = {
        "stage": "external-validation", "cohort": {"en": "a cohort"}, "n": 1234, "metric": "C-index",
        "value": 0.71, "interval": [0.68, 0.74], "source": "own",
    }  # fmt: skip
    detail = say(lambda c: c.update(evidence=[evidence]))(tiny_models.patient(90)).detail
    assert "A cohort (n = 1,234, validated elsewhere): C-index 0.71 (0.68 to 0.74)." in detail
    assert "Evidence that spoke: clinical findings and laboratory" in detail


def test_an_order_is_proposed_only_where_the_site_has_a_code_for_it(say: SayWith) -> None:
    proposals = [
        {"order": "look", "label": {"en": "Look", "nl": "Kijk"}, "priority": "urgent", "recommended": True},
        {"order": "unheard-of", "label": {"en": "Never"}},
    ]
    (proposal,) = say(lambda c: speech(c, proposals=proposals))(tiny_models.patient(90)).proposals
    assert (proposal.order, proposal.label, proposal.priority, proposal.recommended) == ("look", "Look", "urgent", True)


# ---- snoozes: a kind for each reason, the weightier first


def two_kinds(content: Json) -> None:
    speaks = content["card"]["speaks"][0]
    content["card"]["speaks"] = [
        speaks | {"kind": "very-high", "when": [{"output": "risk", "at_least": 0.9}], "summary": {"en": "Very high"}},
        speaks | {"kind": "high", "when": [{"output": "risk", "at_least": 0.5}], "summary": {"en": "High"}},
    ]


def test_a_snooze_holds_for_its_reason_and_lighter_ones_but_a_weightier_one_speaks(
    make_app: MakeApp, tmp_path: Path
) -> None:
    content = tiny_models.manifest("probe")
    two_kinds(content)
    tiny_models.write(tmp_path, content, tiny_models.graph())
    clock = Clock(NOW)
    app = make_app(now=clock, **loopback(), model_dirs=[tmp_path])
    client = app.test_client()

    def cards(marker: float, patient: str = "probe") -> list[Json]:
        chart = json.loads(json.dumps(tiny_models.chart(marker)).replace("probe", patient))
        body = request("patient-view", {"userId": "Practitioner/1", "patientId": patient}, chart)
        answer = client.post("/cds-services/probe-probe", json=body)
        assert answer.status_code == 200
        found: list[Json] = answer.get_json()["cards"]
        return found

    def snooze(card: Json) -> None:
        reason = {"reason": {"code": "later", "system": "urn:cds:override-reason"}}
        item = {"card": card["uuid"], "outcome": "overridden", "overrideReason": reason}
        assert client.post("/cds-services/probe-probe/feedback", json={"feedback": [item]}).status_code == 200

    snooze(cards(60)[0])
    assert cards(60) == []
    assert suppressions(app) == {"topic-probe/high": "snoozed:later"}
    assert rows(app, tables.suppressions)[-1]["until"] == date(2026, 11, 30)
    assert [c["summary"] for c in cards(60, "other")] == ["High"], "of another patient nobody said anything"
    (heavier,) = cards(150)
    assert heavier["summary"] == "Very high"
    snooze(heavier)
    assert cards(150) == []
    clock.now = NOW + timedelta(days=7, hours=1)
    assert [c["summary"] for c in cards(60)] == ["High"]


def test_a_snoozed_weighty_reason_silences_the_lighter_too(say: SayWith) -> None:
    made = say(two_kinds)
    assert made(tiny_models.patient(60)).quieted_by == ("very-high",)
    assert made(tiny_models.patient(150)).quieted_by == ()
