"""A guideline that nobody looked at again in time says so on its cards; after the grace a card says why it is silent.

The guideline here is the built-in one, in an edition whose review was due some days ago.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from ledger_reading import last_call, rows
from service import TODAY, Clock, MakeApp, StoryCalls, loopback, prefetcher

from cds.cards import wording
from cds.guidelines import overdue, standing_of
from cds.inference.guideline import edition_of
from cds.ledger import tables
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages

GUIDELINE = ("new-diabetes", "pancreas-risk", "patient-view")
"""The guideline is met; two scores have something to say, too."""
ALONE = ("endpac", "qcancer-2013-pancreas")
"""What does not run where only the guideline is to speak."""
QUIET = 0.02


class Hospital:
    """A service whose policy file a test writes anew."""

    def __init__(self, make_app: MakeApp, folder: Path, **more: Any) -> None:
        self.file = folder / "policy.yaml"
        self.packaged = yaml.safe_load(packaged_policy(installed_packages()).read_text(encoding="utf-8"))
        self.set({})
        self.app: Flask = make_app(policy_file=self.file, data_dir=folder, policy_poll_s=QUIET, **loopback(), **more)
        self.fire = StoryCalls(self.app.test_client(), prefetcher(self.app))

    def set(self, guidelines: dict[str, Any], without: tuple[str, ...] = ()) -> None:
        off = {id: {"enabled": False} for id in without}
        content = {**self.packaged, "guidelines": guidelines, "models": {**self.packaged.get("models", {}), **off}}
        self.file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    @property
    def models(self) -> list[Any]:
        return list(self.app.extensions["cds"].models.models.values())

    def edition(self, days: int, **changed: Any) -> dict[str, Any]:
        """NG12 as installed, its review due ``days`` ago."""
        ng12 = self.app.extensions["cds"].models["nice-ng12"].manifest
        made = edition_of(ng12).model_dump(mode="json", exclude_none=True)
        return {"nice-ng12": {**made, "version": "1.1.0", "review_by": str(TODAY - timedelta(days=days)), **changed}}

    def cards(self, language: str = "en", without: tuple[str, ...] = (), **guidelines: Any) -> list[dict[str, Any]]:
        self.set(guidelines, without)
        for _ in range(3):  # a changed file is believed when it reads the same twice
            time.sleep(2 * QUIET)
            self.app.extensions["cds"].policies.current()
        answer = self.fire(*GUIDELINE, headers={"Accept-Language": language})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: list[dict[str, Any]] = answer.get_json()["cards"]
        return found


@pytest.fixture(scope="module")
def hospital(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(make_app, tmp_path_factory.mktemp("hospital"))


def test_a_guideline_in_date_has_nothing_to_say_of_it(hospital: Hospital) -> None:
    [card] = hospital.cards()
    assert card["indicator"] == "warning" and "overdue" not in card["detail"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "is overdue for review since 13 Nov 2026: a newer edition may exist."),
     ("nl", "is sinds 13 nov 2026 aan herziening toe: er kan een nieuwere versie zijn.")],
)  # fmt: skip
def test_an_overdue_one_speaks_and_its_card_says_since_when(hospital: Hospital, language: str, said: str) -> None:
    [card] = hospital.cards(language, editions=hospital.edition(10))
    assert card["indicator"] == "warning" and card["suggestions"]
    assert said in card["detail"].splitlines()[-1]
    assert "1.1.0" in card["detail"]
    kept = {r["model"]: r["model_version"] for r in rows(hospital.app, tables.predictions)}
    assert kept["nice-ng12"] == "1.1.0"


@pytest.mark.parametrize(
    ("language", "headline", "said"),
    [("en", "guideline not reviewed in time, no longer cited", "is no longer cited since 14 Nov 2026"),
     ("nl", "richtlijn niet op tijd herzien, wordt niet meer aangehaald", "wordt sinds 14 nov 2026 niet meer")],
)  # fmt: skip
def test_after_the_grace_a_card_says_why_it_no_longer_speaks(
    hospital: Hospital, language: str, headline: str, said: str
) -> None:
    [card] = hospital.cards(language, ALONE, grace="90d", editions=hospital.edition(100))
    assert card["summary"].endswith(headline) and said in card["detail"]
    assert card["indicator"] == "info" and "suggestions" not in card
    call = last_call(hospital.app)["id"]
    kept = {r["model"]: r for r in rows(hospital.app, tables.predictions) if r["call_id"] == call}
    assert kept["nice-ng12"]["reason"] == "withheld" and kept["nice-ng12"]["outputs"]["rules"]


@pytest.mark.parametrize(("zone", "overdue"), [("UTC", False), ("Europe/Amsterdam", True)])
def test_a_card_s_today_is_the_hospital_s_as_the_report_s_is(
    make_app: MakeApp, tmp_path: Path, zone: str, overdue: bool
) -> None:
    """Half past eleven in the evening in UTC, on the last day before the review is overdue."""
    late = Clock(datetime(TODAY.year, TODAY.month, TODAY.day, 23, 30, tzinfo=UTC))
    hospital = Hospital(make_app, tmp_path, now=late, timezone=zone)
    [card] = hospital.cards(editions=hospital.edition(0))
    assert ("is overdue for review" in card["detail"]) is overdue
    engine = hospital.app.extensions["cds"]
    report = wording.overdue(
        engine.catalogues.book("en"),
        engine.edition("nice-ng12", engine.policies.current()).manifest,
        engine.policies.current(),
        engine.today(),
    )
    assert bool(report) is overdue
    # the day that a card rests on is the same one
    day = engine.catalogues.book("en").day(engine.today())
    assert day in card["detail"].splitlines()[-1]


def test_the_grace_is_the_policys_own(hospital: Hospital) -> None:
    [card] = hospital.cards(grace="120d", editions=hospital.edition(100))
    assert "is overdue for review since 15 Aug 2026" in card["detail"] and card["suggestions"]
    [card] = hospital.cards(without=ALONE, grace="0d", editions=hospital.edition(1))
    assert "no longer cited" in card["summary"]


def test_a_score_of_the_same_topic_still_speaks_and_names_the_guideline_it_does_without(hospital: Hospital) -> None:
    [card] = hospital.cards(editions=hospital.edition(100))
    assert card["summary"].startswith("New-onset diabetes with END-PAC score") and card["suggestions"]
    assert "is no longer cited since 14 Nov 2026" in card["detail"]


def test_who_has_looked_and_found_it_unchanged_lets_it_speak_again(hospital: Hospital) -> None:
    looked = {"nice-ng12": {"review_by": str(TODAY + timedelta(days=365)), "owner": "B. Second"}}
    [card] = hospital.cards(editions=hospital.edition(400), reviewed=looked)
    assert card["suggestions"] and "overdue" not in card["detail"]
    policy = hospital.app.extensions["cds"].policies.current()
    ng12 = next(c for c in standing_of(hospital.models, policy, TODAY) if c.model == "nice-ng12")
    assert (ng12.owner, ng12.state) == ("B. Second", "in date")


def test_a_committee_is_given_those_overdue_the_longest_first(hospital: Hospital) -> None:
    hospital.cards(editions=hospital.edition(10))
    policy = hospital.app.extensions["cds"].policies.current()
    found = overdue(hospital.models, policy, TODAY)
    # the Scottish criteria of 2019 have been superseded, and run nowhere unless a policy names them
    assert [(c.model, c.state, c.runs) for c in found] == [
        ("scottish-referral", "lapsed", False),
        ("nice-ng12", "overdue", True),
    ]


def test_an_edition_changes_who_is_spoken_of_without_a_restart(hospital: Hospital) -> None:
    assert hospital.cards()[0]["indicator"] == "warning"
    edition = hospital.edition(-30)
    for rule in edition["nice-ng12"]["rules"]:
        rule["all"][0]["at_least"] = 99
    assert not any(c["indicator"] == "warning" for c in hospital.cards(editions=edition))


def test_an_edition_no_newer_than_what_is_installed_is_superseded(hospital: Hospital) -> None:
    edition = hospital.edition(400, version="1.0.0")
    [card] = hospital.cards(editions=edition)
    assert card["suggestions"] and "overdue" not in card["detail"]


def test_a_wrong_edition_is_refused_with_its_line_and_the_last_good_policy_holds(hospital: Hospital) -> None:
    edition = hospital.edition(-30)
    edition["nice-ng12"]["rules"][0]["all"][0]["input"] = "agee"
    [card] = hospital.cards(editions=edition)
    assert card["suggestions"]
    fault = hospital.app.extensions["cds"].policies.fault
    assert "guidelines.editions.nice-ng12.rules.0.all.0.input: " in fault and "policy.yaml:" in fault
    assert "agee" in fault
