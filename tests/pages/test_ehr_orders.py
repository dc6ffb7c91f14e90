"""Orders in the demonstration EHR, over HTTP: found, drafted, taken back, signed, proposed by a card and undone."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
import requests
from demo_hospital import Hospital
from flask import jsonify

from cds.pages.orders import GROUPS, Catalogue
from hooks.stories import ORDERABLES

JSON = dict[str, Any]


class Chart:
    """One open chart, as a browser without script uses it."""

    def __init__(self, hospital: Hospital, patient: str, language: str = "en") -> None:
        self.hospital, self.patient = hospital, patient
        self.http = requests.Session()
        self.http.headers["Accept-Language"] = language
        self._take(self.http.post(f"{hospital.url}/charts", {"patient": patient}, timeout=20))

    def do(self, path: str, status: int = 200, **fields: object) -> str:
        self._take(self.http.post(self.url + path, fields, timeout=20), status)
        return self.page

    def look(self, query: str = "") -> str:
        self._take(self.http.get(self.url + query, timeout=20))
        return self.page

    def _take(self, answer: requests.Response, status: int = 200) -> None:
        assert answer.status_code == status, answer.text
        self.page = unescape(answer.text)
        if "/charts/" in answer.url and answer.request.method == "GET":
            self.url = answer.url.partition("#")[0].partition("?")[0]

    def of(self, kind: str, status: str) -> list[Any]:
        found = self.hospital.found(f"{kind}?patient={self.patient}&status={status}&_count=100")
        return [r for r in found if not str(r["id"]).startswith(self.patient)]


def words(resource: JSON) -> str:
    return str((resource.get("code") or resource["medicationCodeableConcept"])["text"])


def test_the_catalogue_has_labs_imaging_and_treatment_and_is_searched_by_any_of_its_words(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    for name in ("Order HbA1c", "Order MRI pancreas with MRCP", "Order FOLFIRINOX"):
        assert f'aria-label="{name}"' in chart.page
    found = chart.look("?find=irinotecan")
    assert re.findall(r'aria-label="Order ([^"]*)"', found) == ["FOLFIRINOX", "NALIRIFOX"]
    assert "Nothing in the catalogue matches “sea water”." in chart.look("?find=sea+water")


def test_the_catalogue_speaks_dutch_and_is_found_by_dutch_and_english_words(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes", "nl")
    assert 'aria-label="Bloedbeeld met differentiatie aanvragen"' in chart.page
    assert "Diabetes uit het niets bij een slanke vrouw" in chart.page
    catalogue = Catalogue(ORDERABLES)
    assert catalogue.found("geelzucht", "nl") == catalogue.found("jaundice", "nl")
    assert tuple(catalogue.found("", "en")) == GROUPS


def test_a_chosen_order_is_a_draft_on_the_server_and_fires_order_select_at_once(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    page = chart.do("/orders", orderable="hba1c")
    (draft,) = chart.of("ServiceRequest", "draft")
    assert (words(draft), draft["intent"]) == ("HbA1c", "order")
    service, body, _ = hospital.stub.calls[-1]
    assert (service, body["hook"]) == ("stub-check", "order-select")
    assert body["context"]["selections"] == [f"ServiceRequest/{draft['id']}"]
    drafted = [e["resource"] for e in body["context"]["draftOrders"]["entry"]]
    assert draft["id"] in [r["id"] for r in drafted]
    assert "new-diabetes-draft-01" in [r["id"] for r in drafted], "what was written before is unsigned, too"
    assert "Draft order added: HbA1c. It is not signed yet." in page
    assert "Before signing: a blood count would complete the picture" in page


def test_a_regimen_is_one_prescription_a_drug_all_of_them_selected(hospital: Hospital) -> None:
    chart = Chart(hospital, "deceased")
    chart.do("/orders", orderable="gemcitabine-nab-paclitaxel")
    drafts = chart.of("MedicationRequest", "draft")
    assert {words(d) for d in drafts} == {"gemcitabine", "paclitaxel protein-bound"}
    context = hospital.stub.calls[-1][1]["context"]
    assert set(context["selections"]) == {f"MedicationRequest/{d['id']}" for d in drafts}


def test_what_is_not_in_the_catalogue_can_not_be_ordered(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/orders", 404, orderable="moon-rock")
    assert chart.of("ServiceRequest", "draft") == []


def test_signing_waits_for_advice_and_then_makes_active_orders_that_are_in_the_chart(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/orders", orderable="ct-pancreas")
    (draft,) = chart.of("ServiceRequest", "draft")
    chosen = f"ServiceRequest/{draft['id']}"
    held = chart.do("/hook", hook="order-sign", order=[chosen])
    service, body, _ = hospital.stub.calls[-1]
    assert (service, [e["resource"]["id"] for e in body["context"]["draftOrders"]["entry"]]) == (
        "stub-outlook",
        [draft["id"]],
    )
    assert "The signature waits until the advice has been read." in held
    assert chart.of("ServiceRequest", "active") == []
    page = chart.do("/orders/sign")
    (order,) = chart.of("ServiceRequest", "active")
    assert (order["id"], order["intent"]) == (draft["id"], "order")
    assert "Signed and active: CT pancreas, pancreas protocol." in page
    under_way = page.partition('id="under-way"')[2].partition("</section>")[0]
    assert "CT pancreas, pancreas protocol" in under_way
    assert f'value="{chosen}"' not in page, "what is signed is no longer a draft"


def test_what_was_written_before_is_signed_as_well_and_once(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    reference = "MedicationRequest/new-diabetes-draft-01"
    chart.do("/hook", hook="order-sign", order=[reference])
    page = chart.do("/orders/sign")
    (signed,) = chart.of("MedicationRequest", "active")
    assert words(signed) == "metformin"
    assert reference not in page.partition('id="hood"')[0]
    chart.do("/orders/sign", 400)
    assert len(chart.of("MedicationRequest", "active")) == 1


def test_a_silent_service_and_one_that_fails_hold_no_signature_back(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    hospital.stub.quiet = True
    chart.do("/orders", orderable="crp")
    reference = f"ServiceRequest/{chart.of('ServiceRequest', 'draft')[0]['id']}"
    assert "Signed and active: CRP." in chart.do("/hook", hook="order-sign", order=[reference])
    chart.do("/orders", orderable="albumin")
    with hospital.stub.app().test_request_context():
        hospital.stub.broken = jsonify({})
        hospital.stub.broken.status_code = 500
    reference = f"ServiceRequest/{chart.of('ServiceRequest', 'draft')[0]['id']}"
    page = chart.do("/hook", hook="order-sign", order=[reference])
    assert "Signed and active: Albumin." in page
    assert "Outlook on signing gave no answer that can be used" in page


def test_a_draft_is_taken_back_wherever_it_is(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/orders", orderable="crp")
    made = f"ServiceRequest/{chart.of('ServiceRequest', 'draft')[0]['id']}"
    assert "Removed: CRP." in chart.do("/orders/withdraw", reference=made)
    assert chart.of("ServiceRequest", "draft") == []
    assert "Removed: metformin." in chart.do("/orders/withdraw", reference="MedicationRequest/new-diabetes-draft-01")
    assert "No orders are waiting for a signature." in chart.page


@pytest.mark.parametrize("reference", ["Patient/new-diabetes", "Observation/new-diabetes-obs-0001", "", "x"])
def test_nothing_but_a_draft_of_this_patient_can_be_taken_back(hospital: Hospital, reference: str) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/orders/withdraw", 404, reference=reference)
    assert hospital.found("Patient?_id=new-diabetes")


def test_an_accepted_suggestion_is_a_draft_that_is_undone(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/accept", suggestion=0)
    assert len(chart.of("ServiceRequest", "draft")) == 1
    page = chart.do("/cards/0/0/undo", suggestion=0)
    assert chart.of("ServiceRequest", "draft") == []
    assert "Undone: Order CT of the abdomen, urgent. The draft is gone." in page
    assert "Accept: Order CT of the abdomen, urgent" in page, "it can be accepted again"
    chart.do("/cards/0/0/accept", suggestion=0)
    assert len(chart.of("ServiceRequest", "draft")) == 1
    assert [f["outcome"] for _, body in hospital.stub.feedback for f in body["feedback"]] == ["accepted", "accepted"]


def test_what_has_been_signed_is_not_undone_as_a_draft(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/accept", suggestion=0)
    first = chart.url
    reference = f"ServiceRequest/{chart.of('ServiceRequest', 'draft')[0]['id']}"
    chart.do("/hook", hook="order-sign", order=[reference])
    chart.do("/orders/sign")
    chart.url = first
    page = chart.do("/cards/0/0/undo", suggestion=0)
    assert "Nothing was changed. The record refused: the order is no longer a draft." in page
    assert len(chart.of("ServiceRequest", "active")) == 1


def test_removing_an_accepted_draft_makes_the_suggestion_free_again(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    chart.do("/cards/0/0/accept", suggestion=1)
    reference = f"ServiceRequest/{chart.of('ServiceRequest', 'draft')[0]['id']}"
    assert "Accept: Order HbA1c" in chart.do("/orders/withdraw", reference=reference)


def offering(*suggestions: JSON, **card: Any) -> JSON:
    return {
        "uuid": "c", "summary": "Something to do", "indicator": "info", "source": {"label": "s"},
        "selectionBehavior": "any", "suggestions": list(suggestions), **card,
    }  # fmt: skip


def create(text: str, **more: Any) -> JSON:
    resource = {
        "resourceType": "ServiceRequest", "status": "draft", "intent": "proposal", "code": {"text": text},
        "subject": {"reference": "Patient/new-diabetes"},
    }  # fmt: skip
    return {"type": "create", "description": text, "resource": {**resource, **more}}


def test_actions_of_one_suggestion_are_all_done_or_none(hospital: Hospital) -> None:
    broken = create("second", status="no-such-status", intent=7)
    hospital.stub.cards = [offering({"label": "both", "uuid": "u", "actions": [create("first"), broken]})]
    chart = Chart(hospital, "new-diabetes")
    assert "Nothing was changed." in chart.do("/cards/0/0/accept", suggestion=0)
    assert chart.of("ServiceRequest", "draft") == []
    assert hospital.stub.feedback == []


def test_a_suggestion_may_change_or_delete_an_order_being_written_and_that_is_undone(hospital: Hospital) -> None:
    chart = Chart(hospital, "new-diabetes")
    (written,) = hospital.desk.orders.held("new-diabetes")
    changed = {**written.resource, "medicationCodeableConcept": {"text": "metformin, slow release"}}
    hospital.stub.cards = [
        offering(
            {"label": "change", "uuid": "a", "actions": [{"type": "update", "description": "d", "resource": changed}]},
            {"label": "stop", "uuid": "b", "actions": [{"type": "delete", "description": "d",
                                                         "resourceId": written.reference}]},
        )
    ]  # fmt: skip
    chart.do("/hook", hook="patient-view")
    assert "metformin, slow release" in chart.do("/cards/0/0/accept", suggestion=0)
    chart.do("/cards/0/0/undo", suggestion=0)
    assert "slow release" not in chart.page.partition('id="hood"')[0]
    chart.do("/cards/0/0/accept", suggestion=1)
    assert hospital.desk.orders.held("new-diabetes") == ()
    chart.do("/cards/0/0/undo", suggestion=1)
    assert hospital.desk.orders.held("new-diabetes") == (written,)


def test_of_a_card_that_offers_one_at_most_a_second_is_not_taken(hospital: Hospital) -> None:
    hospital.stub.cards = [
        offering({"label": "one", "uuid": "1", "actions": [create("one")]},
                 {"label": "two", "uuid": "2", "actions": [create("two")]}, selectionBehavior="at-most-one")
    ]  # fmt: skip
    chart = Chart(hospital, "new-diabetes")
    assert "Another suggestion was accepted." in chart.do("/cards/0/0/accept", suggestion=0)
    chart.do("/cards/0/0/accept", suggestion=1)
    assert [words(d) for d in chart.of("ServiceRequest", "draft")] == ["one"]
    assert len(hospital.stub.feedback) == 1
    chart.do("/cards/0/0/undo", suggestion=0)
    chart.do("/cards/0/0/accept", suggestion=1)
    assert [words(d) for d in chart.of("ServiceRequest", "draft")] == ["two"]
