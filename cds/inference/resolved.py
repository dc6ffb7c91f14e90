"""Do the parts of a manifest go together? Rules, eligibility, bounds, evidence and the card all name other parts, and a
network's status must allow the use it claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cds.inference.faults import FaultAt
from cds.record.inputs import months

if TYPE_CHECKING:
    from cds.inference.contribution import Contribution, Test
    from cds.inference.manifest import Manifest

_ALWAYS = frozenset({"rules", "found"})
"""Fields every sentence of a card may name; see ``cds.cards.by_manifest``."""


def faults(m: Manifest) -> Iterator[FaultAt]:
    """Each name that leads nowhere or two ways, and what contradicts itself."""
    yield from _twice(m)
    if m.runtime.volume is not None and m.runtime.volume.clinical_use and not m.status.for_patients:
        what = f"a network of status '{m.status}' can't be for clinical use: once it is validated, give it the status"
        yield FaultAt(f"{what} 'local-fit' or 'established'; until then, 'clinical_use: false'", "status")
    names = [i.name for i in m.inputs]
    for position, test in enumerate(m.population.eligibility):
        for number, need in enumerate(test.needs):
            if need.input is not None and need.input not in names:
                what = f"eligibility tests '{need.input}', which is not an input"
                path = ("any", number, "input") if test.any else ("input",)
                yield FaultAt(what, "population", "eligibility", position, *path)
    for position, i in enumerate(m.inputs):
        for name in i.powers:
            if name not in names[:position]:
                what = f"input '{i.name}' is worked out from '{name}', which is not declared before it"
                yield FaultAt(what, "inputs", position, "powers", name)
        if i.anchor and i.anchor.input not in names[:position]:
            what = f"input '{i.name}' is anchored on '{i.anchor.input}', which is not declared before it"
            yield FaultAt(what, "inputs", position, "anchor", "input")
    outputs = {o.name for o in m.outputs}
    for position, o in enumerate(m.outputs):
        for key, bound in (("lower", o.lower), ("upper", o.upper)):
            if bound is not None and bound not in outputs:
                what = f"output '{o.name}' is bounded by '{bound}', which is not an output"
                yield FaultAt(what, "outputs", position, key)
        for name in o.input_labels.keys() - set(names):
            what = f"output '{o.name}' labels '{name}', which is not an input"
            yield FaultAt(what, "outputs", position, "input_labels", name)
    for kind in m.unused:
        if any(i.modality is kind for i in m.inputs if i.graph):
            yield FaultAt(f"'{kind.value}' is said not to be used, and an input of that kind is", "unused", kind.value)
    yield from _read_off(m)
    yield from _rules(m, set(names))
    for position, item in enumerate(m.evidence):
        if item.source not in m.sources:
            what = f"evidence cites '{item.source}', which is not under 'sources'"
            yield FaultAt(what, "evidence", position, "source")
    if m.guideline is not None and m.guideline.source not in m.sources:
        what = f"the guideline cites '{m.guideline.source}', which is not under 'sources'"
        yield FaultAt(what, "guideline", "source")
    if m.card is not None:
        yield from _card(m, m.card)


def _read_off(m: Manifest) -> Iterator[FaultAt]:
    """Outputs read off a curve that is none, or that does not reach as far."""
    curves = {o.name: o for o in m.outputs if o.times}
    for position, o in enumerate(m.outputs):
        if o.curve is None:
            continue
        curve = curves.get(o.curve)
        if curve is None:
            what = f"output '{o.name}' is read off '{o.curve}', which is not an output with 'times'"
            yield FaultAt(what, "outputs", position, "curve")
        elif o.horizon is not None and not curve.times[0] <= months(o.horizon) <= curve.times[-1]:
            what = f"output '{o.name}' is read off '{o.curve}' at {o.horizon}, outside its {curve.times[-1]:g} months"
            yield FaultAt(what, "outputs", position, "horizon")


def _twice(m: Manifest) -> Iterator[FaultAt]:
    for path, given in (
        (("inputs",), [i.name for i in m.inputs]),
        (("outputs",), [o.name for o in m.outputs]),
        (("runtime", "rules"), [r.id for r in m.runtime.rules]),
    ):
        for position, name in enumerate(given):
            if name in given[:position]:
                yield FaultAt(f"two {path[-1]} are called '{name}'", *path, position)


def _rules(m: Manifest, inputs: set[str]) -> Iterator[FaultAt]:
    named = [o for o in m.outputs if o.kind == "category"] if m.runtime.kind == "rules" else []
    for output in named:
        if m.runtime.otherwise is None:
            what = f"output '{output.name}' is a category: give 'runtime.otherwise' for when no rule holds"
            yield FaultAt(what, "runtime")
        elif m.runtime.otherwise not in output.categories.values():
            what = f"'{m.runtime.otherwise}' is not among the categories of '{output.name}'"
            yield FaultAt(what, "runtime", "otherwise")
    for number, rule in enumerate(m.runtime.rules):
        where = ("runtime", "rules", number)
        for group, conditions in (("all", rule.all), ("any", rule.any)):
            for position, condition in enumerate(conditions):
                for key, tested in (("input", condition.input), ("minus", condition.minus)):
                    if tested is not None and tested not in inputs:
                        what = f"rule '{rule.id}' tests '{tested}', which is not an input"
                        yield FaultAt(what, *where, group, position, key)
        for output in named:
            if rule.gives not in output.categories.values():
                what = f"rule '{rule.id}' gives '{rule.gives}', which is not among the categories of '{output.name}'"
                yield FaultAt(what, *where, "gives")


def _card(m: Manifest, card: Contribution) -> Iterator[FaultAt]:
    series = {o.name for o in m.outputs if o.series}
    known = {i.name for i in m.inputs} | {o.name for o in m.outputs} | _ALWAYS
    for position, name in enumerate(card.renewed_by):
        if name not in {i.name for i in m.inputs}:
            yield FaultAt(f"the card is renewed by '{name}', which is not an input", "card", "renewed_by", position)
    for name, threshold in card.thresholds.items():
        if threshold.source not in m.sources:
            what = f"threshold '{name}' cites '{threshold.source}', which is not under 'sources'"
            yield FaultAt(what, "card", "thresholds", name, "source")
    for number, speech in enumerate(card.speaks):
        where = ("card", "speaks", number)
        for position, test in enumerate(speech.when):
            for key, what in _test(m, test, series):
                yield FaultAt(what, *where, "when", position, key)
        for key, language, field in speech.fields:
            if field in series:
                yield FaultAt(f"a sentence names '{field}', which is a series of numbers", *where, key, language)
            elif field not in known:
                what = f"a sentence names '{field}', which is no input, no output, 'rules' or 'found'"
                yield FaultAt(what, *where, key, language)


def _test(m: Manifest, test: Test, series: set[str]) -> Iterator[tuple[str, str]]:
    """(key, fault) of one test of the card."""
    outputs = {o.name: o for o in m.outputs}
    for kind, found, known in (
        ("output", test.output, set(outputs)),
        ("input", test.input, {i.name for i in m.inputs}),
        ("rule", test.rule, {r.id for r in m.runtime.rules}),
    ):
        if found is not None and found not in known:
            yield kind, f"the card tests the {kind} '{found}', which the manifest does not declare"
            return
    if test.output in series:
        yield "output", f"the card tests the output '{test.output}', which is a series of numbers"
    if test.is_ is not None and (test.output is None or test.is_ not in outputs[test.output].categories.values()):
        yield "is", f"the card tests for the category '{test.is_}', which '{test.output or test.input}' lacks"
