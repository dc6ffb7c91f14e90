"""The years around a story: visits, vital signs, yearly laboratory rounds, old illnesses, and what must not count.

Noise comes from a generator seeded by the story's id, so a story is the same on every machine; it never runs past the
first key value of the same analyte, so the routine years can't contradict the story.
"""

from __future__ import annotations

from random import Random

from hooks.stories.chart import Chart, Resource
from hooks.stories.codes import ANALYTES, ROUTINE_LABS
from hooks.stories.story import Point, Story, When, points, when

YEARS = 6
_VISITS_A_YEAR = 4
_QUIET = 120
"""Days before an analyte's first key value in which no routine value of it is made."""


def write(chart: Chart) -> None:
    rng = Random(chart.story.id)  # nosec B311 # the same chart each time
    first = -YEARS * 365
    visits = [first + round(365 / _VISITS_A_YEAR * n) + rng.randint(-12, 12) for n in range(YEARS * _VISITS_A_YEAR)]
    last = (chart.story.died or 0) - 8
    for number, offset in enumerate(v for v in visits if v < last):
        _visit(chart, rng, offset, yearly=number % _VISITS_A_YEAR == 0)
    _old_illnesses(chart)
    _must_not_count(chart)


def _until(story: Story, analyte: str) -> int:
    """The last offset at which a routine value may stand."""
    series = story.series.get(analyte)
    return min(p.offset for p in points(series)) - _QUIET if series else 0


def _usual(story: Story, analyte: str) -> float:
    if analyte in story.usual:
        return story.usual[analyte]
    if analyte == "weight" and "weight" in story.series and "weight" not in story.units:
        return points(story.series["weight"])[0].value
    return ANALYTES[analyte].reported(story.flavour).mean


def _routine(chart: Chart, rng: Random, analyte: str, offset: int, encounter: Resource) -> Resource | None:
    story = chart.story
    row = ANALYTES[analyte].reported(story.flavour)
    # drawn even where it isn't used: leaving one value out must not change the others
    noise = max(-2.0, min(2.0, rng.gauss(0, 1)))
    if analyte in story.without or offset > _until(story, analyte):
        return None
    value = round(_usual(story, analyte) + noise * row.spread, row.decimals)
    display = ANALYTES[analyte].display.replace("/volume", "/\u200bvolume") if offset % 5 == 0 else None
    return chart.measurement(analyte, Point(offset, value), display=display, encounter=encounter)


def _visit(chart: Chart, rng: Random, offset: int, *, yearly: bool) -> None:
    story = chart.story
    encounter = chart.encounter(offset, "check-up" if yearly else rng.choice(("problem", "follow-up")))
    chart.blood_pressure(offset, 132 + rng.randint(-9, 9), 80 + rng.randint(-6, 6), encounter)
    if story.history == "sparse":
        return
    for analyte in ("heart-rate", "temperature"):
        _routine(chart, rng, analyte, offset, encounter)
    weighed = _routine(chart, rng, "weight", offset, encounter)
    if weighed is not None:
        body_mass(chart, offset, weighed["valueQuantity"]["value"])
    if not yearly:
        return
    if story.height is not None:
        chart.measurement("height", Point(offset, story.height), encounter=encounter)
    chart.smoking(offset)
    results = [r for a in ROUTINE_LABS if (r := _routine(chart, rng, a, offset, encounter)) is not None]
    if results:
        chart.report(offset + 1, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma", results)
    for drug in ("lisinopril", "atorvastatin"):
        chart.prescription(drug, offset, "active" if offset > -400 else "completed")


def body_mass(chart: Chart, offset: int, kilograms: float) -> None:
    height = chart.story.height
    if height is not None:
        chart.measurement("bmi", Point(offset, round(kilograms / (height / 100) ** 2, 1)))


def _old_illnesses(chart: Chart) -> None:
    """Unrelated, with the partial dates and the wrong displays that real records have."""
    sparse = chart.story.history == "sparse"
    chart.condition("hypertension", when("y-7"))
    if not sparse:
        chart.condition("hyperlipidaemia", when("m-64"))
        # the code is right and the display is another diagnosis: only the code may be believed
        chart.condition("knee-osteoarthritis", when("m-40"), display="Malignant tumor of pancreas")
    chart.condition("sinusitis", when("m-52"), clinical="resolved", abatementDateTime=When(-1560).text(chart.today))
    chart.condition("bronchitis", When(-812), clinical="resolved", abatementDateTime=When(-795).text(chart.today))
    chart.procedure("colonoscopy", when("y-5"))
    chart.procedure("chest-x-ray", When(-812))
    chart.prescription("amlodipine", -1900, "stopped")
    chart.prescription("paracetamol", -812, "completed")
    chart.prescription("omeprazole", -640, "completed")


def _must_not_count(chart: Chart) -> None:
    """Mistakes and cancellations: each would change a card if it were believed."""
    mistaken = ANALYTES["fasting-glucose"].reported(chart.story.flavour)
    high = 486.0 if mistaken.unit == "mg/dL" else 27.0
    chart.measurement("fasting-glucose", Point(-200, high), status="entered-in-error")
    chart.measurement("ca19-9", Point(-62, 9999), status="cancelled")
    chart.condition("pancreas-cancer", When(-700), clinical="inactive", verification="refuted")
    chart.condition("jaundice", When(-100), verification="entered-in-error")
    chart.procedure("pancreatectomy", When(-90), "not-done")
    chart.prescription("gemcitabine", -50, "cancelled")
    chart.prescription("metformin", -1200, "entered-in-error")
    chart.study("ct-abdomen", -21, "cancelled")
    chart.order("ct-abdomen", -16, "revoked")
    chart.order("hospice-care", -300, "entered-in-error")
