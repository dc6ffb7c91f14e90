"""What the report says of a stored answer, read without a script."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from report_house import Opened, Reports
from service import FHIR, MakeApp, loopback

from cds.charts import available
from cds.pages.report import shares, survival, view
from cds.pages.report.stored import Told
from cds.web.report_cookie import cookie_name


def text(opened: Opened, below: str = "", language: str = "en") -> str:
    answer = opened.get(below, language)
    assert answer.status_code == 200, answer.text[:500]
    return plain(answer.text)


def plain(html: str) -> str:
    """The page's words; charts have their own."""
    bare = re.sub(r"<svg.*?</svg>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))


def section(html: str, id: str) -> str:
    found = re.search(rf'<section class="panel" id="{id}">(.*?)</section>', html, re.DOTALL)
    assert found is not None, id
    return found[1]


@pytest.fixture(scope="module")
def risk(reports: Reports) -> Opened:
    return reports.open("new-diabetes")


@pytest.fixture(scope="module")
def outlook(reports: Reports) -> Opened:
    return reports.survival("msi-high")


def test_the_page_begins_with_the_cards_headline(risk: Opened) -> None:
    assert f'<h1 lang="en">{risk.card["summary"]}</h1>' in risk.get().text


def test_a_risk_stands_beside_that_of_the_same_age_and_sex(risk: Opened) -> None:
    told = plain(section(risk.get().text, "qcancer-2013-pancreas"))
    assert re.search(r"within 2 years about 4\d in 10,000 against about 4 in 10,000 at the same age and sex", told)


def test_each_finding_has_value_date_source_and_effect(risk: Opened) -> None:
    told = plain(section(risk.get().text, "endpac"))
    assert re.search(
        r"Fasting glucose at onset 141 mg/dL raises it by \d 24 Oct 2026 Observation/new-diabetes-obs-\d+", told
    )
    assert "END-PAC score 9 high: 3 or more" in told
    assert "36 in 1,000 had pancreatic cancer within 3 years where the score was made" in told


def test_who_has_five_seconds_reads_every_answer_at_the_top(risk: Opened) -> None:
    page = risk.get().text
    told = plain(page[page.index('class="glance"') : page.index('class="tabs"')])
    for said in (
        "suspected pancreatic cancer Weight loss with another symptom or new diabetes at 60 or over",
        "new-onset diabetes 9 (high: 3 or more)",
        "QCancer 2013 equations) about 42 in 10,000 against about 4 in 10,000 at the same age and sex",
    ):
        assert said in told, told


def test_what_is_not_established_says_so_at_the_top_and_an_outlook_is_not_there(
    reports: Reports, outlook: Opened
) -> None:
    assert 'class="glance"' not in outlook.get("?outlook=1").text
    silent = reports.open("two-labs", "pancreas-first-line", "order-select").get().text
    assert re.search(r"start of first-line treatment no answer", plain(silent[: silent.index('class="tabs"')]))


def test_a_finding_of_a_chance_multiplies_the_odds(risk: Opened) -> None:
    told = plain(section(risk.get().text, "qcancer-2013-pancreas"))
    assert re.search(r"New weight loss yes × 4\.9 .*Condition/", told)
    assert "Each factor multiplies the odds" in told


def test_the_points_of_a_score_add_up_to_it(risk: Opened) -> None:
    told = plain(section(risk.get().text, "endpac"))
    points = [
        (1 if word == "raises" else -1) * float(number)
        for word, number in re.findall(r"(raises|lowers) it by ([\d.]+)", told)
    ]
    assert sum(points) == 9


def test_a_guidelines_criteria_that_hold_come_with_what_they_were_read_from(risk: Opened) -> None:
    told = plain(section(risk.get().text, "nice-ng12"))
    assert told.index("new diabetes at 60 or over holds") < told.index("Jaundice at 40 or over does not hold")
    assert "holds: Weight loss: yes, 3 Nov 2026" in told
    assert "does not hold: Diarrhoea: not on record" in told
    assert "Condition/new-diabetes-cond-" in told


def test_a_model_that_said_nothing_says_why(reports: Reports) -> None:
    told = plain(section(reports.open("jaundice-head").get().text, "endpac"))
    assert "An input the model cannot do without is not on record" in told
    assert "No answer is no reassurance." in told
    assert "Fasting glucose at onset : not recorded" in told


def test_survival_is_closed_until_it_is_opened_on_purpose(outlook: Opened) -> None:
    page = outlook.get().text
    assert '<details class="deliberate">' in page
    assert '<details class="deliberate" open>' in outlook.get("?outlook=1").text
    outside = page[: page.index('<details class="deliberate">')] + page[page.index('id="course"') :]
    outside = re.sub(r"<details>.*?</details>", "", outside, flags=re.DOTALL)
    assert not re.search(r"\d+ of 100|best case|worst case", plain(outside))


def test_survival_is_a_range_and_shares_never_a_median_alone(outlook: Opened) -> None:
    told = plain(section(outlook.get().text, "outlook"))
    assert re.search(r"about 50 live between \d+ and \d+ months", told)
    assert re.search(r"About 10 live longer than \d+ months \(best case\)", told)
    assert re.search(r"About 10 live shorter than [\d.]+ months \(worst case\)", told)
    own = re.search(r"This estimate \(95% interval\)((?: \d+ of 100 \(\d+–\d+\)){3})", told)
    died = re.search(r"This estimate, died((?: \d+ of 100){3})", told)
    assert own is not None and died is not None
    alive = [int(n) for n in re.findall(r"(\d+) of 100 \(", own[1])]
    assert [100 - int(n) for n in re.findall(r"(\d+) of 100", died[1])] == alive
    assert alive == sorted(alive, reverse=True)
    for low, value, high in zip(
        (int(n) for n in re.findall(r"\((\d+)–", own[1])),
        alive,
        (int(n) for n in re.findall(r"–(\d+)\)", own[1])),
        strict=True,
    ):
        assert low <= value <= high


def test_the_trial_of_the_regimen_ordered_is_shown_first_and_others_can_be_chosen(outlook: Opened) -> None:
    first = plain(section(outlook.get().text, "outlook"))
    assert "NAPOLI 3: NALIRIFOX (trial arm)" in first
    assert "hazard ratio of death 0.83 (0.7 to 0.99) for NALIRIFOX" in first
    other = plain(section(outlook.get("?outlook=1&trial=MPACT").text, "outlook"))
    assert "MPACT: gemcitabine + nab-paclitaxel (trial arm) 67 of 100 35 of 100 9 of 100" in other
    assert "NAPOLI 3: NALIRIFOX (trial arm)" not in other
    nothing = plain(section(outlook.get("?outlook=1&trial=nobody").text, "outlook"))
    assert "NAPOLI 3: NALIRIFOX (trial arm)" in nothing


def test_an_arm_of_which_no_share_is_published_is_no_row_of_dashes(reports: Reports) -> None:
    told = plain(section(reports.survival("folfirinox-falling").get("?outlook=1").text, "outlook"))
    assert "PRODIGE 4 / ACCORD 11: FOLFIRINOX (trial arm) – 48 of 100 –" in told
    assert "gemcitabine (trial arm)" not in told and "6.8 with gemcitabine" in told


def test_a_hundred_people_stand_beside_each_other_at_each_milestone(outlook: Opened) -> None:
    page = section(outlook.get("?outlook=1").text, "outlook")
    people = page[page.index('class="people"') :]
    people = people[: people.index("</div>")]
    assert re.findall(r">After (\d+) months<", people) == ["6", "12", "24"]
    own = re.search(r"This estimate \(95% interval\)((?: \d+ of 100 \(\d+–\d+\)){3})", plain(page))
    assert own is not None
    assert re.findall(r">(\d+) alive<", people) == re.findall(r"(\d+) of 100 \(", own[1])


def test_each_finding_of_the_outlook_has_its_factor_and_the_factors_make_the_estimate(
    reports: Reports, outlook: Opened
) -> None:
    told = plain(section(outlook.get("?outlook=1").text, "outlook"))
    assert re.search(r"Liver metastases yes × 1\.\d+ .*Condition/msi-high-cond-\d+", told)
    assert re.search(r"Neutrophils \S+ \S+ × [\d.]+ \(neutrophils, monocytes and lymphocytes together\)", told)
    assert "it does not say what changing the finding would do" in told
    call, _ = view.stored_call(reports.engine, outlook.session)
    lead = survival.leading(view.answers(reports.engine, outlook.session, call, _)[0])
    assert lead is not None
    assert sum(shares.of(lead).values()) == pytest.approx(lead.output("lp"))


def test_what_is_assumed_is_not_drawn_as_a_finding(reports: Reports, outlook: Opened) -> None:
    call, card = view.stored_call(reports.engine, outlook.session)
    lead = survival.leading(view.answers(reports.engine, outlook.session, call, card)[0])
    assert lead is not None and lead.explanation is not None
    weighed = [replace(s, value=0.2) for s in lead.explanation.shares if s.feature.input.label["en"].startswith("ECOG")]
    assert len(weighed) == 1
    # a cached property: the answer as it would be explained if ECOG weighed more
    vars(lead)["explanation"] = replace(lead.explanation, shares=tuple(weighed))
    drawn = shares.chart(reports.engine.catalogues.book("en"), lead, None, "report.survival.bars", "Findings")
    assert drawn is not None
    for picture in drawn:
        assert "ECOG performance status: not known, assumed" in " ".join(
            re.findall(r"<text[^>]*>([^<]*)<", picture.markup)
        )


def test_a_factor_of_one_is_no_bar(outlook: Opened) -> None:
    page = section(outlook.get("?outlook=1").text, "outlook")
    bars = re.findall(r"<text[^>]*>(× [^<]*)<", page)
    assert bars and not {"× 1", "× 1.0", "× 1.00"} & set(bars)


def test_days_are_told_whole(reports: Reports) -> None:
    page = reports.survival("folfirinox-falling").get().text
    told = re.search(r"Time since systemic treatment began</th><td class=\"num\">([^<]+)", page)
    assert told is not None and re.fullmatch(r"\d+ days?", told[1])


def test_the_estimate_does_not_change_with_the_trial(outlook: Opened) -> None:
    rows = {
        re.search(r"This estimate \(95% interval\).*?This estimate", plain(outlook.get(f"?outlook=1&trial={t}").text))[
            0
        ]  # type: ignore[index]
        for t in ("NAPOLI 3", "MPACT", "PRODIGE 4 / ACCORD 11")
    }
    assert len(rows) == 1


def test_a_research_model_stands_beside_the_estimate_and_says_what_it_is(outlook: Opened) -> None:
    told = plain(section(outlook.get().text, "outlook"))
    assert re.search(
        r"PANTHEIA-SIRI survival model \(comparator\) \(research only\) expects \d+, \d+,? and \d+ of 100", told
    )


def test_what_is_missing_for_the_estimate_says_what_it_would_change(outlook: Opened) -> None:
    told = plain(section(outlook.get().text, "outlook"))
    missing = told[told.index("What is missing") :]
    assert re.search(
        r": not recorded\. Known, 12-month survival would lie between \d+ of 100 and \d+ of 100\.", missing
    )


@pytest.mark.parametrize("user", ["Patient/msi-high", "RelatedPerson/x"])
def test_a_patient_never_sees_survival(reports: Reports, user: str) -> None:
    opened = reports.survival("msi-high", user=user)
    page = opened.get("?outlook=1").text
    assert 'id="outlook"' not in page
    assert "is not shown to patients" in page
    assert not re.search(r"\d+ of 100", plain(re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)))
    assert opened.post("what-if/metastatic-os", {"ecog": "2"}).status_code == 404


