"""multipart/related in pieces of any size: whole parts out, a cut-off body noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds.imaging.multipart import Splitter, boundary_of
from cds.imaging.reasons import Reason, Unusable


def body(parts: list[bytes], boundary: bytes = b"b0", header: bytes = b"Content-Type: application/dicom") -> bytes:
    inner = b"".join(b"--" + boundary + b"\r\n" + header + b"\r\n\r\n" + part + b"\r\n" for part in parts)
    return inner + b"--" + boundary + b"--\r\n"


def split(raw: bytes, size: int, boundary: bytes = b"b0", max_part_bytes: int = 10_000) -> list[bytes]:
    splitter = Splitter(boundary, max_part_bytes)
    found = [part for at in range(0, len(raw), size) for part in splitter.feed(raw[at : at + size])]
    splitter.finish()
    return found


def reason_of(raised: pytest.ExceptionInfo[Unusable]) -> Reason:
    return raised.value.reason


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(1, 300))
def test_parts_come_out_as_they_went_in_however_the_stream_is_cut(parts: list[bytes], size: int) -> None:
    boundary = b"a-boundary-that-random-bytes-do-not-hit"
    assert split(body(parts, boundary), size, boundary) == parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_bytes_that_look_like_the_start_of_a_delimiter_stay_in_the_part(size: int) -> None:
    tricky = [b"\r\n--b", b"\r\n--", b"x--b0", b"\r\n\r\n", b"", b"x\r\n--b\r\n--b"]
    assert split(body(tricky), size) == tricky


def test_a_preamble_and_an_epilogue_are_ignored() -> None:
    assert split(b"for old readers\r\n" + body([b"one"]) + b"\r\nand after", 5) == [b"one"]


def test_a_part_is_handed_over_before_the_next_one_has_arrived() -> None:
    splitter = Splitter(b"b0", 1000)
    whole = body([b"first", b"second"])
    cut = whole.index(b"second")
    assert splitter.feed(whole[:cut]) == [b"first"]


@pytest.mark.parametrize("missing", [1, 4, 5, 20, 40])
def test_a_truncated_body_is_noticed(missing: int) -> None:
    whole = body([b"first part", b"second part"]).rstrip()
    with pytest.raises(Unusable) as raised:
        split(whole[:-missing], 8)
    assert reason_of(raised) is Reason.TRUNCATED


def test_an_empty_answer_is_truncated_not_an_empty_series() -> None:
    with pytest.raises(Unusable) as raised:
        Splitter(b"b0", 10).finish()
    assert reason_of(raised) is Reason.TRUNCATED


@pytest.mark.threat("oversized")
def test_a_part_over_the_limit_is_refused_while_it_arrives() -> None:
    splitter = Splitter(b"b0", 100)
    splitter.feed(b"--b0\r\n\r\n")
    with pytest.raises(Unusable) as raised:
        for _ in range(1000):
            splitter.feed(b"x" * 100)
    assert reason_of(raised) is Reason.TOO_LARGE


def test_a_part_just_over_the_limit_is_refused_when_whole() -> None:
    assert split(body([b"x" * 100]), 1000, max_part_bytes=100)
    with pytest.raises(Unusable) as raised:
        split(body([b"x" * 101]), 1000, max_part_bytes=100)
    assert reason_of(raised) is Reason.TOO_LARGE


def test_a_page_of_html_is_not_searched_for_ever() -> None:
    splitter = Splitter(b"b0", 10**9)
    with pytest.raises(Unusable) as raised:
        for _ in range(1000):
            splitter.feed(b"<p>Log in</p>")
    assert reason_of(raised) is Reason.PACS_MALFORMED


def test_a_part_without_a_header_is_malformed() -> None:
    with pytest.raises(Unusable) as raised:
        split(b"--b0 no header here\r\n--b0--", 100)
    assert reason_of(raised) is Reason.PACS_MALFORMED


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom"; boundary=b0',
        'multipart/related; boundary="b0"; type="application/dicom"',
        'Multipart/Related;boundary=b0;type="application/dicom"',
        'multipart/related; type="image/jls; boundary=wrong; transfer-syntax=1.2.840.10008.1.2.4.80"; boundary=b0',
        'multipart/related; Boundary="b\\0"',
    ],
)
def test_the_boundary_is_read_as_servers_write_it(content_type: str) -> None:
    assert boundary_of(content_type) == b"b0"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "application/dicom",
        "multipart/related",
        'multipart/related; boundary=""',
        "multipart/related; boundary=" + "x" * 300,
    ],
)
def test_an_answer_without_a_boundary_is_malformed(content_type: str) -> None:
    with pytest.raises(Unusable) as raised:
        boundary_of(content_type)
    assert reason_of(raised) is Reason.PACS_MALFORMED
