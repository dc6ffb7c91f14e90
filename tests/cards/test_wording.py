"""Every sentence is there in every language, has its moment, and can be said otherwise by a site."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from click.testing import CliRunner

from cds.cards import site_wording, wording
from cds.cards.occasions import Occasions
from cds.cards.phrasebook import Catalogues
from cds.cli import main
from cds.errors import SettingsError
from cds.inference import attributes
from cds.inference.manifest import Output

ROOT = Path(__file__).parents[2]
ROOMS = [*sorted(ROOT.glob("cds/**/catalogue")), ROOT / "hooks" / "catalogue"]
KEYS = sorted(Catalogues(ROOMS).book("en").texts)
CTRL = re.compile(r"[{][^}]*[}]")


def own(folder: Path) -> Catalogues:
    return Catalogues(ROOMS, own=partial(site_wording.read, folder))


def said(tmp_path: Path, name: str, content: str) -> Path:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_every_sentence_says_when_it_is_read() -> None:
    occasions = Occasions(ROOMS)
    assert [key for key in KEYS if not occasions.of(key)] == []
    assert occasions.unused(KEYS) == []


def test_no_sentence_is_left_in_english() -> None:
    """Names, figures and single words may be the same; three words in a row are a sentence nobody translated."""
    catalogues = Catalogues(ROOMS)
    english, dutch = catalogues.book("en").texts, catalogues.book("nl").texts
    same = [key for key in KEYS if english[key] == dutch[key]]
    assert [key for key in same if re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", CTRL.sub("", english[key]))] == []


@pytest.mark.parametrize("language", ["en", "nl"])
def test_no_headline_is_too_long_before_it_is_filled(language: str) -> None:
    texts = Catalogues(ROOMS).book(language).texts
    headlines = [key for key in KEYS if site_wording.is_headline(key)]
    assert len(headlines) > 10
    assert [key for key in headlines if len(texts[key]) > site_wording.HEADLINE_LIMIT] == []


def test_a_site_says_a_sentence_in_its_own_words_and_keeps_the_others(tmp_path: Path) -> None:
    said(tmp_path, "en.yaml", "risk:\n  recommend:\n    risk: Ask the pancreas clinic.\n")
    said(tmp_path, "nl.yaml", "risk.recommend.risk: Vraag de pancreaspoli.\n")
    found = own(tmp_path)
    assert found.book("en")("risk.recommend.risk") == "Ask the pancreas clinic."
    assert found.book("nl")("risk.recommend.risk") == "Vraag de pancreaspoli."
    plain = Catalogues(ROOMS)
    for language in ("en", "nl"):
        changed = {k for k in KEYS if found.book(language).texts[k] != plain.book(language).texts[k]}
        assert changed == {"risk.recommend.risk"}


def test_what_a_translator_gets_comes_back_the_same(tmp_path: Path) -> None:
    exported = CliRunner().invoke(main, ["wording", "export", "nl", "-o", str(tmp_path / "nl.po")])
    assert exported.exit_code == 0, exported.output
    with (tmp_path / "nl.po").open("rb") as file:
        message = next(m for m in read_po(file) if m.context == "risk.recommend.risk")
    assert message.id == "Consider a CT of the pancreas."
    assert message.auto_comments[0].startswith("First line of the risk card")
    assert own(tmp_path).book("nl").texts == Catalogues(ROOMS).book("nl").texts


def test_a_translators_file_changes_what_it_changes(tmp_path: Path) -> None:
    said(tmp_path, "nl.po", 'msgctxt "risk.recommend.risk"\nmsgid "x"\nmsgstr "Overweeg een CT."\n')
    assert own(tmp_path).book("nl")("risk.recommend.risk") == "Overweeg een CT."


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("en.yaml", "risk.recomend.risk: x\n", "did you mean 'risk.recommend.risk'"),
        ("en.yaml", "risk.summary.risk: no chance here\n", r"must have the fields \{chance\}, and has none"),
        ("en.yaml", "risk.summary.risk: '{chance} and {name}'\n", r"and has \{chance\}, \{name\}"),
        ("en.yaml", "risk.summary.risk: '{chance'\n", "expected '}'"),
        ("en.yaml", f"risk.summary.risk: '{{chance}} {'x' * 140}'\n", "149 characters long; a headline has 139"),
        ("en.yaml", "risk.recommend.risk: ' '\n", "is empty"),
        ("en.yaml", "- a\n- b\n", "must be keys with sentences"),
        ("en.yaml", "a: [\n", "can't be read"),
        ("nl.po", 'msgctxt "x\nmsgid\n', "can't be read"),
        ("fy.yaml", "risk.recommend.risk: x\n", "there is no language 'fy'; there are: en, nl"),
    ],
)
def test_what_is_wrong_in_a_sites_wording_is_named(tmp_path: Path, name: str, content: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        own(said(tmp_path, name, content))
    assert name in str(caught.value)


def test_all_faults_are_told_at_once_and_nothing_is_used(tmp_path: Path) -> None:
    said(tmp_path, "en.yaml", "risk.recommend.risk: fine\nnobody.knows: x\nrisk.summary.risk: none\n")
    result = CliRunner().invoke(main, ["wording", "check", str(tmp_path)])
    assert result.exit_code == 2
    assert "nobody.knows" in result.output
    assert "risk.summary.risk" in result.output
    assert "Traceback" not in result.output


def test_a_good_folder_is_said_to_be_good(tmp_path: Path) -> None:
    said(tmp_path, "en.yaml", "risk.recommend.risk: Ask the pancreas clinic.\n")
    result = CliRunner().invoke(main, ["wording", "check", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, f"{tmp_path}: good. 1 sentences differ from those in force.\n")


def test_sentences_are_listed_under_the_moment_they_are_read() -> None:
    result = CliRunner().invoke(main, ["wording", "list", "risk.recommend", "--language", "nl"])
    assert result.exit_code == 0
    assert result.output.strip().startswith("First line of the risk card")
    assert "risk.recommend.risk: " in result.output
    assert CliRunner().invoke(main, ["wording", "list", "nothing.such"]).exit_code == 2


@pytest.mark.parametrize(
    ("sent", "dutch"),
    [
        ("7.6 g/L", "7,6 g/L"),
        ("<0.05", "<0,05"),
        ("0.0000001 mg", "0,0000001 mg"),
        ("2031", "2031"),
        ("1e+300", "1e+300"),
    ],
)
def test_a_value_that_was_refused_is_told_with_every_digit_it_was_sent_with(sent: str, dutch: str) -> None:
    books = Catalogues(ROOMS)
    assert sent in wording.why_absent(books.book("en"), "implausible", sent)
    assert dutch in wording.why_absent(books.book("nl"), "implausible", sent)


@pytest.mark.parametrize(
    ("label", "horizon", "told"),
    [
        ("risk", "2y", "risk, within 2 years"),
        ("risk", "36m", "risk, within 3 years"),
        ("risk", "1y", "risk, within 1 year"),
        ("risk within 2 years", "2y", "risk within 2 years"),
        ("alive at 12 months", "12m", "alive at 12 months"),
        ("risk within 1 year", "12m", "risk within 1 year"),
        ("risk after 12 years of diabetes", "2y", "risk after 12 years of diabetes, within 2 years"),
    ],
)
def test_the_time_a_chance_holds_for_is_said_once_on_cards_and_papers_alike(
    label: str, horizon: str, told: str
) -> None:
    output = Output.model_validate({"name": "risk", "kind": "probability", "label": {"en": label}, "horizon": horizon})
    assert wording.output_label(Catalogues([]).book("en"), output) == told
    assert attributes._output(output) == told


def test_a_score_holds_for_no_time() -> None:
    output = Output.model_validate({"name": "score", "kind": "score", "label": {"en": "score"}, "horizon": "36m"})
    assert wording.output_label(Catalogues([]).book("en"), output) == "score"


def test_a_refused_negative_value_is_told_with_a_minus() -> None:
    assert "−117 mm/a" in wording.why_absent(Catalogues(ROOMS).book("en"), "implausible", "-117 mm/a")


def test_the_dutch_of_manifests_writes_hazardratio_as_one_word() -> None:
    """As the catalogue does; a card holds sentences of both."""
    dutch = [
        line for path in sorted(ROOT.glob("models/*/model.yaml")) for line in re.findall(r"nl: (.*)", path.read_text())
    ]
    assert [line for line in dutch if "hazard ratio" in line] == []
    assert any("hazardratio" in line for line in dutch)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("jaundice", "Jaundice"),
        ("één bevinding", "Één bevinding"),
        ("nab-paclitaxel", "Nab-paclitaxel"),
        ("a rise of CA 19-9", "A rise of CA 19-9"),
        ("5-FU", "5-FU"),
        # another first letter means something else
        ("eGFR", "eGFR"),
        ("pT3 of higher", "pT3 of higher"),
        ("ypN1", "ypN1"),
        ("mFOLFIRINOX", "mFOLFIRINOX"),
        ("dMMR", "dMMR"),
        ("c.1905+1G>A, copies", "c.1905+1G>A, copies"),
        ("p.Gly12Cys", "p.Gly12Cys"),
        ("rs3918290", "rs3918290"),
        ("", ""),
    ],
)
def test_a_line_begins_with_a_capital_but_for_what_is_spelt_otherwise(text: str, begins: str) -> None:
    assert wording.capital(text) == begins


def test_the_cases_of_an_outlook_are_called_alike_on_card_and_report() -> None:
    words = Catalogues(ROOMS).book("nl").texts
    for case in ("best", "best_open", "worst"):
        named = {words[f"{room}.{case}"].rpartition(" (")[2] for room in ("survival.outlook", "report.survival")}
        assert len(named) == 1, named
    for case in ("best", "worst"):
        assert words[f"report.survival.mark.{case}"] in words[f"report.survival.{case}"]
    manifests = [path.read_text() for path in sorted(ROOT.glob("models/*/model.yaml"))]
    assert [text for text in manifests if "in het beste geval" in text or "in het slechtste geval" in text] == []
    assert any("in het gunstigste geval" in text for text in manifests)