def test_the_card_shown_to_a_patient_holds_no_survival_either(reports: Reports) -> None:
    page = reports.survival("msi-high", user="Patient/msi-high").get().text
    assert not re.search(r"best case|worst case|hazard ratio", plain(page))


def test_a_supposed_value_is_answered_and_kept_nowhere(reports: Reports, risk: Opened) -> None:
    before = risk.get().text
    answer = risk.post("what-if/endpac", {"glucose_onset": "190"})
    told = plain(answer.text)
    assert answer.status_code == 200
    assert "Hypothetical. Not this patient's data." in told
    assert re.search(r"As stored 9 With these values \d+", told)
    assert risk.get().text == before


def test_a_missing_value_that_is_supposed_narrows_nothing_down_but_answers(outlook: Opened) -> None:
    told = plain(outlook.post("what-if/metastatic-os", {"ecog": "2"}).text)
    found = re.findall(r"(\d+) of 100 alive at (\d+) months", told)
    assert [months for _, months in found] == ["6", "12", "24"] * 2
    assert int(found[1][0]) > int(found[4][0])


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "Nothing was filled in."),
        ({"neutrophils": "much"}, "Neutrophils: write a number"),
        ({"neutrophils": "nan"}, "Neutrophils: write a number"),
        ({"neutrophils": "1e400"}, "Neutrophils: write a number"),
        ({"neutrophils": "500"}, "Neutrophils: the model reads values between 0.2 and 100."),
        ({"neutrophils": "-1"}, "the model reads values between"),
        ({"age": "20"}, "Nothing was filled in."),
        ({"no_such_input": "1"}, "Nothing was filled in."),
    ],
)
def test_what_can_not_be_supposed_is_said(outlook: Opened, form: dict[str, str], says: str) -> None:
    told = plain(outlook.post("what-if/metastatic-os", form).text)
    assert says in told
    assert "With these values" not in told


