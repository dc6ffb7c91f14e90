"""An account of one patient as a terminal shows it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cds.cli.models.account import Account, Read, Said

_NOTHING = 1e-12
"""Rounding of float64: no contribution."""
_CHANCES = ("probability", "survival", "comparator")


def tell(console: Console, account: Account) -> None:
    console.print(Text(f"{account.title} ({account.model} {account.version}, {account.status})", style="bold"))
    console.print(Text(f"{account.patient}"))
    console.print(_inputs(account))
    if account.outcome == "predicted":
        _answer(console, account)
    else:
        console.print(Text(f"No answer ({account.outcome}): {account.why}", style="yellow"))
    if account.lost:
        console.print(Text(f"{account.lost} resource(s) could not be used", style="yellow"))


def _inputs(account: Account) -> Table:
    read_from = Column("as sent, on, in", overflow="fold", ratio=2)
    table = Table(Column("input", ratio=1), Column("value", justify="right"), read_from, "state", "contribution")
    table.caption = f"contribution to '{account.scale}'" if account.scale else None
    for read in account.read:
        table.add_row(*(Text(cell) for cell in _row(read)))
    return table


def _row(read: Read) -> tuple[str, ...]:
    value = "" if read.value is None else f"{read.value:.4g} {_shown(read.unit)}".strip()
    sent = [", ".join(part for part in (s.original, s.date, s.source) if part) for s in read.sent]
    told = "\n".join(part for part in (*sent, read.refused, read.conversion and f"({read.conversion})") if part)
    share = f"{read.contribution:+.3g}" if read.contribution and abs(read.contribution) > _NOTHING else read.decides
    # a flag that nothing in the record speaks for counts as "no", which is not the same as found; what is worked out
    # from other inputs has nothing sent of its own, and a value
    state = "no entry" if read.state == "found" and not read.sent and not read.value else read.state
    return (read.label, value, told, state, share)


def _shown(unit: str) -> str:
    """``{score}`` and its like are UCUM's way of saying that there is no unit."""
    return "" if unit.startswith("{") else unit


def _answer(console: Console, account: Account) -> None:
    table = Table("output", Column("answer", justify="right"), Column("interval", justify="right"))
    for said in account.said:
        label = said.label if said.at is None else f"{said.label}: {said.at:g} months"
        interval = "" if said.lower is None or said.upper is None else f"{_number(said, said.lower)} to "
        table.add_row(Text(label), Text(_number(said, said.value)), Text(interval + _upper(said)))
    console.print(table)
    for rule in account.rules:
        console.print(Text(f"met: {rule}"))
    if account.comparator is not None:
        like = _like(account, account.comparator_of)
        told = f"{like.label}: {_number(like, account.comparator)}"
        console.print(Text(f"Same age and sex, otherwise ordinary, {told}"))
    if account.method == "sampled":
        console.print(Text("Contributions are sampled under a fixed seed: the inputs are too many for the exact sum."))
    if account.open:
        like = _like(account, account.main)
        console.print(Text(f"Not known, by how much it could change the answer ({like.label}):"))
        for one in account.open:
            console.print(Text(f"  {one.label}: {_number(like, one.lowest)} to {_number(like, one.highest)}"))


def _like(account: Account, name: str) -> Said:
    """How numbers of this output are written; a curve's milestone stands in no row of its own."""
    own = next((s for s in account.said if s.name == name and s.at is None), None)
    kind = account.main_kind if name == account.main else ""
    return own or Said(name, account.main_label if name == account.main else name, kind, None, "")


def _upper(said: Said) -> str:
    return "" if said.lower is None or said.upper is None else _number(said, said.upper)


def _number(said: Said, value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    text = f"{value:.2%}" if said.kind in _CHANCES else f"{value:.4g}"
    return f"{text} {_shown(said.unit)}".strip() + (" or more" if said.or_more else "")
