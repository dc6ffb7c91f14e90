"""Formats that could expand, run or tell: which are read at all, and how."""

from __future__ import annotations

import ast
import gzip
import json
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

ROOT = Path(__file__).resolve().parents[2]
XML_READERS = re.compile(
    r"(^|\.)(fromstring|fromstringlist|iterparse|XMLParser|XMLPullParser|parseString|make_parser|XML|XMLID)$"
)
OWN_XML = {"cds/modelcards/chai/card.py", "cds/charts/svg.py"}
"""Read what they wrote a moment ago: a model's card, a chart."""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&b;&x;"/></Patient>"""
SECRET = re.compile(r"(^|[._])(secret|password|passphrase|signature|mac|hmac|verifier|challenge|nonce)$")


def sources(word: str) -> Iterator[tuple[str, ast.Module]]:
    """Modules in which the word (a pattern) stands at all."""
    for folder in ("cds", "hooks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if re.search(word, text):
                yield str(path.relative_to(ROOT)), ast.parse(text)


def xml_readers(tree: ast.AST) -> list[int]:
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if "xml" in ast.unparse(node)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and XML_READERS.search(ast.unparse(node.func))
        and ast.unparse(node.func).split(".")[0] in imported
    ]


@pytest.mark.threat("xml-bomb")
def test_no_xml_is_read_from_outside() -> None:
    assert {name for name, tree in sources("xml") if xml_readers(tree)} <= OWN_XML


def test_the_search_for_xml_readers_finds_them() -> None:
    assert xml_readers(ast.parse("from lxml import etree\netree.fromstring(x)"))
    assert xml_readers(ast.parse("import xml.etree.ElementTree as ET\nET.fromstring(x)"))


@pytest.mark.threat("xml-bomb")
@pytest.mark.parametrize("content_type", ["application/json", "application/fhir+xml", "text/xml", "application/xml"])
def test_a_body_of_xml_is_refused_unread(client: FlaskClient, content_type: str) -> None:
    began = time.monotonic()
    answer = client.post("/cds-services/pancreas-risk", data=BOMB, content_type=content_type)
    assert answer.status_code in (400, 415)
    assert "root:" not in answer.text
    assert time.monotonic() - began < 1


@pytest.mark.threat("zip-bomb")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_packed_body_of_a_call_is_not_unpacked(client: FlaskClient, encoding: str) -> None:
    plain = json.dumps({"hook": "patient-view", "extension": " " * 50_000_000}).encode()
    packed = zlib.compress(plain) if encoding == "deflate" else gzip.compress(plain, 1)
    began = time.monotonic()
    answer = client.post(
        "/cds-services/pancreas-risk",
        data=packed,
        content_type="application/json",
        headers={"Content-Encoding": encoding},
    )
    assert answer.status_code in (400, 415)
    assert time.monotonic() - began < 1


def comparisons(tree: ast.AST) -> list[int]:
    """Lines on which == or != is asked of something that is called a secret."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
        and not any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
        and any(
            SECRET.search(
                side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else ""
            )
            for side in (node.left, *node.comparators)
        )
    ]


ONCE_AT_START = {"cds/studies/notify.py"}
"""Whether two clients were given one secret: the settings' own, with nobody there to time it."""


@pytest.mark.threat("timing")
def test_no_secret_is_compared_sign_by_sign() -> None:
    words = "secret|password|passphrase|signature|mac|verifier|challenge|nonce"
    assert {name for name, tree in sources(words) if comparisons(tree)} <= ONCE_AT_START


def test_the_search_for_comparisons_finds_them() -> None:
    assert comparisons(ast.parse("given == self.secret"))
    assert comparisons(ast.parse("client_secret != given"))
    assert not comparisons(ast.parse("secret == ''"))