def test_a_number_may_be_written_with_a_comma(outlook: Opened) -> None:
    assert "Neutrophils: 4.5 10⁹/L" in plain(outlook.post("what-if/metastatic-os", {"neutrophils": "4,5"}).text)


def test_provenance_names_models_policy_data_and_that_nobody_validated_it_here(risk: Opened) -> None:
    page = risk.get().text
    told = plain(section(page, "provenance"))
    for said in ("policy", "Validation at this hospital None yet", "1.0.0 · established", "What it can't do", "Sharma"):
        assert said.lower() in told.lower(), said
    assert re.search(r"Observation/new-diabetes-obs-\d+", told)


def test_a_problem_is_kept_with_its_call_and_confirmed(reports: Reports) -> None:
    opened = reports.open("new-diabetes")
    told = plain(opened.post("problem", {"kind": "wrong-data", "text": "This weight is of another year."}).text)
    kept = reports.engine.ledger.problems()[-1]
    assert (kept.kind, kept.text, kept.card_id) == (
        "wrong-data",
        "This weight is of another year.",
        opened.card["uuid"],
    )
    assert kept.call_id and kept.client == "demo"
    assert f"under number {kept.id[:13]}" in told


@pytest.mark.parametrize(
    ("form", "says"),
    [({"text": "x"}, "Choose what it is about"), ({"kind": "other", "text": "x" * 4001}, "At most 4,000")],
)
def test_a_problem_that_can_not_be_kept_says_why_and_loses_nothing(
    reports: Reports, risk: Opened, form: dict[str, str], says: str
) -> None:
    before = len(reports.engine.ledger.problems())
    page = risk.post("problem", form).text
    assert says in plain(page)
    assert form["text"] in page
    assert len(reports.engine.ledger.problems()) == before


