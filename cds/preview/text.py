"""A preview as text, for a terminal: made from its figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.cards.phrasebook import Phrasebook

Json = Mapping[str, Any]
_MOST_ROWS = 11


def write(console: Console, told: Json, words: Phrasebook) -> None:
    window = told["window"]
    console.print(Text(words("preview.title", name=told["policy"]["name"]), style="bold"))
    console.print(
        words(f"preview.{'bulk' if told['bulk'] else 'lead'}", **window_words(window, words)), highlight=False
    )
    console.print(words("preview.counted", least=told["leastCount"]), style="dim", highlight=False)
    _section(console, words("preview.changes.title"))
    for each in told["differences"]:
        console.print(
            Text.assemble(
                (each["key"], "bold"),
                f"{whose(each, words)}: {shown(each['before'], words)} -> {shown(each['after'], words)}",
            )
        )
        if each["does"]:
            console.print(f"    {each['does']}", style="dim", markup=False, highlight=False)
    if not told["differences"]:
        console.print(words("preview.changes.none"))
    _section(console, words("preview.workload.title"))
    _table(console, ("", words("preview.in_force"), words("preview.tried")), workload_rows(told, words))
    if not told["bulk"]:
        console.print(
            words("preview.workload.shown_then", cards=words.number(window["cardsShownThen"], 0)),
            style="dim", highlight=False,
        )  # fmt: skip
    if told["workload"]["after"]["perClinician"] is None and not told["bulk"]:
        console.print(words("preview.workload.few", least=told["leastCount"]), style="dim", highlight=False)
    _section(console, words("preview.patients.title"))
    _table(console, ("", ""), patient_rows(told, words))
    for line in found_lines(told, words):
        console.print(line, highlight=False, markup=False)
    for dial in told["thresholds"]:
        _dial(console, dial, words)
    noted = list(note_lines(told, words))
    if noted:
        _section(console, words("preview.note.title"))
    for line in noted:
        console.print(f"- {line}", highlight=False, markup=False)


def whose(each: Json, words: Phrasebook) -> str:
    """For whose calls alone a key differs so, in brackets; empty: for everybody's."""
    said = [words("preview.changes.of", services=", ".join(each["services"]))] if each["services"] else []
    said += [words("preview.changes.some")] if each["someCallers"] else []
    return f" ({'; '.join(said)})" if said else ""


def window_words(window: Json, words: Phrasebook) -> dict[str, str]:
    return {
        "calls": words.number(window["calls"], 0),
        "patients": words.number(window["patients"], 0),
        "since": words.day(datetime.fromisoformat(window["since"])),
        "until": words.day(datetime.fromisoformat(window["until"])),
        "weeks": words.number(window["weeks"], 1),
    }


def count(told: Json, words: Phrasebook) -> str:
    if told["count"] is None:
        return words("preview.below", least=told["below"])
    number = words.number(told["count"], 0)
    return words("preview.about", count=number) if told.get("about") else number


def number(value: float | None, words: Phrasebook) -> str:
    return "–" if value is None else words.number(value, 3)


def threshold(value: float, words: Phrasebook) -> str:
    return words.number(value, 6)


def share(told: Json | None, words: Phrasebook) -> str:
    if told is None:
        return words("preview.found.nobody")
    value, low, high = (words.number(100 * told[name], 1) for name in ("value", "low", "high"))
    return words("preview.found.value", value=value, low=low, high=high)


