"""A first time that may be none: what is said of it, whatever the disease."""

from __future__ import annotations

from cds.cards import doubts
from cds.cards.phrasebook import Catalogues
from cds.record.facts import Fact
from cds.record.feature import Feature
from cds.record.inputs import Input
from cds.record.moments import parse

LABELS = {name: {"en": name.replace("-", " ")} for name in ("pancreatitis", "acute-pancreatitis", "gout", "lipase")}
WORDS = Catalogues((), LABELS).book("en")
FLAG = {"name": "new", "label": {"en": "new"}, "concepts": ["acute-pancreatitis"], "reduce": "new", "within": "12m"}
UNLESS = [
    {"concepts": ["pancreatitis", "acute-pancreatitis"]},
    {"concepts": ["gout"]},
    {"concepts": ["lipase"], "at_least": 180},
]


def first_time(*aside: Fact, unless: object = UNLESS, unsure: frozenset[str] = frozenset()) -> Feature:
    spec = Input.model_validate(FLAG | {"unless": unless})
    return Feature(spec, 1.0, "found", aside=aside, unsure=unsure)


def test_each_is_named_as_its_own_diagnosis() -> None:
    undated = Fact("acute-pancreatitis", "Condition/1", None)
    over = Fact("gout", "Condition/2", parse("2012-03-01"), status="inactive")
    high = Fact("lipase", "Observation/1", parse("2020-05-01"), value=200.0, original="200 U/L")
    assert doubts.told(WORDS, [first_time(undated, over), first_time(undated, high)]) == [
        "Pancreatitis is on record without a date: it may be older.",
        "Gout of 2012 is on record as resolved: this may be the same.",
        "Lipase 200 U/L (1 May 2020), lower since: pancreatitis may be older.",
    ]


def test_what_was_not_read_is_told_once_and_without_a_diagnosis_after_what_is_read_itself() -> None:
    lost = frozenset({"Condition", "Procedure"})
    measured = UNLESS[2:]
    assert doubts.told(WORDS, [first_time(unless=measured, unsure=lost)] * 2) == [
        "Older acute pancreatitis could not be ruled out: the problem list was not read whole.",
        "Older acute pancreatitis could not be ruled out: part of the record was not read whole.",
    ]
    assert doubts.told(WORDS, [first_time()]) == []


def test_dutch_sentences_fit_words_of_either_gender() -> None:
    """A "het" word after "de" or "oudere" would be wrong: they name the disease without an article or an adjective."""
    words = Catalogues((), {"gout": {"nl": "vitaminetekort"}, "lipase": {"nl": "lipase"}}).book("nl")
    spec = [{"concepts": ["gout"]}, {"concepts": ["lipase"], "at_least": 180}]
    undated, over = Fact("gout", "Condition/1", None), Fact("gout", "Condition/2", parse("2012"), status="inactive")
    high = Fact("lipase", "Observation/1", parse("2020-05-01"), value=200.0, original="200 U/L")
    lost = frozenset({"Condition", "Observation", "Procedure"})
    assert doubts.told(words, [first_time(undated, over, high, unless=spec, unsure=lost)]) == [
        "Vitaminetekort staat zonder datum vastgelegd en bestaat mogelijk al langer.",
        "Vitaminetekort van 2012 staat vastgelegd als niet meer actueel: mogelijk is dit dezelfde aandoening.",
        "Lipase 200 U/L (1 mei 2020), daarna lager: mogelijk al langer vitaminetekort.",
        "Dat er al langer vitaminetekort is, kon niet worden uitgesloten: "
        "de probleemlijst is niet in zijn geheel gelezen.",
        "Dat er al langer vitaminetekort is, kon niet worden uitgesloten: "
        "niet alle laboratoriumuitslagen zijn gelezen.",
        "Dat er al langer vitaminetekort is, kon niet worden uitgesloten: "
        "een deel van het dossier is niet in zijn geheel gelezen.",
    ]
