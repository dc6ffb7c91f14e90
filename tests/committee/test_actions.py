"""Two people stop and resume a model, one alone in an emergency; the same person twice is one person."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from committee_room import CHARTER, NOW, Room

from cds.committee import actions
from cds.committee.actions import Signatures
from cds.committee.charter import Charter, Member
from cds.committee.identity import by_account, by_sign_in, in_hospital
from cds.errors import CommitteeError
from cds.ledger.standings import EVERYWHERE, Stop, every, stops

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


def test_two_who_each_sign_for_themselves_resume_and_asking_alone_changes_nothing(room: Room) -> None:
    actions.stop(room.book, ANYBODY, "m", "north", replace(TWO, second=None), NOW, emergency=True)
    ask = Signatures("A. Bee", None, "the analyser was replaced", "https://idp one")
    asked = actions.ask_to_resume(room.book, ANYBODY, "m", "north", ask, NOW)
    [stop] = stops(room.book.read(every)).values()
    assert (stop.asked, stop.confirmed) == (asked, None), "a request is no confirmation"
    with pytest.raises(CommitteeError, match="has asked for that already"):
        actions.ask_to_resume(room.book, ANYBODY, "m", "north", replace(ask, person="E. Eff"), NOW)
    for same in (ask, replace(ask, person="a bee", person_id=None), replace(ask, person="Ada Bee-Cee")):
        with pytest.raises(CommitteeError, match="somebody else has to agree"):
            actions.agree_to_resume(room.book, ANYBODY, "m", "north", same, NOW, asked.id)
    other = Signatures("E. Eff", None, "I have looked at it, too", "https://idp two")
    with pytest.raises(CommitteeError, match="look again"):
        actions.agree_to_resume(room.book, ANYBODY, "m", "north", other, NOW, "of another day")
    done = actions.agree_to_resume(room.book, ANYBODY, "m", "north", other, NOW, asked.id)
    assert (done.person, done.second) == ("A. Bee", "E. Eff")
    assert (done.person_id, done.second_id) == ("https://idp one", "https://idp two")
    assert room.book.read(every)[-1] == done, "the ledger keeps who agreed, too"
    assert done.reason == "the analyser was replaced (E. Eff: I have looked at it, too)"
    assert stops(room.book.read(every)) == {}


def test_an_account_is_told_from_the_hospitals_sign_in_by_its_name(room: Room) -> None:
    """Whoever has both, and the same name in both, is one person; of an account alone nothing else is known."""
    actions.stop(room.book, ANYBODY, "m", "north", replace(TWO, second=None), NOW, emergency=True)
    ask = Signatures("A. Bee", None, "the analyser was replaced", by_account("A. Bee"))
    asked = actions.ask_to_resume(room.book, ANYBODY, "m", "north", ask, NOW)
    for same in (by_account("a bee"), by_sign_in("https://idp", "one"), None):
        with pytest.raises(CommitteeError, match="somebody else has to agree"):
            actions.agree_to_resume(
                room.book, ANYBODY, "m", "north", replace(ask, person="a bee", person_id=same), NOW, asked.id
            )
    joined = by_account("Ada", by_sign_in("https://idp", "one"))
    assert in_hospital(joined) == by_sign_in("https://idp", "one") and in_hospital(by_account("Ada")) is None
    other = replace(ask, person="E. Eff", person_id=by_account("E. Eff"))
    done = actions.agree_to_resume(room.book, ANYBODY, "m", "north", other, NOW, asked.id)
    assert (done.person_id, done.second_id) == ("local account A. Bee", "local account E. Eff")


def test_what_was_asked_of_one_stop_does_not_lift_the_next(room: Room) -> None:
    alone = replace(TWO, second=None)
    actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    asked = actions.ask_to_resume(room.book, ANYBODY, "m", "north", alone, NOW + timedelta(hours=1))
    actions.resume(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=2))
    actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=3))
    with pytest.raises(CommitteeError, match="nobody asks for 'm'"):
        actions.agree_to_resume(
            room.book, ANYBODY, "m", "north", replace(alone, person="E. Eff"), NOW + timedelta(hours=4), asked.id
        )


def test_a_resume_lifts_the_stop_that_it_names_and_not_one_made_meanwhile(room: Room) -> None:
    """Two resume one stop on two hosts, the second by a clock that runs ahead, and somebody stops it again between."""
    actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    done = actions.resume(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=1))
    again = actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=2))
    late = replace(done, id="late", at=NOW + timedelta(hours=3))
    [stop] = stops([*room.book.read(every), late]).values()
    assert stop.standing == again


def test_who_agrees_lifts_the_stop_that_was_read_and_not_one_made_meanwhile(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = replace(TWO, second=None)
    first = actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW)
    asked = actions.ask_to_resume(room.book, ANYBODY, "m", "north", alone, NOW + timedelta(hours=1))
    read = actions._held

    def then_others_act(*asked_for: Any) -> Stop:
        held = read(*asked_for)
        monkeypatch.setattr(actions, "_held", read)
        actions.resume(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=2))
        actions.stop(room.book, ANYBODY, "m", "north", TWO, NOW + timedelta(hours=3))
        return held

    monkeypatch.setattr(actions, "_held", then_others_act)
    other = replace(alone, person="E. Eff")
    done = actions.agree_to_resume(room.book, ANYBODY, "m", "north", other, NOW + timedelta(hours=4), asked.id)
    assert done.about == first.id
    assert len(stops(room.book.read(every))) == 1


def test_what_somebody_asked_who_left_since_keeps_nobody_from_asking(room: Room) -> None:
    before = NOW - timedelta(days=60)
    members = (*LISTED.members, Member(name="E. Eff", until=None))
    charter = LISTED.model_copy(update={"members": members})
    actions.stop(room.book, charter, "m", "north", TWO, before)
    left, alone = replace(TWO, person="C. Dee", second=None), replace(TWO, second=None)
    asked = actions.ask_to_resume(room.book, charter, "m", "north", left, before)
    with pytest.raises(CommitteeError, match=r"C. Dee is a member until"):
        actions.agree_to_resume(room.book, charter, "m", "north", alone, NOW, asked.id)
    [shown] = actions.stopped_now(room.book, charter, NOW).values()
    assert shown.asked is None, "nobody is told of a request that nobody can agree with"
    asked = actions.ask_to_resume(room.book, charter, "m", "north", alone, NOW)
    other = replace(alone, person="E. Eff")
    actions.agree_to_resume(room.book, charter, "m", "north", other, NOW + timedelta(hours=1), asked.id)
    assert stops(room.book.read(every)) == {}


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
