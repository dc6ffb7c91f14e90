"""Order-entry systems write a regimen in many ways; the card names what is signed, or says that it can't tell."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold

from cds.cards.phrasebook import Phrasebook
from cds.record.facts import Fact
from hooks import stories, survival_words

ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
NDC = "http://hl7.org/fhir/sid/ndc"
STOP = {"url": "http://nictiz.nl/fhir/StructureDefinition/ext-StopType"}
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


@pytest.mark.parametrize(
    ("language", "summary", "said"),
    [
        ("en", "No survival estimate: the problem list could not be read (FOLFIRINOX ordered)", "is not known"),
        ("nl", "Geen overlevingsschatting: de probleemlijst was niet te lezen", "is niet bekend"),
    ],
)
def test_a_regimen_beside_a_problem_list_nobody_could_read_brings_a_card(
    house: House, language: str, summary: str, said: str
) -> None:
    story = stories.story("folfirinox-falling")
    (card,) = house.ask(story, "order-sign", language, lost="conditions")["pancreas-first-line"]
    assert card["summary"].startswith(summary) and said in card["detail"] and "CDS-603" in card["detail"]


def test_orders_nobody_could_read_beside_such_a_problem_list_bring_one_too(house: House) -> None:
    story = stories.story("folfirinox-falling")
    for orders in ([ordered(text="FOLFIRINOX")], [FOLFIRINOX[0], ordered(text="study drug XYZ")]):
        entries = [{"resource": one | {"subject": {"reference": f"Patient/{story.id}"}}} for one in orders]
        drafts = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        (card,) = house.ask(story, "order-sign", lost="conditions", draftOrders=drafts)["pancreas-first-line"]
        assert "could not be read" in card["summary"] and "CDS-603" in card["detail"]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "No model's answer is used here;"), ("nl", "geen antwoord van een model")]
)
def test_a_card_that_no_model_stands_behind_names_none(house: House, language: str, said: str) -> None:
    """Its models all have an answer, which is not given: an order could not be read."""
    story = stories.story("folfirinox-falling")
    (card,) = sign(house, ordered(text="FOLFIRINOX kuur 1"), story=story, language=language)
    assert said in card["detail"] and "Rests on ;" not in card["detail"] and "Gebaseerd op ;" not in card["detail"]


@pytest.mark.parametrize(
    ("language", "summary", "detail"),
    [
        (
            "en",
            "No survival estimate: the metastases may be those of another cancer (FOLFIRINOX",
            "Another cancer is on record",
        ),
        (
            "nl",
            "Geen overlevingsschatting: de uitzaaiingen kunnen van een andere kanker zijn (FOLFIRINOX",
            "nog een kanker",
        ),
    ],
)
def test_metastases_that_may_be_another_cancer_s_are_no_contradiction(
    house: House, language: str, summary: str, detail: str
) -> None:
    """The colon's, in the code of a record without ICD; no stage is recorded, so the card must not tell of one."""
    story = stories.story("folfirinox-falling")
    told = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{story.id}"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "onsetDateTime": "2026-10-01",
    }
    beside = tuple(
        told | {"id": code, "code": {"coding": [{"system": SNOMED, "code": code}]}}
        for code in ("363406005", "94381002")
    )
    (card,) = house.ask(story, "order-sign", language, beside, lost="observations")["pancreas-first-line"]
    assert card["summary"].startswith(summary)
    assert detail in card["detail"] and "taging" not in card["detail"] and "tadiëring" not in card["detail"]


CAPECITABINE = ordered((ATC, "L01BC06"))
GEMCITABINE, NAB_TEXT = ordered((ATC, "L01BC05")), ordered(text="nab-paclitaxel (Abraxane) 125 mg/m2 iv")
PRODUCT = ordered((RXNORM, "583218"), text="paclitaxel protein-bound 100 MG [Abraxane]")
FOLFIRINOX = tuple(ordered((ATC, code)) for code in ("L01BC02", "V03AF03", "L01CE02", "L01XA03"))


