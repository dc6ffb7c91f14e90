"""Two people, in order, with a reason: what may be done with a version, and what each refusal says."""

from __future__ import annotations

from datetime import date

import pytest
from layered import BASE, TODAY, Rows, house, layer, person

from cds.errors import PolicyError
from cds.policy import acts
from cds.policy.acts import Act, House
from cds.policy.people import same_person
from cds.policy.standing import standing


def proposed(rows: Rows, text: str = "", by: str = "A. Lead", at: House | None = None) -> str:
    version = rows.do(acts.propose(at or house(), person(by), text or layer(), "change.yaml")).version
    assert version is not None
    return version


def approved(rows: Rows, text: str = "") -> str:
    version = proposed(rows, text)
    rows.do(acts.approve(house(), person("B. Second"), version))
    return version


def activated(rows: Rows, text: str = "") -> str:
    version = approved(rows, text)
    rows.do(acts.activate(house(), person(), version))
    return version


def live(rows: Rows, day: date = TODAY, client: str = "north", service: str = "my-service") -> list[str]:
    return [a.layer.version for a in standing(rows.record, day).layers(client, service, "")]


def refusal(rows: Rows, act: Act) -> str:
    before = rows.record
    with pytest.raises(PolicyError) as caught:
        rows.do(act)
    assert rows.record == before
    return str(caught.value)


def test_a_version_is_proposed_approved_and_activated_and_only_then_holds() -> None:
    rows = Rows()
    version = proposed(rows)
    assert live(rows) == []
    rows.do(acts.approve(house(), person("B. Second", "looks right"), version))
    assert live(rows) == []
    rows.do(acts.activate(house(), person(), version))
    assert live(rows) == [version]
    assert [(e.act, e.person, e.reason) for e in rows.record.events] == [
        ("proposed", "A. Lead", "because"),
        ("approved", "B. Second", "looks right"),
        ("activated", "A. Lead", "because"),
    ]
    assert rows.record.versions[version].content == layer()


@pytest.mark.parametrize("name", ["A. Lead", "a lead", "Á. LEAD ", "A.Lead"])
def test_the_same_person_twice_is_refused_however_written(name: str) -> None:
    rows = Rows()
    told = refusal(rows, acts.approve(house(), person(name), proposed(rows, by="D. Scribe")))
    assert "wrote" in told
    told = refusal(rows, acts.approve(house(), person(name), proposed(rows, layer(0.04, author="D. Scribe"))))
    assert "proposed" in told
    assert "another person has to approve it" in told


def test_in_a_demonstration_one_person_may_play_both() -> None:
    rows = Rows()
    alone = house(two_people=False, approvers={})
    rows.do(acts.approve(alone, person(), proposed(rows)))


def test_people_are_told_apart_by_more_than_their_initials() -> None:
    assert not same_person("A. Lead", "B. Lead")
    assert not same_person("Jan de Vries", "Jan de Vrees")
    assert same_person("José García", "jose garcia")


def test_an_expired_mandate_is_told_with_its_last_day() -> None:
    rows = Rows()
    version = proposed(rows)
    told = refusal(rows, acts.approve(house(), person("C. Gone"), version))
    assert "C. Gone could approve until 2026-10-01: the mandate has expired" in told
    # and one that ended after approving does not carry an activation
    rows.do(acts.approve(house(), person("B. Second"), version))
    late = person(day=date(2027, 1, 2))
    assert "the mandate has expired" in refusal(rows, acts.activate(house(), late, version))


def test_who_is_no_approver_is_told_who_is() -> None:
    rows = Rows()
    told = refusal(rows, acts.approve(house(), person("D. Stranger"), proposed(rows)))
    assert "D. Stranger is not among the approvers of the settings: A. Lead, B. Second, C. Gone" in told
    assert "nobody may approve yet" in refusal(
        rows, acts.approve(house(approvers={}), person("X"), *rows.record.versions)
    )


def test_what_is_not_approved_can_not_be_activated() -> None:
    rows = Rows()
    assert "is not approved: a second person has to" in refusal(rows, acts.activate(house(), person(), proposed(rows)))


@pytest.mark.parametrize(("name", "reason", "told"), [(" ", "because", "who does this?"), ("X", " ", "why?")])
def test_a_deed_has_a_person_and_a_reason(name: str, reason: str, told: str) -> None:
    rows = Rows()
    assert told in refusal(rows, acts.activate(house(), person(name, reason), approved(rows)))


def test_the_reason_of_a_proposal_may_stand_in_the_file() -> None:
    rows = Rows()
    event = rows.do(acts.propose(house(), person(reason=""), layer(), "change.yaml"))
    assert event.reason == "fewer cards"


def test_the_same_text_is_one_version() -> None:
    rows = Rows()
    version = proposed(rows)
    assert f"{version}: the ledger has this very text already" in refusal(
        rows, acts.propose(house(), person(), layer(), "again.yaml")
    )


def test_an_unknown_version_is_told_with_the_nearest() -> None:
    rows = Rows()
    version = proposed(rows)
    assert f"did you mean {version}?" in refusal(rows, acts.approve(house(), person("B. Second"), version[:-1] + "x"))
    assert acts.known_version(rows.record, version[:7]).version == version


def test_approving_or_activating_again_is_told() -> None:
    rows = Rows()
    version = activated(rows)
    assert "is approved already, by B. Second" in refusal(rows, acts.approve(house(), person("B. Second"), version))
    assert "is activated already" in refusal(rows, acts.activate(house(), person(), version))


