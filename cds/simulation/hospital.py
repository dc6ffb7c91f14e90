"""What one simulated hospital sees: patients, what their records hold, what the model said, cards, answers, outcomes.

All of it is drawn at once, as columns. A healthy hospital's model is right: outcomes happen by the chances it tells. It
is not a quiet one all the same: weekends are slow, some days lack more values than others, and winters have more
inflammation. A fault changes what is drawn from its day on, and nothing else: the same seed without it is the same
hospital.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cds.record.inputs import days
from cds.simulation.subject import charter, manifest

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

STATES = ("found", "missing", "unit-unknown", "out-of-range")
FOUND, MISSING, UNIT_UNKNOWN, OUT_OF_RANGE = range(len(STATES))
SWEEP_D = 7
"""Days between two questions to the record for outcomes: the product's default."""


@dataclass(frozen=True)
class Plan:
    """Which hospital is drawn."""

    seed: int = 1
    days: int = 730
    calls_a_day: float = 60.0
    """On a working day; a quarter of it at weekends."""
    fault: str | None = None
    fault_day: int = 540
    start: date = date(2024, 1, 1)
    """A Monday."""


@dataclass(frozen=True)
class Drawn:
    """Calls in the order of time, [n]; events, [e]. Days are counted from the start of the plan."""

    plan: Plan
    at: Array
    person: Whole
    values: Array
    """[n, inputs]; nan where the model had none."""
    states: NDArray[np.int8]
    """[n, inputs], places in ``STATES``."""
    answered: Flags
    risk: Array
    """As the model told it; nan where it did not answer."""
    dutch: Flags
    carded: Flags
    clinician: Whole
    accepted: Flags
    overridden: Flags
    event_person: Whole
    event_day: Whole
    event_known: Whole
    """Day of the sweep that found it."""

    @property
    def people(self) -> int:
        return int(self.person.max()) + 1 if len(self.person) else 0


_LOGNORMAL = {"creatinine": (80.0, 0.3), "protein": (5.0, 1.0), "lesion": (14.0, 0.5)}
_NORMAL = {"age": (64.0, 15.0), "haemoglobin": (135.0, 16.0), "bmi": (26.0, 4.5)}
_SHARE = {"male": 0.5, "smoker": 0.2, "pain": 0.3}
_ABSENT = {"creatinine": 0.05, "haemoglobin": 0.08, "protein": 0.35, "bmi": 0.2, "lesion": 0.45, "pain": 0.5}
_DUTCH, _CLINICIANS = 0.25, 40
_ACCEPTED, _TIRED, _OVERRIDDEN, _TIRING_D = 0.45, 0.15, 0.3, 90
_AGAIN, _AGAIN_D = 0.2, 60.0
"""Further calls of one patient, on average, and days between them."""
_UNSTEADY, _WINTER = 0.15, 0.1
"""Of a day's missing values on the logit scale; of inflammation over the year, in spreads."""
_ODD = 0.004
"""Of each number from the record: in a unit nobody knows, and as often out of range, at any time."""
_LAG_D, _LATE_D = 20.0, 120.0
_SCANNER, _REFERRED, _UMOL_IN_MG_DL = 0.8, 2.0, 88.42


def drawn(plan: Plan) -> Drawn:
    """Of one seed always the same."""
    # a stream for each thing, so that a fault in one of them leaves the others as they were
    streams = iter(np.random.default_rng(plan.seed).spawn(12))
    at, person = _visits(plan, next(streams))
    count = int(person.max()) + 1 if len(person) else 0
    standard = _standard(plan, count, at, person, next(streams))
    dutch = (next(streams).random(count) < _DUTCH)[person]
    states = _states(plan, at, next(streams))
    seen = at >= plan.fault_day if plan.fault is not None else np.zeros(len(at), dtype=bool)
    true_risk = expit(_logit(standard, states))
    values = _values(standard)
    _break(plan, values, states, seen)
    _out_of_range(values, states)
    values[states != FOUND] = np.nan
    logit = _logit(_standardised(values), states)
    if plan.fault == "subgroup-decay":
        random = next(streams)
        whom = np.flatnonzero(seen & dutch)
        logit[whom] = random.permutation(logit[whom])
    else:
        next(streams)
    required = [n for n, spec in enumerate(manifest().inputs) if spec.absent.does == "abstain"]
    answered = (states[:, required] == FOUND).all(axis=1)
    risk = np.where(answered, expit(logit), np.nan)
    carded = answered & (risk >= threshold())
    clinician = next(streams).integers(0, _CLINICIANS, len(at))
    accepted, overridden = _answers(plan, at, carded, seen, next(streams))
    events = _events(plan, at, person, true_risk, seen, next(streams))
    return Drawn(
        plan, at, person, values, states, answered, risk, dutch, carded, clinician, accepted, overridden, *events
    )


