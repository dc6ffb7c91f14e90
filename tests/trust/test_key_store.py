"""Keys behind an address or in a file: rotation, failure, abuse; over a real HTTP server on loopback."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jwks_server import JwksServer
from patience import eventually
from service import Keys
from signing_hospital import CALLED, ISSUER, Hospital

from cds.errors import NotAuthenticated, SettingsError
from cds.trust import Authenticator, KeyStore, Limits

HOUR, DAY = 3600.0, 86400.0


def rotated(keys: Keys, name: str = "new") -> Keys:
    """The client's next keys, under new kids."""
    return Keys(kids={alg: f"{kid}-{name}" for alg, kid in keys.kids.items()})


def both(*clients: Keys) -> dict[str, Any]:
    return {"keys": [key for keys in clients for key in keys.public_set()["keys"]]}


def accepted(hospital: Hospital, door: Authenticator, keys: Keys | None = None, alg: str = "RS384") -> bool:
    signer = replace(hospital, keys=keys or hospital.keys)
    try:
        return hospital.call(door, signer.token(alg)).name == "ehr"
    except NotAuthenticated:
        return False


def no_fetch_runs_on() -> None:
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "jku"], within_s=5)


@pytest.fixture
def remote(hospital: Hospital, jwks: JwksServer) -> Authenticator:
    """A client known by the address of its keys, which holds them."""
    jwks.serve(hospital.keys.public_set())
    return hospital.one_client(jku=jwks.url)


@pytest.fixture(scope="module")
def next_keys(client_keys: Keys) -> Keys:
    return rotated(client_keys)


# fetching


def test_nothing_is_fetched_before_a_call_needs_it(hospital: Hospital, remote: Authenticator, jwks: JwksServer) -> None:
    before = threading.active_count()
    assert jwks.hits == 0
    assert accepted(hospital, remote)
    assert jwks.hits == 1
    eventually(lambda: threading.active_count() <= before + 1)


def test_keys_are_fetched_once_for_many_calls(hospital: Hospital, remote: Authenticator, jwks: JwksServer) -> None:
    assert all(accepted(hospital, remote, alg=alg) for alg in ("RS384", "ES384") * 10)
    hospital.clock.at += 2900
    assert accepted(hospital, remote)
    assert jwks.hits == 1


