"""What an order's texts say of a drug: its formulation where no code tells it, and its name as a card has it."""

from __future__ import annotations

import pytest

from cds.cards.phrasebook import Phrasebook
from cds.record.facts import Fact
from hooks import drug_names, survival_words


@pytest.mark.parametrize(
    ("text", "liposomal"),
    [
        ("irinotecan (niet uitwisselbaar met Onivyde)", None),
        ("irinotecan - NOT interchangeable with liposomal irinotecan", None),
        ("irinotecan, do not confuse with Onivyde", None),
        ("irinotecan i.p.v. Onivyde", None),
        ("irinotecan in plaats van liposomaal irinotecan", None),
        ("irinotecan, geen (pegylated) liposomal", None),
        ("irinotecan zonder liposomen", False),
        ("irinotecan without liposomes", False),
        ("irinotecan, non-pegylated liposomal", True),
        ("Niet schudden. Irinotecan liposomaal", True),
        ("irinotecan liposomaal (Onivyde), niet uitwisselbaar met irinotecan", True),
    ],
)
def test_a_warning_against_the_other_form_does_not_name_it(text: str, liposomal: bool | None) -> None:
    assert drug_names.liposomal([text]) is liposomal


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("gemcitabine 1000 mg/m2", {"gemcitabine"}),
        ("no gemcitabine", set()),
        ("stop irinotecan", set()),
        ("geen indicatie voor oxaliplatin", set()),
        ("Gemcitabine gestopt", set()),
        ("oxaliplatine: niet geven", set()),
        ("ondansetron 30 min voor start FOLFIRINOX", set()),
        ("pegfilgrastim 24 uur na gemcitabine", set()),
        ("pegfilgrastim 24 h after the first cycle of FOLFIRINOX", set()),
        ("dexamethason voor chemotherapie (gemcitabine)", set()),
        ("chemotherapie bij pancreascarcinoom gemcitabine", {"gemcitabine"}),
        ("voor gemetastaseerd pancreascarcinoom gemcitabine", {"gemcitabine"}),
        ("after port placement FOLFIRINOX", {"fluorouracil", "irinotecan", "oxaliplatin"}),
        ("gemcitabine (allergie)", set()),
        ("gemcitabine allergisch: niet geven", set()),
        ("gemcitabine, allergies: none", {"gemcitabine"}),
        ("stop irinotecan, start gemcitabine", {"gemcitabine"}),
        ("Stop FOLFIRINOX start gem-nab", {"gemcitabine", "paclitaxel"}),
        ("no FOLFIRINOX then nab-gem", {"gemcitabine", "paclitaxel"}),
        ("gemcitabine: niet geven bij trombo < 75", {"gemcitabine"}),
        ("gemcitabine, not to be given if ANC < 1.0", {"gemcitabine"}),
        ("gemcitabine not to be given", set()),
        ("FOLFIRINOX zonder irinotecan", {"fluorouracil", "irinotecan", "oxaliplatin"}),
        ("niet liposomaal irinotecan", {"irinotecan"}),
        ("gemcitabine, stop bij koorts", {"gemcitabine"}),
        ("na overleg Xeloda 1500 mg", {"capecitabine"}),
        ("bij voorkeur gemcitabine", {"gemcitabine"}),
        ("chemokuur voor pancreascarcinoom gemcitabine", {"gemcitabine"}),
        ("kuur 2 na herstel gemcitabine", {"gemcitabine"}),
        ("Xeloda: niet starten", set()),
        ("no DPYD variant gemcitabine 1000 mg/m2", {"gemcitabine"}),
        ("stop irinotecan start gemcitabine", {"gemcitabine"}),
        ("geen irinotecan maar Xeloda", {"capecitabine"}),
        ("ipv gemcitabine Xeloda", {"capecitabine"}),
        ("gemcitabine (was FOLFIRINOX)", {"gemcitabine"}),
        ("niet starten met irinotecan", set()),
        ("dexamethason dag 2 na gemcitabine", set()),
        ("premedicatie gemcitabine", set()),
        ("no later than 24 Nov: gemcitabine", {"gemcitabine"}),
    ],
)
def test_what_a_text_denies_or_gives_another_drug_beside_is_not_ordered(text: str, given: set[str]) -> None:
    assert set(drug_names.ordered(text)) == given


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("mFFX kuur 3", {"fluorouracil", "irinotecan", "oxaliplatin"}),
        ("FOLFOXIRI", {"fluorouracil", "irinotecan", "oxaliplatin"}),
        ("LV5FU2", {"fluorouracil"}),
        ("FU/LV 2400 mg/m2", {"fluorouracil"}),
        ("simplified de Gramont", {"fluorouracil"}),
        ("FLOT", {"fluorouracil", "oxaliplatin", drug_names.PARTNER}),
        ("CAPEOX", {"capecitabine", "oxaliplatin"}),
        ("CAPOXIRI", {"capecitabine", "oxaliplatin", "irinotecan"}),
        ("XELIRI", {"capecitabine", "irinotecan"}),
        ("CAP/TEM", {"capecitabine", drug_names.PARTNER}),
        ("PAXG cycle 1", {"gemcitabine", "capecitabine", drug_names.PARTNER}),
    ],
)
def test_a_regimen_with_a_fluoropyrimidine_names_its_drugs(text: str, given: set[str]) -> None:
    assert set(drug_names.ordered(text)) == given == set(drug_names.named(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("methotrexate 2.5 mg tablet", "methotrexate 2.5 mg tablet"),
        ("adrenaline 1:1000, .5 mL", "adrenaline 1:1000, .5 mL"),
        ("morphine 10–20 mg", "morphine 10–20 mg"),
        ("www.x.nl:80 <b>1. 2.</b>", "wwwxnl80 b1 2/b"),
        ("NaCl 0,9% infuus isotone oplossing zak 1000 ml", "NaCl 0,9% infuus isotone oplossing zak …"),
        ("1" * 60, "1" * 40 + " …"),
    ],
)
def test_a_dose_in_a_drugs_name_is_told_as_it_is(text: str, told: str) -> None:
    assert survival_words.called(Phrasebook("en", {}), Fact("", "MedicationRequest/1", None, title=text)) == told
