"""From a card in the EHR to its report, to what the clinician says of it: four patients, both languages, in a real
browser, through the hospital's sign-in, with the hospital's FHIR server behind the course over time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from accessibility import violations
from playwright.sync_api import Browser, Page, expect
from smart_house import MakeHouse, SmartHouse

pytestmark = pytest.mark.system

NAMES = {
    "new-diabetes": "Anna Jansen",
    "jaundice-head": "Bram Visser",
    "folfirinox-falling": "Daan Bakker",
    "two-labs": "Eva Mulder",
}
RISK, SIGN, SELECT = (
    ("pancreas-risk", "patient-view"),
    ("pancreas-first-line", "order-sign"),
    ("pancreas-first-line", "order-select"),
)
SAID = {
    "en": {
        "what_if": "What if a value were known, or another?",
        "compute": "Compute",
        "hypothetical": "Hypothetical. Not this patient's data.",
        "open": "Show the outlook.",
        "course": "Show the course over time",
        "wrong": "The data are wrong",
        "text": "What did you see?",
        "send": "Send",
        "thanks": "Thank you",
        "back": "Back to the report",
        "leave": "Close the report",
        "left": "The report is closed",
        "no_answer": "no answer",
    },
    "nl": {
        "what_if": "En als een waarde bekend was, of anders?",
        "compute": "Bereken",
        "hypothetical": "Hypothetisch. Geen gegevens van deze patiënt.",
        "open": "Toon het vooruitzicht.",
        "course": "Toon het beloop in de tijd",
        "wrong": "De gegevens kloppen niet",
        "text": "Wat zag u?",
        "send": "Versturen",
        "thanks": "Dank u wel",
        "back": "Terug naar het rapport",
        "leave": "Rapport sluiten",
        "left": "Het rapport is gesloten",
        "no_answer": "geen antwoord",
    },
}


@pytest.fixture(scope="module")
def hospital(make_house: MakeHouse) -> SmartHouse:
    return make_house(names=NAMES)


@dataclass
class Reader:
    """A clinician with a browser; knows what every address was."""

    house: SmartHouse
    browser: Browser
    language: str
    script: bool = True
    complaints: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    page: Page = field(init=False)
    card: dict[str, object] = field(init=False)

    def opens(self, patient: str, service: str, hook: str) -> None:
        context = self.browser.new_context(
            locale=self.language, java_script_enabled=self.script, viewport={"width": 1280, "height": 900}
        )
        self.page = context.new_page()
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda asked: self.visited.append(f"{asked.url} {asked.headers.get('referer', '')}"))
        self.card = self.house.card(patient, self.language, service, hook)
        self.page.goto(self.house.launch(self.card, patient))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(str(self.card["summary"]))
        assert self.page.locator("html").get_attribute("lang") == self.language

    def says(self, key: str) -> str:
        return SAID[self.language][key]

    def supposes(self, model: str, name: str, value: str) -> None:
        """Fill in one value of a model's form and ask."""
        part = self.page.locator(f'form[action$="/what-if/{model}"]')
        part.locator("xpath=..").locator("> summary").click()
        control = part.locator(f"[name={name}]")
        if control.evaluate("e => e.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
        part.get_by_role("button", name=self.says("compute")).click()
        expect(self.page.get_by_text(self.says("hypothetical"))).to_be_visible()

    def reports_a_problem_and_leaves(self, patient: str) -> None:
        page, ledger = self.page, self.house.app.extensions["cds"].ledger
        page.get_by_label(self.says("wrong")).check()
        page.get_by_label(self.says("text")).fill("HbA1c is from another laboratory")
        page.get_by_role("button", name=self.says("send")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(self.says("thanks"))
        kept = ledger.problems()[0]
        assert (kept.card_id, kept.kind, kept.text) == (
            self.card["uuid"],
            "wrong-data",
            "HbA1c is from another laboratory",
        )
        page.get_by_role("link", name=self.says("back")).click()
        page.get_by_role("button", name=self.says("leave")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(self.says("left"))
        self.overrides()
        assert [f.outcome for f in ledger.feedback_on(str(self.card["uuid"]))] == ["overridden"]
        everything = "\n".join(self.visited)
        assert not {clue for clue in (patient, NAMES[patient], "HbA1c") if clue in everything}

    def overrides(self) -> None:
        """Back in the EHR the clinician says why the card was not followed."""
        told = {
            "feedback": [
                {
                    "card": self.card["uuid"],
                    "outcome": "overridden",
                    "overrideReason": {"reason": self.card["overrideReasons"][0]},  # type: ignore[index]
                    "outcomeTimestamp": "2026-11-23T12:30:00Z",
                }
            ]
        }
        answer = self.house.app.test_client().post("/cds-services/pancreas-risk/feedback", json=told)
        assert answer.status_code == 200, answer.get_data(as_text=True)

    def is_accessible(self, axe: str) -> None:
        """In Dutch, whose words are longer: what is the same markup in English takes axe as long again."""
        if self.language == "nl":
            assert violations(self.page, axe, most="serious") == []

    def sees_the_course(self) -> None:
        place = self.page.locator("#course [data-place]")
        place.scroll_into_view_if_needed()
        expect(place.locator("svg.chart").first).to_be_visible(timeout=15000)


@pytest.fixture(scope="module", params=["en", "nl"])
def story(make_house: MakeHouse, request: pytest.FixtureRequest) -> tuple[SmartHouse, str]:
    """A hospital a language: what a clinician overrides there is silent afterwards."""
    return make_house(names=NAMES), request.param


@pytest.fixture
def reader(story: tuple[SmartHouse, str], browser: Browser) -> Iterator[Reader]:
    made = Reader(story[0], browser, story[1])
    yield made
    made.page.context.close()
    assert made.complaints == []


def test_a_risk_from_card_to_feedback(reader: Reader, axe: str) -> None:
    reader.opens("new-diabetes", *RISK)
    page = reader.page
    expect(page.locator("#nice-ng12 .criteria > li").first.locator("svg.sign.held").first).to_be_visible()
    expect(page.locator("#qcancer-2013-pancreas svg.chart").first).to_be_visible()
    reader.supposes("qcancer-2013-pancreas", "smoking", "4")
    reader.is_accessible(axe)
    reader.sees_the_course()
    reader.is_accessible(axe)
    reader.reports_a_problem_and_leaves("new-diabetes")


def test_jaundice_from_card_to_feedback_without_a_reassuring_figure(reader: Reader, axe: str) -> None:
    reader.opens("jaundice-head", *RISK)
    expect(reader.page.locator("#nice-ng12")).to_be_visible()
    expect(reader.page.locator("#qcancer-2013-pancreas")).to_have_count(0)
    reader.supposes("endpac", "glucose_onset", "160")
    expect(reader.page.locator("[data-supposed]").get_by_text(reader.says("no_answer")).first).to_be_visible()
    reader.is_accessible(axe)
    reader.reports_a_problem_and_leaves("jaundice-head")


def test_an_outlook_from_card_to_feedback_opened_on_purpose(reader: Reader, axe: str) -> None:
    reader.opens("folfirinox-falling", *SIGN)
    page = reader.page
    curve = page.locator("#outlook svg.chart").first
    expect(curve).to_be_hidden()
    expect(page.locator("#msk-prognostic-score")).to_be_hidden()
    page.get_by_text(reader.says("open")).click()
    expect(curve).to_be_visible()
    reader.supposes("metastatic-os", "ecog", "2")
    reader.is_accessible(axe)
    page.get_by_role("link", name="MPACT").click()
    expect(page.locator("#outlook .milestones")).to_be_visible()
    reader.reports_a_problem_and_leaves("folfirinox-falling")


def test_what_was_not_assessed_says_why_and_what_would_help(reader: Reader, axe: str) -> None:
    reader.opens("two-labs", *SELECT)
    silent = reader.page.locator("#metastatic-os")
    expect(silent).to_contain_text("Monocytes" if reader.language == "en" else "Monocyten")
    reader.supposes("metastatic-os", "monocytes", "0,6")
    expect(silent.locator("[data-supposed]")).to_contain_text("100")
    reader.is_accessible(axe)
    reader.reports_a_problem_and_leaves("two-labs")


@pytest.mark.parametrize("language", ["en", "nl"])
def test_without_a_script_every_part_is_a_page(hospital: SmartHouse, browser: Browser, language: str) -> None:
    reader = Reader(hospital, browser, language, script=False)
    reader.opens("folfirinox-falling", *SIGN)
    page = reader.page
    page.get_by_text(reader.says("open")).click()
    expect(page.locator("#outlook svg.chart").first).to_be_visible()
    reader.supposes("metastatic-os", "ecog", "2")
    page.get_by_role("link", name=reader.says("back")).click()
    page.get_by_role("link", name=reader.says("course")).click()
    expect(page.locator("#part svg.chart").first).to_be_visible()
    page.locator("details.course-table > summary").first.click()
    expect(page.locator("details.course-table table").first).to_be_visible()
    page.get_by_role("link", name=reader.says("back")).click()
    page.get_by_role("button", name="Dark" if language == "en" else "Donker").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.context.close()


# each language in both schemes, and each width, once
@pytest.mark.parametrize(
    ("language", "scheme", "width"),
    [("en", "light", 360), ("nl", "dark", 360), ("nl", "light", 1280), ("en", "dark", 3840)],
)
def test_axe_finds_nothing_with_everything_open_and_loaded(
    hospital: SmartHouse, browser: Browser, axe: str, language: str, scheme: str, width: int
) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    card = hospital.card("folfirinox-falling", language, *SIGN)
    page.goto(hospital.launch(card, "folfirinox-falling"))
    for part in ("course", "scans"):
        page.locator(f"#{part}").scroll_into_view_if_needed()
        expect(page.locator(f"#{part} a[data-part]")).to_have_count(0, timeout=15000)
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert violations(page, axe, most="serious") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_whole_report_is_read_by_keyboard(hospital: SmartHouse, browser: Browser) -> None:
    """Every control is reached with Tab, in the order of the page, and one sees where one is."""
    context = browser.new_context(locale="en", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(hospital.launch(hospital.card("new-diabetes"), "new-diabetes"))
    for part in page.locator("[data-place]").all():
        part.scroll_into_view_if_needed()
        expect(part.locator("a[data-part]")).to_have_count(0)
    page.evaluate("scrollTo(0, 0)")
    seen: list[float] = []
    names: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        at, name, line = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.getBoundingClientRect().top + scrollY, e.textContent.trim() || e.name || '', s.outlineStyle]; }"
        )
        if name in names[:1] or page.evaluate("document.activeElement === document.body"):
            break
        assert line == "solid", name
        seen.append(at)
        names.append(name)
    assert names[0] == "Skip to the content" and "Compute" not in names
    assert all(later > earlier - 60 for earlier, later in itertools.pairwise(seen[1:]))
    page.locator("#endpac details.what-if > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("190")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hypothetical. Not this patient's data.")).to_be_visible()
    context.close()


def test_a_part_that_can_not_be_had_says_so_and_keeps_its_link(hospital: SmartHouse, browser: Browser) -> None:
    context = browser.new_context(locale="en", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.route("**/timeline", lambda route: route.abort())
    page.goto(hospital.launch(hospital.card("new-diabetes"), "new-diabetes"))
    page.locator("#course").scroll_into_view_if_needed()
    expect(page.locator("#course [role=status]")).to_contain_text("could not be loaded")
    expect(page.get_by_role("link", name="Show the course over time")).to_be_visible()
    context.close()