@pytest.mark.parametrize("status", ["remission", "resolved", "inactive"])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "the pancreatic cancer is recorded as over (F"),
        ("nl", "de alvleesklierkanker staat als voorbij vastgelegd"),
    ],
)
def test_metastases_after_a_cancer_that_is_recorded_as_over_bring_a_card(
    house: House, status: str, language: str, said: str
) -> None:
    """It may have come back, or another one has spread: which of the two nobody recorded."""
    story = stories.story("new-diabetes")
    conditions = tuple(
        {
            "resourceType": "Condition",
            "id": code,
            "subject": {"reference": f"Patient/{story.id}"},
            "code": {"coding": [{"system": SNOMED, "code": code}]},
            "clinicalStatus": {"coding": [{"code": clinical}]},
            "verificationStatus": {"coding": [{"code": "confirmed"}]},
            "onsetDateTime": day,
        }
        for code, clinical, day in (("363418001", status, "2024-05-01"), ("94381002", "active", "2026-11-01"))
    )
    (card,) = sign(house, *FOLFIRINOX, language=language, beside=conditions, story=story)
    assert said in card["summary"]
    assert sign(house, *FOLFIRINOX, language=language, beside=conditions[:1], story=story) == []


@pytest.mark.parametrize("partner", [NAB_TEXT, PRODUCT, ordered(text="cisplatin"), ordered(text="study drug XYZ")])
def test_a_partner_that_no_code_tells_may_make_it_another_regimen(house: House, partner: dict[str, Any]) -> None:
    (card,) = sign(house, GEMCITABINE, partner)
    assert card["summary"] == "No survival estimate: an order could not be read"
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


UNREAD = "No survival estimate: an order could not be read"
NAB = ordered((ATC, "L01CD01"))


def test_ordinary_orders_take_no_estimate_away(house: House) -> None:
    ingredients = [ordered((RXNORM, code)) for code in ("26225", "3264")]  # ondansetron, dexamethasone
    for orders in ([], [NAB]):
        (card,) = sign(house, GEMCITABINE, *orders, *ingredients)
        assert "gemcitabine" in card["summary"] and "could not be read" not in card["summary"] + card["detail"]
    paracetamol = ordered(text="paracetamol 500 mg", id="ward", status="active", authoredOn="2026-11-22")
    for orders in ([GEMCITABINE], [GEMCITABINE, NAB]):  # ordered by the ward the day before
        (card,) = sign(house, *orders, beside=(paracetamol,))
        assert card["summary"].startswith("Prognosis information available")
        assert "One of the orders could not be read: no code here tells the drug." in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=(paracetamol,), language="nl")
    assert "Eén voorschrift was niet te lezen: geen code vertelt hier om welk middel het gaat." in card["detail"]


@pytest.mark.parametrize("coding", [[], [(RXNORM, "104894")], [(NDC, "0143-9890-05")]])
def test_premedication_that_no_code_tells_is_named_beside_a_regimen(
    house: House, coding: list[tuple[str, str]]
) -> None:
    ondansetron = ordered(*coding, text="ondansetron 8 mg")
    for orders in ([GEMCITABINE, NAB], FOLFIRINOX):
        (card,) = sign(house, *orders, ondansetron)
        assert card["summary"].startswith("Prognosis information available")
        assert "One of the orders could not be read: no code here tells the drug." in card["detail"]
    (card,) = sign(house, GEMCITABINE, ordered(*coding, text="study drug"))  # gemcitabine alone: it may be anything
    assert card["summary"] == UNREAD


