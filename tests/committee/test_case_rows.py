"""The table of a validation round, written from the ledger of a hospital where the service has been in use."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hospitals import asked

from cds import services as service_room
from cds.committee.case_rows import case_rows
from cds.committee.evaluate import Evaluator, Following
from cds.errors import ValidationRoundError
from cds.inference.registry import installed_folders, load
from cds.ledger.book import Book
from cds.ledger.migrate import upgrade
from cds.ledger.outcomes import events
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, parse
from cds.services.declaration import installed_packages
from cds.simulation.hospital import Plan, drawn
from cds.simulation.subject import charter, manifest
from cds.simulation.watch import SITE, Watcher
from cds.simulation.written import OUTCOME, write
from cds.validation import cases as case_files

DAYS = 420


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    url = f"sqlite:///{tmp_path_factory.mktemp('rows') / 'ledger.db'}"
    upgrade(url)
    with Book(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def following(book: Book) -> Following:
    hospital = drawn(Plan(seed=11, days=DAYS + 10, calls_a_day=20))
    write(hospital, book, DAYS)
    models = load(installed_folders())
    path = packaged_policy(installed_packages())
    known = Known(models.thresholds(), service_room.load().parameters())
    policy = parse(path.read_text(encoding="utf-8"), str(path), known)
    evaluator = Evaluator(book, models, lambda site, service: policy, charter(), Watcher(hospital).moment(DAYS))
    found = evaluator.followed_up(manifest(), SITE, evaluator.answers(manifest(), SITE))
    assert found is not None
    return found


def rows_of(following: Following, **changed: object) -> list[dict[str, str]]:
    days = [row.at.date() for row in following.people.rows]
    given = {"horizons": (), "subgroups": ("language",), "begins": min(days), "ends": max(days), **changed}
    return list(case_rows(following, manifest(), **given))  # type: ignore[arg-type]


def test_each_person_is_a_row_with_the_first_answer_and_what_became_of_them(following: Following, book: Book) -> None:
    rows = rows_of(following)
    happened: dict[str, date] = {}
    for event in book.read(lambda c: events(c, SITE, [OUTCOME])):
        if event.kind == "event":
            happened[event.patient_key] = min(event.day, happened.get(event.patient_key, event.day))
    people = following.people
    free = [r for r in people.rows if r.patient_key not in happened or happened[r.patient_key] > r.at.date()]
    assert len(rows) == len(free) and len({row["patient"] for row in rows}) == len(rows)
    months = following.target.months
    assert months is not None
    soon = [r for r in free if r.patient_key in happened
            and (happened[r.patient_key] - r.at.date()).days / 30.4375 <= months]  # fmt: skip
    had = [row for row in rows if row["event"] == "1"]
    assert 20 < len(had) <= len(soon), "and no outcome newer than the charter's maturity"
    through = following.found.ascertainment.through
    assert through is not None
    assert len(had) == sum(happened[r.patient_key] <= through for r in soon)
    unknown = [row for row in rows if row["event"] == ""]
    assert unknown, "who came in lately was not seen for long enough"
    assert all(date.fromisoformat(row["entered"]) > through - timedelta(days=months * 31) for row in unknown)


def test_a_round_counts_the_table_and_finds_nobody_named_in_it(following: Following, tmp_path: Path) -> None:
    rows = rows_of(following)
    with (tmp_path / "cases.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    text = (tmp_path / "cases.csv").read_text()
    assert not any(row.patient_key[:12] in text or row.call_id in text for row in following.people.rows)
    question = asked(low=1e-6, high=1 - 1e-6, subgroups={"language": ("en", "nl")},
                     cohort={"definition": "Everybody who was asked about.", "begins": min(r["entered"] for r in rows),
                             "ends": max(r["entered"] for r in rows)})  # fmt: skip
    people, left = case_files.read(tmp_path / "cases.csv", question)
    assert len(people) + left.reasons["outcome not known"] == len(rows)
    assert {case.groups["language"] for case in people} == {"en", "nl"}


def test_days_of_the_cohort_are_kept_to(following: Following) -> None:
    days = sorted({row.at.date() for row in following.people.rows})
    some = rows_of(following, begins=days[10], ends=days[20])
    assert some and all(days[10].isoformat() <= row["entered"] <= days[20].isoformat() for row in some)


def test_what_the_ledger_can_not_tell_is_refused_by_name(following: Following) -> None:
    with pytest.raises(ValidationRoundError, match="can't tell grade"):
        rows_of(following, subgroups=("grade",))
    with pytest.raises(ValidationRoundError, match="does not have"):
        rows_of(following, horizons=(6, 12))
