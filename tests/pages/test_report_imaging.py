"""Scans in the report: which studies, from which archive, whose; and how the page shows them, without script."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_hospital import serving
from flask import Flask, Response, render_template_string, request, url_for
from PIL import Image
from playwright.sync_api import Browser, expect
from scan_hospital import ScanHospital, scan_hospital

from cds.app import create_engine
from cds.cards.phrasebook import Phrasebook
from cds.demo import imaging
from cds.demo.fhir_endpoint import create_fhir_app
from cds.engine import Engine
from cds.pages.report.imaging import WINDOWS, Imaging, View
from cds.settings import load
from cds.trust.smart import ReportSession
from hooks.stories import studies

pytestmark = pytest.mark.system
AMBER = (255, 176, 0)
PATIENT = "phantom-response"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanHospital]:
    with scan_hospital(tmp_path_factory.mktemp("scans")) as found:
        found.read(PATIENT)
        yield found


@pytest.fixture(scope="module")
def engine(hospital: ScanHospital) -> Engine:
    return create_engine(load(hospital.settings_file))


def altered(engine: Engine, **settings: Any) -> Engine:
    return replace(engine, settings=engine.settings.model_copy(update=settings))


def session(hospital: ScanHospital, engine: Engine, patient: str = PATIENT, rid: str = "r") -> ReportSession:
    expires = engine.now() + timedelta(hours=1)
    base = f"{hospital.url}/fhir"
    return ReportSession(rid, "demo", patient, None, base, "token", frozenset(), None, expires, None, None)


@pytest.fixture
def words(engine: Engine) -> Phrasebook:
    return engine.catalogues.book("en")


def test_the_newest_scan_lies_beside_the_one_before_with_outlines_and_figures(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    found = Imaging(engine).of(session(hospital, engine), words)
    assert found.gaps == ()
    assert len(found.placed) == 2
    assert found.now is not None
    assert found.before is not None
    assert found.now.keys
    assert found.now.report is not None
    assert found.now.report.findings


@pytest.mark.parametrize("language", ["en", "nl"])
def test_everything_a_report_of_ours_says_by_code_has_a_name_in_the_readers_language(
    hospital: ScanHospital, engine: Engine, language: str
) -> None:
    found = engine.catalogues.book(language)
    now = Imaging(engine).of(session(hospital, engine), found).now
    assert now is not None and now.report is not None
    said = {
        coded
        for group in now.report.groups
        for coded in (
            group.site,
            *(each for one in group.said for each in (one.concept, one.conclusion)),
            *(each for one in group.figures for each in (one.concept, one.site)),
        )
        if coded is not None
        and coded.value not in ("RESULT_STATUS", "DEMONSTRATION")  # which no table shows
        and not coded.value.startswith("CENTRE_")
    }
    assert {coded.value for coded in said} >= {"15776009", "SUSPICION", "103339001"}
    assert [coded for coded in said if f"code.{coded.scheme}.{coded.value}" not in found.texts] == []


def test_a_picture_is_a_slice_with_its_outline_and_nothing_else(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    scans, who = Imaging(engine), session(hospital, engine)
    raw = scans.picture(who, words, 0, View(near=True), 400)
    plain = scans.picture(who, words, 0, View(near=True, outlined=False), 400)
    assert raw is not None
    assert plain is not None
    image = Image.open(io.BytesIO(raw))
    assert image.info == {}  # no text chunk
    assert (np.asarray(image.convert("RGB")) == AMBER).all(axis=2).any()
    assert not (np.asarray(Image.open(io.BytesIO(plain)).convert("RGB")) == AMBER).all(axis=2).any()
    assert scans.picture(who, words, 2, View()) is None
    assert scans.picture(who, words, -1, View()) is None


def test_an_archive_that_does_not_serve_the_client_is_not_asked(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    clients = {**engine.settings.clients, "other": engine.settings.clients["demo"]}
    pacs = {name: one.model_copy(update={"clients": ("other",)}) for name, one in engine.settings.pacs.items()}
    found = Imaging(altered(engine, clients=clients, pacs=pacs)).of(session(hospital, engine), words)
    assert not found.archives
    assert found.placed == ()
    assert len(found.studies) == 2  # the record's own list is no secret of the archive


def test_a_scan_of_somebody_born_on_another_day_is_not_shown_and_that_is_said(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    resources = imaging.resources(studies, date.today())
    for one in resources:
        if one["resourceType"] == "Patient":
            one["birthDate"] = "1931-01-02"
    with serving(create_fhir_app(resources)) as url:
        base = f"{url}/fhir"
        client = engine.settings.clients["demo"].model_copy(update={"fhir_servers": (base,)})
        who = replace(session(hospital, engine), fhir_server=base)
        found = Imaging(altered(engine, clients={"demo": client})).of(who, words)
    assert found.placed == ()
    assert len(found.gaps) == 2
    assert all("another day of birth" in gap.text for gap in found.gaps)


def test_an_archive_that_is_away_is_named(hospital: ScanHospital, engine: Engine, words: Phrasebook) -> None:
    pacs = {
        name: one.model_copy(
            update={"url": "http://127.0.0.1:9/dicom-web", "allowed": ("http://127.0.0.1:9/dicom-web",)}
        )
        for name, one in engine.settings.pacs.items()
    }
    found = Imaging(altered(engine, pacs=pacs)).of(session(hospital, engine), words)
    (gap,) = found.gaps
    assert gap.text.startswith("The image archive archive can't be read")
    assert found.now is None


def test_the_sites_own_viewer_is_linked_where_it_is_set(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    template = "https://viewer.example/show?uid={study}"
    settings = engine.settings.imaging.model_copy(update={"viewer": template})
    found = Imaging(altered(engine, imaging=settings)).of(session(hospital, engine), words)
    assert [p.viewer for p in found.placed] == [
        f"https://viewer.example/show?uid={p.studied.uid}" for p in found.placed
    ]
    assert all(p.viewer is None for p in Imaging(engine).of(session(hospital, engine), words).placed)


def test_the_list_of_studies_is_asked_once_a_minute_and_report(
    hospital: ScanHospital, engine: Engine, words: Phrasebook
) -> None:
    now = [0.0]
    scans = Imaging(engine, clock=lambda: now[0])
    first = scans.of(session(hospital, engine), words)
    assert scans.of(session(hospital, engine), words).placed is first.placed
    # another report of another patient has a list of its own
    assert scans.of(session(hospital, engine, "phantom-elsewhere", "other"), words).placed is not first.placed
    now[0] = 61.0
    assert scans.of(session(hospital, engine), words).placed is not first.placed


TINY = """{% from "report/imaging.html" import imaging %}
<!doctype html><html lang="{{ words.language }}"><title>Scans</title><link rel="stylesheet" href="/assets/ehr.css">
<main class="scans">{{ imaging(scanned, view, words, page, picture, windows) }}</main>"""


def tiny_page(hospital: ScanHospital, engine: Engine) -> Flask:
    app = Flask(
        "tiny",
        template_folder=str(Path(__file__).parents[2] / "cds" / "pages" / "report" / "templates"),
        static_folder=None,
    )
    held = Imaging(engine)

    def view() -> View:
        asked = request.args
        return View(
            asked.get("slice", type=int),
            asked.get("window", "soft"),
            asked.get("outlined") != "0",
            asked.get("near") == "1",
        )

    @app.get("/<language>")
    def scans(language: str) -> str:
        found = engine.catalogues.book(language)
        scanned = held.of(session(hospital, engine), found, request.args.get("at", 0, int))
        return render_template_string(
            TINY, scanned=scanned, view=view(), words=found, windows=WINDOWS,
            page=lambda **query: url_for("scans", language=language, **query),
            picture=lambda at, **query: url_for("picture", at=at, **query),
        )  # fmt: skip

    @app.get("/picture/<int:at>.png")
    def picture(at: int) -> Response:
        book = engine.catalogues.book("en")
        raw = held.picture(session(hospital, engine), book, at, view(), request.args.get("side", 560, int))
        assert raw is not None
        return Response(raw, content_type="image/png")

    @app.get("/assets/ehr.css")
    def css() -> Response:
        text = (Path(__file__).parents[2] / "cds" / "pages" / "assets" / "ehr.css").read_text(encoding="utf-8")
        return Response(text, content_type="text/css")

    return app


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_page_scrolls_windows_and_measures_without_script(
    browser: Browser, hospital: ScanHospital, engine: Engine, language: str
) -> None:
    with serving(tiny_page(hospital, engine)) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{url}/{language}")
        pictures = page.locator(".pictures img")
        expect(pictures).to_have_count(2)
        said = "outlined in orange" if language == "en" else "oranje omlijnd"
        assert said in (pictures.first.get_attribute("alt") or "")
        before = pictures.first.get_attribute("src")
        page.get_by_role("link", name="1 towards the head" if language == "en" else "1 naar het hoofd").click()
        assert page.locator(".pictures img").first.get_attribute("src") != before
        page.get_by_role("link", name="bone" if language == "en" else "bot", exact=True).click()
        expect(page.get_by_role("link", name="bone" if language == "en" else "bot", exact=True)).to_have_attribute(
            "aria-current", "true"
        )
        expect(page.get_by_role("table").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        loaded = page.locator("img").evaluate_all(
            "all => all.every(one => one.naturalWidth > 0 || one.loading === 'lazy')"
        )
        assert loaded
        context.close()
