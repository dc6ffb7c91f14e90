"""One small model, and what it would put on a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_models
from tiny_models import Change, Json

from cds.cards import by_manifest
from cds.cards.phrasebook import Catalogues
from cds.fhir.evidence import Evidence
from cds.inference.model import Model
from cds.inference.registry import load
from cds.policy.schema import Known, Policy, parse
from cds.protocol.request import parse_call
from cds.record.facts import Record
from cds.services import CardDraft, Case, Finding, NoParameters

BOOKS = Catalogues(())
POLICY = """
name: tests
author: tests
approver: tests
effective: 2026-01-01
reason: tests
models: {}
orders:
  look: {system: "urn:site", code: "1", display: Look}
"""


def policy(models: str = "{}", *known: str) -> Policy:
    thresholds = frozenset({"high", "low"})
    return parse(
        POLICY.replace("models: {}", f"models: {models}"), "policy.yaml", Known(dict.fromkeys(known, thresholds), {})
    )


class Say:
    """Loads one small model and asks what it would put on a card."""

    def __init__(self, folder: Path, change: Change, base: Callable[[str], Json], onnx: bytes = b"") -> None:
        content = base("probe")
        change(content)
        graph = (onnx or tiny_models.graph()) if content["runtime"]["kind"] == "onnx" else None
        tiny_models.write(folder, content, graph)
        registry = load([folder])
        assert registry.refused == {}
        self.model: Model = registry["probe"]

    def case(self, record: Record, *, language: str = "en", **changed: Any) -> Case:
        body = {
            "hook": "patient-view",
            "hookInstance": "1",
            "context": {"userId": "Practitioner/1", "patientId": "probe"},
        }
        return Case(
            call=parse_call(json.dumps(body).encode()),
            record=record,
            drafts=record,
            **{
                "assessments": {"probe": self.model.assess(record)},
                "evidence": Evidence(),
                "parameters": NoParameters(),
                "policy": policy(),
                "words": BOOKS.book(language),
                "patient_facing": False,
            }
            | changed,
        )

    def findings(self, record: Record, **changed: Any) -> list[Finding]:
        return list(by_manifest.findings(self.case(record, **changed), ["probe"]))

    def __call__(self, record: Record, **changed: Any) -> CardDraft:
        (card,) = self.findings(record, **changed)
        assert isinstance(card, CardDraft)
        return card