def test_the_page_speaks_dutch_when_asked(reports: Reports) -> None:
    opened = reports.survival("msi-high")
    told = text(opened, "?outlook=1", "nl")
    assert re.search(r"Van 100 mensen zoals deze leven er ongeveer 50 tussen \d+ en \d+ maanden", told)
    assert "Waarop dit berust" in told


def test_a_chosen_language_and_theme_are_remembered_for_reports_alone(risk: Opened) -> None:
    answer = risk.post("settings", {"language": "nl", "theme": "dark"})
    assert answer.status_code == 303
    assert {c.path for c in answer.cookies if c.name in ("cds_language", "cds_theme")} == {"/report"}
    page = risk.get(cookies={"cds_language": "nl", "cds_theme": "dark"}).text
    assert '<html lang="nl" data-theme="dark">' in page


def test_another_patients_report_is_not_opened_by_this_cookie(reports: Reports, risk: Opened) -> None:
    other = reports.open("jaundice-head")
    mixed = Opened(risk.url, other.session, risk.secret, risk.name, other.path, other.card)
    answer = mixed.get()
    assert answer.status_code == 401
    assert "CDS-311" in answer.text


def test_a_report_is_read_by_nobody_after_its_time(reports: Reports, risk: Opened) -> None:
    opened = reports.open("new-diabetes")
    clock = reports.engine.reports
    later = clock._now() + timedelta(days=1)
    real, clock._now = clock._now, lambda: later
    try:
        assert opened.get().status_code == 401
    finally:
        clock._now = real


