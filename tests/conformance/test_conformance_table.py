"""The table of requirements is whole: every point is proven or explained, and the page in docs/ says so."""

from __future__ import annotations

import coverage_page
import pytest
from requirements import REQUIREMENTS, requirement


def test_the_checklist_has_its_43_points() -> None:
    assert sorted(REQUIREMENTS) == list(range(1, 44))


def test_every_point_has_a_test_or_a_reason() -> None:
    found = coverage_page.proofs()
    assert [p for p, row in REQUIREMENTS.items() if not found.get(p) and not row.reason] == []


def test_no_test_names_a_point_that_does_not_exist() -> None:
    assert set(coverage_page.proofs()) <= set(REQUIREMENTS)
    with pytest.raises(ValueError, match="no such point of the checklist: 44"):
        requirement(12, 44)


def test_every_test_here_names_the_point_it_proves_or_the_ehr_it_is_about() -> None:
    decorated = {(p.file, p.test) for proofs in coverage_page.proofs().values() for p in proofs}
    unnamed = [
        (path.name, name)
        for path in coverage_page.TESTS.glob("test_*.py")
        for name in coverage_page.test_names(path)
        if (path.name, name) not in decorated and path.name not in _FREE
    ]
    assert unnamed == []


_FREE = {"test_conformance_table.py", "test_epic_client.py", "test_oracle_client.py", "test_sample_requests.py"}


def test_the_page_in_docs_is_what_the_tests_say() -> None:
    assert coverage_page.PAGE.read_text(encoding="utf-8") == coverage_page.page(), "run scripts/conformance-table"
