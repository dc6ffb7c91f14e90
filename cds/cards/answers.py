"""What a model's answer is in words: each output with its interval and time, and what a missing input would change."""

from __future__ import annotations

from cds.cards import doubts, wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.explain import headline, spreads
from cds.inference.manifest import Condition, Output, Rule, Status
from cds.inference.prediction import Prediction
from cds.inference.rules import reads
from cds.record.features import Feature
from cds.record.inputs import Modality
from cds.services.case import Case

_MIDDLE_HALF = (0.75, 0.25)
"""Shares still alive when the first and the last of the middle half have died."""


def rules_said(case: Case, prediction: Prediction) -> list[str]:
    rules, older = {r.id: r for r in prediction.manifest.runtime.rules}, doubts.of_rules(prediction)
    said = ((id, case.words.pick(rules[id].says)) for id in prediction.rules if rules[id].says)
    return [doubts.marked(case.words, "said", text, older.get(id, ())) for id, text in said]


def rules_named(words: Phrasebook, prediction: Prediction) -> list[str]:
    """The short name of each rule that holds, marked where it does so only by what may be no first time."""
    labels, older = {r.id: r.label for r in prediction.manifest.runtime.rules}, doubts.of_rules(prediction)
    return [doubts.marked(words, "named", words.pick(labels[id]), older.get(id, ())) for id in prediction.rules]


def said(case: Case, prediction: Prediction) -> list[str]:
    """Each output with its interval and horizon. Counts of rules say nothing their sentences don't."""
    words, outputs = case.words, prediction.manifest.outputs
    if prediction.manifest.runtime.kind == "rules":
        return []
    halves = [o for share in _MIDDLE_HALF for o in outputs if o.until == share and o.shown]
    lines = []
    for output in outputs:
        if len(halves) == len(_MIDDLE_HALF) and output in halves:
            lines += _typical(case, prediction, *halves) if output is halves[0] else []
        elif _told(output):
            label = wording.capital(wording.output_label(words, output))
            lines.append(words("engine.said.plain", label=label, value=_with_interval(case, prediction, output)))
    return lines


def _typical(case: Case, prediction: Prediction, earlier: Output, later: Output) -> list[str]:
    """How long the middle half live, in one sentence."""
    low, high = (text_of(case, prediction, output) for output in (earlier, later))
    if prediction.open_ended(earlier.name):
        return [case.words("engine.said.typical_open", low=low)]
    return [case.words("engine.said.typical", low=low, high=high)]


def _told(output: Output) -> bool:
    return output.shown and not output.series and output.kind in ("probability", "score", "category", "comparator")


def concluded(case: Case, prediction: Prediction) -> str:
    """Another model's conclusion in one line: its category or first number told, the rules behind it, its status."""
    words, manifest = case.words, prediction.manifest
    output = min((o for o in manifest.outputs if _told(o)), key=lambda o: o.kind != "category", default=None)
    behind = rules_named(words, prediction)
    if manifest.status is not Status.established:
        behind.append(words(f"engine.status.short.{manifest.status.value}"))
    value = _with_interval(case, prediction, output) if output else ""
    if output and output.kind != "category":  # a number alone doesn't say of what
        value = words("engine.beside.number", label=wording.output_label(words, output), value=value)
    return words(
        "engine.beside.because" if behind else "engine.beside.plain",
        model=words.pick(manifest.words.title),
        value=value,
        because="; ".join(behind),
    )


def _with_interval(case: Case, prediction: Prediction, output: Output) -> str:
    value = text_of(case, prediction, output)
    if not (output.lower and output.upper):
        return value
    bounds = [prediction.number(name) for name in (output.lower, output.upper)]
    if output.kind == "probability":
        value, low, high = wording.chances(case.words, prediction.number(output.name), *bounds)
    else:
        low, high = _numbers(case, output, *bounds)
    return case.words("engine.said.interval", value=value, low=low, high=high)


def text_of(case: Case, prediction: Prediction, output: Output) -> str:
    """An output as people read it: a chance, a category's name, or two significant digits."""
    if output.kind == "category":
        name = prediction.category(output.name) or ""
        return case.words.pick(output.category_labels.get(name, {})) or name
    if output.series:
        return ""
    value = prediction.number(output.name)
    if output.until is not None:
        return wording.lifetime(case.words, value, open_ended=prediction.open_ended(output.name))
    return _number(case, output, value)


def _numbers(case: Case, output: Output, *values: float) -> tuple[str, ...]:
    """Values of one output that stand beside each other: chances each of as many people."""
    if output.kind in ("probability", "comparator"):
        return wording.chances(case.words, *values)
    return tuple(_number(case, output, value) for value in values)


