"""A key server that has been taken over: where it can't lead the service, and how little it can hold it up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jwks_server
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwks_server import JwksServer
from patience import eventually
from service import Keys
from signing_hospital import ISSUER, Hospital

from cds.errors import NotAuthenticated
from cds.trust import Authenticator, Limits


def accepted(hospital: Hospital, door: Authenticator, **token: Any) -> bool:
    try:
        return hospital.call(door, hospital.token(**token)).name == "ehr"
    except NotAuthenticated:
        return False


def fetches() -> int:
    return sum(thread.name == "jku" for thread in threading.enumerate())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.threat("ssrf-jku")
def test_a_redirect_leads_to_no_other_server(hospital: Hospital, jwks: JwksServer, status: int) -> None:
    with jwks_server.running() as inner:
        inner.serve(hospital.keys.public_set())
        jwks.serve({}, status=status)
        jwks.headers = {"Location": inner.url}
        assert not accepted(hospital, hospital.one_client(jku=jwks.url))
        assert (jwks.hits, inner.hits) == (1, 0)


@pytest.mark.parametrize("header", ["jku", "x5u"])
@pytest.mark.threat("foreign-key")
def test_an_address_in_the_token_is_not_fetched(hospital: Hospital, jwks: JwksServer, header: str) -> None:
    stranger = Keys()
    with jwks_server.running() as theirs:
        theirs.serve(stranger.public_set())
        jwks.serve(hospital.keys.public_set())
        for door in (hospital.one_client(), hospital.one_client(jku=jwks.url)):
            assert not accepted(hospital, door, key=stranger.rsa, header={header: theirs.url})
        assert theirs.hits == 0


@pytest.mark.threat("foreign-key")
def test_a_key_in_the_token_is_not_used(hospital: Hospital) -> None:
    stranger = Keys()
    public = stranger.public_set()["keys"][0]
    for kid in ("rsa+key/1==", None):
        assert not accepted(hospital, hospital.one_client(), key=stranger.rsa, header={"jwk": public, "kid": kid})


@pytest.mark.threat("flood")
def test_many_threads_with_made_up_kids_cost_one_fetch(hospital: Hospital, jwks: JwksServer) -> None:
    jwks.serve(hospital.keys.public_set())
    door = hospital.one_client(jku=jwks.url)
    assert accepted(hospital, door)
    hospital.clock.at += 31
    jwks.first_byte_after_s = 0.1
    tokens = [hospital.token(header={"kid": f"made-up-{number}"}) for number in range(20)]
    refused: list[bool] = []

    def call(token: str) -> None:
        with pytest.raises(NotAuthenticated):
            hospital.call(door, token)
        refused.append(True)

    threads = [threading.Thread(target=call, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 20 and jwks.hits == 2


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS384", "kid": "odd"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": None, "kid": "odd"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "odd"},
        None,
    ],
)
def test_good_keys_work_beside_one_that_is_never_used(
    hospital: Hospital, jwks: JwksServer, odd: dict[str, Any] | None
) -> None:
    jwks.serve({"keys": [odd, *hospital.keys.public_set()["keys"]]})
    door = hospital.one_client(jku=jwks.url)
    assert accepted(hospital, door)
    assert not accepted(hospital, door, header={"kid": "odd"})


@pytest.mark.threat("foreign-key")
def test_a_published_private_key_signs_nothing(hospital: Hospital, jwks: JwksServer) -> None:
    leaked = rsa.generate_private_key(65537, 2048)
    private = jwt.algorithms.RSAAlgorithm.to_jwk(leaked, as_dict=True)
    private.pop("key_ops")
    jwks.serve({"keys": [{**private, "kid": "leaked"}, *hospital.keys.public_set()["keys"]]})
    door = hospital.one_client(jku=jwks.url)
    assert not accepted(hospital, door, key=leaked, header={"kid": "leaked"})
    assert accepted(hospital, door)


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """The address of a server that never ends its answer: a byte now and then, soon enough for any read timeout."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(first)
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return  # the client has given up

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def held_up(hospital: Hospital, url: str, calls: int) -> float:
    """Seconds that each of some calls, far apart, was held up for; the longest."""
    hospital = replace(hospital, limits=Limits(timeout_s=0.15))
    door = hospital.one_client(jku=url)
    longest = 0.0
    for _ in range(calls):
        started = time.monotonic()
        assert not accepted(hospital, door)
        longest = max(longest, time.monotonic() - started)
        hospital.clock.at += 31
    return longest


@pytest.mark.threat("slow")
def test_a_body_that_never_ends_holds_neither_calls_nor_threads(hospital: Hospital) -> None:
    before = fetches()
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") as url:
        assert held_up(hospital, url, 3) < 1.0
        eventually(lambda: fetches() == before, within_s=10)


@pytest.mark.threat("slow")
def test_headers_that_never_end_hold_a_few_threads_at_most(hospital: Hospital) -> None:
    before = fetches()
    with dripping(b"HTTP/1.1 200 OK\r\nX-Header: ") as url:
        assert held_up(hospital, url, 8) < 1.0
        assert fetches() - before <= 4
    eventually(lambda: fetches() == before, within_s=10)


def test_a_client_whose_server_hangs_does_not_hold_up_another(
    hospital: Hospital, jwks: JwksServer, make_door: Callable[..., Authenticator]
) -> None:
    jwks.serve(hospital.keys.public_set())
    with dripping(b"HTTP/1.1 200 OK\r\nX-Header: ") as url:
        door = make_door(url, jwks.url)
        waiting = threading.Thread(target=accepted, args=(hospital, door))
        waiting.start()
        started = time.monotonic()
        assert hospital.call(door, hospital.token(iss="https://other.example")).name == "other"
        assert time.monotonic() - started < 0.5
        waiting.join()


@pytest.fixture
def make_door(hospital: Hospital) -> Callable[..., Authenticator]:
    hospital.limits = Limits(timeout_s=0.8)

    def make(hanging: str, sound: str) -> Authenticator:
        return hospital.authenticator(
            {"ehr": {"issuer": ISSUER, "jku": hanging}, "other": {"issuer": "https://other.example", "jku": sound}}
        )

    return make
