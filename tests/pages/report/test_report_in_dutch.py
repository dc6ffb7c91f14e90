"""What a Dutch report rests on is told in Dutch: only what others published stays in its own language, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from report_house import Reports

from cds.cards.phrasebook import Phrasebook
from cds.inference import registry
from cds.inference.manifest import Evidence, Manifest
from cds.inference.origin import Licence, Source
from cds.ledger import PredictionEntry
from cds.pages.report import provenance
from cds.pages.report.provenance import ModelRow, Said
from cds.pages.report.stored import Told

FOLDERS = Path(__file__).parents[3] / "models"
LOADED = registry.load([FOLDERS])
every_model = pytest.mark.parametrize("id", sorted(path.parent.name for path in FOLDERS.glob("*/model.yaml")))

ENGLISH = re.compile(
    r"\b(the|and|with|for|from|this|that|these|are|by|has|have|its|their|which|who|read|as|an|to|been|were|than|when"
    r"|published|restated|fitted|figures|criteria of|used|only|under the|own fit|table|chapter|licence|pending)\b",
    re.IGNORECASE,
)
"""Words that no Dutch sentence has; of those with which an English one is made."""
REFERENCE = re.compile(r"[.:] [A-Z][A-Za-z ]+ (19|20)\d\d[;,.]")
"""A journal and a year, after a title."""
TITLES = {
    "National Institute for Health and Care Excellence. Suspected cancer: recognition and referral (NG12).",
    "Lebenthal J, et al. Prognostic value of the Memorial Sloan Kettering prognostic score in pancreatic ductal "
    "adenocarcinoma.",
    "Rashid NU, et al. Purity Independent Subtyping of Tumors (PurIST).",
    "Scottish Government. Scottish referral guidelines for suspected cancer: quick reference guide, January 2019, "
    "Hepatobiliary and pancreatic cancer.",
}
"""Of publications without a journal."""
NAMES = (
    *("Copyright ClinRisk Ltd.", "CC-BY"),
    *("International Cancer of the Pancreas Screening", "European Study Group on Cystic Tumours of the Pancreas"),
)
"""Of bodies and licences, which are not translated."""


def english(text: str) -> list[str]:
    """The English words of a text that should be Dutch."""
    for name in NAMES:
        text = text.replace(name, "")
    return [found[0] for found in ENGLISH.finditer(re.sub(r"\S+\.(py|json|md|R)\b|\S+/\S+", "", text))]


@pytest.fixture(scope="module")
def dutch(reports: Reports) -> Phrasebook:
    return reports.engine.catalogues.book("nl")


def row(words: Phrasebook, manifest: Manifest) -> ModelRow:
    entry = PredictionEntry("p", manifest.id, manifest.version, "", "predicted", None, {}, {})
    model = replace(LOADED.models[manifest.id], manifest=manifest)
    [made] = provenance.models(words, (Told(model, entry),), lambda _: "")
    return made


def shown(made: ModelRow) -> Iterator[tuple[str, str]]:
    """(what it is, sentence) of everything the page shows without naming another language."""
    yield "title", made.title
    yield "status", made.status
    yield "summary", made.summary
    yield "population", made.population
    for limit in made.limits:
        yield "limit", limit
    for one in made.evidence:
        for name in ("stage", "cohort", "metric", "value"):
            yield name, getattr(one, name)
    for source in made.sources:
        if not source.where.language:
            yield "where", source.where.text
        if not source.citation.language:
            yield "citation", source.citation.text
    if not made.licence.language:
        yield "licence", made.licence.text


@every_model
def test_no_sentence_of_ours_is_english(id: str, dutch: Phrasebook) -> None:
    made = row(dutch, LOADED.models[id].manifest)
    assert {(what, text): found for what, text in shown(made) if (found := english(text))} == {}


@every_model
def test_a_notice_of_ours_is_in_the_readers_language(id: str, dutch: Phrasebook) -> None:
    manifest = LOADED.models[id].manifest
    assert not row(dutch, manifest).licence.language, "a notice in our words has 'en' and 'nl'"
    assert isinstance(manifest.licence.notice, dict) and manifest.licence.notice["en"] != manifest.licence.notice["nl"]


@every_model
def test_what_stays_english_is_a_publication_as_its_authors_named_it(id: str, dutch: Phrasebook) -> None:
    for source in row(dutch, LOADED.models[id].manifest).sources:
        if source.citation.language:
            title = source.citation.text
            assert title in TITLES or REFERENCE.search(title), f"our own words need 'en' and 'nl': {title}"
        assert not source.where.language, f"a place is in our words, which need 'en' and 'nl': {source.where.text}"


@every_model
def test_words_of_ours_differ_between_the_languages(id: str) -> None:
    for source in LOADED.models[id].manifest.sources.values():
        for texts in (source.citation, source.where):
            if isinstance(texts, dict) and texts:
                assert set(texts) == {"en", "nl"}
                assert texts["en"] != texts["nl"]


@every_model
def test_an_english_reader_gets_no_other_language(id: str, reports: Reports) -> None:
    made = row(reports.engine.catalogues.book("en"), LOADED.models[id].manifest)
    assert not made.licence.language
    assert not any(source.citation.language or source.where.language for source in made.sources)


def test_the_check_sees_english_where_it_is() -> None:
    was = "Coefficients fitted by this product on data published under the GNU General Public Licence 3"
    assert {"fitted", "by", "this", "published"} <= set(english(was))
    assert not REFERENCE.search("This product's Cox fit: fit.py and fit.json in this folder, on PANTHEIA.")


def test_words_that_are_only_in_one_language_are_shown_with_that_language(dutch: Phrasebook) -> None:
    manifest = LOADED.models["endpac"].manifest
    quoted = "Permission is hereby granted, free of charge."
    made = manifest.model_copy(
        update={
            "licence": Licence(name="MIT", notice=quoted),
            "sources": {"a": Source(citation={"en": "Our fit."}), "b": Source(citation={"nl": "Eigen model."})},
        }
    )
    assert provenance._said(dutch, made.licence.notice) == Said(quoted, "en")
    assert [provenance._said(dutch, s.citation) for s in made.sources.values()] == [
        Said("Our fit.", "en"),
        Said("Eigen model.", ""),
    ]


def test_a_place_that_is_only_in_english_is_marked_so(dutch: Phrasebook) -> None:
    one = Source(citation="Doe J. Ann Surg 2020;1:2.", where={"en": "Chapter 3."})
    made = LOADED.models["endpac"].manifest.model_copy(update={"sources": {"a": one}})
    assert [source.where for source in row(dutch, made).sources] == [Said("Chapter 3.", "en")]


def test_words_that_are_the_same_in_both_languages_are_the_readers_own(dutch: Phrasebook) -> None:
    assert provenance._said(dutch, {"en": "Figuur 3", "nl": "Figuur 3"}) == Said("Figuur 3", "")


@pytest.mark.parametrize(
    ("notice", "introduced"),
    [
        ("Permission is hereby granted, free of charge.", True),
        ({"en": "Published facts."}, False),
        ({"en": "Published facts.", "nl": "Gepubliceerde feiten."}, False),
    ],
)
def test_only_a_licences_own_text_is_introduced_as_such(
    dutch: Phrasebook, notice: str | dict[str, str], introduced: bool
) -> None:
    """A notice of ours that nobody translated is no text of a licence."""
    made = LOADED.models["endpac"].manifest.model_copy(update={"licence": Licence(name="MIT", notice=notice)})
    assert row(dutch, made).verbatim is introduced


class _Spoken(HTMLParser):
    """The text of a page in its own language and, apart, what is marked as another's."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[tuple[str, bool]] = []
        self.own: list[str] = []
        self.other: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("br", "img", "input", "path", "circle", "line", "rect", "col"):
            inside = self.stack[-1][1] if self.stack else False
            self.stack.append((tag, inside or dict(attrs).get("lang") == "en" or tag == "code"))

    def handle_endtag(self, tag: str) -> None:
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip():
            (self.other if self.stack and self.stack[-1][1] else self.own).append(data.strip())


