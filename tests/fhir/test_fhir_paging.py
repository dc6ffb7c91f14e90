"""Paging links are followed inside the client's servers and nowhere else, and never for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servers import FhirServer, gives, searchset, status
from small_chart import observation

Fetch = Callable[..., Any]


def ids(found: Any) -> list[str]:
    return [resource.id for page in found.pages for resource in page.resources]


@pytest.mark.parametrize(
    "link",
    ["{base}/Observation?page=2", "Observation?page=2", "?page=2", "/fhir/Observation?page=2"],
    ids=["absolute", "relative", "query only", "from the root"],
)
def test_a_next_link_is_followed(fhir: FhirServer, fetch: Fetch, link: str) -> None:
    first = gives(searchset([observation(1)], next=link.format(base=fhir.base)))
    fhir.on("Observation", first, gives(searchset([observation(2)])))
    round_ = fetch()
    assert round_.code() is None
    assert ids(round_["observations"]) == ["o1", "o2"]
    assert fhir.hits[1].query == {"page": ["2"]}


@pytest.mark.threat("ssrf-next-link")
def test_a_link_to_itself_is_not_followed_twice(fhir: FhirServer, fetch: Fetch) -> None:
    fhir.on("Observation", gives(searchset([observation()], next=f"{fhir.base}/Observation?page=same")))
    found = fetch()["observations"]
    assert found.truncated
    assert len(fhir.hits) == 2


@pytest.mark.parametrize(
    "link",
    [
        "{stranger}/Observation?page=2",
        "//127.0.0.1:{port}/fhir/Observation?page=2",
        "http://me@127.0.0.1:{port}/fhir/Observation",
        "{base}@127.0.0.1:{port}/fhir",
        "{base}/../../admin",
        "{root}/other/Observation?page=2",
        "{base}x/Observation",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://[::1",
        "http://[not-an-address]/fhir",
        "http://127.0.0.1:99999999/fhir",
    ],
)
@pytest.mark.threat("ssrf-next-link")
def test_a_link_that_leaves_the_clients_servers_is_not_followed(
    fhir: FhirServer, stranger: FhirServer, fetch: Fetch, link: str
) -> None:
    url = link.format(base=fhir.base, stranger=stranger.base, port=stranger.port, root=fhir.base.removesuffix("/fhir"))
    fhir.on("Observation", gives(searchset([observation()], next=url)))
    round_ = fetch(token="secret-token")
    assert stranger.hits == []
    assert len(fhir.hits) == 1
    assert ids(round_["observations"]) == ["o1"]  # what came before the link is kept
    assert round_.code() == "CDS-605"


@pytest.mark.threat("token-theft")
def test_the_token_stays_with_the_server_it_was_issued_for(
    fhir: FhirServer, stranger: FhirServer, fetch: Fetch
) -> None:
    """Both servers are the client's own, and still the second has no business with the first one's token."""
    second = stranger  # listed in this test
    back = gives(searchset([observation(2)], next=f"{fhir.base}/Observation?page=3"))
    first = gives(searchset([observation(1)], next=f"{second.base}/Observation?page=2"))
    fhir.on("Observation", first, gives(searchset([observation(3)])))
    second.on("Observation", back)
    round_ = fetch(token="secret-token", listed=(fhir.base, second.base))
    assert ids(round_["observations"]) == ["o1", "o2", "o3"]
    assert [hit.headers.get("authorization") for hit in fhir.hits] == ["Bearer secret-token"] * 2
    assert [hit.headers.get("authorization") for hit in second.hits] == [None]
    assert "secret-token" not in str(second.hits)


@pytest.mark.threat("token-theft")
def test_a_link_the_ehr_sent_takes_no_token_to_another_server(
    fhir: FhirServer, stranger: FhirServer, fetch: Fetch
) -> None:
    link = {"observations": f"{stranger.base}/Observation?page=2"}
    fetch(token="secret-token", listed=(fhir.base, stranger.base), continued=link)
    assert len(stranger.hits) == 1
    assert "secret-token" not in str(stranger.hits)


@pytest.mark.threat("token-theft")
def test_a_lost_try_at_another_server_is_repeated_without_the_token(
    fhir: FhirServer, stranger: FhirServer, fetch: Fetch
) -> None:
    fhir.on("Observation", gives(searchset([observation(1)], next=f"{stranger.base}/Observation?page=2")))
    stranger.on("Observation", status(503), gives(searchset([observation(2)])))
    round_ = fetch(token="secret-token", listed=(fhir.base, stranger.base))
    assert ids(round_["observations"]) == ["o1", "o2"]
    assert "secret-token" not in str(stranger.hits)


@pytest.mark.parametrize("link", ["", "\u0000", "#"])
def test_a_link_to_nowhere_ends_the_pages(fhir: FhirServer, fetch: Fetch, link: str) -> None:
    fhir.on("Observation", gives(searchset([observation()], next=link)))
    round_ = fetch()
    assert ids(round_["observations"]) == ["o1"]
    assert len(fhir.hits) <= 2


def test_a_page_that_fails_leaves_the_earlier_ones(fhir: FhirServer, fetch: Fetch) -> None:
    first = gives(searchset([observation(1)], next=f"{fhir.base}/Observation?page=2"))
    fhir.on("Observation", first, status(500))
    round_ = fetch()
    assert ids(round_["observations"]) == ["o1"]
    assert round_.code() == "CDS-603"
