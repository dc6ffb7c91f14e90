"""A registry's file is taken whole or not at all; its faults name lines and never what stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from committee_room import NOW, day

from cds.committee.outcome_file import Imported, read_outcomes
from cds.errors import OutcomeFileError

OUTCOMES = {"cancer": 1, "death": 1}


def read(path: Path, text: str | bytes, known: frozenset[str] = frozenset({"k:p1", "k:p2"})) -> Imported:
    file = path / "registry.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_outcomes(file, "north", OUTCOMES, NOW.date(), lambda p: f"k:{p}", known)


def test_only_patients_with_a_call_here_are_kept(tmp_path: Path) -> None:
    found = read(tmp_path, "patient_id,outcome,date\np1,cancer,2026-03-31\nother,death,2026-04-01\n")
    assert [(e.patient_key, e.kind, e.outcome, e.day) for e in found.events] == [
        ("k:p1", "event", "cancer", day("2026-03-31"))
    ]
    assert (found.lines, found.patients, found.known) == (2, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        "patient_id;outcome;date\r\np1;cancer;2026-03-31\r\n",
        "\ufeffpatient_id,outcome,date\np1,cancer,2026-03-31",
        "Date,Patient_ID,Outcome\n2026-03-31,Patient/p1,cancer\n\n",
        '"patient_id","outcome","date"\n"p1","cancer","2026-03-31"\n',
    ],
    ids=["as a Dutch Excel saves it", "with a byte order mark", "other order, reference", "quoted"],
)
def test_files_as_programs_save_them_are_read(tmp_path: Path, text: str) -> None:
    [event] = read(tmp_path, text).events
    assert (event.patient_key, event.outcome, event.day) == ("k:p1", "cancer", day("2026-03-31"))


def test_a_last_day_seen_is_follow_up_with_or_without_an_outcome(tmp_path: Path) -> None:
    found = read(tmp_path, "patient_id,outcome,date,last_seen\np1,,,2026-05-01\np2,death,2026-04-01,2026-04-01\n")
    assert [(e.patient_key, e.kind, e.day.isoformat()) for e in found.events] == [
        ("k:p1", "contact", "2026-05-01"),
        ("k:p2", "event", "2026-04-01"),
        ("k:p2", "contact", "2026-04-01"),
    ]


def test_the_same_line_twice_is_one_event(tmp_path: Path) -> None:
    assert len(read(tmp_path, "patient_id,outcome,date\n" + "p1,death,2026-01-01\n" * 3).events) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (",cancer,2026-03-31", "3: patient_id is empty"),
        ("secret,cancr,2026-03-31", "3: outcome: not one of the charter's; did you mean 'cancer'?"),
        ("secret,sepsis,2026-03-31", "3: outcome: not one of the charter's; the charter has: cancer, death"),
        ("secret,cancer,31-03-2026", "3: date: not a date; write it as 2026-03-31"),
        ("secret,cancer,2026-12-31", "3: date: lies in the future"),
        ("secret,cancer,0201-03-31", "3: date: lies in the future, or before 1900"),
        ("secret,,2026-03-31", "3: a date without an outcome"),
        ("secret,,", "3: neither an outcome nor last_seen"),
    ],
)
def test_a_faulty_line_is_named_and_nothing_is_taken(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(OutcomeFileError) as caught:
        read(tmp_path, f"patient_id,outcome,date\np1,cancer,2026-03-31\n{line}\n")
    assert told in str(caught.value)
    assert "nothing was imported" in str(caught.value)
    assert "secret" not in str(caught.value) and "31-03" not in str(caught.value).replace("2026-03-31", "")


def test_a_file_full_of_faults_names_twenty(tmp_path: Path) -> None:
    with pytest.raises(OutcomeFileError, match="and 30 more"):
        read(tmp_path, "patient_id,outcome,date\n" + "p,cancer,never\n" * 50)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "column 'patient_id' is missing"),
        ("patient_id,outcome,date\n", "there is nothing to import"),
        ("patientid,outcome,date\np,cancer,2026-01-01\n", "is it the one called 'patientid'?"),
        ("patient_id,outcome,date,name\np,cancer,2026-01-01,x\n", "columns nobody asked for: name"),
        ("patient_id,outcome,date,date\np,cancer,2026-01-01,x\n", "stands there twice"),
        ("patient_id,outcome,date\np,cancer\n", "2 cells where the first line has 3"),
        ('patient_id,outcome,date\n"p,cancer,2026-01-01\n', "quotation mark is not closed"),
        (b"patient_id,outcome,date\np,c\xe9,2026-01-01\n", "is not UTF-8 text"),
        (b"PK\x03\x04\x00\xff", "is not UTF-8 text"),
    ],
)
def test_what_is_no_such_file_is_a_sentence(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(OutcomeFileError) as caught:
        read(tmp_path, text)
    assert told in str(caught.value)