def threshold() -> float:
    """Chance from which a card is given."""
    found = charter().watch(manifest().id).threshold
    assert isinstance(found, float)
    return found


def _visits(plan: Plan, random: np.random.Generator) -> tuple[Array, Whole]:
    """When each call is, and whose, people numbered by their first."""
    usual = plan.calls_a_day / (1 + _AGAIN) * np.where(np.arange(plan.days) % 7 < 5, 1.0, 0.25)
    first = np.repeat(np.arange(plan.days), random.poisson(usual)).astype(np.float64)
    first = np.sort(first + random.uniform(0.3, 0.75, len(first)))  # nosec B311
    again = random.poisson(_AGAIN, len(first))
    owner = np.repeat(np.arange(len(first)), again)
    later = first[owner] + random.exponential(_AGAIN_D, len(owner)) + 1
    at, person = np.concatenate([first, later]), np.concatenate([np.arange(len(first)), owner])
    kept = at < plan.days
    order = np.argsort(at[kept], kind="stable")
    at, person = at[kept][order], person[kept][order]
    _, where, named = np.unique(person, return_index=True, return_inverse=True)
    rank = np.empty(len(where), dtype=np.int64)
    rank[np.argsort(where)] = np.arange(len(where))
    return at, rank[named]


def _standard(plan: Plan, count: int, at: Array, person: Whole, random: np.random.Generator) -> Array:
    """Each call's numbers in spreads from their centre (flags: 0 or 1). A patient's stay the patient's own."""
    mine = random.standard_normal((count, len(manifest().inputs)))
    for n, spec in enumerate(manifest().inputs):
        if spec.name in _SHARE:
            mine[:, n] = random.random(count) < _SHARE[spec.name]  # nosec B311
    found: Array = mine[person]
    for n, spec in enumerate(manifest().inputs):
        if spec.name == "protein":
            found[:, n] += _WINTER * np.cos(2 * np.pi * at / 365.25)
    return found


def _states(plan: Plan, at: Array, random: np.random.Generator) -> NDArray[np.int8]:
    found = np.zeros((len(at), len(manifest().inputs)), dtype=np.int8)
    day = at.astype(np.int64)
    for n, spec in enumerate(manifest().inputs):
        if spec.name in _ABSENT:
            usual = np.log(_ABSENT[spec.name] / (1 - _ABSENT[spec.name]))
            share = expit(usual + _UNSTEADY * random.standard_normal(plan.days))
            found[random.random(len(at)) < share[day], n] = MISSING  # nosec B311
        if spec.source == "record" and spec.unit != "1":
            odd = random.random(len(at))  # nosec B311
            found[(found[:, n] == FOUND) & (odd < 2 * _ODD), n] = OUT_OF_RANGE
            found[(found[:, n] == OUT_OF_RANGE) & (odd < _ODD), n] = UNIT_UNKNOWN
    return found


def _values(standard: Array) -> Array:
    found = standard.copy()
    for n, spec in enumerate(manifest().inputs):
        if spec.name in _NORMAL:
            centre, spread = _NORMAL[spec.name]
            found[:, n] = np.clip(centre + spread * standard[:, n], *(spec.range or (-np.inf, np.inf)))
        elif spec.name in _LOGNORMAL:
            middle, spread = _LOGNORMAL[spec.name]
            found[:, n] = middle * np.exp(spread * standard[:, n])
    return found