def _number(case: Case, output: Output, value: float) -> str:
    if output.kind in ("probability", "comparator") or (output.kind == "bound" and output.unit == "1"):
        return wording.chance(case.words, value)
    text = case.words.number(value, 0) if value == round(value) else case.words.significant(value, 2)
    return text if output.unit == "1" else f"{text} {output.unit}"


def missing(case: Case, prediction: Prediction) -> list[str]:
    """What is not known, and how far it could move the model's main number, named with the time it holds for; what
    could move it most comes first."""
    words, lines = case.words, list[str]()
    main = headline(prediction)
    spread = spreads(prediction.what_if, main.name, prediction.number(main.name)) if main else {}
    order = {name: place for place, name in enumerate(spread)}
    absent = [f for f in prediction.absent if _could_matter(f, prediction)]
    for feature in sorted(absent, key=lambda f: order.get(f.input.name, len(order))):
        absence = wording.capital(wording.absence(words, feature))
        if main is not None and feature.input.name in spread:
            _, *ends = spread[feature.input.name]
            low, high = _numbers(case, main, *ends)
            lines.append(
                words(
                    "engine.missing.spread",
                    item=absence,
                    label=wording.output_label(words, main),
                    low=low,
                    high=high,
                )
            )
        elif not feature.input.is_flag or feature.state != "missing":
            lines.append(words("engine.missing.plain", item=absence))
    return lines


def ordinary(case: Case, prediction: Prediction) -> list[str]:
    """Beside survival: the same milestone of patients of the same age and sex, otherwise as the cohort was."""
    main, words = headline(prediction), case.words
    value = prediction.ordinary.get(main.name) if prediction.ordinary is not None and main is not None else None
    if main is None or not isinstance(value, float):
        return []
    return [
        words(
            f"engine.ordinary.{likeness(prediction)}",
            label=wording.output_label(words, main),
            value=_number(case, main, value),
        )
    ]


def likeness(prediction: Prediction) -> str:
    """What the ordinary patient shares with this one: ``age_and_sex``, or ``age`` alone where the sex is not known."""
    sex = (f for f in prediction.features if f.input.source == "patient.male")
    return "age" if any(not f.found for f in sex) else "age_and_sex"


def _could_matter(feature: Feature, prediction: Prediction) -> bool:
    """Of rules, only those up to the one that decided: what a lighter rule reads can't change the answer. Nor does what
    could not be read where that rule holds by another first time, whose doubt over it the card tells."""
    rules = prediction.manifest.runtime.rules
    decided = next((i for i, rule in enumerate(rules) if rule.id in prediction.rules), len(rules))
    heavier = rules[: decided + 1]
    return not rules or any(
        feature.input.name in reads(c) for rule in heavier for c in _open(rule, feature, prediction)
    )


def _open(rule: Rule, feature: Feature, prediction: Prediction) -> tuple[Condition, ...]:
    """The tests of a rule that the feature, absent, leaves open."""
    others = (prediction.feature(c.input) for c in rule.any)
    doubted = any(other.unsure and {*feature.input.concepts} <= {*other.input.reads} for other in others)
    settled = feature.unread and doubted and rule.id in prediction.rules and rule.needs == 1
    return tuple(rule.all) if settled else (*rule.all, *rule.any)


def spoke(case: Case, prediction: Prediction) -> str:
    """Which kinds of evidence spoke, which did not, and what those would add. Empty for a model that reads one kind and
    says of no other."""
    words, unused = case.words, prediction.manifest.unused
    if len({f.input.modality for f in prediction.features if f.input.graph}) < 2 and not unused:
        return ""
    heard = words.join(words(f"engine.modality.{m.value}") for m in prediction.modalities)
    missing = [_silent(case, prediction, modality) for modality in prediction.silent]
    missing += [
        words("engine.unspoken.plain", modality=words(f"engine.modality.{m.value}"), why=words.pick(why))
        for m, why in unused.items()
    ]
    parts = [words("engine.spoke", modalities=heard)] if heard else []
    return " ".join([*parts, words("engine.unspoken.list", items="; ".join(missing))] if missing else parts)


def _silent(case: Case, prediction: Prediction, modality: Modality) -> str:
    """A kind of evidence that is missing, and between what the main number would lie, had it been there."""
    words, main = case.words, headline(prediction)
    name = words(f"engine.modality.{modality.value}")
    mine = [w for w in prediction.what_if if w.feature.input.modality is modality]
    if main is None or not mine:
        return words("engine.unspoken.plain", modality=name, why=words("engine.absent.missing"))
    found = spreads(mine, main.name, prediction.number(main.name)).values()
    low, high = _numbers(case, main, min(low for _, low, _ in found), max(high for _, _, high in found))
    return words(
        "engine.unspoken.spread",
        modality=name,
        label=wording.output_label(words, main),
        low=low,
        high=high,
    )
