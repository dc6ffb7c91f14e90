"""Two people stop and resume a model, one alone in an emergency; the same person twice is one person."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import yaml
from committee_room import CHARTER, NOW, Room

from cds.committee import actions
from cds.committee.actions import Signatures
from cds.committee.charter import Charter, Member
from cds.errors import CommitteeError
from cds.ledger.standings import EVERYWHERE, every, stops

ANYBODY = Charter.model_validate(yaml.safe_load(CHARTER))
LISTED = ANYBODY.model_copy(
    update={"members": (Member(name="A. Bee", until=None), Member(name="C. Dee", until=date(2026, 11, 1)))}
)
TWO = Signatures("A. Bee", "E. Eff", "calibration is off since the new analyser")


def test_a_stop_holds_until_two_people_resume_it(room: Room) -> None:
    given = actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    assert (given.cause, given.second) == ("manual", "E. Eff")
    assert set(stops(room.book.read(every))) == {("m", "north")}
    actions.resume(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=1))
    assert stops(room.book.read(every)) == {}
    assert [s.action for s in room.book.read(every)] == ["stop", "resume"]  # nothing is deleted


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"second": None}, "a second person has to agree"),
        ({"second": "A. Bee"}, "two different people"),
        ({"second": "a bee "}, "two different people"),
        ({"second": "Á. BEE"}, "two different people"),
        ({"reason": "drift"}, "say why in a sentence"),
        ({"reason": "  "}, "say why in a sentence"),
        ({"person": " . "}, "name is missing"),
        ({"person": "System"}, "not a person's"),
    ],
)
def test_what_does_not_do_as_signatures_changes_nothing(room: Room, changed: dict[str, str], told: str) -> None:
    with pytest.raises(CommitteeError, match=told):
        actions.stop(room.book, ANYBODY, "m", "north", replace(TWO, **changed), NOW)
    assert room.book.read(every) == ()


def test_in_an_emergency_one_person_stops_and_another_confirms(room: Room) -> None:
    alone = replace(TWO, second=None)
    actions.stop(room.book, ANYBODY, "m", EVERYWHERE, alone, NOW, emergency=True)
    [stop] = stops(room.book.read(every)).values()
    assert (stop.standing.cause, stop.confirmed) == ("emergency", None)
    with pytest.raises(CommitteeError, match="somebody else has to confirm"):
        actions.confirm(room.book, ANYBODY, "m", EVERYWHERE, alone, NOW)
    actions.confirm(room.book, ANYBODY, "m", EVERYWHERE, replace(alone, person="E. Eff"), NOW)
    [stop] = stops(room.book.read(every)).values()
    assert stop.confirmed == "E. Eff"
    with pytest.raises(CommitteeError, match=r"confirmed by E. Eff already"):
        actions.confirm(room.book, ANYBODY, "m", EVERYWHERE, replace(alone, person="G. Gee"), NOW)


def test_nobody_resumes_alone_not_even_after_an_emergency(room: Room) -> None:
    actions.stop(room.book, ANYBODY, "m", "north", replace(TWO, second=None), NOW, emergency=True)
    with pytest.raises(CommitteeError, match="a second person has to agree"):
        actions.resume(room.book, ANYBODY, "m", "north", replace(TWO, second=None), NOW)


def test_who_is_no_member_or_whose_term_is_over_may_not_act(room: Room) -> None:
    with pytest.raises(CommitteeError, match=r"X. Y is not a member of the committee; its charter lists: A. Bee"):
        actions.stop(room.book, LISTED, "m", "north", replace(TWO, second="X. Y"), NOW)
    with pytest.raises(CommitteeError, match=r"C. Dee is a member until 2026-11-01 only"):
        actions.stop(room.book, LISTED, "m", "north", replace(TWO, second="C. Dee"), NOW)


def test_what_is_stopped_or_not_is_told(room: Room) -> None:
    actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    with pytest.raises(CommitteeError, match=r"stopped at 'north' already, since 2026-11-23 12:00 UTC by A. Bee"):
        actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    with pytest.raises(CommitteeError, match=r"is not stopped everywhere; it is stopped at 'north'"):
        actions.resume(room.book, ANYBODY, "m", EVERYWHERE, TWO, NOW)


def test_the_service_stops_once_and_not_what_people_stopped(room: Room) -> None:
    first = actions.stop_by_service(room.book, "m", "north", "floor", "auc below 0.6", "v1", NOW)
    assert first is not None and first.person == "system"
    assert actions.stop_by_service(room.book, "m", "north", "floor", "again", "v2", NOW) is None
    actions.stop(room.book, ANYBODY, "other", EVERYWHERE, TWO, NOW)
    assert actions.stop_by_service(room.book, "other", "north", "floor", "auc", "v3", NOW) is None


def test_names_of_models_and_sites_are_checked_with_what_was_meant() -> None:
    with pytest.raises(CommitteeError, match="did you mean 'endpac'"):
        actions.known_model("enpac", ["endpac", "nice-ng12"])
    with pytest.raises(CommitteeError, match="the settings have: north, south"):
        actions.known_site("zzz", ["south", "north"])
    assert actions.known_site("*", []) == "*"
