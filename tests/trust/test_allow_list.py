"""Whom the service may call: nothing but a client's own FHIR servers, however an address is dressed up."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cds.errors import ForeignServer, SettingsError, SourceForeign
from cds.fhir.upstream import Upstream
from cds.trust import AllowList

BASE = "https://ehr.example/fhir"
LISTED = AllowList([BASE])

INSIDE = [
    BASE,
    f"{BASE}/",
    f"{BASE}/Patient/1",
    f"{BASE}?_getpages=abc&_getpagesoffset=20",
    f"{BASE}/?_getpages=abc",
    f"{BASE}/Observation?code=http://loinc.org|24108-3&_sort=-date",
    f"{BASE}/Observation?code=http%3A%2F%2Floinc.org%7C24108-3",
    f"{BASE}/Observation?next=https://evil.example/..%2f@x",
    f"{BASE}/Patient/1/$everything",
    f"{BASE}/Group%2DA/1",
    f"{BASE}//Observation?page=2",
    f"{BASE}/at@sign",
    "HTTPS://EHR.Example/fhir/Patient/1",
    "https://ehr.example:443/fhir/Patient/1",
    "https://ehr.example:0443/fhir",
]

OUTSIDE = [
    # another server
    "https://evil.example/fhir",
    "https://ehr.example.evil.example/fhir",
    "https://evil-ehr.example/fhir",
    "https://xehr.example/fhir",
    "https://sub.ehr.example/fhir",
    "https://ehr.exampl/fhir",
    "https://ehr.example./fhir",
    "https://ehr..example/fhir",
    "https://.ehr.example/fhir",
    "http://ehr.example/fhir",
    "https://ehr.example:8443/fhir",
    "https://ehr.example:80/fhir",
    "https://ehr.example:/fhir",
    "https://ehr.example:0/fhir",
    "https://ehr.example:99999/fhir",
    "https://ehr.example:443:80/fhir",
    "https://ehr.example:４４３/fhir",
    # user info
    "https://ehr.example@evil.example/fhir",
    "https://ehr.example:443@evil.example/fhir",
    "https://evil.example@ehr.example/fhir",
    "https://user:secret@ehr.example/fhir",
    "https://@ehr.example/fhir",
    "https://evil.example#@ehr.example/fhir",
    "https://evil.example?@ehr.example/fhir",
    "https://evil.example\\@ehr.example/fhir",
    "https://ehr.example\\.evil.example/fhir",
    "https://ehr.example%2Fevil.example/fhir",
    "https://ehr.example%00.evil.example/fhir",
    "https://ehr%2eexample/fhir",
    # this machine and the network it is in
    "https://127.0.0.1/fhir",
    "https://localhost/fhir",
    "https://2130706433/fhir",
    "https://0x7f000001/fhir",
    "https://0177.0.0.1/fhir",
    "https://127.1/fhir",
    "https://127.0.0.1.nip.io/fhir",
    "https://[::1]/fhir",
    "https://[::ffff:127.0.0.1]/fhir",
    "https://[fe80::1%25eth0]/fhir",
    "https://[::1/fhir",
    "https://::1/fhir",
    "http://169.254.169.254/latest/meta-data",
    "https://ehr.example,evil.example/fhir",
    # another path
    "https://ehr.example",
    "https://ehr.example/",
    "https://ehr.example/fhir-evil",
    "https://ehr.example/fhirx/Patient",
    "https://ehr.example/FHIR/Patient",
    "https://ehr.example/other/fhir",
    "https://ehr.example//fhir/Patient",
    "https://ehr.example/%66hir/Patient/%2e",
    "https://ehr.example/%66hir/Patient",
    f"{BASE}/../admin",
    f"{BASE}/..",
    f"{BASE}/./Patient",
    f"{BASE}/%2e%2e/admin",
    f"{BASE}/.%2E/admin",
    f"{BASE}/..%2fadmin",
    f"{BASE}/%2e%2e%2fadmin",
    f"{BASE}/%252e%252e/admin",
    f"{BASE}/..%5cadmin",
    f"{BASE}/..\\admin",
    f"{BASE}/..;/admin",
    f"{BASE}/Patient;jsessionid=1",
    f"{BASE}/%c0%ae%c0%ae/admin",
    f"{BASE}/%00",
    f"{BASE}/%0d%0aHost:%20evil.example",
    f"{BASE}/%",
    f"{BASE}/%2",
    f"{BASE}/%zz",
    f"{BASE}/%+a",
    f"{BASE}/．．/admin",
    f"{BASE}#fragment",
    f"{BASE}/Patient#x",
    # not an address
    "",
    " ",
    "fhir",
    "/fhir/Patient/1",
    "//ehr.example/fhir",
    "///ehr.example/fhir",
    "https:/ehr.example/fhir",
    "https:ehr.example/fhir",
    "https:///ehr.example/fhir",
    "https://",
    "https:///fhir",
    "ehr.example/fhir",
    "httpſ://ehr.example/fhir",
    "ftp://ehr.example/fhir",
    "file:///fhir",
    "gopher://ehr.example/fhir",
    "javascript:alert(1)",
    f" {BASE}",
    f"{BASE} ",
    f"{BASE}\n",
    f"{BASE}/Patient\r\nHost: evil.example",
    f"{BASE}/a b",
    f"{BASE}/\t",
    f"{BASE}/\x00",
    f"{BASE}/\x7f",
    f"{BASE}/\x85",
    f"{BASE}/\u2028",
    f"{BASE}/é",
    "https://ehr\u200b.example/fhir",
    "https://ehr\u00ad.example/fhir",
    "https://\u0435hr.example/fhir",
    "https://ehr.ex\u0430mple/fhir",
    "https://ehr.example\u2044fhir/fhir",
    "https://ehr.example／fhir/fhir",
    "https://ehr.example：443/fhir",
    "https://xn--/fhir",
    "https://ehr。example/fhir",
    "https://ⓔhr.example/fhir",
    "https://ＥＨＲ.example/fhir",
    f"{BASE}/" + "a" * 9000,
]


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_of_the_clients_server_are_its(url: str) -> None:
    assert LISTED.base_of(url) == BASE


@pytest.mark.parametrize("url", OUTSIDE)
@pytest.mark.threat("ssrf-fhir-server")
def test_every_other_address_is_foreign(url: str) -> None:
    with pytest.raises(SourceForeign):
        LISTED.base_of(url)
    with pytest.raises(ForeignServer):
        LISTED.require(url)


def test_a_greek_name_is_the_server_that_the_http_client_calls() -> None:
    """A capital sigma has two small forms, and two servers may be told apart by nothing else."""
    final, inner = AllowList(["https://οδος.example/fhir"]), AllowList(["https://οδοσ.example/fhir"])
    capitals = "https://ΟΔΟΣ.example/fhir/Patient/1"
    called = requests.Request("GET", capitals).prepare().url
    assert called is not None and called.startswith("https://xn--pxavbm.example/")
    assert final.base_of(capitals) == "https://οδος.example/fhir" == final.base_of("https://οδος.example/fhir")
    for url in (capitals, called):
        with pytest.raises(SourceForeign):
            inner.base_of(url)


def test_an_empty_list_allows_nothing() -> None:
    for url in INSIDE:
        with pytest.raises(SourceForeign):
            AllowList([]).base_of(url)


def test_the_nearest_base_is_given_as_listed() -> None:
    listed = AllowList(["https://ehr.example/", "https://EHR.example/fhir/", "http://127.0.0.1:8081/fhir"])
    assert listed.base_of("https://ehr.example/fhir/Patient") == "https://EHR.example/fhir"
    assert listed.base_of("https://ehr.example/fhirx/Patient") == "https://ehr.example"
    assert listed.base_of("http://127.0.0.1:8081/fhir/Patient") == "http://127.0.0.1:8081/fhir"


@pytest.mark.parametrize(
    ("base", "same", "other"),
    [
        ("https://bücher.example/fhir", "https://xn--bcher-kva.example/fhir/x", "https://bucher.example/fhir"),
        ("https://xn--bcher-kva.example/fhir", "https://BÜCHER.example/fhir", "https://xn--bcher.example/fhir"),
        ("https://[2001:DB8:0:0::1]/fhir", "https://[2001:db8::1]:443/fhir/x", "https://[2001:db8::2]/fhir"),
        ("http://10.0.0.7:8080/fhir", "http://10.0.0.7:8080/fhir/x", "http://10.0.0.07:8080/fhir"),
        ("http://fhir_server:8080/fhir", "http://FHIR_server:8080/fhir", "http://fhir-server:8080/fhir"),
        ("http://ehr.example/fhir", "http://ehr.example:80/fhir", "http://ehr.example:443/fhir"),
    ],
)
def test_one_server_written_in_two_ways_is_one_server(base: str, same: str, other: str) -> None:
    listed = AllowList([base])
    assert listed.base_of(same) == base
    with pytest.raises(SourceForeign):
        listed.base_of(other)


@pytest.mark.parametrize(
    "base",
    ["", "ehr.example", "https://ehr.example/fhir?x=1", "https://a@ehr.example", "https://ehr.example/a/../b"]
    + [f"http://{number}/fhir" for number in ("2130706433", "127.1", "0177.0.0.1", "0x7f.0.0.1", "10.0.0.0x7")],
)
def test_a_base_that_is_no_plain_address_is_a_settings_error(base: str) -> None:
    with pytest.raises(SettingsError, match="fhir_servers"):
        AllowList([base])


@pytest.mark.threat("error-leak")
def test_the_caller_is_told_the_host_and_the_setting_and_nothing_of_the_patient() -> None:
    with pytest.raises(ForeignServer) as error:
        LISTED.require("https://other.example/Patient/Jane-Roe?name=Roe")
    text = str(error.value)
    assert "other.example" in text and "fhir_servers" in text
    assert "Roe" not in text and error.value.status == 403
    with pytest.raises(ForeignServer) as error:
        LISTED.require("https://Jane-Roe@other.example/Roe")
    assert "Roe" not in str(error.value)


def test_require_gives_the_base_of_a_listed_server() -> None:
    assert LISTED.require(f"{BASE}/") == BASE


# properties: whatever is accepted, the HTTP client would really send to the listed server

_NAMES = ["ehr.example", "evil.example", "EHR.EXAMPLE", "https", "http", "fhir", "fhir-evil", "443", "80", "[::1]", "x"]
_MARKS = ["://", ":", "/", "//", "@", "#", "?", "\\", "..", ".", ";", "%", "-", "_", "\t", "\n", " "]
_TRICKS = [
    "%2e",
    "%2f",
    "%40",
    "%00",
    "127.0.0.1",
    "2130706433",
    "。",
    "．",
    "／",
    "＠",
    "ⓔhr",
    "ſ",
    "\u200b",
    "\u0435",
]
_PIECES = st.sampled_from([*_NAMES, *_MARKS, *_TRICKS])
_WILD = st.one_of(
    st.lists(_PIECES, max_size=9).map("".join),
    st.lists(_PIECES, max_size=5).map(lambda parts: f"https://ehr.example{''.join(parts)}/fhir/Patient"),
    st.lists(_PIECES, max_size=5).map(lambda parts: f"https://{''.join(parts)}ehr.example/fhir/Patient"),
    st.lists(_PIECES, max_size=5).map(lambda parts: f"{BASE}{''.join(parts)}"),
    st.text(max_size=12).map(lambda text: f"https://ehr.example{text}/fhir"),
    st.text(max_size=12).map(lambda text: f"https://{text}ehr.example/fhir"),
    st.text(max_size=12).map(lambda text: f"{BASE}{text}"),
)


@given(_WILD)
@example("https://EHR.example:0443/fhir/..a")
@settings(max_examples=1500, deadline=None)
@pytest.mark.threat("ssrf-fhir-server")
def test_what_is_accepted_goes_to_the_listed_server(url: str) -> None:
    try:
        LISTED.base_of(url)
    except SourceForeign:
        return
    # what requests would put on the wire, as urllib3 parses it
    sent = requests.Request("GET", url).prepare()
    adapter = requests.adapters.HTTPAdapter()
    host, _ = adapter.build_connection_pool_key_attributes(sent, verify=True)
    assert (host["scheme"], host["host"].lower(), host["port"] or 443) == ("https", "ehr.example", 443)
    assert sent.path_url.startswith("/fhir")
    path = sent.path_url.partition("?")[0]
    assert path[5:6] in ("", "/") and "/../" not in f"{path}/"
    # and what a query is put on the wire as
    wire = next(Upstream(BASE, 1).get(url, [], 0.0)).url
    assert re.fullmatch(r"https://ehr\.example:443/fhir([/?][!-~]*)?", wire)
    assert not re.search(r'[#\\|"<>^`{}\[\]]', wire)


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20})", fullmatch=True).filter(lambda name: name != "ehr.example"))
@settings(max_examples=300, deadline=None)
@pytest.mark.threat("ssrf-fhir-server")
def test_no_other_host_is_accepted(host: str) -> None:
    for url in (f"https://{host}/fhir", f"https://{host}:443/fhir/Patient", f"https://EHR.example@{host}/fhir"):
        with pytest.raises(SourceForeign):
            LISTED.base_of(url)


_LETTERS = st.one_of(
    st.characters(categories=["Ll", "Lu", "Lo", "Nd", "Mn"], max_codepoint=0x2FFF),
    st.sampled_from("ΣσςßẞİıſKÅ.-。"),
)


@given(st.text(_LETTERS, min_size=1, max_size=8), st.sampled_from([str, str.upper, str.lower, str.title]))
@example("ΟΔΟΣ", str)
@example("straẞe", str)
@example("İx", str)
@settings(max_examples=600, deadline=None)
@pytest.mark.threat("ssrf-fhir-server")
def test_an_international_name_is_read_as_the_http_client_reads_it(host: str, spelt: Callable[[str], str]) -> None:
    base, url = f"https://{host}.example/fhir", f"https://{spelt(host)}.example/fhir"
    try:
        AllowList([base]).base_of(url)
    except (SettingsError, SourceForeign):
        return
    listed, sent = (requests.Request("GET", address).prepare().url for address in (base, url))
    assert listed == sent


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
@settings(max_examples=200, deadline=None)
@pytest.mark.threat("ssrf-fhir-server")
def test_an_address_by_number_is_that_number_only(listed: ipaddress.IPv4Address, called: ipaddress.IPv4Address) -> None:
    allow = AllowList([f"http://{listed}:8080/fhir"])
    assert allow.base_of(f"http://{listed}:8080/fhir/x")
    spellings = [str(int(listed)), hex(int(listed)), f"[::ffff:{listed}]"]
    if called != listed:
        spellings.append(str(called))
    for spelling in spellings:
        with pytest.raises(SourceForeign):
            allow.base_of(f"http://{spelling}:8080/fhir/x")
