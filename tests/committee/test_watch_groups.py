"""A group is worse off when it is worse off than its own risks explain, and one of many is so by chance sometimes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cds.committee.charter import Charter
from cds.committee.cohort import UNKNOWN, Cohort, Target
from cds.committee.findings import Finding
from cds.committee.follow import Ascertainment, FollowUp
from cds.committee.watch_groups import gaps_of
from cds.committee.watch_outcomes import first_of_newest, judged
from cds.inference.manifest import Output
from cds.measures.censoring import Followed
from cds.measures.discrimination import auc, expected_auc
from cds.measures.estimate import Array, Estimate, Flags
from cds.measures.scored import Scored, scored

CHARTER = Charter.model_validate({"name": "n", "author": "a", "approver": "b", "effective": "2026-01-01"})
CHANCE = Target(Output(name="risk", kind="probability", horizon="3m"), 3.0, 0.2)
SCORE = Target(Output(name="score", kind="score", horizon="3m"), 3.0, 0.2)


def house(n: int = 12_000, seed: int = 1) -> tuple[Array, Flags, np.random.Generator]:
    """Chances, and who is young, at a third of the odds of the others."""
    random = np.random.default_rng(seed)
    young = random.random(n) < 0.4
    logit = random.normal(-2.3, 1.0, n) - 1.1 * young
    return 1 / (1 + np.exp(-logit)), young, random


def levels(people: Scored, groups: dict[str, Flags], target: Target = CHANCE) -> dict[str, str]:
    found = gaps_of("m", people, {"group": groups}, target, CHARTER)
    return {f"{f.measure} {f.about}": f.level for f in found if f.level != "green"}


def gap(people: Scored, groups: dict[str, Flags], measure: str, group: str) -> Finding:
    told = gaps_of("m", people, {"group": groups}, CHANCE, CHARTER)
    return next(f for f in told if f.measure == measure and f.about == f"group: {group}")


def test_a_group_at_lower_risk_is_flagged_less_and_that_alone_is_no_alarm() -> None:
    risk, young, random = house()
    people = scored(risk, random.random(len(risk)) < risk)
    found = gap(people, {"young": young, "old": ~young}, "gap_sensitivity", "young")
    assert isinstance(found.result, Estimate)
    assert found.result.upper < -0.1, "half of the others' share at most"
    assert found.detail["explained"] == pytest.approx(found.result.value, abs=0.08)
    assert levels(people, {"young": young, "old": ~young}) == {}


def test_of_a_score_nobody_knows_what_the_risks_explain_so_the_whole_gap_counts() -> None:
    risk, young, random = house()
    people = scored(risk, random.random(len(risk)) < risk)
    assert levels(people, {"young": young, "old": ~young}, SCORE) == {"gap_sensitivity group: young": "act"}


def test_a_group_whose_answers_have_nothing_to_do_with_it_is_seen() -> None:
    risk, _, random = house()
    happened = random.random(len(risk)) < risk
    dutch = random.random(len(risk)) < 0.25
    said = risk.copy()
    said[dutch] = random.permutation(said[dutch])
    found = levels(scored(said, happened), {"nl": dutch, "en": ~dutch})
    assert {"gap_auc group: nl", "gap_sensitivity group: nl", "gap_ppv group: nl"} <= found.keys()


def test_a_group_whose_risk_is_told_as_half_of_what_it_is_is_seen_by_its_calibration() -> None:
    risk, _, random = house()
    dutch = random.random(len(risk)) < 0.25
    happened = random.random(len(risk)) < risk
    said = np.where(dutch, risk / 2, risk)
    assert levels(scored(said, happened), {"nl": dutch, "en": ~dutch})["gap_observed-expected group: nl"] == "watch"


def test_the_more_groups_are_looked_at_the_surer_one_must_be() -> None:
    risk, _, random = house(6000, seed=3)
    happened, few = random.random(len(risk)) < risk, np.random.default_rng(0)
    dutch = few.random(len(risk)) < 0.03
    said = risk.copy()
    said[dutch] = few.permutation(said[dutch])
    people = scored(said, happened)
    assert levels(people, {"nl": dutch}) == {"gap_auc group: nl": "watch"}
    many = {f"g{n}": few.random(len(risk)) < 0.05 for n in range(100)}
    assert levels(people, {"nl": dutch} | many) == {}


def test_the_auc_that_chances_foretell_is_the_one_that_happens_on_average() -> None:
    risk, _, random = house(3000)
    drawn = [float(roc_auc_score(random.random(len(risk)) < risk, risk)) for _ in range(60)]
    people = scored(risk, random.random(len(risk)) < risk)
    assert expected_auc(people) == pytest.approx(float(np.mean(drawn)), abs=0.006)
    assert isinstance(auc(people), Estimate)


def test_those_whose_group_is_not_known_are_counted_and_are_neither_a_group_nor_among_the_others() -> None:
    """Rows from before a group was kept are of earlier days: what was otherwise then must not look like the group's."""
    risk, _, random = house()
    happened, dutch = random.random(len(risk)) < risk, random.random(len(risk)) < 0.5
    before = np.arange(len(risk)) < 6000
    said = risk.copy()
    said[before] = random.permutation(said[before])
    parts = {"nl": dutch & ~before, "en": ~dutch & ~before, "fy": before & dutch}
    people, known = scored(said, happened), {name: parts[name] for name in ("nl", "en")}
    assert levels(people, parts), "people of those days are worse off"
    assert levels(people, {**known, UNKNOWN: before}) == {}
    told = gaps_of("m", people, {"group": {**known, UNKNOWN: before}}, CHANCE, CHARTER)
    [unknown] = [f for f in told if f.measure == "group_unknown"]
    assert isinstance(unknown.result, Estimate) and (unknown.about, unknown.level) == ("group", "green")
    assert (unknown.result.value, unknown.result.n) == (0.5, len(risk))
    assert {f.about for f in told} == {"group", "group: nl", "group: en"}


