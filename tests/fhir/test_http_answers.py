"""Answers as they may arrive: whole, in pieces, packed, in chunks, cut off, or not answers at all."""

from __future__ import annotations

import gzip

import pytest

from cds.fhir.answer import Answer, Broken

CONTENT = b'{"resourceType":"Patient"}'
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CONTENT), CONTENT)
CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;name=value\r\n" + CONTENT[:5] + b"\r\n15 \r\n" + CONTENT[5:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + CONTENT
PACKED = gzip.compress(CONTENT)
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED)
AFTER_HINTS = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + LENGTH


def taken(sent: bytes, *, step: int = 1 << 20, limit: int = 1000) -> Answer:
    answer = Answer(limit)
    for at in range(0, len(sent), step):
        answer.take(sent[at : at + step])
    return answer


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", b""))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(LENGTH, id="with its length"),
        pytest.param(CHUNKS, id="in chunks"),
        pytest.param(GZIP, id="packed"),
        pytest.param(AFTER_HINTS, id="after interim answers"),
    ],
)
def test_an_answer_is_the_same_however_it_is_cut_up(sent: bytes, step: int) -> None:
    answer = taken(sent, step=step)
    assert answer.whole
    assert answer.status == 200
    assert answer.content() == CONTENT
    assert answer.connection_usable
    assert not taken(sent[:-1], step=step).whole


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    answer = taken(UNTIL_CLOSED)
    assert not answer.whole
    answer.end()
    assert answer.whole
    assert answer.content() == CONTENT
    assert not answer.connection_usable


@pytest.mark.parametrize("sent", [LENGTH[:-1], CHUNKS[:-2], CHUNKS[:80], head(b"Content-Length: 1")])
def test_an_answer_cut_off_is_not_taken_for_whole(sent: bytes) -> None:
    with pytest.raises(Broken):
        taken(sent).end()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_closed_before_an_answer_is_a_lost_connection(sent: bytes) -> None:
    with pytest.raises(ConnectionError):
        taken(sent).end()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/2 200\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="half a status"),
        pytest.param(b"HTTP/1.1 999 OK\r\n\r\n", id="no such status"),
        pytest.param(head(status=b"101 Switching Protocols"), id="a change of protocol"),
        pytest.param(head(b"no colon"), id="no colon"),
        pytest.param(head(b"Name : value"), id="a blank before the colon"),
        pytest.param(head(b"A: 1", b" folded"), id="a folded line"),
        pytest.param(head(b": value"), id="no name"),
        pytest.param(head(b"Content-Length: -1"), id="a negative length"),
        pytest.param(head(b"Content-Length: +5"), id="a signed length"),
        pytest.param(head(b"Content-Length: 0x5"), id="a length in hexadecimal"),
        pytest.param(head(b"Content-Length: 5", b"Content-Length: 6"), id="two lengths"),
        pytest.param(head(b"Content-Length: 1001"), id="a length over the limit"),
        pytest.param(head(b"Transfer-Encoding: gzip, chunked"), id="packed for the way"),
        pytest.param(head(b"Transfer-Encoding: chunked") + b"-5\r\n", id="a negative chunk"),
        pytest.param(head(b"Transfer-Encoding: chunked") + b"\r\n", id="a chunk without a size"),
        pytest.param(head(b"Transfer-Encoding: chunked") + b"1\r\nab\r\n", id="a chunk longer than it says"),
        pytest.param(head(b"Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001, id="chunks over the limit"),
        pytest.param(head(b"Transfer-Encoding: chunked") + b"1" * 5000, id="a size without end"),
        pytest.param(head() + b"x" * 1001, id="more than the limit until closed"),
        pytest.param(head(b"A: " + b"x" * 70_000), id="a very long head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, id="a head without end"),
    ],
)
def test_what_is_not_plainly_an_answer_is_refused(sent: bytes) -> None:
    with pytest.raises(Broken):
        taken(sent)


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        pytest.param(gzip.compress(b"x" * 1001), b"gzip", id="larger once unpacked"),
        pytest.param(PACKED[:-4], b"gzip", id="not all of it"),
        pytest.param(CONTENT, b"gzip", id="not packed"),
        pytest.param(PACKED + PACKED[:-4], b"gzip", id="not all of its second part"),
        pytest.param(CONTENT, b"br", id="not asked for"),
    ],
)
def test_content_that_can_not_be_unpacked_is_refused(packed: bytes, coding: bytes) -> None:
    sent = head(b"Content-Encoding: " + coding, b"Content-Length: %d" % len(packed)) + packed
    with pytest.raises(Broken):
        taken(sent).content()


def test_several_packed_parts_in_a_row_are_one_content() -> None:
    packed = gzip.compress(CONTENT[:9]) + gzip.compress(CONTENT[9:])
    assert taken(head(b"Content-Encoding: gzip", b"Content-Length: %d" % len(packed)) + packed).content() == CONTENT


def test_padding_behind_a_packed_content_is_read_over() -> None:
    packed = PACKED + b"\0" * 8
    assert taken(head(b"Content-Encoding: gzip", b"Content-Length: %d" % len(packed)) + packed).content() == CONTENT


@pytest.mark.parametrize(
    ("sent", "usable"),
    [
        pytest.param(LENGTH, True, id="kept by default"),
        pytest.param(LENGTH.replace(b"/1.1", b"/1.0"), False, id="not by default in 1.0"),
        pytest.param(head(b"Connection: Close", b"Content-Length: 0"), False, id="to be closed"),
        pytest.param(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True, id="kept in 1.0"),
        pytest.param(head(status=b"204 No Content"), True, id="no content"),
        pytest.param(LENGTH + b"HTTP/1.1 200 OK\r\n", False, id="something unasked behind it"),
        pytest.param(
            head(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", False, id="a length beside chunks"
        ),
    ],
)
def test_a_connection_is_kept_only_if_nothing_speaks_against_it(sent: bytes, usable: bool) -> None:
    answer = taken(sent)
    assert answer.whole
    assert answer.connection_usable is usable


def test_the_same_length_said_twice_is_one_length() -> None:
    assert taken(head(b"Content-Length: 1", b"Content-Length: 1") + b"x").content() == b"x"