def test_a_change_that_would_not_hold_over_what_is_in_force_is_refused_at_each_step() -> None:
    rows = Rows()
    assert "threshold" in refusal(rows, acts.propose(house(), person(), layer(3), "change.yaml"))
    version = proposed(rows, layer(None, models={"score-b": {"enabled": False}}))
    fewer = house(base=BASE.replace("threshold: 0.02", "threshold: 2"))
    assert "threshold" in refusal(rows, acts.approve(fewer, person("B. Second"), version))


def test_a_sites_change_must_leave_the_departments_valid() -> None:
    rows = Rows()
    activated(rows, layer(None, layer="service/my-service", services={"my-service": {"parameters": {"kinds": ["z"]}}}))
    # a whole block taken away below is no fault; a list where the upper layer merges keys is
    assert proposed(rows, layer(0.04))


def test_a_layer_for_nobody_is_refused() -> None:
    rows = Rows()
    unknown = layer(layer="service/no-such")
    assert "there is no service 'no-such'" in refusal(rows, acts.propose(house(), person(), unknown, "c.yaml"))
    unknown = layer(layer="department/x", applies_to={"clients": ["west"]})
    told = refusal(rows, acts.propose(house(), person(), unknown, "c.yaml"))
    assert "there is no client 'west' in the settings; there are: north, south" in told


# ---- dates


def test_a_version_waits_for_its_day_and_what_held_before_holds_until_then() -> None:
    rows = Rows()
    first = activated(rows)
    later = activated(rows, layer(0.05, effective="2026-12-01"))
    assert live(rows) == [first]
    assert standing(rows.record, TODAY).waiting == {"site": (later, date(2026, 12, 1))}
    assert live(rows, date(2026, 12, 1)) == [later]


def test_after_its_last_day_what_held_before_is_back() -> None:
    rows = Rows()
    first = activated(rows)
    trial = activated(rows, layer(0.05, until="2026-12-24"))
    assert live(rows, date(2026, 12, 24)) == [trial]
    assert live(rows, date(2026, 12, 25)) == [first]


def test_what_is_over_can_not_be_activated() -> None:
    rows = Rows()
    version = approved(rows, layer(until="2026-11-27"))
    assert "held until 2026-11-27, which is over" in refusal(rows, acts.activate(house(), person(), version))


# ---- canary, shadow, back


def test_a_canary_holds_for_some_and_then_for_all() -> None:
    rows = Rows()
    first = activated(rows)
    second = approved(rows, layer(0.05))
    rows.do(acts.activate(house(), person(), second, {"clients": ("north",)}))
    assert (live(rows, client="north"), live(rows, client="south")) == ([second], [first])
    rows.do(acts.activate(house(), person(), second))
    assert live(rows, client="south") == [second]


def test_a_canary_of_two_kinds_needs_both() -> None:
    rows = Rows()
    version = approved(rows)
    rows.do(acts.activate(house(), person(), version, {"clients": ("north",), "services": ("my-service",)}))
    assert live(rows) == [version]
    assert live(rows, service="other-service") == []


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({"clients": ("west",)}, "canary: there is no client 'west' in the settings; there are: north, south"),
        ({"services": ("nothing",)}, "canary: there is no service 'nothing'; there are: my-service, other-service"),
    ],
)
def test_a_canary_for_nobody_is_refused(scope: dict[str, tuple[str, ...]], told: str) -> None:
    rows = Rows()
    assert told in refusal(rows, acts.activate(house(), person(), approved(rows), scope))


def test_rolling_back_takes_a_canary_first_and_then_what_was_activated_last() -> None:
    rows = Rows()
    first, second = activated(rows), activated(rows, layer(0.04))
    third = approved(rows, layer(0.05))
    rows.do(acts.activate(house(), person(), third, {"clients": ("north",)}))
    assert rows.do(acts.roll_back(person("B. Second"), "site")).version == second
    assert live(rows) == [second]
    assert rows.do(acts.roll_back(person(), "site")).version == first
    assert live(rows) == [first]
    assert rows.do(acts.roll_back(person(), "site")).version is None
    assert live(rows) == []
    assert "the layer 'site' has nothing to roll back" in refusal(rows, acts.roll_back(person(), "site"))


def test_what_was_rolled_back_does_not_come_back_when_another_expires() -> None:
    rows = Rows()
    first = activated(rows, layer(until="2026-12-24"))
    activated(rows, layer(0.04))
    rows.do(acts.roll_back(person(), "site"))
    assert live(rows) == [first]
    assert live(rows, date(2026, 12, 25)) == []


def test_rolling_back_another_layer_names_those_that_have_something() -> None:
    rows = Rows()
    activated(rows)
    told = refusal(rows, acts.roll_back(person(), "service/my-service"))
    assert "layers with something in force: site" in told


def test_a_shadow_needs_no_approval_and_changes_nothing() -> None:
    rows = Rows()
    first = activated(rows)
    second = proposed(rows, layer(0.05))
    rows.do(acts.shadow(house(), person(), second))
    assert live(rows) == [first]
    found = standing(rows.record, TODAY)
    assert [a.layer.version for a in found.in_shadow("north", "my-service", "")] == [second]
    rows.do(acts.end_shadow(person(), "site"))
    assert standing(rows.record, TODAY).in_shadow("north", "my-service", "") == ()
    assert "nothing of the layer 'site' is in the shadow" in refusal(rows, acts.end_shadow(person(), "site"))


def test_a_shadow_that_concerns_no_call_is_not_computed() -> None:
    rows = Rows()
    version = proposed(rows, layer(layer="service/other-service"))
    rows.do(acts.shadow(house(), person(), version))
    found = standing(rows.record, TODAY)
    assert found.in_shadow("north", "my-service", "") == ()
    assert found.in_shadow("north", "other-service", "") != ()