@pytest.mark.parametrize(("unknown", "shown"), [(0, True), (3, False), (5, True), (397, False), (400, True)])
def test_no_number_below_the_smallest_cell_is_told_of_them(unknown: int, shown: bool) -> None:
    risk = np.linspace(0.1, 0.5, 400)
    nobody = np.arange(400) < unknown
    [found] = gaps_of("m", scored(risk, risk > 0.3), {"group": {"nl": ~nobody, UNKNOWN: nobody}}, CHANCE, CHARTER)
    assert found.measure == "group_unknown" and isinstance(found.result, Estimate) is shown


@pytest.mark.parametrize("unknown", [3, 60])
def test_the_whole_less_the_groups_does_not_tell_how_many_of_unknown_group_there_are_or_had_it(unknown: int) -> None:
    """Of sixty, two had it: the whole's 93 less the groups' 91."""
    risk, number = np.linspace(0.1, 0.5, 400), np.arange(400)
    nobody = number < unknown
    happened = (number < 2) | (number >= 309)
    parts = {"nl": ~nobody & (number % 2 == 0), "en": ~nobody & (number % 2 == 1), UNKNOWN: nobody}
    told = [f for f in gaps_of("m", scored(risk, happened), {"group": parts}, CHANCE, CHARTER) if ": " in f.about]
    counted = [f for f in told if isinstance(f.result, Estimate)]
    assert len(counted) > 4
    for found in counted:
        assert isinstance(found.result, Estimate) and found.detail["rounded"] == 5
        assert found.result.n % 5 == found.result.events % 5 == 0
    assert all("have" not in f.plain or f.plain["have"] >= 5 for f in told)
    known = {**{name: parts[name] for name in ("nl", "en")}}
    exact = gaps_of("m", scored(risk, happened).where(~nobody), {"group": {n: f[~nobody] for n, f in known.items()}},
                    CHANCE, CHARTER)  # fmt: skip
    assert all("rounded" not in f.detail for f in exact), "where everybody's is known nothing is"
    assert [(f.result.value, f.level) for f in exact if isinstance(f.result, Estimate)] == [
        (f.result.value, f.level) for f in counted if isinstance(f.result, Estimate)
    ]


def test_of_a_small_group_no_count_of_its_events_is_told_nor_what_the_others_leave() -> None:
    """Twelve of Dutch, two of Turkish and none of Arabic speakers had it: any two of these and the whole tell the
    third."""
    risk, number = np.linspace(0.1, 0.5, 600), np.arange(600)
    groups = {"nl": number < 500, "tr": (number >= 500) & (number < 550), "ar": number >= 550}
    happened = (number < 12) | (number == 500) | (number == 501)
    told = {
        (f.measure, f.about): f.plain for f in gaps_of("m", scored(risk, happened), {"group": groups}, CHANCE, CHARTER)
    }
    of_events = [told["gap_auc", f"group: {name}"] for name in groups]
    assert all(
        "have" not in found and found["lacking"] == "can't be estimated: 20 events needed" for found in of_events
    )
    happened |= (number >= 502) & (number < 512)
    told = {
        (f.measure, f.about): f.plain for f in gaps_of("m", scored(risk, happened), {"group": groups}, CHANCE, CHARTER)
    }
    assert told["gap_auc", "group: tr"]["have"] == 12, "none is small"