@pytest.mark.parametrize("text", ["Cisplatine 25 mg/m2", "S-1", "erlotinib 100 mg", "Xeloda", ""])
@pytest.mark.parametrize("coding", [(RXNORM, "1736854"), (NDC, "1")])
def test_a_standing_order_counts_where_its_text_names_a_cancer_drug_or_there_is_none(
    house: House, text: str, coding: tuple[str, str]
) -> None:
    standing = ordered(coding, text=text, id="standing", status="active", authoredOn="2026-11-22")
    assert sign(house, GEMCITABINE, beside=(standing,))[0]["summary"] == UNREAD
    (card,) = sign(house, GEMCITABINE, NAB, beside=(standing,))
    # beside two drugs only a third that is named
    assert (card["summary"] == UNREAD) is bool(text)


def test_an_unread_order_of_another_patient_takes_a_whole_regimen_away(house: House) -> None:
    orders = [*FOLFIRINOX, GEMCITABINE | {"subject": {"reference": "Patient/another"}}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in orders]}
    (card,) = house.ask(FIRST_LINE, "order-sign", "en", draftOrders=bundle)["pancreas-first-line"]
    assert card["summary"] == UNREAD


@pytest.mark.parametrize(
    ("text", "display", "summary"),
    [
        ("irinotecan, non-liposomal", "", "FOLFIRINOX ordered"),
        ("irinotecan (niet-liposomaal) 180 mg/m2", "", "FOLFIRINOX ordered"),
        ("irinotecan niet in liposomen", "", "FOLFIRINOX ordered"),
        ("conventional irinotecan (not Onivyde)", "", "FOLFIRINOX ordered"),
        ("Irinotecan", "irinotecan liposomal (Onivyde)", "NALIRIFOX ordered"),
        ("nal-IRI", "irinotecan", "NALIRIFOX ordered"),
        ("irinotecan, non-pegylated liposomal", "", "NALIRIFOX ordered"),
        ("irinotecan, non-liposomal", "irinotecan liposomal (Onivyde)", "could not be read"),
    ],
)
def test_the_form_of_irinotecan_is_what_all_texts_of_the_order_say(
    house: House, text: str, display: str, summary: str
) -> None:
    irinotecan = ordered((ATC, "L01CE02"), text=text)
    irinotecan["medicationCodeableConcept"]["coding"][0]["display"] = display
    others = [order for order in FOLFIRINOX if "L01CE02" not in str(order)]
    (card,) = sign(house, *others, irinotecan)
    assert summary in card["summary"]
    if "could not be read" in summary:
        assert "can be read as the liposomal form and as the other" in card["detail"]
        (card,) = sign(house, *others, irinotecan, language="nl")
        assert "kan op de liposomale vorm slaan en op de gewone" in card["detail"]


def test_two_orders_under_one_id_are_two(house: House) -> None:
    new = {"id": "new"}
    assert sign(house, GEMCITABINE | new, ordered((ATC, "L01XA01")) | new) == []  # with cisplatin


@pytest.mark.parametrize("authored", [{"authoredOn": "2026-11-23"}, {"authoredOn": None}])
@pytest.mark.parametrize("id", ["standing", "agreement"])
def test_an_agreement_to_stop_ends_the_orders_of_its_drug(house: House, id: str, authored: dict[str, Any]) -> None:
    standing = GEMCITABINE | {"id": "standing", "status": "active", "authoredOn": "2026-11-22"}
    stop = GEMCITABINE | {"id": id, "modifierExtension": [STOP]} | authored
    (card,) = sign(house, *FOLFIRINOX, stop, beside=(standing,))
    assert "FOLFIRINOX ordered" in card["summary"]
    untold(house)
    assert sign(house, stop, beside=(standing,)) == []
    assert ("pancreas-survival", "not-being-ordered") in untold(house)
    # cisplatin stands: of the same class, and another drug
    cisplatin = standing | {"medicationCodeableConcept": ordered((ATC, "L01XA01"))["medicationCodeableConcept"]}
    assert sign(house, *FOLFIRINOX, stop | {"id": "agreement"}, beside=(cisplatin,)) == []