def _standardised(values: Array) -> Array:
    """The way back, as the model goes it."""
    found = values.copy()
    for n, spec in enumerate(manifest().inputs):
        if spec.name in _NORMAL:
            centre, spread = _NORMAL[spec.name]
            found[:, n] = (values[:, n] - centre) / spread
        elif spec.name in _LOGNORMAL:
            middle, spread = _LOGNORMAL[spec.name]
            found[:, n] = np.log(values[:, n] / middle) / spread
    return found


def _logit(standard: Array, states: NDArray[np.int8]) -> Array:
    """What the model computes; an input it does not have counts as ordinary."""
    told = manifest().parameters
    weights = np.asarray([told["weights"][spec.name] for spec in manifest().inputs])
    found: Array = told["intercept"] + np.where(states == FOUND, standard, 0.0) @ weights
    return found


def _place(name: str) -> int:
    return next(n for n, spec in enumerate(manifest().inputs) if spec.name == name)


def _break(plan: Plan, values: Array, states: NDArray[np.int8], seen: Flags) -> None:
    broken = _BREAKS.get(plan.fault or "")
    if broken is not None:
        broken(values, states, seen)


def _unknown(values: Array, states: NDArray[np.int8], seen: Flags) -> None:
    n = _place("haemoglobin")
    states[seen & (states[:, n] == FOUND), n] = UNIT_UNKNOWN


def _silent(values: Array, states: NDArray[np.int8], seen: Flags) -> None:
    values[seen, _place("creatinine")] /= _UMOL_IN_MG_DL


def _scanner(values: Array, states: NDArray[np.int8], seen: Flags) -> None:
    values[seen, _place("lesion")] *= np.exp(_SCANNER * _LOGNORMAL["lesion"][1])


_BREAKS: dict[str, Callable[[Array, NDArray[np.int8], Flags], None]] = {
    "unit-unknown": _unknown,
    "unit-silent": _silent,
    "scanner-change": _scanner,
}


def _out_of_range(values: Array, states: NDArray[np.int8]) -> None:
    for n, spec in enumerate(manifest().inputs):
        if spec.range is not None:
            low, high = spec.range
            outside = (values[:, n] < low) | (values[:, n] > high)
            states[outside & (states[:, n] == FOUND), n] = OUT_OF_RANGE


def _answers(plan: Plan, at: Array, carded: Flags, seen: Flags, random: np.random.Generator) -> tuple[Flags, Flags]:
    """(accepted, overridden) of the calls that gave a card, on the day itself."""
    accept = np.full(len(at), _ACCEPTED)
    if plan.fault == "alert-fatigue":
        along = np.clip((at - plan.fault_day) / _TIRING_D, 0, 1)
        accept = np.where(seen, _ACCEPTED + along * (_TIRED - _ACCEPTED), accept)
    drawn_share = random.random(len(at))  # nosec B311
    accepted = carded & (drawn_share < accept)
    return accepted, carded & ~accepted & (random.random(len(at)) < _OVERRIDDEN / (1 - _ACCEPTED))  # nosec B311


def _events(
    plan: Plan, at: Array, person: Whole, risk: Array, seen: Flags, random: np.random.Generator
) -> tuple[Whole, Whole, Whole]:
    """(person, day, day found) of each outcome before the end, by the chance at the patient's first call."""
    _, first = np.unique(person, return_index=True)
    chance = risk[first]
    if plan.fault == "prevalence-shift":
        odds = np.where(seen[first], _REFERRED, 1.0) * chance / (1 - chance)
        chance = odds / (1 + odds)
    horizon = days(str(manifest().outputs[0].horizon))
    wait = random.exponential(1.0, len(first)) * horizon / -np.log1p(-chance)
    day = np.floor(at[first] + wait).astype(np.int64)
    late = np.where((plan.fault == "label-delay") & (day >= plan.fault_day), _LATE_D, 0.0)
    found = day + late + random.exponential(_LAG_D, len(first))
    known = (np.ceil(found / SWEEP_D) * SWEEP_D).astype(np.int64)
    kept = day < plan.days
    return np.flatnonzero(kept).astype(np.int64), day[kept], known[kept]
