"""The authored patients under ids that say nothing, so that a patient's id is found wherever it leaks.

The table's patients name their resources after themselves (``Observation/new-diabetes-obs-1``), and the ledger keeps
the references of the resources a value came from. A hospital's ids are opaque; here they are too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

from hooks import stories
from hooks.stories.story import Story

Resource = dict[str, Any]


@dataclass(frozen=True)
class OpaquePatient:
    id: str
    resources: list[Resource]
    drafts: Resource | None
    identifying: frozenset[str]
    """What must be found nowhere: the patient's id, names, birth date."""


def opaque(story: Story, today: date) -> OpaquePatient:
    built = stories.build(story, today)
    given, family = f"Given{_hash(story.given)}", f"Family{_hash(story.id)}"
    drafts = stories.draft_orders(story, today) if story.drafts else None
    known = {r["id"] for r in built} | {e["resource"]["id"] for e in (drafts or {}).get("entry", ())}
    resources = [_renamed(r, known) for r in built]
    patient = resources[0]
    patient["name"] = [{"use": "official", "family": family, "given": [given], "text": f"{given} {family}"}]
    patient["identifier"] = [{"system": "urn:mrn", "value": f"mrn{_hash('mrn' + story.id)}"}]
    named = {patient["id"], given, family, patient["birthDate"], patient["identifier"][0]["value"]}
    return OpaquePatient(patient["id"], resources, _renamed(drafts, known) if drafts else None, frozenset(named))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:14]


def _renamed(value: Any, known: set[str]) -> Any:
    """The same resource with every known id, alone or in a reference, replaced by a hash of it."""
    if isinstance(value, dict):
        return {key: _renamed(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, known) for inner in value]
    if isinstance(value, str):
        head, slash, tail = value.rpartition("/")
        if tail in known:
            return f"{head}{slash}{_hash(tail)}"
    return value
