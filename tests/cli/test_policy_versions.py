"""A clinical lead changes a threshold, has it approved, sees it live with no restart, and takes it back: by commands,
against a service that runs meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from command_line import cds
from flask import Flask
from ledger_reading import rows
from service import NOW, Clock, MakeApp, StoryCalls, context_of, loopback, prefetcher

from cds.ledger import tables

CHANGE = """\
name: Louder
author: A. Lead
effective: 2026-01-01
reason: we want to see lower risks, too
services:
  pancreas-risk:
    parameters: {risk_at_least: 0.002}
"""
PATIENT = "ipmn-followup"
APPROVERS = """
[approvers."B. Second"]
[approvers."C. Gone"]
until = 2026-01-01
"""


class House:
    """A service with its settings on disk, and the commands of who runs it."""

    def __init__(self, make_app: MakeApp, folder: Path, more: str = "") -> None:
        self.folder, self._make_app = folder, make_app
        self.settings = folder / "cds.toml"
        self.settings.write_text(
            f'environment = "production"\nledger_key = "0123456789abcdef-policy-tests-xyz"\n'
            f"data_dir = {json.dumps(str(folder))}\n{APPROVERS}{more}\n"
            '[clients.demo]\nissuer = "https://ehr.example"\njku = "https://ehr.example/jwks"\n'
            '[clients.other]\nissuer = "https://other.example"\njku = "https://other.example/jwks"\n',
            encoding="utf-8",
        )

    @cached_property
    def app(self) -> Flask:
        return self._make_app(now=Clock(NOW), data_dir=self.folder, policy_poll_s=0.01, **loopback())

    @cached_property
    def fire(self) -> StoryCalls:
        return StoryCalls(self.app.test_client(), prefetcher(self.app))

    def policy(self, *words: str | Path) -> Result:
        return cds("policy", *words, settings=self.settings)

    def did(self, *words: str | Path) -> str:
        result = self.policy(*words)
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    def refused(self, *words: str | Path) -> str:
        result = self.policy(*words)
        assert result.exit_code == 2
        assert isinstance(result.exception, SystemExit)
        return " ".join(result.stderr.split())

    def file(self, text: str = CHANGE, name: str = "change.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def proposed(self, text: str = CHANGE) -> str:
        told = self.did("propose", self.file(text), "--by", "A. Lead")
        found = re.search(r"Proposed as ([0-9a-f]{12})", told)
        assert found is not None
        return found[1]

    def approved(self, text: str = CHANGE) -> str:
        version = self.proposed(text)
        self.did("approve", version, "--by", "B. Second", "--why", "agreed in the meeting")
        return version

    def cards(self, patient: str = "chronic-pancreatitis") -> list[dict[str, Any]]:
        time.sleep(0.02)
        answer = self.fire(patient)
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.get_json()["cards"]
        return found


@pytest.fixture
def house(make_app: MakeApp, tmp_path: Path) -> House:
    return House(make_app, tmp_path)


QUIETER = CHANGE.replace("0.002", "0.5").replace("Louder", "Quieter")


def test_the_story_of_a_threshold(house: House) -> None:
    (before,) = house.cards()
    shown = house.did("show")
    assert "Packaged default" in shown
    version = house.proposed(QUIETER)
    told = house.did("diff", version)
    assert "services.pancreas-risk.parameters.risk_at_least: 0.02 -> 0.5" in told
    assert "Two-year risk from which a card is given; 0.02 is 2 in 100." in told
    assert house.cards()
    house.did("approve", version, "--by", "B. Second", "--why", "agreed in the meeting")
    told = house.did("activate", version, "--by", "A. Lead", "--why", "from today")
    assert f"In force: site {version} (Quieter), effective 2026-01-01" in told
    assert house.cards() == []
    assert f"site {version}" in house.did("show")
    assert "risk_at_least: 0.5" in house.did("show")
    told = house.did("rollback", "--by", "A. Lead", "--why", "a card was missed")
    assert "site: nothing over the file is in force" in told
    (after,) = house.cards()
    assert after["summary"] == before["summary"]
    told = house.did("history")
    for act, who, why in (
        ("proposed", "A. Lead", "we want to see lower risks, too"),
        ("approved", "B. Second", "agreed in the meeting"),
        ("activated", "A. Lead", "from today"),
        ("rolled-back", "A. Lead", "a card was missed"),
    ):
        assert f"{act} {who} {why}" in told
    events = json.loads(house.did("history", "--json"))
    assert [e["act"] for e in events] == ["rolled-back", "activated", "approved", "proposed"]
    assert "@" in events[0]["account"]


def test_cards_and_rows_name_the_version_they_were_given_under_and_its_text_is_kept(house: House) -> None:
    version = house.approved(CHANGE.replace("0.002", "0.015"))
    house.did("activate", version, "--by", "A. Lead", "--why", "from today")
    (card,) = house.cards()
    made = rows(house.app, tables.calls)[-1]["policy_version"]
    assert made in card["detail"]
    text = house.did("show", made)
    assert "risk_at_least: 0.015" in text
    assert "approver: B. Second" in text
    assert "author: A. Lead" in text


def test_a_canary_is_one_client_first(house: House) -> None:
    version = house.approved(QUIETER)
    told = house.did("activate", version, "--by", "A. Lead", "--why", "one clinic first", "--canary", "client=other")
    assert f"Canary: site {version} (Quieter), for clients other alone" in told
    assert house.cards()
    house.did("activate", version, "--by", "A. Lead", "--why", "theirs, too", "--canary", "client=demo")
    assert house.cards() == []
    house.did("rollback", "--by", "A. Lead", "--why", "no")
    assert house.cards()


def test_a_shadow_is_computed_and_recorded_and_shown_to_nobody(house: House) -> None:
    version = house.proposed(CHANGE)
    told = house.did("activate", version, "--by", "A. Lead", "--why", "what would it do", "--shadow")
    assert f"In the shadow: site {version} (Louder)" in told
    assert house.cards("ipmn-followup") == []
    (card,) = house.cards("chronic-pancreatitis")
    assert card["source"]["topic"]["code"] == "pancreas-risk"
    calls = {c["id"]: c for c in rows(house.app, tables.calls)}
    assert {c["shadow"] for c in calls.values()} == {version}
    assert all(version not in c["policy_version"] for c in calls.values())
    shadows = [(s["topic"], s["indicator"]) for s in rows(house.app, tables.shadow_cards)]
    assert ("pancreas-risk/risk", "info") in shadows
    house.did("unshadow", "--by", "A. Lead", "--why", "seen enough")
    house.cards("chronic-pancreatitis")
    assert rows(house.app, tables.calls)[-1]["shadow"] is None


def test_a_department_has_its_own(house: House) -> None:
    clinic = QUIETER + "layer: department/clinic\napplies_to: {clients: [demo], users: [Practitioner/gp]}\n"
    version = house.approved(clinic)
    house.did("activate", version, "--by", "A. Lead", "--why", "the clinic asked for it")
    assert house.cards() == []
    context = context_of("chronic-pancreatitis", "patient-view") | {"userId": "Practitioner/colleague"}
    assert len(house.fire("chronic-pancreatitis", context=context).get_json()["cards"]) == 1
    assert "Packaged default + Quieter" in house.did("show", "--client", "demo", "--user", "Practitioner/gp")
    assert "Quieter" not in house.did("show", "--client", "demo")


# ---- what goes wrong is told in words


Words = Callable[[House], tuple[str | Path, ...]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (lambda h: ("approve", h.proposed(), "--by", "A. Lead", "--why", "x"), "is not among the approvers"),
        (lambda h: ("approve", h.proposed(), "--by", "C. Gone", "--why", "x"), "the mandate has expired"),
        (lambda h: ("approve", "abcdef012345", "--by", "B. Second", "--why", "x"), "the ledger holds no version"),
        (lambda h: ("approve", h.proposed(), "--by", "B. Second"), "why? give a reason (--why)"),
        (lambda h: ("activate", h.proposed(), "--by", "A. Lead", "--why", "x"), "is not approved: a second person"),
        (lambda h: ("rollback", "--by", "A. Lead", "--why", "x"), "nothing to roll back"),
        (lambda h: ("unshadow", "--by", "A. Lead", "--why", "x"), "is in the shadow"),
        (lambda h: ("propose", h.file("- 1\n"), "--by", "A. Lead"), "a policy is a mapping"),
        (lambda h: ("propose", h.file(CHANGE.replace("0.002", "2")), "--by", "A. Lead"), "less than 1"),
        (lambda h: ("propose", h.file(CHANGE.replace("risk_at", "risk_et")), "--by", "A. Lead"), "did you mean"),
        (lambda h: ("propose", h.file(), "--by", " "), "who does this?"),
        (lambda h: ("diff", "no-such-file.yaml"), "the ledger holds no version 'no-such-file.yaml'"),
        (
            lambda h: ("activate", h.approved(), "--by", "A", "--why", "x", "--canary", "client=west"),
            "there is no client 'west' in the settings; there are: demo, other",
        ),
        (
            lambda h: ("activate", h.approved(), "--by", "A", "--why", "x", "--canary", "clinic=west"),
            "write client=NAME, service=ID or user=ID",
        ),
        (
            lambda h: ("activate", h.approved(), "--by", "A", "--why", "x", "--canary", "client=demo", "--shadow"),
            "give one of them",
        ),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(house: House, words: Words, told: str) -> None:
    given = words(house)
    before = house.did("history", "--json")
    assert told in house.refused(*given)
    assert house.did("history", "--json") == before


def test_who_wrote_it_can_not_approve_it(make_app: MakeApp, tmp_path: Path) -> None:
    house = House(make_app, tmp_path, more='[approvers."A. Lead"]')
    version = house.proposed()
    told = house.refused("approve", version, "--by", "a lead", "--why", "x")
    assert "another person has to approve it; the same person twice is no second look" in told


def test_in_production_a_file_needs_two_people_too(house: House) -> None:
    whole = CHANGE + "approver: A Lead\n"
    told = house.refused("check", house.file(whole))
    assert "approver: the same person as the author; another has to approve it" in told
    assert "good. Version" in house.did("check", house.file(whole.replace("approver: A Lead", "approver: B. Second")))


def test_a_change_is_checked_over_the_file_it_is_laid_on(house: House) -> None:
    assert "for site, effective 2026-01-01" in house.did("check", house.file())
    told = house.refused("check", house.file(CHANGE.replace("0.002", "2")))
    assert "change.yaml:7: services.pancreas-risk.parameters.risk_at_least:" in told


def test_a_file_with_a_day_to_come_is_said_to_hold_at_once(house: House) -> None:
    whole = CHANGE.replace("2026-01-01", "2099-01-01") + "approver: B. Second\n"
    assert "a file holds from the moment it is saved, not from 2099-01-01" in house.did("check", house.file(whole))


def test_before_the_first_proposal_the_file_alone_is_in_force(house: House) -> None:
    assert house.did("history") == "Nothing was proposed yet; the file alone is in force."


def test_looking_makes_no_database(tmp_path: Path) -> None:
    settings = tmp_path / "cds.toml"
    settings.write_text(f"data_dir = {json.dumps(str(tmp_path / 'var'))}\n", encoding="utf-8")
    assert cds("policy", "show", settings=settings).exit_code == 0
    change = tmp_path / "change.yaml"
    change.write_text(CHANGE, encoding="utf-8")
    assert cds("policy", "diff", change, settings=settings).exit_code == 0
    assert not (tmp_path / "var").exists()
