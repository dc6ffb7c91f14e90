"""Every threat has a test that proves it stopped, and the page in docs/ says so."""

from __future__ import annotations

import threats_page
from threats import THREATS


def test_every_threat_has_a_proof() -> None:
    found = threats_page.proofs()
    assert [name for name in THREATS if not found.get(name)] == []


def test_no_test_names_a_threat_that_is_not_in_the_table() -> None:
    assert sorted(set(threats_page.proofs()) - set(THREATS)) == []


def test_the_page_in_docs_is_what_the_tests_say() -> None:
    assert threats_page.PAGE.read_text(encoding="utf-8") == threats_page.page(), "run scripts/threat-table"
