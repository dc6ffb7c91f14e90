"""What the EHR sent, what is fetched for it, and what is honestly missing: the four states of a prefetch key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servers import FhirServer, gives, outcome, pages_for_ever, searchset, status
from small_chart import PATIENT_1, condition, observation

from cds.errors import MissingData
from cds.fhir.evidence import Evidence

Gathered = Callable[..., Evidence]
EMPTY = searchset([])
SENT: dict[str, Any] = {
    "patient": PATIENT_1,
    "observations": searchset([observation()]),
    "conditions": searchset([condition()]),
    "medications": EMPTY,
    "orders": EMPTY,
}


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**SENT, **changes}.items() if k not in keys}


def ids(evidence: Evidence) -> set[str]:
    return {resource.id for resource in evidence.resources}


def test_all_sent_nothing_asked(fhir: FhirServer, gathered: Gathered) -> None:
    evidence = gathered(SENT)
    assert {s.state for s in evidence.states.values()} == {"sent"}
    assert evidence.gaps == ()
    assert fhir.hits == []


def test_an_absent_key_is_fetched_and_only_that(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("Condition", gives(searchset([condition(7)])))
    evidence = gathered(without("conditions"))
    assert evidence.states["conditions"].state == "fetched"
    assert [hit.kind for hit in fhir.hits] == ["Condition"]
    assert ids(evidence) == {"p1", "o1", "c7"}


def test_null_means_asked_and_nothing_there(fhir: FhirServer, gathered: Gathered) -> None:
    evidence = gathered(without(conditions=None))
    assert evidence.states["conditions"].state == "null"
    assert evidence.gaps == ()
    assert fhir.hits == []


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(outcome(), id="OperationOutcome"),
        pytest.param({**EMPTY, "entry": [{"resource": outcome()}]}, id="a Bundle of nothing but an error"),
        pytest.param("not FHIR", id="a string"),
        pytest.param(5, id="a number"),
        pytest.param([], id="a list"),
        pytest.param({}, id="an empty object"),
        pytest.param({"resourceType": "Bundle", "entry": 7}, id="a broken Bundle"),
    ],
)
def test_what_failed_at_the_ehr_is_fetched(fhir: FhirServer, gathered: Gathered, value: Any) -> None:
    fhir.on("Condition", gives(searchset([condition(7)])))
    evidence = gathered(without(conditions=value))
    assert evidence.states["conditions"].state == "fetched"
    assert "c7" in ids(evidence)


@pytest.mark.parametrize("value", [outcome(), "not FHIR", {"resourceType": "Bundle", "entry": 7}])
def test_what_failed_and_cannot_be_fetched_is_a_gap(fhir: FhirServer, gathered: Gathered, value: Any) -> None:
    fhir.on("Condition", status(500))
    for reachable in (True, False):
        evidence = gathered(without(conditions=value), reachable=reachable)
        assert evidence.gaps == ("conditions",)
        assert evidence.states["conditions"].error is not None


def test_a_prefetch_only_client_is_never_asked(fhir: FhirServer, gathered: Gathered) -> None:
    evidence = gathered(without("conditions"), reachable=False)
    assert evidence.states["conditions"].state == "missing"
    assert evidence.gaps == ("conditions",)
    assert fhir.hits == []


def test_keys_by_another_name_are_known_by_their_content(fhir: FhirServer, gathered: Gathered) -> None:
    sent = {
        "thePatient": PATIENT_1,
        "-labs": searchset([observation()]),
        "problem list": searchset([condition()]),
        "medications": EMPTY,
        "orders": EMPTY,
    }
    evidence = gathered(sent)
    assert evidence.gaps == ()
    assert {k: s.state for k, s in evidence.states.items()} == dict.fromkeys(SENT, "sent")
    assert fhir.hits == []


def test_an_empty_searchset_is_known_by_its_self_link(fhir: FhirServer, gathered: Gathered) -> None:
    empty = searchset([], self="https://ehr.example.org/fhir/Condition?patient=p1")
    evidence = gathered({**without("conditions"), "problems": empty})
    assert evidence.states["conditions"].state == "sent"
    assert fhir.hits == []


def test_an_unreadable_self_link_does_no_harm(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("Condition", gives(EMPTY))
    evidence = gathered({**without("conditions"), "problems": searchset([], self="http://[nonsense")})
    assert evidence.states["conditions"].state == "fetched"


def test_a_known_key_holding_something_else_is_not_an_answer(fhir: FhirServer, gathered: Gathered) -> None:
    """Conditions under ``observations``: the observations are not thereby known to be none."""
    fhir.on("Observation", gives(searchset([observation(9)])))
    evidence = gathered(without(observations=searchset([condition(8)])))
    assert "o9" in ids(evidence)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("{base}/Observation?page=2", id="absolute"),
        pytest.param("Observation?page=2", id="relative"),
    ],
)
def test_a_first_page_is_continued(fhir: FhirServer, gathered: Gathered, link: str) -> None:
    fhir.on("Observation", gives(searchset([observation(2)])))
    first = searchset([observation(1)], next=link.format(base=fhir.base))
    evidence = gathered(without(observations=first))
    assert [hit.query for hit in fhir.asked("Observation")] == [{"page": ["2"]}]
    assert {"o1", "o2"} <= ids(evidence)
    assert evidence.gaps == ()


def test_a_first_page_without_the_rest_is_only_part(fhir: FhirServer, gathered: Gathered) -> None:
    first = searchset([observation(1)], next=f"{fhir.base}/Observation?page=2")
    fhir.on("Observation", status(500))
    for reachable in (True, False):
        evidence = gathered(without(observations=first), reachable=reachable)
        assert evidence.states["observations"].state == "partly"
        assert "o1" in ids(evidence)


def test_a_first_page_alone_is_still_something_to_say(fhir: FhirServer, gathered: Gathered) -> None:
    """No 412 while the first page of the results is in hand."""
    fhir.on("*", status(500))
    first = searchset([observation(1)], next=f"{fhir.base}/Observation?page=2")
    evidence = gathered({"patient": PATIENT_1, "observations": first})
    assert "o1" in ids(evidence)
    assert set(evidence.gaps) == {"observations", "conditions", "medications", "orders"}


def test_the_same_resource_twice_counts_once(fhir: FhirServer, gathered: Gathered) -> None:
    evidence = gathered({**SENT, "more labs": searchset([observation(1), observation(2)])})
    assert sorted(r.id for r in evidence.resources if r.id.startswith("o")) == ["o1", "o2"]


def test_too_many_pages_are_a_gap(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("Observation", pages_for_ever(observation))
    evidence = gathered(without("observations"))
    assert evidence.states["observations"].state == "partly"


def test_another_patient_is_fetched_again(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("Patient", gives(PATIENT_1))
    evidence = gathered(without(patient={**PATIENT_1, "id": "someone-else"}))
    assert evidence.states["patient"].state == "fetched"


@pytest.mark.parametrize("reachable", [True, False])
def test_another_patient_is_refused(fhir: FhirServer, gathered: Gathered, reachable: bool) -> None:
    other = {**PATIENT_1, "id": "someone-else"}
    fhir.on("Patient", gives(other))
    with pytest.raises(MissingData) as refused:
        gathered(without(patient=other), reachable=reachable)
    assert "another patient" in str(refused.value)
    assert "someone-else" not in str(refused.value)
    assert "p1" not in str(refused.value)


@pytest.mark.parametrize("value", [None, outcome(), "x"])
def test_without_the_patient_nothing_can_be_said(gathered: Gathered, value: Any) -> None:
    with pytest.raises(MissingData, match="patient"):
        gathered(without(patient=value), reachable=False)


def test_with_nothing_but_the_patient_nothing_can_be_said(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("*", status(503))
    for reachable in (True, False):
        with pytest.raises(MissingData, match="observations"):
            gathered({"patient": PATIENT_1}, reachable=reachable)


def test_with_one_source_something_can(fhir: FhirServer, gathered: Gathered) -> None:
    fhir.on("*", status(403))
    evidence = gathered({"patient": PATIENT_1, "conditions": searchset([condition()])})
    assert set(evidence.gaps) == {"observations", "medications", "orders"}


def test_nothing_sent_and_no_server_is_told_at_once(gathered: Gathered) -> None:
    nothing: list[dict[str, Any] | None] = [None, {}]
    for prefetch in nothing:
        with pytest.raises(MissingData, match="fhirServer"):
            gathered(prefetch, reachable=False)


@pytest.mark.parametrize(
    ("patient", "says"),
    [({**PATIENT_1, "birthDate": 1960}, "a Patient that does not follow FHIR"), (condition(), "no Patient")],
)
def test_a_patient_that_can_not_be_read_is_not_called_another(
    gathered: Gathered, patient: dict[str, Any], says: str
) -> None:
    with pytest.raises(MissingData, match=says):
        gathered(without() | {"patient": patient}, reachable=False)


def narrowed(*codes: str) -> dict[str, Any]:
    url = f"https://ehr/Observation?patient=p1&code={'%2C'.join(codes)}"
    return {**searchset([observation()]), "link": [{"relation": "self", "url": url}]}


@pytest.mark.parametrize("key", ["observations", "vitals of the site"])
def test_a_narrower_search_than_ours_is_only_a_part(fhir: FhirServer, gathered: Gathered, key: str) -> None:
    sent = {**without("observations"), key: narrowed("http://loinc.org%7C4548-4")}
    told = gathered(sent, reachable=False)
    assert told.gaps == ("observations",)
    assert told.states["observations"].state == "partly"
    fhir.on("Observation", gives(searchset([observation(), observation(2)])))
    assert ids(gathered(sent)) >= {"o1", "o2"}
    fhir.on("Observation", status(403))
    assert gathered(sent).states["observations"].state == "partly"


def test_searches_that_ask_for_every_concept_between_them_are_whole(fhir: FhirServer, gathered: Gathered) -> None:
    sent = without("observations", a=narrowed("4548-4"), b=narrowed("http://loinc.org|29463-7"))
    assert gathered(sent).gaps == ()
    one_spelling_each = {**SENT, "observations": narrowed("4548-4", "29463-7")}
    assert gathered(one_spelling_each).gaps == ()
    assert fhir.hits == []


def test_a_search_longer_than_is_remembered_is_read_all_the_same(gathered: Gathered) -> None:
    many = [f"made-up-{n}" for n in range(3000)]
    assert gathered({**SENT, "observations": narrowed(*many, "4548-4", "29463-7")}).gaps == ()
    assert gathered({**SENT, "observations": narrowed(*many, "4548-4")}, reachable=False).gaps == ("observations",)


def found_by(search: str, *resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**searchset(list(resources), self=f"https://ehr/{search}"), **more}


@pytest.mark.parametrize(
    ("key", "search"),
    [
        ("conditions", "Condition?patient=p1&code=http://snomed.info/sct%7C44054006"),
        ("conditions", "Condition?patient=p1&code:in=http://site/diabetes"),
        ("conditions", "Condition?patient=p1&category=problem-list-item"),
        ("conditions", "Condition?patient=p1&clinical-status=active"),
        ("conditions", "Condition?patient=p1&onset-date=ge2025-01-01"),
        ("conditions", "Condition?encounter=e1"),
        ("problem list", "Condition?patient=p1&_lastUpdated=ge2026"),
        ("medications", "MedicationRequest?patient=p1&status=active"),
        ("medications", "MedicationRequest?patient=p1&medication.code=6809"),
        ("orders", "ServiceRequest?patient=p1&authored=ge2026-10-01"),
        ("observations", "Observation?patient=p1&category=laboratory"),
        ("observations", "Observation?patient=p1&code=4548-4,29463-7&date=ge2026-10-01"),
        ("observations", "Observation?patient=p1&code:in=http://site/labs"),
    ],
)
def test_a_search_that_leaves_resources_out_is_only_a_part(
    fhir: FhirServer, gathered: Gathered, key: str, search: str
) -> None:
    ours = key if key in SENT else "conditions"
    sent = {**without(ours), key: found_by(search)}
    told = gathered(sent, reachable=False)
    assert told.gaps == (ours,)
    assert told.states[ours].state == "partly"
    fhir.on(search.partition("?")[0], gives(EMPTY))
    assert gathered(sent).states[ours].state == "fetched"


@pytest.mark.parametrize(
    ("key", "search"),
    [
        ("conditions", "Condition?patient=p1&_count=200"),
        ("conditions", "Condition?patient=Patient/p1&_sort=-recorded-date&_format=json&_total=accurate"),
        ("conditions", "Condition?patient=p1&verification-status:not=entered-in-error"),
        ("conditions", "Condition?patient=p1&_getpages=4711&ct=abc"),
        ("observations", "Observation?patient=p1&category=laboratory,vital-signs&code=4548-4,29463-7"),
        ("medications", "MedicationRequest?subject=Patient/p1&_include=MedicationRequest:medication"),
        ("patient", "Patient?_id=p1"),
    ],
)
def test_a_search_as_wide_as_ours_is_whole_however_it_is_written(
    fhir: FhirServer, gathered: Gathered, key: str, search: str
) -> None:
    resources = [PATIENT_1] if key == "patient" else []
    assert gathered({**SENT, key: found_by(search, *resources)}).states[key].state == "sent"
    assert fhir.hits == []


@pytest.mark.parametrize("key", ["observations", "labs of the site"])
def test_more_found_than_sent_is_only_a_part(fhir: FhirServer, gathered: Gathered, key: str) -> None:
    cut = {**searchset([observation(1)]), "total": 2}
    weights = searchset([observation(3)])  # whole, and no reason to think that the other is
    for sent in ({**without("observations"), key: cut}, {**without("observations"), "labs": cut, "weights": weights}):
        told = gathered(sent, reachable=False)
        assert told.gaps == ("observations",)
        assert told.states["observations"].state == "partly"
    fhir.on("Observation", gives(searchset([observation(1), observation(2)])))
    evidence = gathered({**without("observations"), key: cut})
    assert evidence.gaps == ()
    assert {"o1", "o2"} <= ids(evidence)


def test_what_was_included_or_could_not_be_read_is_told_from_what_was_found(gathered: Gathered) -> None:
    drug = {"resource": {"resourceType": "Medication", "id": "m1"}, "search": {"mode": "include"}}
    request = {"resource": {"resourceType": "MedicationRequest", "id": "r1"}, "search": {"mode": "match"}}
    broken = {"resource": {"resourceType": "MedicationRequest", "id": 7}, "search": {"mode": "match"}}
    for entries, total, state in (
        ([request, drug], 1, "sent"),
        ([request, drug], 2, "partly"),
        ([request, broken], 2, "sent"),
        ([broken, drug], 2, "partly"),
        ([request, {**request, "search": "match"}], 2, "sent"),
    ):
        sent = {"resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries}
        assert gathered({**SENT, "medications": sent}, reachable=False).states["medications"].state == state


@pytest.mark.parametrize("total", ["17", None, 1.5, -1, True, {}, 1])
def test_a_total_that_is_none_or_as_many_as_came_says_nothing(gathered: Gathered, total: Any) -> None:
    evidence = gathered({**SENT, "observations": {**searchset([observation()]), "total": total}}, reachable=False)
    assert evidence.gaps == ()
    assert ids(evidence) >= {"o1"}


def test_first_pages_of_two_searches_are_asked_for_anew(fhir: FhirServer, gathered: Gathered) -> None:
    """Only one could be read on."""
    fhir.on("Observation", gives(searchset([observation(9)])))
    labs = searchset([observation(1)], next=f"{fhir.base}/Observation?page=2")
    vitals = searchset([observation(2)], next=f"{fhir.base}/Observation?page=b")
    evidence = gathered(without("observations", labs=labs, vitals=vitals))
    assert [hit.query["patient"] for hit in fhir.asked("Observation")] == [["p1"]]
    assert ids(evidence) >= {"o1", "o2", "o9"}
    assert gathered(without("observations", labs=labs, vitals=vitals), reachable=False).gaps == ("observations",)


@pytest.mark.parametrize("sent", [EMPTY, searchset([condition()]), {**EMPTY, "type": "collection"}])
def test_what_names_no_search_answers_the_template_it_was_sent_under(
    fhir: FhirServer, gathered: Gathered, sent: dict[str, Any]
) -> None:
    """CDS Hooks 2.0.1, "Prefetch Template": the value of a key is what its template finds."""
    assert gathered({**SENT, "conditions": sent}).states["conditions"].state == "sent"
    assert fhir.hits == []
