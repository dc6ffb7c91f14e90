"""The word of a proxy that the settings name is taken for where a request came from; nobody else's is."""

from __future__ import annotations

import pytest

from cds.pages.committee.source import networks, source

OURS = networks(["10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("heard", "told", "found"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7, 10.0.0.9"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7", "10.0.0.9"], "192.0.2.7"),
        # written by the sender itself, left of what the proxy added
        ("10.0.0.1", ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7:5123"], "192.0.2.7"),
        ("10.0.0.1", ["[2001:db8::7]:5123"], "2001:db8::7"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        # no proxy of ours: its header says nothing, and does not hide whom we heard
        ("192.0.2.1", ["192.0.2.7"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.7, nonsense"], None),
        ("10.0.0.1", [], None),
        ("10.0.0.1", ["10.0.0.2"], None),
        ("", ["192.0.2.7"], None),
        (None, [], None),
    ],
)
def test_the_first_that_is_no_proxy_of_ours_from_the_right(heard: str | None, told: list[str], found: str) -> None:
    assert source(heard, told, OURS) == found


def test_without_proxies_a_header_is_not_believed() -> None:
    assert source("10.0.0.1", ["192.0.2.7"], ()) is None
    assert source("10.0.0.1", [], ()) == "10.0.0.1"
