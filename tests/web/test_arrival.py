"""When all of a request is there is known whatever pieces it comes in, and no sooner."""

from __future__ import annotations

import pytest

from cds.arrival import Arrival

HEAD = b"POST /x HTTP/1.1\r\nHost: y\r\n"
WHOLE = {
    "no body": b"GET /x HTTP/1.1\r\nHost: y\r\n\r\n",
    "of a length": HEAD + b"CONTENT-length:  12 \r\n\r\n" + b"0\r\n\r\n12345678"[:12],
    "of a length with noughts": HEAD + b"Content-Length: 00000000000000000012\r\n\r\n" + b"123456789012",
    "chunks with noughts": HEAD + b"Transfer-Encoding: chunked\r\n\r\n000000000003\r\nabc\r\n0000000000\r\n\r\n",
    "empty": HEAD + b"Content-Length: 0\r\n\r\n",
    "chunks": HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\n0\r\n\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunks and trailers": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\nZ: w\r\n\r\n",
    "both": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_", WHOLE.values(), ids=WHOLE)
def test_a_request_is_whole_at_its_last_byte(request_: bytes) -> None:
    one_by_one = Arrival(b"", 1000)
    told = [one_by_one.take(request_[at : at + 1]) for at in range(len(request_))]
    assert told == [False] * (len(request_) - 1) + [True]
    assert one_by_one.ended and one_by_one.came == request_
    for cut in range(1, len(request_)):
        halves = Arrival(request_[:cut], 1000)
        assert not halves.take(b"")
        assert halves.take(request_[cut:]) and halves.ended


def test_what_came_of_the_next_is_kept_with_it() -> None:
    arrival = Arrival(WHOLE["of a length"] + b"GET /", 1000)
    assert arrival.take(b"") and arrival.ended
    assert arrival.came.endswith(b"GET /")


@pytest.mark.parametrize(
    "hopeless",
    [
        HEAD + b"Content-Length: 1001\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
        HEAD + b"X: " + b"y" * 70_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 70_000,
    ],
    ids=["too long", "no chunk", "too long a chunk", "headers without end", "trailers without end"],
)
def test_what_will_be_refused_anyway_is_not_waited_for(hopeless: bytes) -> None:
    arrival = Arrival(b"", 1000)
    assert arrival.take(hopeless)
    assert not arrival.ended


def test_who_waits_to_go_on_is_told_so_in_the_server_s_place() -> None:
    arrival = Arrival(HEAD + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n", 1000)
    assert not arrival.take(b"") and arrival.continues
    assert arrival.take(b"abc")
    assert arrival.came == HEAD + b"Content-Length: 3\r\n\r\nabc"


def test_an_older_http_knows_no_going_on() -> None:
    arrival = Arrival(HEAD.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 1000)
    assert not arrival.take(b"") and not arrival.continues


def test_who_would_be_refused_is_not_told_to_go_on() -> None:
    arrival = Arrival(HEAD + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 1000)
    assert arrival.take(b"") and not arrival.continues


def test_no_request_is_dropped_before_its_time_is_over() -> None:
    from cds.serve import KEPT_S
    from cds.settings import Settings

    [most] = [rule.le for rule in Settings.model_fields["longest_arrival_s"].metadata if hasattr(rule, "le")]
    assert most < KEPT_S
