"""A client's server of keys that hangs costs that client's calls, and nobody else's while they leave a place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from jwks_server import JwksServer
from patience import eventually
from service import ISSUER, Clock, Keys, MakeApp, SignedClient, loopback
from signing_hospital import Hospital

from cds.trust import KeyStore, Limits, keys

ANSWERED = 412
"""A call that brings nothing and names no FHIR server was taken in hand, and there was nothing to read."""
PATH = "/cds-services/pancreas-risk"
BODY = {"hook": "patient-view", "hookInstance": "1", "context": {"userId": "Practitioner/1", "patientId": "p"}}


@pytest.mark.threat("flood")
def test_calls_that_wait_for_their_clients_keys_hold_up_no_others(
    make_app: MakeApp, client_keys: Keys, jwks: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    jwks.serve(client_keys.public_set())
    jwks.first_byte_after_s = 1.5
    settings: dict[str, Any] = loopback()
    settings["clients"]["far"] = {"issuer": ISSUER, "jku": jwks.url}
    app = make_app(**settings)
    far = SignedClient(app, client_keys, Clock())
    answers: list[int] = []
    entered: list[int] = []
    find = KeyStore.find

    def counted(*given: Any, **how: Any) -> Any:
        entered.append(1)
        return find(*given, **how)

    monkeypatch.setattr(KeyStore, "find", counted)

    def call_from_far() -> None:
        headers = {"Authorization": f"Bearer {far.sign(PATH)}"}
        answers.append(app.test_client().post(PATH, json=BODY, headers=headers).status_code)

    threads = [threading.Thread(target=call_from_far) for _ in range(8)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)  # more than a moment: each is seen to hang
    eventually(lambda: len(entered) == 8)
    begun = time.monotonic()
    near = [app.test_client().post(PATH, json=BODY).status_code for _ in range(3)]
    took_s = time.monotonic() - begun
    waiting = len(answers)
    for thread in threads:
        thread.join()
    assert near == [ANSWERED] * 3
    assert waiting == 0, f"the keys came before the others' calls ended, after {took_s:.1f} s"
    assert answers == [ANSWERED] * 8


@pytest.mark.threat("flood")
def test_keys_that_hang_leave_others_half_of_the_places(
    make_app: MakeApp, client_keys: Keys, jwks: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "Limits", partial(Limits, timeout_s=50.0))
    jwks.serve(client_keys.public_set())
    jwks.gate.clear()
    settings: dict[str, Any] = loopback()
    settings["clients"]["far"] = {"issuer": ISSUER, "jku": jwks.url}
    app = make_app(**settings, threads=4)
    far = SignedClient(app, client_keys, Clock())
    answers: dict[str, Any] = {}

    def call_from_far(token: str) -> Any:
        return app.test_client().post(PATH, json=BODY, headers={"Authorization": f"Bearer {token}"})

    with at_once(lambda token: answers.setdefault(token, call_from_far(token)), [far.sign(PATH) for _ in range(4)]):
        eventually(lambda: len(answers) == 2)
        refused = dict(answers)
        assert {answer.status_code for answer in refused.values()} == {503}
        assert {answer.headers["Retry-After"] for answer in refused.values()} == {"50"}
        assert app.test_client().post(PATH, json=BODY).status_code == ANSWERED
        assert len(answers) == 2
        jwks.gate.set()
    assert sorted(answer.status_code for answer in answers.values()) == [ANSWERED, ANSWERED, 503, 503]
    assert [call_from_far(token).status_code for token in refused] == [ANSWERED] * 2, "their tokens are still good"


def test_a_call_whose_old_key_is_still_good_is_not_refused_for_a_new_one_that_hangs(
    hospital: Hospital, jwks: JwksServer
) -> None:
    hospital.limits = Limits(timeout_s=50.0, prompt_s=0.1, most_waiting=1)
    jwks.serve(hospital.keys.public_set())
    door = hospital.one_client(jku=jwks.url)
    called: list[str] = []
    hospital.call(door, hospital.token())
    hospital.clock.at += hospital.limits.fresh_s + 1
    jwks.gate.clear()
    with at_once(lambda token: called.append(hospital.call(door, token).name), [hospital.token() for _ in range(3)]):
        eventually(lambda: len(called) == 2)
        jwks.gate.set()
    assert called == ["ehr"] * 3


@contextmanager
def at_once(work: Callable[[str], object], tokens: Sequence[str]) -> Iterator[None]:
    threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
