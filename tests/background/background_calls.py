"""Every service asked about every background patient, as an EHR with prefetch asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask
from hook_context import hook_context

from cds.app import create_app
from cds.ledger.migrate import upgrade
from cds.settings import load

Resource = dict[str, Any]
Patients = list[tuple[str, list[Resource]]]


@dataclass(frozen=True)
class Answer:
    patient: str
    service: str
    hook: str
    cards: list[dict[str, Any]]


def make(folder: Path, now: datetime, **more: Any) -> Flask:
    settings = load(None, environment="demo", data_dir=folder, clients={"demo": {"authentication": "loopback"}}, **more)
    upgrade(settings.ledger_url)
    return create_app(settings, now=lambda: now)


def fire(app: Flask, patients: Patients, hooks: Iterable[str] | None = None) -> list[Answer]:
    """``hooks``: some of them; by default all that discovery names."""
    client = app.test_client()
    services = client.get("/cds-services").get_json()["services"]
    wanted = {service["hook"] for service in services} if hooks is None else set(hooks)
    found = []
    for patient, resources in patients:
        for service in (s for s in services if s["hook"] in wanted):
            hook, name = service["hook"], service["id"]
            body = {
                "hook": hook,
                "hookInstance": "x",
                "context": hook_context(hook, patient, _drafts(resources)),
                "prefetch": _prefetch(service.get("prefetch", {}), resources, patient),
            }
            answer = client.post(f"/cds-services/{name}", json=body)
            assert answer.status_code == 200, (patient, hook, answer.get_data(as_text=True))
            found.append(Answer(patient, name, hook, answer.get_json()["cards"]))
    return found


def _prefetch(templates: dict[str, str], resources: list[Resource], patient: str) -> dict[str, Any]:
    """Every resource of the type a template asks for: a superset of what the search would give."""
    by_type: dict[str, list[Resource]] = defaultdict(list)
    for resource in resources:
        by_type[resource["resourceType"]].append(resource)
    filled: dict[str, Any] = {}
    for key, template in templates.items():
        kind = template.split("?")[0].split("/")[0]
        if kind == "Patient":
            filled[key] = next(r for r in by_type["Patient"] if r["id"] == patient)
        else:
            entries = [{"resource": r} for r in by_type[kind]]
            filled[key] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    return filled


def _drafts(resources: list[Resource]) -> Resource:
    """The patient's own drugs, ordered anew."""
    drugs = [r for r in resources if r["resourceType"] == "MedicationRequest"][:5]
    entries = [{"resource": {**r, "status": "draft"}} for r in drugs]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