def signed_beside_a_stop(house: House, standing: dict[str, Any], stop: dict[str, Any]) -> str:
    standing = standing | {"id": "standing", "status": "active", "authoredOn": "2026-11-22"}
    (card,) = sign(house, GEMCITABINE, stop | {"id": "stop", "modifierExtension": [STOP]}, beside=(standing,))
    return str(card["summary"])


@pytest.mark.parametrize(
    "nothing",
    [
        "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
        "http://hl7.org/fhir/v3/NullFlavor",
        "urn:oid:2.16.840.1.113883.5.1008",
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
    ],
)
def test_an_agreement_to_stop_what_has_no_code_ends_no_other_drug(house: House, nothing: str) -> None:
    cisplatin, prednisone = (ordered((nothing, "OTH"), text=text) for text in ("cisplatine 25 mg/m2", "prednison"))
    assert signed_beside_a_stop(house, cisplatin, prednisone) == UNREAD
    assert "gemcitabine ordered" in signed_beside_a_stop(house, cisplatin, cisplatin)  # by its text


def test_an_agreement_to_stop_ends_a_drug_whose_code_system_has_another_address(house: House) -> None:
    oid = ordered(("urn:oid:2.16.840.1.113883.6.88", "1736854"), text="cisplatin 50 MG Injection")
    assert "gemcitabine ordered" in signed_beside_a_stop(house, oid, ordered((RXNORM, "1736854"), text="cisplatin"))


def test_an_order_in_whose_place_another_is_signed_is_ended(house: House) -> None:
    standing = GEMCITABINE | {"id": "standing", "status": "active", "authoredOn": "2026-11-22"}
    prior = {"priorPrescription": {"reference": "MedicationRequest/standing"}}
    (card,) = sign(house, FOLFIRINOX[0] | prior, *FOLFIRINOX[1:], beside=(standing,))
    assert "FOLFIRINOX ordered" in card["summary"]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([ordered((NDC, "1"), text="paracetamol")], "drugs-not-told"),
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
    told = (
        "2 drugs on record from before this cycle have no code that tells here what they are: study drug and 1736781."
    )
    assert told in card["detail"]
    assert "on record from before this cycle" not in sign(house, GEMCITABINE)[0]["detail"]


MASKED = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}


@pytest.mark.parametrize("coding", [{"system": "urn:x"}, MASKED])
def test_a_drug_given_before_with_neither_code_nor_text_is_a_gap_of_the_record(
    house: House, coding: dict[str, Any]
) -> None:
    masked = given("") | {"medicationCodeableConcept": {"coding": [coding]}}
    (card,) = sign(house, GEMCITABINE, beside=(masked,))
    assert "gemcitabine ordered" in card["summary"]
    assert "One drug on record could not be recognised and was not counted" in card["detail"]
    assert "on record from before this cycle" not in card["detail"]


def test_a_drug_with_neither_code_nor_text_is_called_by_a_dash() -> None:
    drug = Fact("", "MedicationRequest/1", None)
    assert survival_words.called(Phrasebook("en", {}), drug) == "–"


def test_a_drug_given_many_times_that_nothing_tells_is_one(house: House) -> None:
    before = [given("paracetamol 500 mg", on=f"2026-10-{day:02}") for day in range(1, 25)]
    (card,) = sign(house, GEMCITABINE, beside=tuple(before))
    assert (
        "One drug on record from before this cycle has no code that tells here what it is: paracetamol 500 mg."
        in (card["detail"])
    )
    before += [given(text) for text in ("Paracetamol 500 mg", "movicolon", "[x](http://y)", "lisinopril")]
    (card,) = sign(house, GEMCITABINE, beside=tuple(before))
    assert "4 drugs on record from before this cycle" in card["detail"]
    assert ": for example paracetamol 500 mg, movicolon, and x(http//y)." in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=tuple(before), language="nl")
    assert (
        "vertelt geen code hier wat het is: bijvoorbeeld paracetamol 500 mg, movicolon en x(http//y)." in card["detail"]
    )


