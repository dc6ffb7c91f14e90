"""Values, units, dates and sources as a reader of the report sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.manifest import Output
from cds.record.features import Feature
from cds.record.inputs import Input, Reduce
from cds.survival import Milestone

# the same in every language; what has words is in the catalogues under report.page.unit
_SIGNS = {
    "1": "",
    "10*9/L": "×10⁹/L",
    "kg/m2": "kg/m²",
    "ug/L": "µg/L",
    "{TPM}": "TPM",
    "Cel": "°C",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
}
MILESTONES = (6, 12, 24)
"""Months at which survival is always given."""
FINDINGS = (Reduce.presence, Reduce.new)
"""How an input is read that is a yes or a no."""


@dataclass(frozen=True)
class Given:
    """One input of one model, as a row of a table."""

    label: str
    value: str
    """With its unit; or why there is none."""
    day: str
    """Empty where a date means nothing for it."""
    sources: tuple[str, ...]
    """``Type/id`` of the resources it was read from."""
    found: bool
    note: str = ""
    """What was put in its place."""
    kind: str = ""
    """Which sort of evidence it is."""


def given(words: Phrasebook, feature: Feature) -> Given:
    spec = feature.input
    day = words.day(feature.facts[0].when) if feature.facts else ""
    return Given(
        wording.capital(label(words, spec)),
        value(words, feature),
        day,
        tuple(dict.fromkeys(f.source for f in feature.facts)),
        feature.found,
        assumed(words, feature),
        words(f"engine.modality.{spec.modality.value}"),
    )


def label(words: Phrasebook, spec: Input) -> str:
    """What an input is called; a model's "male sex: 0" is a person's sex."""
    return words("report.page.sex.label") if spec.source == "patient.male" else words.pick(spec.label)


def value(words: Phrasebook, feature: Feature) -> str:
    if feature.value is None:
        return wording.capital(words(f"engine.absent.{feature.state}", detail=feature.detail))
    if feature.input.reduce in FINDINGS and not feature.value and not feature.facts:
        # nobody wrote "no"; it was looked for and is not there
        return words("report.page.none_on_record")
    return of_input(words, feature.input, feature.value)


def of_input(words: Phrasebook, spec: Input, number: float) -> str:
    """A number as that input means it: yes and no, a coded answer, or a figure with its unit."""
    if spec.source == "patient.male":
        return words("report.page.sex.male" if number else "report.page.sex.female")
    if spec.reduce is Reduce.first_at_least:
        return words("report.page.reached", age=words.number(number, 0))
    if spec.reduce in FINDINGS:
        return words("report.page.yes" if number else "report.page.no")
    names = [words.concept(concept) for concept, code in spec.values.items() if code == number]
    if names:
        return words.join(dict.fromkeys(names), "or")
    return with_unit(words, words.number(number, 2), spec.unit)


def with_unit(words: Phrasebook, number: str, unit: str) -> str:
    sign = unit_text(words, unit)
    return f"{number} {sign}" if sign and sign != "%" else f"{number}{sign}"


def unit_text(words: Phrasebook, unit: str) -> str:
    return words.texts.get(f"report.page.unit.{unit}") or _SIGNS.get(unit, unit)


def assumed(words: Phrasebook, feature: Feature) -> str:
    """What stands in for an absent input, and why."""
    spec = feature.input
    if feature.found or spec.absent.does != "assume" or spec.absent.value is None:
        return ""
    text = of_input(words, spec, spec.absent.value)
    if spec.absent.weights:
        text = words("report.page.assumed_shares")
    why = words.pick(spec.absent.why)
    return words("report.page.assumed_why", value=text, why=why) if why else words("report.page.assumed", value=text)


def result(words: Phrasebook, output: Output, number: float) -> str:
    """An output as people read it: a chance in 100, a named category, or a figure."""
    if output.kind in ("probability", "comparator"):
        return wording.chance(words, number)
    if output.kind == "category":
        name = output.categories.get(f"{number:g}")
        if name is None:
            return "–"
        return words.pick(output.category_labels.get(name, {})) or name.replace("-", " ")
    return with_unit(words, words.number(number, 2), output.unit)


def label_of(words: Phrasebook, output: Output) -> str:
    return wording.capital(words.pick(output.label) or output.name.replace("_", " "))


def share(words: Phrasebook, point: Milestone | None, *, short: bool = False) -> str:
    """Of 100, with the interval where there is one. ``short``: for a table that says "of 100" itself."""
    if point is None:
        return words("report.page.beyond")
    alive, low, high = (words.number(100 * v, 0) for v in (point.alive, point.lower, point.upper))
    if short:
        return alive if (low, high) == (alive, alive) else words("report.page.short", n=alive, low=low, high=high)
    if (low, high) == (alive, alive):
        return words("report.page.in_100", n=alive)
    return words("report.page.in_100_between", n=alive, low=low, high=high)


def months(words: Phrasebook, number: float) -> str:
    """Whole months from three on: the data know no finer."""
    return words.number(number, 0 if number >= 3 else 1)


def moment(words: Phrasebook, at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return words("report.page.moment", day=words.day(local), time=f"{local:%H:%M}")