def workload_rows(told: Json, words: Phrasebook) -> list[tuple[str, str, str]]:
    """(what, in force, tried)"""
    before, after = told["workload"]["before"], told["workload"]["after"]

    def row(label: str, one: Any, other: Any) -> tuple[str, str, str]:
        return label, number(one, words), number(other, words)

    def each(key: str) -> tuple[Any, Any]:
        return before[key], after[key]

    rows = [
        row(words("preview.workload.cards"), *each("cards")),
        row(words("preview.workload.cards_per_week"), *each("cardsPerWeek")),
        row(words("preview.workload.per_1000_patients"), *each("per1000Patients")),
        row(words("preview.workload.calls"), *each("callsWithCardPer1000")),
    ]
    if told["bulk"]:
        rows = [rows[0], rows[2]]
    for topic in dict.fromkeys((*before["topics"], *after["topics"])):
        kind, name = ("topicsPer1000Patients", "topic_per_1000") if told["bulk"] else ("topics", "topic")
        label = words(f"preview.workload.{name}", topic=topic)
        rows.append(row(label, before[kind].get(topic, 0), after[kind].get(topic, 0)))
    for reason in dict.fromkeys((*before["heldBack"], *after["heldBack"])):
        label = words("preview.workload.held", reason=words(f"preview.held.{reason}"))
        rows.append(row(label, before["heldBack"].get(reason, 0), after["heldBack"].get(reason, 0)))
    one, other = before["perClinician"], after["perClinician"]
    if one is not None and other is not None:
        rows.append(row(words("preview.workload.median"), one["medianPerWeek"], other["medianPerWeek"]))
        most = "ninetiethPercentilePerWeek"
        rows.append(row(words("preview.workload.most"), one[most], other[most]))
        rows.append((words("preview.workload.bands"), _bands(one, words), _bands(other, words)))
    return rows


def _bands(told: Json, words: Phrasebook) -> str:
    bands = told["cliniciansByCardsPerWeek"].items()
    return "; ".join(words("preview.workload.band", band=band, count=count(n, words)) for band, n in bands)


def patient_rows(told: Json, words: Phrasebook) -> list[tuple[str, str]]:
    names = {"newly": "newly", "noLonger": "no_longer", "both": "both", "before": "before", "after": "after"}
    return [(words(f"preview.patients.{key}"), count(told["patients"][name], words)) for name, key in names.items()]


def found_lines(told: Json, words: Phrasebook) -> Iterator[str]:
    if not told["outcomesKept"]:
        yield none_kept(told, words)
    for found in told["found"]:
        yield found_title(found, words)
        yield from cohort_lines(found, words)
        for what, one, other in found_rows(found, words):
            yield f"  {what}: {one} -> {other}"


def none_kept(told: Json, words: Phrasebook) -> str:
    return words(f"preview.found.{'none_in_export' if told['bulk'] else 'none_kept'}")


def found_title(found: Json, words: Phrasebook) -> str:
    return words("preview.found.title", outcome=words.pick(found["label"]) if found["label"] else found["outcome"])


def cohort_lines(found: Json, words: Phrasebook) -> Iterator[str]:
    """Who they are, how it is known, and why there may be no figure."""
    yield words(
        "preview.found.cohort", days=found["withinDays"], cases=count(found["cases"], words),
        others=count(found["others"], words), before=count(found["hadBefore"], words),
        unknown=count(found["notFollowedYet"], words),
    )  # fmt: skip
    yield known_words(found["known"], words)
    yield words("preview.found.bias")
    if found["why"] is not None:
        yield words("preview.found.why", why=why(found["why"], words))


def found_rows(found: Json, words: Phrasebook) -> list[tuple[str, str, str]]:
    """(what, in force, tried)"""
    if found["why"] is not None:
        return []
    alerted = found["alertedKnown"]

    def share(of: str, name: str) -> str:
        return _share(found[of][name], {"alerted": alerted[of]}, words)

    named = ("ppv", "sensitivity", "missed")
    return [(words(f"preview.found.{name}"), share("before", name), share("after", name)) for name in named]


def known_words(told: Json, words: Phrasebook) -> str:
    """How outcomes came to be known, and what that bends."""
    sources = words.join(_source(words, s) for s in told["sources"]) or words("preview.found.nowhere")
    if told["byContact"] or told["through"] is None:
        return words("preview.found.by_contact", sources=sources, maturity=words.length(told["maturity"]))
    day = words.day(date.fromisoformat(told["through"]))
    return words("preview.found.through", sources=sources, day=day, maturity=words.length(told["maturity"]))


def _source(words: Phrasebook, told: str) -> str:
    """``registry:national`` as people say it."""
    kind, _, name = told.partition(":")
    key = f"preview.source.{kind}_named" if name else f"preview.source.{kind}"
    return words(key, name=name) if key in words.texts else told


def why(lack: Json, words: Phrasebook) -> str:
    return words(f"preview.why.{lack['code']}", count=count(lack, words), needed=lack["needed"])


