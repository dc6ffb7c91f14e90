"""The page of a preview: thresholds move with and without a script, and saving writes a file that changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from accessibility import axe_source, violations
from command_line import cds, serving
from flask import Flask
from flask.testing import FlaskClient
from hospital import KEY, Hospital
from playwright.sync_api import Browser, Page, expect
from trying import CHANGE, put_on_that_day

import hooks
from cds.cli.policy import preview as command
from cds.pages.preview import create_preview
from cds.settings import Settings, load

PACKAGED = Path(hooks.__file__).parent / "policy.yaml"


@dataclass
class Lead:
    """Who moves thresholds, and where files are written."""

    folder: Path
    settings: Settings
    app: Flask
    told: dict[str, Any]

    @property
    def http(self) -> FlaskClient:
        return self.app.test_client()

    def page(self, query: str = "") -> str:
        answer = self.http.get(f"/secret/{query}", base_url="http://127.0.0.1")
        assert answer.status_code == 200
        return answer.get_data(as_text=True)

    def place(self, value: float) -> int:
        """Position of a value of the first threshold."""
        return [row["value"] for row in self.told["thresholds"][0]["rows"]].index(value)

    def save(self, place: int) -> str:
        answer = self.http.post(
            "/secret/save", data={"v0": str(place)}, base_url="http://127.0.0.1", follow_redirects=True
        )
        assert answer.status_code == 200
        return answer.get_data(as_text=True)


def written(folder: Path, followed: Hospital) -> Settings:
    """A change, and settings beside it."""
    (folder / "change.yaml").write_text(CHANGE, encoding="utf-8")
    (folder / "cds.toml").write_text(
        f"data_dir = {json.dumps(str(followed.folder))}\nledger_key = {json.dumps(KEY.decode())}\n"
        f"policy_file = {json.dumps(str(PACKAGED))}\n"
    )
    return load(folder / "cds.toml")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, followed: Hospital) -> dict[str, Any]:
    """The figures, worked out once."""
    folder = tmp_path_factory.mktemp("told")
    found = written(folder, followed)
    wanted = command.Wanted(folder / "change.yaml", 1500, None, None, None, None, 100, 5, ())
    with pytest.MonkeyPatch.context() as patch:
        put_on_that_day(patch)
        return command.worked_out(found, wanted, command.words_in(found, "en"))


@pytest.fixture
def lead(tmp_path: Path, followed: Hospital, told: dict[str, Any]) -> Lead:
    found = written(tmp_path, followed)
    save = partial(command.save_proposal, found, tmp_path / "change.yaml")
    app = create_preview(told, command.catalogues_of(found), save, token="secret", language="en")
    return Lead(tmp_path, found, app, told)


def plain(html: str) -> str:
    bare = re.sub(r"<svg.*?</svg>|<script.*?</script>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))


def figures(html: str) -> list[str]:
    """Of the first threshold, as shown."""
    found = re.search(r"data-figures>(.*?)</dl>", html, re.DOTALL)
    assert found is not None
    return [unescape(text) for text in re.findall(r"<dd>(.*?)</dd>", found[1])]


def test_without_a_script_a_list_and_a_button_move_the_threshold(lead: Lead) -> None:
    own = figures(lead.page())
    assert own[0] == "0.01"
    moved = figures(lead.page(f"?v0={lead.place(0.02)}"))
    assert moved[0] == "0.02"
    row = lead.told["thresholds"][0]["rows"][lead.place(0.02)]
    assert moved[1] == f"{row['cardsPerWeek']:g}"
    assert moved[4].startswith(f"{100 * row['ppv']['value']:.1f}%")


def test_what_net_benefit_is_stands_beside_its_curve(lead: Lead) -> None:
    assert "true alerts less false ones, weighed by the odds of the threshold" in lead.page().split("</svg>")[-1]


@pytest.mark.parametrize("odd", ["-1", "999", "x", "", "0.02"])
def test_a_place_that_is_none_is_the_policys_own(lead: Lead, odd: str) -> None:
    assert figures(lead.page(f"?v0={odd}"))[0] == "0.01"


def test_dutch_is_dutch(lead: Lead) -> None:
    told = plain(lead.page("?lang=nl"))
    assert "Tweejaarsrisico vanaf waar een kaart komt" in told
    assert "Gevonden en gemist: alvleesklierkanker" in told
    assert "0,01" in told
    assert "Uitkomsten uit registratie “national”, bekend tot" in told
    # what a threshold does is said in Dutch where it changes, too, and not in the reference's English
    assert "Two-year risk from which" not in told
    assert "Two-year risk from which" in plain(lead.page())


def test_saving_writes_a_new_file_that_can_be_proposed_and_touches_no_other(lead: Lead) -> None:
    before = {path: path.read_bytes() for path in (PACKAGED, lead.folder / "change.yaml")}
    told = plain(lead.save(lead.place(0.02)))
    (saved,) = lead.folder.glob("change-proposed-*.yaml")
    assert f"Saved as {saved}. It changes nothing yet." in told
    assert f"cds policy propose {saved}" in told
    content = yaml.safe_load(saved.read_text(encoding="utf-8"))
    assert content["services"]["pancreas-risk"]["parameters"]["risk_at_least"] == 0.02
    assert (content["author"], "approver" in content) == ("A. Lead", False)
    assert {path: path.read_bytes() for path in before} == before
    checked = cds("policy", "check", saved, settings=lead.folder / "cds.toml")
    assert checked.exit_code == 0, checked.output


def test_saving_twice_is_one_file_and_saving_nothing_is_none(lead: Lead) -> None:
    for _ in range(2):
        lead.save(lead.place(0.02))
    assert len(list(lead.folder.glob("change-proposed-*.yaml"))) == 1
    assert "Not saved: no threshold was moved" in plain(lead.save(lead.place(0.01)))


def test_a_folder_that_can_not_be_written_is_said(lead: Lead) -> None:
    (lead.folder / "change.yaml").unlink()
    assert "Not saved:" in plain(lead.save(lead.place(0.02)))


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("/", "127.0.0.1", 404), ("/other/", "127.0.0.1", 404), ("/secret/", "rebound.example", 403),
     ("/secret/", "localhost", 200), ("/secret/nothing.css", "127.0.0.1", 404)],
)  # fmt: skip
def test_it_answers_under_its_own_address_on_this_machine_alone(lead: Lead, path: str, host: str, status: int) -> None:
    assert lead.http.get(path, base_url=f"http://{host}:8000").status_code == status


def test_another_sites_form_writes_nothing(lead: Lead) -> None:
    answer = lead.http.post(
        "/secret/save", data={"v0": "1"}, base_url="http://127.0.0.1", headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert list(lead.folder.glob("change-proposed-*.yaml")) == []


def test_nothing_inline_and_nobody_named(lead: Lead) -> None:
    answer = lead.http.get("/secret/", base_url="http://127.0.0.1")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    html = answer.get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*src=)|style=|onclick", html)
    assert "patient-1" not in html and "doctor-" not in html


# ---- in a browser


@pytest.fixture
def page(browser: Browser, lead: Lead) -> Iterator[Page]:
    with serving(lead.app) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/secret/")
        yield page
        page.close()
        assert problems == []


def test_moving_the_slider_redraws_work_against_what_is_found_at_once(page: Page, lead: Lead) -> None:
    dial = page.locator("#dial-0")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))  # the tab's own mark comes when the browser likes
    place = lead.place(0.02)
    dial.locator("input[type=range]").fill(str(place))
    row = lead.told["thresholds"][0]["rows"][place]
    expect(dial.locator("[data-figures] dd").first).to_have_text("0.02")
    expect(dial.locator("[data-figures] dd").nth(1)).to_have_text(f"{row['cardsPerWeek']:g}")
    expect(dial.locator(f"svg.chart:visible [data-part='point-{place}'].chosen")).to_have_count(1)
    expect(dial.locator("select")).to_have_value(str(place))
    assert [url for url in asked if not url.endswith("/mark.svg")] == []
    dial.locator("input[type=range]").press("ArrowRight")
    expect(dial.locator("select")).to_have_value(str(place + 1))


def test_what_was_moved_is_what_is_saved(page: Page, lead: Lead) -> None:
    page.locator("#dial-0 select").select_option(str(lead.place(0.02)))
    page.get_by_role("button", name="Save as a proposed file").click()
    expect(page.get_by_role("status")).to_contain_text("It changes nothing yet.")
    (saved,) = lead.folder.glob("change-proposed-*.yaml")
    assert "risk_at_least: 0.02" in saved.read_text(encoding="utf-8")
    expect(page.locator("#dial-0 [data-figures] dd").first).to_have_text("0.02")


@pytest.mark.parametrize("width", [1200, 360])
def test_it_is_readable_for_everybody_and_fits_a_phone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe_source()) == []