# whose outcomes a model is judged by


def test_the_newest_events_are_chosen_from_people_in_the_order_of_their_predictions() -> None:
    months = np.full(3000, 12.0)
    event = np.zeros(3000, dtype=bool)
    event[::4] = True
    months[event] = 2.0
    since = first_of_newest(Followed(months, event), 3.0, CHARTER)
    assert event[since:].sum() == CHARTER.newest and event[since]


def test_of_people_nobody_could_follow_so_far_not_all_of_the_newest_are_taken() -> None:
    """Else the early deaths of the last weeks would be all there is."""
    months = np.concatenate([np.full(2000, 30.0), np.full(1000, 1.0)])
    event = np.concatenate([np.arange(2000) % 10 == 0, np.arange(1000) % 2 == 0])
    since = first_of_newest(Followed(months, event), 40.0, CHARTER)
    assert since == 0, "nobody was followed to the horizon"
    months[event] = np.minimum(months[event], 1.0)
    since = first_of_newest(Followed(months, event), 24.0, CHARTER)
    assert event[since:2000].sum() == CHARTER.minimum.events


def test_few_events_leave_nobody_out() -> None:
    months, event = np.full(500, 12.0), np.arange(500) % 5 == 0
    assert first_of_newest(Followed(months, event), 3.0, CHARTER) == 0


def test_of_survival_each_milestone_has_events_enough_for_its_curve_and_older_people_are_left_out() -> None:
    random = np.random.default_rng(5)
    n, times = 6000, (0.0, 6.0, 12.0, 24.0)
    rate = np.exp(random.normal(-3.0, 0.8, n))
    wait = random.exponential(1.0, n) / rate
    followed = Followed(np.minimum(wait, 30.0), wait <= 30.0)
    alive = np.exp(-rate[:, None] * np.asarray(times))
    people = Cohort((), alive, np.zeros(n, dtype=bool))
    told = Ascertainment("death", (), None, "3m", "sweep", 0, ())
    found = FollowUp(np.ones(n, dtype=bool), followed, np.zeros(n, dtype=bool), told)
    target = Target(Output(name="survival", kind="survival", times=times), None, None)
    measured = {(f.measure, f.about): f.result for f in judged("m", people, found, target, CHARTER, {})}
    for months in ("6 months", "12 months", "24 months"):
        curve, alive_then = measured["index", months], measured["alive", months]
        assert isinstance(curve, Estimate) and isinstance(alive_then, Estimate)
        assert alive_then.n < n / 2


def test_of_survival_a_group_that_dies_sooner_than_its_curves_say_is_seen_by_a_year() -> None:
    """The same people in two groups by lot are alike."""
    random = np.random.default_rng(6)
    n, times = 3000, (0.0, 6.0, 12.0, 24.0)
    rate = np.exp(random.normal(-3.0, 0.8, n))
    women, even = random.random(n) < 0.5, random.random(n) < 0.5
    wait = random.exponential(1.0, n) / (rate * np.where(women, 4.0, 1.0))
    lost = random.exponential(40.0, n)
    followed = Followed(np.minimum(wait, lost), wait <= lost)
    people = Cohort((), np.exp(-rate[:, None] * np.asarray(times)), np.zeros(n, dtype=bool))
    told = Ascertainment("death", (), None, "3m", "sweep", 0, ())
    found = FollowUp(np.ones(n, dtype=bool), followed, np.zeros(n, dtype=bool), told)
    target = Target(Output(name="survival", kind="survival", times=times), None, None)
    groups = {"sex": {"female": women, "male": ~women}, "lot": {"yes": even, "no": ~even}}
    gaps = [f for f in judged("m", people, found, target, CHARTER, groups) if f.measure.startswith("gap_")]
    assert {f.measure for f in gaps} == {"gap_auc", "gap_observed-expected"}
    assert {f.detail["months"] for f in gaps} == {12.0}
    levels = {(f.measure, f.about): f.level for f in gaps}
    assert levels["gap_observed-expected", "sex: female"] != "green"
    assert all(level == "green" for (_, about), level in levels.items() if about.startswith("lot"))
    ratio = next(f.result for f in gaps if (f.measure, f.about) == ("gap_observed-expected", "sex: female"))
    assert isinstance(ratio, Estimate) and 1.5 < ratio.value < 4.0
