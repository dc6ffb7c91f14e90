"""Evidence, parameters, attributes and vectors: each number with its source, each promise tested."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cds.errors import ManifestError
from cds.inference import attributes, vectors
from cds.inference.manifest import Task
from cds.modelcheck.subject import Finding, Subject, findings_in

_NEED_A_VECTOR = ("probability", "score", "survival", "category", "comparator")


def findings(subject: Subject) -> Iterator[Finding]:
    m = subject.manifest
    if not m.evidence:
        yield subject.finding("no study is named: say at least where the model was made", "evidence")
    for position, item in enumerate(m.evidence):
        if item.value is None and not item.note:
            yield subject.finding("has neither a value nor a note", "evidence", position)
        low, high = item.interval or (-math.inf, math.inf)
        if item.value is not None and not low <= item.value <= high:
            yield subject.finding("its value lies outside its interval", "evidence", position, "interval")
    for name, source in m.sources.items():
        if not (source.url or source.published or source.note):
            yield subject.finding("needs 'url', 'published' or a 'note': how can it be looked up?", "sources", name)
    for name, value in m.parameters.items():
        if not isinstance(value, dict) or value.get("source") not in m.sources:
            yield subject.finding("names no 'source' of this manifest", "parameters", name)
    for position, output in enumerate(m.outputs):
        timed = output.kind == "survival" or (output.kind == "probability" and m.task is Task.risk)
        if timed and not (output.times or output.horizon):
            yield subject.finding(f"'{output.name}' is a risk without a horizon", "outputs", position)
    for attribute in attributes.complete(m, subject.model.shared):
        if not attribute.text:
            yield subject.finding(
                f"source attribute {attribute.number} is missing: {attribute.description}", "attributes", attribute.name
            )
    yield from _vectors(subject)


def _vectors(subject: Subject) -> Iterator[Finding]:
    m = subject.manifest
    if m.runtime.kind == "volume":  # its known answer is a whole scan: the self-test of the study jobs
        return
    try:
        found = vectors.read(subject.model.folder)
    except ManifestError as error:
        yield from findings_in(str(error), subject.vectors_path)
        return
    if not found:
        yield subject.finding(f"has no test vectors: write {vectors.FILE} with published or computed answers")
        return
    names = [v.name for v in found]
    for miss in vectors.misses(subject.model, found):
        yield subject.in_vectors(f"{miss.vector}: {miss.what}", names.index(miss.vector))
    kinds = {o.name: o.kind for o in m.outputs}
    for name in vectors.unnamed(m, found):
        if kinds[name] in _NEED_A_VECTOR:
            yield subject.in_vectors(f"no vector tests the output '{name}'")
    fired = {rule for v in found for rule in v.rules or ()}
    for rule in m.runtime.rules:
        if rule.id not in fired:
            yield subject.in_vectors(f"in no vector does the rule '{rule.id}' fire")