def test_neither_address_nor_policy_lets_anything_out(risk: Opened) -> None:
    answer = risk.get()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert " style=" not in answer.text and "<style" not in answer.text
    links = re.findall(r'(?:href|action)="([^"#]*)', answer.text)
    assert not [link for link in links if "new-diabetes" in link]


def test_the_first_page_is_small(outlook: Opened) -> None:
    assert available()
    assert len(outlook.get("?outlook=1").content) < 300_000


def test_a_model_that_was_replaced_shows_what_was_stored_and_says_so(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = reports.open("new-diabetes")
    models = reports.engine.models.models
    newer = replace(models["endpac"], manifest=models["endpac"].manifest.model_copy(update={"version": "9.9.9"}))
    monkeypatch.setitem(models, "endpac", newer)  # type: ignore[arg-type]
    told = plain(section(opened.get().text, "endpac"))
    assert "Another version of this model is installed now" in told
    assert "END-PAC score 9 " in told
    assert "What if a value" not in told


def test_a_refusal_below_the_report_keeps_the_policy_its_own_style_needs(risk: Opened) -> None:
    answer = risk.post("what-if/no-such-model", {})
    assert answer.status_code == 404
    assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]


def test_only_what_the_card_rests_on_is_shown(reports: Reports) -> None:
    """Beside "refer for jaundice" the card leaves out a risk that does not know of jaundice; the report does, too."""
    opened = reports.open("jaundice-head")
    call = reports.engine.ledger.call(reports.engine.ledger.card(opened.card["uuid"]).call_id)  # type: ignore[union-attr]
    assert call is not None and "qcancer-2013-pancreas" in {p.model for p in call.predictions}
    page = opened.get().text
    assert 'id="nice-ng12"' in page and "QCancer does not count jaundice" in page
    assert "Two-year risk of pancreatic cancer" not in page and "qcancer-2013-pancreas" not in page
    assert opened.post("what-if/qcancer-2013-pancreas", {"bmi": "30"}).status_code == 404


def test_a_prognostic_score_stays_behind_the_same_fold(outlook: Opened) -> None:
    page = outlook.get().text
    fold = page[page.index('<details class="deliberate">') : page.index('id="course"')]
    assert 'id="msk-prognostic-score"' in fold and page.count('id="msk-prognostic-score"') == 1
    assert page.count("The card as it was shown") == 1 and "The card as it was shown" in fold


def test_months_count_from_where_the_model_counts_them(reports: Reports) -> None:
    page = reports.open("resected-adjuvant", "pancreas-adjuvant", "order-sign").get().text
    assert "months after resection" in page and "first-line" not in plain(section(page, "outlook"))


def test_a_missing_value_that_stood_in_the_way_can_be_supposed(reports: Reports) -> None:
    opened = reports.open("two-labs", "pancreas-first-line", "order-select")
    told = plain(opened.post("what-if/metastatic-os", {"monocytes": "0,6", "ecog": "1"}).text)
    assert re.search(r"As stored no answer With these values \d+ of 100 alive at 6 months", told)
    told = plain(opened.post("what-if/metastatic-os", {"ecog": "1"}).text)
    assert "With these values no answer" in told and "Still missing: Monocytes." in told


def test_a_supposed_patient_outside_the_population_gets_no_answer(outlook: Opened) -> None:
    told = plain(outlook.post("what-if/metastatic-os", {"ecog": "3"}).text)
    assert not re.search(r"With these values \d", told)


