"""Rules have a fingerprint of what decides, as graphs have: two editions under one version number are two."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds.audit import prediction
from cds.inference import registry
from cds.inference.guideline import edition_of, under
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.record.facts import Record

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return registry.load([MODELS])


@pytest.fixture(scope="module")
def ng12(shipped: Registry) -> Model:
    return shipped["nice-ng12"]


def edited(model: Model, change: Any) -> Model:
    """An edition 1.1.0 of it, changed."""
    edition = edition_of(model.manifest).model_dump(mode="json", exclude_none=True) | {"version": "1.1.0"}
    change(edition)
    return under(model, {model.manifest.id: edition})


def test_every_model_has_one_and_no_two_the_same(shipped: Registry) -> None:
    found = [m.manifest.fingerprint for m in shipped.models.values()]
    assert all(len(f) == 64 for f in found) and len(set(found)) == len(found)
    assert sum(m.manifest.runtime.kind == "rules" for m in shipped.models.values()) >= 5


def test_two_editions_of_one_version_are_told_apart(ng12: Model) -> None:
    one = edited(ng12, lambda e: e["rules"][0]["all"][0].update(at_least=45))
    other = edited(ng12, lambda e: e["rules"][0]["all"][0].update(at_least=50))
    assert one.manifest.version == other.manifest.version == "1.1.0"
    assert len({m.manifest.fingerprint for m in (ng12, one, other)}) == 3


def test_the_order_of_rules_decides_and_their_words_do_not(ng12: Model) -> None:
    reworded = edited(ng12, lambda e: e["rules"][0]["says"].update(en="Said in other words."))
    assert reworded.manifest.fingerprint == ng12.manifest.fingerprint
    turned = edited(ng12, lambda e: e["rules"].reverse())
    assert turned.manifest.fingerprint != ng12.manifest.fingerprint


@pytest.mark.parametrize(
    "part", [("inputs", 0, "within"), ("population", "eligibility", 0, "at_least"), ("runtime", "otherwise")]
)
def test_what_is_read_and_for_whom_is_part_of_it(ng12: Model, part: tuple[Any, ...]) -> None:
    content = ng12.manifest.model_dump(mode="json", exclude_unset=True)
    where: Any = content
    for step in part[:-1]:
        where = where[step]
    where[part[-1]] = {"within": "7d", "at_least": 1.0, "otherwise": "none of these"}[part[-1]]
    assert Manifest.model_validate(content).fingerprint != ng12.manifest.fingerprint


def test_it_is_the_same_however_the_manifest_was_written(ng12: Model) -> None:
    """With every default written out, and keys in another order."""
    content = json.loads(json.dumps(ng12.manifest.model_dump(mode="json"), sort_keys=True))
    assert Manifest.model_validate(content).fingerprint == ng12.manifest.fingerprint


def test_the_ledger_s_row_holds_it(ng12: Model) -> None:
    record = Record(datetime(2026, 3, 1, tzinfo=UTC), "1")
    assert prediction(ng12.assess(record)).model_sha256 == ng12.manifest.fingerprint