@pytest.mark.parametrize(
    "before",
    [
        given("S-1", (ATC, "L01BC53")),
        given("cisplatin", (ATC, "L01XA01")),
        given("cisplatin", (RXNORM, "2555")),
        given("teysuno"),
        given("Cisplatine 75 mg/m2", (NDC, "1")),
        given("FOLFIRI kuur 4"),
    ],
)
def test_an_earlier_line_of_another_cancer_drug_is_one(house: House, before: dict[str, Any]) -> None:
    (card,) = sign(house, GEMCITABINE, ordered((ATC, "L01CD01")), beside=(before,))
    assert "this is not the start of first-line treatment" in card["summary"]
    drug = before["medicationCodeableConcept"]["text"]
    assert f"has {drug} of 10 Nov 2026, which is taken for earlier treatment" in card["detail"]


def test_an_earlier_line_is_named_with_its_day(house: House) -> None:
    before = [given("", (ATC, "L01XA03"), on=f"2026-10-{day}") for day in (10, 24)]
    (card,) = sign(house, GEMCITABINE, beside=tuple(before))
    assert "The record has oxaliplatin of 24 Oct 2026, which is taken for earlier treatment" in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=tuple(before), language="nl")
    assert "In het dossier staat oxaliplatine van 24 okt 2026; dat geldt als eerdere behandeling" in card["detail"]


@pytest.mark.parametrize(
    ("text", "codings"),
    [
        ("bevacizumab intravitreaal", [(ATC, "L01FG01")]),
        ("Avastin 1,25 mg oog", [("urn:oid:2.16.840.1.113883.6.73", "L01XC07")]),
        ("bevacizumab in het oog", []),
        ("methotrexaat 10 mg 1x per week", [(ATC, "L01BA01")]),
        ("rituximab", [(ATC, "L01FA01")]),
        ("MabThera", [(ATC, "L01XC02")]),
        ("mercaptopurine 50 mg", [(ATC, "L01BB02")]),
        ("hydroxycarbamide", [(ATC, "L01XX05")]),
    ],
)
def test_a_drug_given_before_that_other_diseases_are_treated_with_may_be_no_earlier_line(
    house: House, text: str, codings: list[tuple[str, str]]
) -> None:
    many = [given(text, *codings, on=f"2026-10-{day}") for day in (10, 17, 24)]
    (card,) = sign(house, GEMCITABINE, beside=tuple(many))
    assert "gemcitabine ordered" in card["summary"]
    assert f"used in cancer and in other diseases: {text}. If it was a treatment of this cancer" in card["detail"]
    assert "no code that tells" not in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=(*many, given("oxaliplatin", (ATC, "L01XA03"))))
    assert "The record has oxaliplatin of 10 Nov 2026" in card["detail"]


def test_two_drugs_that_other_diseases_are_treated_with_are_told_in_dutch(house: House) -> None:
    before = (given("methotrexaat", (ATC, "L01BA01"), on="2026-11-01"), given("rituximab", (ATC, "L01FA01")))
    (card,) = sign(house, GEMCITABINE, beside=before, language="nl")
    assert (
        "2 geneesmiddelen in het dossier van vóór deze kuur worden bij kanker en bij andere ziekten" in card["detail"]
    )
    assert "gebruikt: rituximab en methotrexaat. Was een daarvan een behandeling van deze kanker" in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=before[:1], language="nl")
    assert "ziekten gebruikt: methotrexaat. Was het een behandeling van deze kanker" in card["detail"]


def test_such_a_drug_beside_another_in_one_text_is_an_earlier_line(house: House) -> None:
    (card,) = sign(house, GEMCITABINE, beside=(given("capecitabine/bevacizumab", (ATC, "L01FG01")),))
    assert "this is not the start of first-line treatment" in card["summary"]


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