@pytest.mark.parametrize(
    ("model", "form", "says"),
    [
        ("qcancer-2013-pancreas", {"weight_loss": "0.5"}, "choose one of the answers"),
        ("endpac", {"glucose_onset": "−4"}, "the model reads values between 20 and 1,000"),
        ("endpac", {"glucose_onset": "-4"}, "the model reads values between 20 and 1,000"),
        ("qcancer-2013-pancreas", {"bmi": "nan"}, "write a number"),
    ],
)
def test_no_value_is_supposed_that_no_patient_has(risk: Opened, model: str, form: dict[str, str], says: str) -> None:
    assert says in plain(risk.post(f"what-if/{model}", form).text)


def test_nobody_was_measured_less_than_no_times(reports: Reports) -> None:
    opened = reports.open("ipmn-followup", "pancreas-care")
    told = plain(opened.post("what-if/ipmn-kyoto-2024", {"measurements": "-4"}).text)
    assert "can't be below 0" in told


def test_the_criteria_answer_suppositions_too(reports: Reports) -> None:
    opened = reports.open("jaundice-head")
    told = plain(opened.post("what-if/nice-ng12", {"jaundice": "0"}).text)
    assert "As stored Jaundice at 40 or over With these values No criterion holds." in told


def test_a_model_that_is_not_installed_any_more_is_named(reports: Reports) -> None:
    opened = reports.open("new-diabetes")
    models = reports.engine.models.models
    taken = models.pop("endpac")  # type: ignore[attr-defined]
    try:
        told = text(opened)
    finally:
        models["endpac"] = taken  # type: ignore[index]
    assert "“endpac”, version 1.1.1, is not installed any more." in told


def test_a_reading_of_another_patient_is_not_shown_whatever_a_card_names(reports: Reports) -> None:
    """A row that names a prediction of somebody else's call: it can't happen, and would be the worst."""
    mine, other = reports.open("new-diabetes"), reports.open("chronic-pancreatitis")
    engine = reports.engine
    call, card = view.stored_call(engine, mine.session)
    theirs = view.stored_call(engine, other.session)[1]
    told, gone = view.answers(engine, mine.session, call, replace(card, prediction_ids=theirs.prediction_ids))
    assert theirs.prediction_ids and told == () and gone == ()


def test_an_answer_that_can_not_be_had_again_is_shown_without_reasons(reports: Reports) -> None:
    call, _card = view.stored_call(reports.engine, reports.open("new-diabetes").session)
    entry = next(p for p in call.predictions if p.model == "qcancer-2013-pancreas")
    model = reports.engine.models["qcancer-2013-pancreas"]
    assert Told(model, entry).again is not None
    altered = replace(entry, outputs={**entry.outputs, "risk": entry.outputs["risk"] * 2})
    assert Told(model, altered).again is None and Told(model, altered).explanation is None


def test_behind_a_path_of_the_public_address_every_link_has_it(make_app: MakeApp) -> None:
    app = make_app(public_url="http://localhost/cds", **loopback(smart={"client_id": "report"}))
    with_path = Reports("http://localhost/cds", app)
    card = with_path.cards("new-diabetes", "pancreas-risk", "patient-view", "en")[0]
    engine = with_path.engine
    session, secret = engine.reports.open(
        "demo", "new-diabetes", card_id=card["uuid"], fhir_server=FHIR, access_token="t"
    )
    client = app.test_client()
    name, path = cookie_name(engine.settings), f"/report/{session.rid}"
    client.set_cookie(name, secret, path=path, secure=not engine.settings.bare_cookies, domain="localhost")
    page = client.get(f"/report/{session.rid}/").get_data(as_text=True)
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
    assert links and all(link.startswith("/cds/report/") for link in links)
    answer = client.post(f"/report/{session.rid}/settings", data={"theme": "dark"})
    assert answer.headers["Location"] == f"/cds/report/{session.rid}/"
    assert "Path=/cds/report" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("part", ["timeline", "imaging", "imaging/0.png"])
