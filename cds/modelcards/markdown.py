"""The model card as Markdown: ``models/<id>/card.md`` and what the HTML is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds.inference.attributes import complete
from cds.inference.manifest import Condition, Manifest, Rule
from cds.inference.model import Model
from cds.modelcards import words

GENERATED = "<!-- Written by `cds models export`; change model.yaml, not this page. -->"


def card(model: Model) -> str:
    """A whole page, English, ending in one newline."""
    return "\n".join(_lines(model)).rstrip() + "\n"


def _lines(model: Model) -> Iterator[str]:
    m = model.manifest
    yield f"# {words.pick(m.words.title)}"
    yield GENERATED
    yield ""
    yield words.pick(m.words.summary)
    yield ""
    yield from table(
        ("", ""),
        [
            ("Model", f"`{m.id}` {m.version}, {m.released.isoformat()}"),
            ("Task", m.task.value),
            ("Status", words.STATUSES[m.status.value]),
            ("For whom", words.pick(m.population.description)),
            ("Licence", m.licence.told),
            *([("Graph", f"`{m.runtime.file}`, SHA-256 `{m.runtime.sha256}`")] if m.runtime.sha256 else []),
            *([("Rules", f"what decides has SHA-256 `{m.fingerprint}`")] if m.runtime.kind == "rules" else []),
        ],
    )
    yield from _population(m)
    yield from _inputs(m)
    yield from _outputs(m)
    yield from _rules(m)
    yield from _speaks(m)
    yield from _evidence(m)
    yield from section("What it can't do", (f"- {limit}" for limit in m.words.limits.get("en", ())))
    yield "## Source attributes"
    yield ""
    yield "The 31 attributes of 45 CFR 170.315(b)(11)(iv)(B)."
    yield ""
    rows = [(str(a.number), a.description, a.text or "Not stated.") for a in complete(m, model.shared)]
    yield from table(("no.", "attribute", "this model"), rows)
    yield "## Sources"
    yield ""
    for name, source in m.sources.items():
        note = f" {source.note}" if source.note else ""
        url = f" <{source.url}>" if source.url else ""
        yield f"- `{name}`: {source.cited}{url}{note}"


def _population(m: Manifest) -> Iterator[str]:
    reasons = [f"- {words.pick(e.says)}" for e in m.population.eligibility]
    needed = [words.pick(i.label) for i in m.inputs if words.needed(i)]
    if needed and m.runtime.kind == "onnx":
        reasons.append(f"- Not on record, or not usable: {'; '.join(needed)}.")
    yield from section("When it does not speak", reasons or ["- It always does."])


def _inputs(m: Manifest) -> Iterator[str]:
    yield "## What it reads"
    yield ""
    header = ("input", "kind", "read as", "unit", "range", "when absent")
    rows = [
        (words.pick(i.label), i.modality.value, words.reading(i), i.unit, words.limits(i), words.absence(i))
        for i in m.inputs
    ]
    yield from table(header, rows)
    if m.unused:
        yield ""
        yield from (f"- Not used: {kind.value} ({words.pick(why)})." for kind, why in m.unused.items())
        yield ""


def _outputs(m: Manifest) -> Iterator[str]:
    yield "## What it gives"
    yield ""
    yield from table(("output", "meaning", "form"), [(o.name, words.pick(o.label), words.result(o)) for o in m.outputs])


def _rules(m: Manifest) -> Iterator[str]:
    if m.runtime.rules:
        yield "## Rules, the weightiest first"
        yield ""
        rows = [(r.id, words.pick(r.label), _tests(r), r.gives, words.pick(r.says)) for r in m.runtime.rules]
        yield from table(("rule", "meaning", "when", "gives", "says"), rows)


def _tests(rule: Rule) -> str:
    parts = [" and ".join(_test(c) for c in rule.all)] if rule.all else []
    if rule.any:
        count = "one" if rule.needs == 1 else str(rule.needs)
        parts.append(f"{count} of: {', '.join(_test(c) for c in rule.any)}")
    return "; and ".join(parts)


def _test(condition: Condition) -> str:
    told = condition.model_dump(exclude_none=True)
    subject = told.pop("input")
    if "minus" in told:
        subject = f"{subject} minus {told.pop('minus')}"
    if "present" in told:
        return subject if told["present"] else f"no {subject}"
    return " ".join([subject, *(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in told.items())])


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _speaks(m: Manifest) -> Iterator[str]:
    if m.card is None:
        return
    yield "## What its card says"
    yield ""
    yield f"On `{m.card.service.id}` ({m.card.service.hook}), topic `{m.card.topic}`. The first that applies:"
    yield ""
    for speech in m.card.speaks:
        yield f"- **{words.pick(speech.summary)}** {words.pick(speech.recommendation)}"
    yield ""
    if m.card.thresholds:
        rows = [(n, f"{t.value:g}", words.pick(t.says), t.source) for n, t in m.card.thresholds.items()]
        yield from table(("threshold", "packaged", "what moving it does", "source"), rows)


def _evidence(m: Manifest) -> Iterator[str]:
    yield "## Evidence"
    yield ""
    rows = [
        (words.STAGES[e.stage], words.pick(e.cohort), words.size(e), words.figure(e), words.pick(e.note), e.source)
        for e in m.evidence
    ]
    yield from table(("stage", "cohort", "size", "figure", "note", "source"), rows)


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield from lines
    yield ""


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---' for _ in header)}|"
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
