"""Whose language a card speaks: the call's, else the client's, else the hospital's setting."""

from __future__ import annotations

import pytest
from service import MakeApp, StoryCalls, loopback, prefetcher

ENGLISH, DUTCH = "refer on the suspected cancer pathway", "verwijs"


@pytest.mark.parametrize(
    ("asked", "client", "setting", "wanted"),
    [
        ("nl", "en", "en", DUTCH),
        ("en", "nl", "nl", ENGLISH),
        (None, "nl", "en", DUTCH),
        (None, "en", "nl", ENGLISH),
        (None, None, "nl", DUTCH),
        (None, None, "en", ENGLISH),
        ("nl-BE", "en", "en", DUTCH),
        ("fr, nl;q=0.5, en;q=0.4", "en", "en", DUTCH),
        ("fr", "nl", "en", DUTCH),
        ("fr", None, "nl", DUTCH),
        ("*", "nl", "en", DUTCH),
        ("nl;q=0, en", "nl", "nl", ENGLISH),
        ("\x7f;;q=x,,", "nl", "en", DUTCH),
    ],
)
def test_the_call_is_heard_before_the_client_and_the_client_before_the_setting(
    make_app: MakeApp, asked: str | None, client: str | None, setting: str, wanted: str
) -> None:
    settings = loopback(language=client)
    app = make_app(**settings, language=setting)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    headers = {} if asked is None else {"Accept-Language": asked}
    (card,) = fire("jaundice-head", headers=headers).get_json()["cards"]
    assert wanted in card["summary"].lower()
    reasons = {reason["display"] for reason in card["overrideReasons"]}
    assert ("Doe ik later" in reasons) is (wanted is DUTCH)