@pytest.mark.threat("proxy-environment")
def test_no_credentials_and_no_patient_go_with_the_request(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert accepted(hospital, remote)
    (path, headers), *_ = jwks.asked
    assert path == "/keys" and "Authorization" not in headers and "Cookie" not in headers


def test_calls_that_arrive_together_share_one_fetch(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer
) -> None:
    jwks.first_byte_after_s = 0.2
    answers: list[bool] = []
    calls = [threading.Thread(target=lambda: answers.append(accepted(hospital, remote))) for _ in range(12)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    assert answers == [True] * 12 and jwks.hits == 1


def test_a_busy_service_renews_without_holding_a_call_up(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer
) -> None:
    assert accepted(hospital, remote)
    jwks.first_byte_after_s = 0.5
    hospital.clock.at += 3100
    started = time.monotonic()
    assert accepted(hospital, remote)
    assert time.monotonic() - started < 0.4
    eventually(lambda: jwks.hits == 2)
    no_fetch_runs_on()


# rotation


def test_a_new_key_is_found_at_once(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    assert accepted(hospital, remote)
    hospital.clock.at += 60
    jwks.serve(both(hospital.keys, next_keys))
    assert accepted(hospital, remote, next_keys)
    assert accepted(hospital, remote)
    assert jwks.hits == 2


def test_a_new_key_is_found_at_once_right_after_the_old_ones_were_fetched(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    """Only fetches for keys that are not known count against each other."""
    assert accepted(hospital, remote)
    jwks.serve(next_keys.public_set())
    assert accepted(hospital, remote, next_keys)
    assert not any(accepted(hospital, remote) for _ in range(20))  # withdrawn, and as good as made up
    assert jwks.hits == 2


def test_a_withdrawn_key_is_refused_within_the_hour(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    assert accepted(hospital, remote)
    jwks.serve(next_keys.public_set())
    hospital.clock.at += HOUR + 1
    assert not accepted(hospital, remote)
    assert accepted(hospital, remote, next_keys)


def test_an_idle_service_does_not_take_a_withdrawn_key(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    assert accepted(hospital, remote)
    jwks.serve(next_keys.public_set())
    hospital.clock.at += 20 * HOUR
    assert not accepted(hospital, remote)


@pytest.mark.threat("flood")
def test_made_up_kids_cost_one_fetch_in_half_a_minute(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    assert accepted(hospital, remote)
    hospital.clock.at += 31
    assert not any(accepted(hospital, remote, next_keys) for _ in range(20))
    assert jwks.hits == 2
    assert accepted(hospital, remote)
    hospital.clock.at += 31
    assert not any(accepted(hospital, remote, next_keys) for _ in range(20))
    assert jwks.hits == 3


@pytest.mark.threat("flood")
def test_one_clients_flood_does_not_hold_up_another(hospital: Hospital, jwks: JwksServer, next_keys: Keys) -> None:
    jwks.serve(hospital.keys.public_set())
    door = hospital.authenticator(
        {
            "ehr": {"issuer": ISSUER, "jku": jwks.url},
            "other": {"issuer": "https://other.example", "jku": jwks.url},
        }
    )
    assert not accepted(hospital, door, next_keys)
    assert hospital.call(door, hospital.token(iss="https://other.example")).name == "other"
    assert jwks.hits == 2


# failure


def test_old_keys_serve_while_the_address_fails(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert accepted(hospital, remote)
    jwks.serve({}, status=500)
    hospital.clock.at += HOUR + 1
    assert all(accepted(hospital, remote) for _ in range(5))
    assert jwks.hits == 2
    assert "answered 500" in caplog.text
    hospital.clock.at += 301
    assert accepted(hospital, remote)
    assert jwks.hits == 3


def test_old_keys_serve_for_a_day_at_most(hospital: Hospital, remote: Authenticator, jwks: JwksServer) -> None:
    assert accepted(hospital, remote)
    jwks.serve({}, status=500)
    hospital.clock.at += DAY - 1
    assert accepted(hospital, remote)
    hospital.clock.at += 2
    assert not accepted(hospital, remote)
    jwks.serve(hospital.keys.public_set())
    hospital.clock.at += 31
    assert accepted(hospital, remote)


@pytest.mark.threat("flood")
def test_a_failed_first_fetch_is_not_repeated_at_each_call(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer
) -> None:
    jwks.serve({}, status=503)
    assert not any(accepted(hospital, remote) for _ in range(10))
    assert jwks.hits == 1
    jwks.serve(hospital.keys.public_set())
    hospital.clock.at += 31
    assert accepted(hospital, remote)


def test_an_unreachable_address_refuses_calls(hospital: Hospital) -> None:
    door = hospital.one_client(jku="http://127.0.0.1:9/keys")
    assert not accepted(hospital, door)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 7}', b"[" * 100_000, b'{"keys": [' + b"{}," * 101 + b"{}]}"]
)
def test_what_is_not_a_key_set_is_refused(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, body: bytes
) -> None:
    jwks.body = body
    assert not accepted(hospital, remote)


def test_a_client_that_publishes_no_keys_has_none(hospital: Hospital, remote: Authenticator, jwks: JwksServer) -> None:
    assert accepted(hospital, remote)
    jwks.serve({"keys": []})
    hospital.clock.at += HOUR + 1
    assert not accepted(hospital, remote)


@pytest.mark.threat("oversized")
def test_a_huge_key_set_is_not_read(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, caplog: pytest.LogCaptureFixture
) -> None:
    jwks.serve({**hospital.keys.public_set(), "padding": "x" * 300_000})
    assert not accepted(hospital, remote)
    assert "more than 256000 bytes" in caplog.text


@pytest.mark.threat("zip-bomb")
def test_a_compressed_answer_is_not_unpacked(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, caplog: pytest.LogCaptureFixture
) -> None:
    jwks.headers = {"Content-Encoding": "gzip"}
    assert not accepted(hospital, remote)
    assert "compressed" in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.threat("ssrf-jku")
def test_a_redirect_is_not_followed(hospital: Hospital, jwks: JwksServer, status: int) -> None:
    jwks.serve(hospital.keys.public_set(), status=status)
    jwks.headers = {"Location": f"{jwks.url}/elsewhere"}
    assert not accepted(hospital, hospital.one_client(jku=jwks.url))
    assert [path for path, _ in jwks.asked] == ["/keys"]


@pytest.mark.parametrize("fault", ["first_byte_after_s", "drip_s"])
def test_a_slow_address_holds_a_call_no_longer_than_the_limit(hospital: Hospital, jwks: JwksServer, fault: str) -> None:
    jwks.serve(hospital.keys.public_set())
    setattr(jwks, fault, {"first_byte_after_s": 1.5, "drip_s": 0.01}[fault])
    hospital.limits = Limits(timeout_s=0.3)
    door = hospital.one_client(jku=jwks.url)
    started = time.monotonic()
    assert not accepted(hospital, door)
    assert not accepted(hospital, door)
    assert time.monotonic() - started < 1.0
    no_fetch_runs_on()


# whose address


@pytest.mark.threat("ssrf-jku")
def test_a_foreign_jku_is_never_fetched(hospital: Hospital, jwks: JwksServer, next_keys: Keys) -> None:
    jwks.serve(both(hospital.keys, next_keys))
    token = replace(hospital, keys=next_keys).token(header={"jku": jwks.url})
    with pytest.raises(NotAuthenticated):
        hospital.call(hospital.one_client(), token)
    assert jwks.hits == 0


def test_with_keys_of_its_own_a_client_may_send_any_jku(hospital: Hospital, jwks: JwksServer) -> None:
    token = hospital.token(header={"jku": jwks.url})
    assert hospital.call(hospital.one_client(), token).name == "ehr"
    assert jwks.hits == 0


@pytest.mark.parametrize("jku", ["", 7, None, "other", ["x"]])
@pytest.mark.threat("ssrf-jku")
def test_a_jku_other_than_the_clients_is_refused(hospital: Hospital, jwks: JwksServer, jku: Any) -> None:
    jwks.serve(hospital.keys.public_set())
    door = hospital.one_client(jku=jwks.url)
    sent = f"{jwks.url}/../keys" if jku == "other" else jku
    if sent is None:
        assert hospital.call(door, hospital.token()).name == "ehr"
        return
    with pytest.raises(NotAuthenticated, match="jku is not the client's"):
        hospital.call(door, hospital.token(header={"jku": sent}))
    assert jwks.hits == 0


def test_the_clients_own_jku_is_accepted(hospital: Hospital, remote: Authenticator, jwks: JwksServer) -> None:
    assert hospital.call(remote, hospital.token(header={"jku": jwks.url})).name == "ehr"


@pytest.mark.parametrize(
    "jku",
    [
        "http://127.0.0.1.evil.example/keys",
        "http://localhost.evil.example/keys",
        "http://127.0.0.1@evil.example/keys",
        "https://user:secret@ehr.example/keys",
        "https:///keys",
        "https://",
        "https://[::1/keys",
    ],
)
@pytest.mark.threat("ssrf-jku")
def test_an_address_that_only_looks_safe_is_a_settings_error(hospital: Hospital, jku: str) -> None:
    with pytest.raises(SettingsError, match=r"ehr.*jku"):
        hospital.one_client(jku=jku)


# files


def write(path: Path, jwks: Any) -> None:
    path.write_text(jwks if isinstance(jwks, str) else json.dumps(jwks), encoding="utf-8")
    # the clock of a file system may be coarser than a test is quick
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000))


def test_a_changed_file_is_read_again(hospital: Hospital, tmp_path: Path, next_keys: Keys) -> None:
    file = tmp_path / "jwks.json"
    write(file, hospital.keys.public_set())
    door = hospital.one_client(jwks_file=file)
    assert accepted(hospital, door) and not accepted(hospital, door, next_keys)
    write(file, next_keys.public_set())
    assert accepted(hospital, door, next_keys) and not accepted(hospital, door)
    size = file.stat().st_size
    third = rotated(hospital.keys, "3rd")
    write(file, third.public_set())
    assert file.stat().st_size == size and accepted(hospital, door, third)


def test_a_file_swapped_behind_a_link_is_read_again(hospital: Hospital, tmp_path: Path, next_keys: Keys) -> None:
    for name, keys in (("one", hospital.keys), ("two", next_keys)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "jwks.json", keys.public_set())
    (tmp_path / "now").symlink_to("one")
    door = hospital.one_client(jwks_file=tmp_path / "now" / "jwks.json")
    assert accepted(hospital, door)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "now")
    assert accepted(hospital, door, next_keys) and not accepted(hospital, door)


@pytest.mark.parametrize("broken", ["{", '{"keys": []}', None])
def test_a_broken_file_leaves_the_last_good_keys(
    hospital: Hospital, tmp_path: Path, next_keys: Keys, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "jwks.json"
    write(file, hospital.keys.public_set())
    door = hospital.one_client(jwks_file=file)
    if broken is None:
        file.unlink()
    else:
        write(file, broken)
    assert all(accepted(hospital, door) for _ in range(5))
    assert caplog.text.count("the last good keys stay in force") == 1
    write(file, next_keys.public_set())
    assert accepted(hospital, door, next_keys)


@pytest.mark.parametrize("content", [None, "{", '{"keys": []}'])
def test_a_file_that_cannot_be_used_stops_the_start(hospital: Hospital, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "jwks.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match="client 'ehr': jwks_file"):
        hospital.one_client(jwks_file=file)


# checks and processes


def test_a_check_says_what_the_address_holds_or_why_not(hospital: Hospital, jwks: JwksServer) -> None:
    jwks.serve(hospital.keys.public_set())
    store = KeyStore(hospital.make_settings(clients={"ehr": {"issuer": ISSUER, "jku": jwks.url}}))
    assert store.load("ehr").kids == ("rsa+key/1==", "ec-key-1")
    jwks.serve({}, status=404)
    with pytest.raises(SettingsError, match=r"jku http://127\.0\.0\.1.*answered 404"):
        store.load("ehr")


def _accepted_in_child(hospital: Hospital, door: Authenticator, keys: Keys, answers: Any) -> None:
    answers.put(accepted(hospital, door, keys))


def test_keys_made_before_a_fork_work_after_it(
    hospital: Hospital, remote: Authenticator, jwks: JwksServer, next_keys: Keys
) -> None:
    jwks.first_byte_after_s = 0.3
    waiting = threading.Thread(target=accepted, args=(hospital, remote))
    waiting.start()  # a fetch is under way while the process forks
    eventually(lambda: jwks.hits == 1)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    jwks.serve(both(hospital.keys, next_keys))
    child = fork.Process(target=_accepted_in_child, args=(hospital, remote, next_keys, answers))
    child.start()
    assert answers.get(timeout=20) is True
    child.join(timeout=20)
    waiting.join()
    assert child.exitcode == 0


def test_the_audience_is_checked_before_the_token_is_used_up(hospital: Hospital, remote: Authenticator) -> None:
    token = hospital.token()
    with pytest.raises(NotAuthenticated, match="aud"):
        hospital.call(remote, token, "/cds-services/other")
    assert hospital.call(remote, token, CALLED).name == "ehr"