def test_record_and_scans_open_with_the_reports_cookie_alone(reports: Reports, risk: Opened, part: str) -> None:
    assert replace(risk, secret="A" * 43).get(part).status_code == 401


def test_a_record_that_can_not_be_read_is_said_and_the_first_page_does_not_wait_for_it(risk: Opened) -> None:
    """Nothing answers at this hospital's FHIR address."""
    assert "Show the course over time" in text(risk)
    told = text(risk, "timeline")
    assert "could not be read" in told and "CDS-60" in told
    assert "Show the course" not in told and risk.get("imaging").status_code == 200


def test_chances_beside_each_other_are_told_of_as_many_people(risk: Opened) -> None:
    drawn = section(risk.get().text, "qcancer-2013-pancreas")
    assert re.search(r"This patient: about \d+ in 10,000\. Same age and sex without these findings: about", drawn)
    told = plain(risk.post("what-if/qcancer-2013-pancreas", {"smoking": "4"}).text)
    found = re.search(r"As stored about ([\d.,]+) in ([\d,]+) With these values about ([\d.,]+) in ([\d,]+)", told)
    assert found is not None and found[2] == found[4] and float(found[3]) > float(found[1])


def test_values_are_in_the_hospitals_own_units_and_rates_in_words(reports: Reports) -> None:
    opened = reports.open("dutch-new-diabetes", language="nl")
    told = plain(section(opened.get(language="nl").text, "endpac"))
    read, _, supposed = told.partition("En als een waarde")
    assert "7,8 mmol/L" in read and "mg/dL" not in read.replace("(126 mg/dL)", "")
    assert "kg/jaar" in read and "kg/jaar" in supposed and "kg/a" not in told


@pytest.mark.parametrize(
    ("language", "onset", "before"),
    [
        ("en", "7.8 mmol/L above the reference, 4 to 6 mmol/L", "5.4 mmol/L reference 4 to 6 mmol/L"),
        ("nl", "7,8 mmol/L boven de referentie, 4 tot 6 mmol/L", "5,4 mmol/L referentie 4 tot 6 mmol/L"),
    ],
)
def test_a_result_stands_beside_its_laboratorys_reference_range(
    reports: Reports, language: str, onset: str, before: str
) -> None:
    told = plain(section(reports.open("dutch-new-diabetes").get(language=language).text, "provenance"))
    assert told.count(onset) == 1 and told.count(before) == 1, told
    assert not re.search(r"kg [^ ]* ?refer", told)  # of a weight none was sent


def test_units_of_a_keyboard_are_written_as_people_write_them(outlook: Opened) -> None:
    told = plain(outlook.get("?outlook=1").text)
    assert re.search(r"Neutrophils \d[\d.]* 10³/µL", told)


@pytest.mark.parametrize(("language", "said"), [("en", "Report"), ("nl", "Rapport")])
def test_every_sheet_of_paper_names_its_report_and_nobody_else_may_read_it(
    reports: Reports, risk: Opened, language: str, said: str
) -> None:
    call, _card = view.stored_call(reports.engine, risk.session)
    answer = risk.get("paper.css", language)
    assert f'@bottom-left {{ content: "{said} {call.id}, ' in answer.text
    assert 'counter(page) " / " counter(pages)' in answer.text
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8" and answer.headers["Cache-Control"] == "no-store"
    assert f"{said} {call.id}" in text(risk, language=language)
    assert replace(risk, secret="A" * 43).get("paper.css").status_code == 401


def test_a_first_value_at_a_threshold_is_told_as_the_card_tells_it(reports: Reports, risk: Opened) -> None:
    """The age it was reached at is what the model counts; the value is what the reader looks for."""
    held = "HbA1c first at 6.5% (48 mmol/mol) or more: 7.4 %, at age 67, 24 Oct 2026"
    assert held in plain(section(risk.get().text, "nice-ng12"))
    told = plain(section(reports.open("new-diabetes", language="nl").get(language="nl").text, "endpac"))
    assert "7,0 mmol/L of meer 141 mg/dL, op 67-jarige leeftijd" in told
