"""Model folders small enough to break one thing at a time: a made-up marker, a made-up risk, a card of their own."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v17 as op
import yaml
from spox import Tensor, Var, argument, build

from cds.inference.manifest import Manifest
from cds.record.facts import Fact, Record
from cds.record.moments import parse

Json = dict[str, Any]
Change = Callable[[Json], object]

MARKER = {"system": "urn:test", "code": "marker"}

_INPUTS: list[Json] = [
    {"name": "age", "label": {"en": "age", "nl": "leeftijd"}, "source": "patient.age", "unit": "a"},
    {
        "name": "marker",
        "label": {"en": "marker", "nl": "merkstof"},
        "modality": "laboratory",
        "concepts": ["test-marker"],
        "reduce": "latest",
        "unit": "U/mL",
        "range": [0, 1000],
    },
]
_CONCEPTS: Json = {
    "test-marker": {
        "resource": "Observation",
        "label": {"en": "marker", "nl": "merkstof"},
        "unit": "U/mL",
        "codes": [MARKER],
    }
}


def manifest(id: str) -> Json:
    """Of a model whose graph gives ``risk``; its card speaks on a service of its own from a risk of 0.2."""
    return copy.deepcopy(
        {
            "id": id,
            "version": "1.0.0",
            "released": "2026-01-01",
            "task": "risk",
            "status": "established",
            "words": {"title": {"en": f"Model {id}", "nl": f"Model {id}"}},
            "population": {"description": {"en": "Everybody", "nl": "Iedereen"}},
            "inputs": _INPUTS,
            "outputs": [
                {"name": "risk", "kind": "probability", "label": {"en": "risk", "nl": "kans"}, "horizon": "2y"},
            ],
            "runtime": {"kind": "onnx", "file": "model.onnx", "sha256": "0" * 64},
            "sources": {"own": {"citation": "Made up for tests.", "url": "https://example.org/tests"}},
            "licence": {"name": "own", "notice": "Made up for tests."},
            "concepts": _CONCEPTS,
            "card": {
                "service": {
                    "id": f"probe-{id}",
                    "hook": "patient-view",
                    "title": f"Probe {id}",
                    "description": "A service for tests.",
                },
                "topic": f"topic-{id}",
                "topic_label": {"en": "Test", "nl": "Test"},
                "rank": "action",
                "thresholds": {
                    "high": {"value": 0.2, "says": {"en": "Fewer cards", "nl": "Minder kaarten"}, "source": "own"}
                },
                "speaks": [
                    {
                        "when": [{"output": "risk", "at_least": "high"}],
                        "summary": {"en": "Risk {risk}", "nl": "Kans {risk}"},
                        "recommendation": {"en": "Look again at {age} years.", "nl": "Kijk opnieuw."},
                    }
                ],
            },
        }
    )


def by_rules(id: str) -> Json:
    """The same as rules: a category instead of a risk."""
    made = manifest(id)
    made["outputs"] = [{"name": "band", "kind": "category", "categories": {"0": "low", "1": "high"}}]
    rule = {
        "id": "R1",
        "label": {"en": "Marker high", "nl": "Merkstof hoog"},
        "all": [{"input": "marker", "at_least": 100}],
        "gives": "high",
        "says": {"en": "The marker is high.", "nl": "De merkstof is hoog."},
    }
    made["runtime"] = {"kind": "rules", "rules": [rule], "otherwise": "low"}
    made["card"]["thresholds"] = {}
    made["card"]["speaks"][0] |= {"when": [{"output": "band", "is": "high"}], "summary": {"en": "Band {band}"}}
    return made


def number(value: Any) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, position: int) -> Var:
    """[n]"""
    return op.gather(x, op.const(np.int64(position)), axis=1)


def risk(x: Var) -> Var:
    """[n]: one half at a marker of 50, whatever the age."""
    return op.sigmoid(op.div(op.sub(column(x, 1), number(50.0)), number(20.0)))


def graph(
    outputs: Callable[[Var], Mapping[str, Var]] = lambda x: {"risk": risk(x)},
    *,
    columns: int = 2,
    name: str = "x",
    dtype: type = np.float64,
) -> bytes:
    x = argument(Tensor(dtype, ("n", columns)))
    content: bytes = build({name: x}, dict(outputs(x))).SerializeToString(deterministic=True)
    return content


def write(folder: Path, content: Json, onnx: bytes | None = None, *, pinned: bool = True) -> Path:
    """The model folder below ``folder``, named by the manifest's id. ``onnx``: its graph, pinned unless told not to."""
    path = folder / content["id"]
    path.mkdir(parents=True)
    if onnx is not None:
        (path / "model.onnx").write_bytes(onnx)
        if pinned:
            content["runtime"]["sha256"] = hashlib.sha256(onnx).hexdigest()
    (path / "model.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def parsed(content: Json) -> Manifest:
    return Manifest.model_validate(content)


def chart(marker: float | None = 90, *, born: str = "1960-01-01", when: str = "2026-11-01", **patient: Any) -> Json:
    """Prefetch of a patient with one value of the marker."""
    resources = []
    if marker is not None:
        quantity = {"value": marker, "unit": "U/mL", "system": "http://unitsofmeasure.org", "code": "U/mL"}
        resources.append(
            {
                "resourceType": "Observation",
                "id": "marker-1",
                "status": "final",
                "code": {"coding": [MARKER]},
                "subject": {"reference": "Patient/probe"},
                "effectiveDateTime": when,
                "valueQuantity": quantity,
            }
        )
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}
    who = {"resourceType": "Patient", "id": "probe", "gender": "female", "birthDate": born, **patient}
    return {"patient": who, "observations": bundle}


def patient(marker: float | None = 90, *, born: str | None = "1960-01-01", when: str = "2026-11-01") -> Record:
    """The same patient's record."""
    record = Record(
        datetime(2026, 11, 23, 12, tzinfo=UTC), "probe", birth=None if born is None else parse(born), male=False
    )
    if marker is not None:
        fact = Fact("test-marker", "Observation/marker-1", parse(when), marker, "U/mL", original=f"{marker:g} U/mL")
        record.add(fact)
    record.arrange()
    return record


def bomb() -> str:
    """Ten names, each ten times the one before: ten billion entries in 500 characters."""
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for name, before in zip("bcdefghij", "abcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(lines) + "\n"
