"""A registry's file of outcomes: CSV, checked whole before a single row is taken.

Patients' numbers become keyed hashes at once. No fault quotes a cell: it names the line and the column.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cds.errors import OutcomeFileError
from cds.ledger.outcomes import Kind, OutcomeEvent

COLUMNS = ("patient_id", "outcome", "date")
_OPTIONAL = ("last_seen",)
_MOST_BYTES = 200_000_000
_MOST_TOLD = 20
_EARLIEST = date(1900, 1, 1)


@dataclass(frozen=True)
class Imported:
    events: tuple[OutcomeEvent, ...]
    patients: int
    """Different ones in the file."""
    known: int
    """Of them, those of whom this ledger has a call; the others are not kept."""
    lines: int


def read_outcomes(
    path: Path,
    client: str,
    outcomes: Mapping[str, object],
    today: date,
    key_of: Callable[[str], str],
    known: frozenset[str],
) -> Imported:
    """Columns ``patient_id`` (as the EHR names the patient in its calls), ``outcome`` (a name of the charter; empty for
    follow-up alone), ``date`` and, if wished, ``last_seen``; separated by commas or semicolons.

    Raises OutcomeFileError with every fault (the first twenty) and takes nothing then.
    """
    rows = _rows(path)
    faults: list[str] = []
    found: dict[str, OutcomeEvent] = {}
    patients: set[str] = set()
    for line, row in rows:
        events = _events(line, row, client, outcomes, today, key_of, faults)
        patients.update(event.patient_key for event in events)
        found.update({event.id: event for event in events if event.patient_key in known})
    if faults:
        more = f"\n... and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        told = "\n".join(f"{path.name}:{fault}" for fault in faults[:_MOST_TOLD])
        raise OutcomeFileError(f"nothing was imported; mend these lines first:\n{told}{more}")
    return Imported(tuple(found.values()), len(patients), len(patients & known), len(rows))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, cells by column). Raises OutcomeFileError."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OutcomeFileError(f"{path.name} is larger than {_MOST_BYTES // 1_000_000} MB: split it")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OutcomeFileError(f"{path.name} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OutcomeFileError(f"{path.name} is not UTF-8 text: save it as 'CSV UTF-8'") from error
    head = text.partition("\n")[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _require_columns(path, names)
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise OutcomeFileError(
                    f"{path.name}:{reader.line_num}: {len(cells)} cells where the first line has {len(names)}"
                )
            rows.append((reader.line_num, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}))
    except csv.Error as error:
        raise OutcomeFileError(f"{path.name}:{reader.line_num}: not CSV: a quotation mark is not closed") from error
    if not rows:
        raise OutcomeFileError(f"{path.name} has no lines after the first: there is nothing to import")
    return rows


def _require_columns(path: Path, names: list[str]) -> None:
    for name in COLUMNS:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; is it the one called '{near[0]}'?" if near else ""
            raise OutcomeFileError(
                f"{path.name}:1: column '{name}' is missing; the first line must read {','.join(COLUMNS)}{hint}"
            )
    if unknown := [n for n in names if n not in (*COLUMNS, *_OPTIONAL)]:
        raise OutcomeFileError(
            f"{path.name}:1: columns nobody asked for: {', '.join(unknown)}. Leave them out: what is not needed "
            "should not travel"
        )
    if len(set(names)) != len(names):
        raise OutcomeFileError(f"{path.name}:1: a column stands there twice")


def _events(
    line: int,
    row: Mapping[str, str],
    client: str,
    outcomes: Mapping[str, object],
    today: date,
    key_of: Callable[[str], str],
    faults: list[str],
) -> list[OutcomeEvent]:
    patient = row["patient_id"].removeprefix("Patient/")
    before = len(faults)
    if not patient:
        faults.append(f"{line}: patient_id is empty")
    outcome, seen_text = row["outcome"], row.get("last_seen", "")
    if outcome and outcome not in outcomes:
        near = difflib.get_close_matches(outcome, list(outcomes), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the charter has: {', '.join(outcomes) or 'none'}"
        faults.append(f"{line}: outcome: not one of the charter's; {hint}")
    if not outcome and not seen_text:
        faults.append(f"{line}: neither an outcome nor last_seen: the line says nothing")
    day = _day(line, "date", row["date"], today, faults) if outcome else None
    seen = _day(line, "last_seen", seen_text, today, faults) if seen_text else None
    if not outcome and row["date"]:
        faults.append(f"{line}: a date without an outcome")
    if len(faults) > before:
        return []
    key = key_of(patient)

    def event(kind: Kind, name: str, on: date) -> OutcomeEvent:
        return OutcomeEvent(client, key, kind, name, on, "registry", None)

    found = [event("event", outcome, day)] if day is not None else []
    return [*found, event("contact", "", seen)] if seen is not None else found


def _day(line: int, column: str, text: str, today: date, faults: list[str]) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        faults.append(f"{line}: {column}: not a date; write it as 2026-03-31")
        return None
    if not _EARLIEST <= day <= today:
        faults.append(f"{line}: {column}: lies in the future, or before 1900")
        return None
    return day