def note_lines(told: Json, words: Phrasebook) -> Iterator[str]:
    for note in told["notes"]:
        given = {k: v for k, v in note.items() if k != "note"}
        if "day" in given:
            given["day"] = words.day(date.fromisoformat(given["day"]))
        yield words(f"preview.note.{note['note']}", **given)
    if told["bulk"]:
        yield words("preview.export.per_patient")


def columns(dial: Json, words: Phrasebook) -> tuple[list[str], list[list[str]]]:
    """(headings, rows) of a threshold's table."""
    known = any("sensitivity" in row for row in dial["rows"])
    foreseen = foretold(dial)
    benefit = any("netBenefit" in row for row in dial["rows"])
    weekly = any(row["cardsPerWeek"] is not None for row in dial["rows"])
    head = ["value", *(["week"] if weekly else []), "per_1000", "alerted"]
    head += ["ppv", "found", "missed"] if known else []
    head += ["expected_ppv", "expected_sensitivity", "expected_missed"] if foreseen else []
    head += ["benefit", "benefit_all"] if benefit else []
    rows = []
    for row in dial["rows"]:
        cells = [threshold(row["value"], words)]
        cells += [number(row["cardsPerWeek"], words)] if weekly else []
        cells += [number(row["per1000Patients"], words), count(row["alerted"], words)]
        if known:
            cells += [_share(row[name], row, words) for name in ("ppv", "sensitivity", "missed")]
        if foreseen:
            told = row["expected"] or {}
            cells += [_share(told.get(name), row, words) for name in ("ppv", "sensitivity")]
            cells.append(_within(told.get("missedPer1000"), words))
        if benefit:
            cells += [number(row[name], words) for name in ("netBenefit", "netBenefitOfAll")]
        rows.append(cells)
    return [words(f"preview.threshold.{name}") for name in head], rows


def _share(told: Json | None, row: Json, words: Phrasebook) -> str:
    """Of so few that their number is hidden there is no share, which is not that there is nobody."""
    return "–" if told is None and row["alerted"]["count"] != 0 else share(told, words)


def foretold(dial: Json) -> bool:
    """What the model expects is told: where it is known what became of people, that is told in its place."""
    return any(row["expected"] for row in dial["rows"]) and not any("sensitivity" in row for row in dial["rows"])


def _within(told: Json | None, words: Phrasebook) -> str:
    if told is None:
        return "–"
    return words("preview.within", **{name: words.number(told[name], 2) for name in ("value", "low", "high")})


def _dial(console: Console, dial: Json, words: Phrasebook) -> None:
    _section(console, words.pick(dial["label"]))
    console.print(f"{dial['key']}. {words('preview.threshold.lead')}", style="dim", highlight=False, markup=False)
    head, rows = columns(dial, words)
    kept = []
    for position in _few(dial):
        cells, value = rows[position], dial["rows"][position]["value"]
        marks = [words(f"preview.threshold.as_{name}") for name, at in (("in_force", "before"), ("tried", "after"))
                 if value == dial[at]]  # fmt: skip
        kept.append([*cells, ", ".join(marks)])
    _table(console, (*head, ""), kept)
    if foretold(dial):
        console.print(words("preview.threshold.expected_lead"), style="dim", highlight=False)


def _few(dial: Json) -> list[int]:
    """Positions of some rows, evenly, with those of both policies."""
    last = len(dial["rows"]) - 1
    kept = (
        {round(n * last / max(_MOST_ROWS - 3, 1)) for n in range(_MOST_ROWS - 2)}
        if last > _MOST_ROWS
        else set(range(last + 1))
    )
    kept |= {n for n, row in enumerate(dial["rows"]) if row["value"] in (dial["before"], dial["after"])}
    return sorted(kept)


def shown(value: Any, words: Phrasebook) -> str:
    if value is None:
        return words("preview.changes.unset")
    if isinstance(value, bool):
        return str(value).lower()
    return words.number(value, 6) if isinstance(value, int | float) else str(value)


def _section(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold"))


def _table(console: Console, head: tuple[str, ...], rows: list[Any]) -> None:
    table = Table(box=None, show_header=any(head))
    for n, heading in enumerate(head):
        table.add_column(heading, justify="left" if n == 0 else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
