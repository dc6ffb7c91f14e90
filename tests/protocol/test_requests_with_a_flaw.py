"""One flaw in what an EHR sends costs what has it, and not the card."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from service import Json, PrefetchOf, StoryCalls, context_of, request

from cds.fhir.decoding import decode
from cds.half_characters import mended
from cds.protocol.request import parse_feedback

RISK, FIRST_LINE = "pancreas-risk", "pancreas-first-line"
HALF = "cut off here \ud83d"
"""As programs that shorten a text at so many UTF-16 units leave an emoji."""


def posted(client: FlaskClient, service: str, body: Json) -> Json:
    answer = client.post(f"/cds-services/{service}", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def summaries(answer: Json) -> list[str]:
    return [card["summary"] for card in answer["cards"]]


@pytest.mark.parametrize("text", [HALF, "\ude00 begins with a half", "\ud83d\ud83d\ude00 and a whole one"])
def test_a_text_cut_off_within_a_character_costs_no_card(
    fresh_client: FlaskClient, prefetch_of: PrefetchOf, text: str
) -> None:
    prefetch = prefetch_of("new-diabetes", RISK, "patient-view")
    good = summaries(
        posted(fresh_client, RISK, request("patient-view", context_of("new-diabetes", "patient-view"), prefetch))
    )
    prefetch["conditions"]["entry"][0]["resource"]["note"] = [{"text": text}]
    assert (
        summaries(
            posted(fresh_client, RISK, request("patient-view", context_of("new-diabetes", "patient-view"), prefetch))
        )
        == good
    )


def test_of_a_fhir_server_it_is_put_up_with_as_well() -> None:
    condition = {"resourceType": "Condition", "id": "c", "code": {"text": HALF}}
    found = decode(json.dumps({"resourceType": "Bundle", "entry": [{"resource": condition}]}).encode())
    assert found.readable and found.malformed == 0
    assert found.resources[0].code.text == "cut off here �"


def test_feedback_with_such_a_comment_is_kept() -> None:
    item = {"card": "c", "outcome": "overridden", "overrideReason": {"userComment": HALF}}
    [kept] = parse_feedback(json.dumps({"feedback": [item]}).encode()).items
    assert kept.commented


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),  # a backslash and some letters
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\u00e9"', rb'"\u00e9"'),
    ],
)
def test_only_halves_are_replaced(text: bytes, whole: bytes) -> None:
    assert mended(text) == whole
    assert (mended(text) is text) == (text == whole)


def test_a_text_of_nothing_but_escapes_takes_no_time() -> None:
    text = rb"\ud800" + rb"\n" * 1_000_000
    assert mended(text) is text


def test_an_entry_that_is_null_costs_only_itself(fire: StoryCalls) -> None:
    story = "folfirinox-falling"
    context = context_of(story, "order-sign")
    context["draftOrders"]["entry"].append(None)
    answer = fire(story, FIRST_LINE, "order-sign", context=context)
    assert answer.status_code == 200
    assert summaries(answer.get_json()) == ["No survival estimate: an order could not be read"]
    found = decode(b'{"resourceType":"Bundle","entry":[null,{"resource":{"resourceType":"Patient","id":"p"}}]}')
    assert found.readable and len(found.resources) == 1 and found.malformed == 1
    assert decode(b'{"resourceType":"Bundle","entry":null}').readable


def test_beside_an_order_of_a_service_as_well(fire: StoryCalls) -> None:
    """Which is read once more, for a treatment that it may name."""
    story = "folfirinox-falling"
    context = context_of(story, "order-sign")
    visit = {"resourceType": "ServiceRequest", "id": "visit", "status": "draft", "intent": "order"}
    visit |= {"subject": {"reference": f"Patient/{context['patientId']}"}, "code": {"text": "Visit"}}
    context["draftOrders"]["entry"] += [None, {"resource": visit}]
    answer = fire(story, FIRST_LINE, "order-sign", context=context)
    assert answer.status_code == 200
    assert summaries(answer.get_json()) == ["No survival estimate: an order could not be read"]


@pytest.mark.parametrize(("links", "following"), [("null", None), ('[null,{"relation":"next","url":"u"}]', "u")])
def test_a_link_that_is_null_costs_only_itself(links: str, following: str | None) -> None:
    patient = '{"resource":{"resourceType":"Patient","id":"p"}}'
    found = decode(f'{{"resourceType":"Bundle","link":{links},"entry":[{patient}]}}'.encode())
    assert found.readable and len(found.resources) == 1 and found.next_url == following


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "MedicationRequest/{}",
        "https://ehr.test/fhir/MedicationRequest/{}",
        "MedicationRequest/{}/_history/2",
        "urn:uuid:{}",
    ],
)
def test_what_was_selected_is_found_in_every_form(fire: StoryCalls, form: str) -> None:
    story = "msi-high"
    context = context_of(story, "order-select")
    orders = [entry["resource"] for entry in context["draftOrders"]["entry"]]
    selected = {**context, "selections": [form.format(order["id"]) for order in orders]}
    answer = fire(story, FIRST_LINE, "order-select", context=selected).get_json()
    assert len(answer["cards"]) == 1
    assert summaries(answer) == summaries(fire(story, FIRST_LINE, "order-select").get_json())