@pytest.mark.parametrize(
    ("patient", "service", "hook"),
    [
        ("new-diabetes", "pancreas-risk", "patient-view"),
        ("msi-high", "pancreas-first-line", "order-sign"),
        ("folfirinox-falling", "pancreas-first-line", "order-sign"),
    ],
)
def test_a_screen_reader_reads_dutch_as_dutch_and_titles_as_english(
    reports: Reports, patient: str, service: str, hook: str
) -> None:
    page = reports.open(patient, service, hook, language="nl").get(language="nl").text
    found = re.search(r'<section class="panel" id="provenance">(.*?)</section>', page, re.DOTALL)
    assert found is not None
    spoken = _Spoken()
    spoken.feed(found[1])
    told = {text: words for text in spoken.own if (words := english(text))}
    assert told == {}
    notices = [yaml.safe_load(path.read_text("utf-8"))["licence"]["notice"] for path in FOLDERS.glob("*/model.yaml")]
    assert any(notice["nl"] in " ".join(spoken.own) for notice in notices)
    assert all(notice["en"] not in " ".join(spoken.own) for notice in notices)
    for title in spoken.other:
        assert "et al" not in title or REFERENCE.search(title) or title in TITLES


def test_a_study_measure_is_named_or_international(dutch: Phrasebook) -> None:
    """A measure without a translation is an abbreviation."""
    plain = {
        e.metric
        for model in LOADED.models.values()
        for e in model.manifest.evidence
        if isinstance(e, Evidence) and isinstance(e.metric, str)
    }
    assert plain <= {"AUROC", "C-index"}
