"""A worker's rows of bytes hold what a set of records would, of its own and of what others wrote."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from cds.trust.book import RECORD, Book

_EXPIRES = 1_800_000_000.0
# of two values, so that a record is often met across the border of two others
_RECORD = some.lists(some.sampled_from([0, 1]), min_size=RECORD, max_size=RECORD).map(bytes) | some.builds(
    lambda zeros: bytes(zeros) + b"\x01" * (RECORD - zeros), some.integers(0, RECORD)
)


@given(some.lists(_RECORD, max_size=60), some.integers(0, 60))
def test_a_token_is_new_once_whatever_stands_beside_it(records: list[bytes], taken_by_another: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mine, another, known = Book(Path(folder)), Book(Path(folder)), set[bytes]()
        for turn, record in enumerate(records):
            book = another if turn < taken_by_another else mine
            assert book.add(record, _EXPIRES) is (record not in known)
            known.add(record)
        assert not any(mine.add(record, _EXPIRES) or another.add(record, _EXPIRES) for record in records)
        mine.purge(_EXPIRES + 600), another.purge(_EXPIRES + 600)
        assert not list(Path(folder).iterdir())
