"""Order-entry systems write a regimen in many ways; the card names what is signed, or says that it can't tell."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold

from hooks import stories

ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
FIRST_LINE = stories.story("two-labs")


def ordered(*codings: tuple[str, str], text: str = "", **more: Any) -> dict[str, Any]:
    drug = {"coding": [{"system": system, "code": code} for system, code in codings], "text": text}
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{FIRST_LINE.id}"},  # as the chart's; an order is given the signed story's
        "authoredOn": "2026-11-23",
        "medicationCodeableConcept": drug,
        **more,
    }


def sign(
    house: House,
    *orders: dict[str, Any],
    language: str = "en",
    beside: tuple[dict[str, Any], ...] = (),
    story: stories.Story = FIRST_LINE,
    service: str = "pancreas-first-line",
) -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{story.id}"}
    entries = [{"resource": order | {"subject": subject}} for order in orders]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return house.ask(story, "order-sign", language, beside, draftOrders=bundle)[service]


def test_two_orders_without_an_id_are_two(house: House) -> None:
    (card,) = sign(house, ordered((ATC, "L01BC05")))
    assert "gemcitabine ordered" in card["summary"]
    assert sign(house, ordered((ATC, "L01BC05")), ordered((ATC, "L01XA01"))) == []  # with cisplatin


CAPECITABINE = ordered((ATC, "L01BC06"))
GEMCITABINE, NAB_TEXT = ordered((ATC, "L01BC05")), ordered(text="nab-paclitaxel (Abraxane) 125 mg/m2 iv")
PRODUCT = ordered((RXNORM, "583218"), text="paclitaxel protein-bound 100 MG [Abraxane]")
FOLFIRINOX = tuple(ordered((ATC, code)) for code in ("L01BC02", "V03AF03", "L01CE02", "L01XA03"))


@pytest.mark.parametrize("partner", [NAB_TEXT, PRODUCT, ordered(text="cisplatin"), ordered(text="study drug XYZ")])
def test_a_partner_that_no_code_tells_may_make_it_another_regimen(house: House, partner: dict[str, Any]) -> None:
    (card,) = sign(house, GEMCITABINE, partner)
    assert card["summary"] == "No survival estimate: an order could not be read (treatment ordered)"
    assert "1 of the orders could not be read, or no code here tells the drug" in card["detail"]
    assert "Read: gemcitabine." in card["detail"] and "MPACT" not in card["detail"]
    assert "Gelezen: gemcitabine." in sign(house, GEMCITABINE, partner, language="nl")[0]["detail"]


@pytest.mark.parametrize("partner", [NAB_TEXT, PRODUCT])
def test_a_partner_signed_already_in_this_cycle_that_no_code_tells_is_one_too(
    house: House, partner: dict[str, Any]
) -> None:
    standing = partner | {"id": "standing", "status": "active", "authoredOn": "2026-11-21"}
    for drafted, beside in (((GEMCITABINE,), (standing,)), ((GEMCITABINE, standing), (standing,))):
        (card,) = sign(house, *drafted, beside=beside)
        assert "1 of the orders could not be read, or no code here tells the drug" in card["detail"]
    for ended in ("stopped", "cancelled"):  # signed off beside it, or no longer standing
        (card,) = sign(house, GEMCITABINE, standing | {"status": ended}, beside=(standing,))
        assert "gemcitabine ordered" in card["summary"]
        (card,) = sign(house, GEMCITABINE, beside=(standing | {"status": ended},))
        assert "gemcitabine ordered" in card["summary"]
    (card,) = sign(house, *FOLFIRINOX, beside=(standing,))
    assert "One of the orders could not be read: no code here tells the drug." in card["detail"]


def test_a_drug_of_a_class_without_cancer_drugs_is_no_partner(house: House) -> None:
    ondansetron, pegfilgrastim = ordered((ATC, "A04AA01")), ordered((RXNORM, "1"), (ATC, "L03AA13"))
    (card,) = sign(house, GEMCITABINE, ondansetron, pegfilgrastim)
    assert "gemcitabine ordered" in card["summary"] and "could not be read" not in card["detail"]


def test_three_drugs_are_their_regimen_whatever_else_is_ordered(house: House) -> None:
    (card,) = sign(house, *FOLFIRINOX, ordered(text="ondansetron 8 mg"))
    assert "FOLFIRINOX ordered" in card["summary"]
    assert "One of the orders could not be read: no code here tells the drug." in card["detail"]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([ordered(text=drug) for drug in ("oxaliplatin", "irinotecan", "5-FU")], "drugs-not-told"),
        # no further drug makes this one of ours
        ([GEMCITABINE, ordered((ATC, "L01XA01")), NAB_TEXT], "unrecognised-regimen"),
        ([GEMCITABINE, ordered((ATC, "L01BC06")), NAB_TEXT], "unrecognised-regimen"),
    ],
)
def test_orders_nothing_is_said_of_leave_a_reason(house: House, orders: list[dict[str, Any]], reason: str) -> None:
    untold(house)
    assert sign(house, *orders) == []
    assert ("pancreas-survival", reason) in untold(house)


def test_a_text_is_nobodys_business_where_no_cancer_is(house: House) -> None:
    untold(house)
    assert sign(house, ordered(text="paracetamol"), story=stories.story("no-complaints")) == []
    assert not any(topic == "pancreas-survival" for topic, _ in untold(house))


def given(text: str, *codings: tuple[str, str], on: str = "2026-11-10") -> dict[str, Any]:
    return ordered(*codings, text=text, id=f"{text}-{on}") | {"status": "completed", "authoredOn": on}


def test_drugs_given_before_that_nothing_tells_may_have_been_an_earlier_line(house: House) -> None:
    before = (given("study drug"), given("", (RXNORM, "1736781")), given("", (ATC, "N02BE01")), given("x", on="2020"))
    (card,) = sign(house, GEMCITABINE, beside=before)
    assert "2 drugs on record from before this cycle have no code that tells here what they are." in card["detail"]
    assert "on record from before this cycle" not in sign(house, GEMCITABINE)[0]["detail"]


@pytest.mark.parametrize("text", ["Oxaliplatin 5 MG/ML Injection", "mFOLFIRINOX kuur 3", "gemcitabine/Abraxane"])
def test_an_earlier_line_known_by_its_text_alone_is_one(house: House, text: str) -> None:
    """As a code would: a word in a text gives no estimate, it can only hold one back."""
    (card,) = sign(house, GEMCITABINE, beside=(given(text, (RXNORM, "1736781")),))
    assert "this is not the start of first-line treatment" in card["summary"]


def test_a_first_cycle_known_by_its_text_alone_is_the_same_line(house: House) -> None:
    (card,) = sign(house, GEMCITABINE, beside=(given("Gemcitabine 1000 mg/m2"),))
    assert "gemcitabine ordered" in card["summary"] and "on record from before" not in card["detail"]


@pytest.mark.parametrize("status", ["stopped", "completed", "on-hold", "cancelled", "entered-in-error", "unknown"])
def test_an_order_signed_to_end_it_is_not_being_ordered(house: House, status: str) -> None:
    untold(house)
    assert sign(house, GEMCITABINE | {"status": status}) == []
    assert ("pancreas-survival", "not-being-ordered") in untold(house)
    assert sign(house, CAPECITABINE | {"status": status}, service="pancreas-dosing") == []


@pytest.mark.parametrize("status", [None, "active"])
def test_an_order_that_the_ehr_calls_active_already_is_being_ordered(house: House, status: str | None) -> None:
    (card,) = sign(house, GEMCITABINE | {"status": status})
    assert "gemcitabine ordered" in card["summary"]
    (advice,) = sign(house, CAPECITABINE | {"status": status}, service="pancreas-dosing")
    assert "No DPYD result on record" in advice["summary"]


def test_what_is_stopped_while_another_regimen_is_signed_is_no_part_of_it(house: House) -> None:
    standing = GEMCITABINE | {"id": "standing", "status": "active"}
    assert sign(house, *FOLFIRINOX, beside=(standing,)) == []
    (card,) = sign(house, *FOLFIRINOX, standing | {"status": "stopped"}, beside=(standing,))
    assert "FOLFIRINOX ordered" in card["summary"]
