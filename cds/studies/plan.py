"""Which models read which study, and under what name the work is known: once for a study and a model's version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds.imaging.reasons import Reason
from cds.inference.manifest import Manifest, Status
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.inference.volumes.bundle import Bundle
from cds.jobs.job import Job
from cds.ledger import Ledger
from cds.policy.schema import Policy
from cds.studies.about import About

KIND = "study"
ASSESSED, INDETERMINATE = "assessed", "indeterminate"
"""What a job that is done may have come to; never "negative"."""
POLICY_DISABLED = "policy-disabled"
"""Why a network is not run, and nothing written of what it found by hand, until the policy enables it."""
Why = Literal["hand", "call", "encounter-start", "appointment-book", "notification", "poll"]
PRIORITY: dict[str, int] = {
    "hand": 30,
    "call": 20,
    "encounter-start": 15,
    "appointment-book": 10,
    "notification": 5,
    "poll": 0,
}
"""A chart that is open comes before one that will be, and both before what merely came in."""
FROM_PEOPLE = 20
"""From this priority on a full queue refuses nobody."""


@dataclass(frozen=True)
class Planned:
    """One model and one study. ``declined``: why it does not read it; "" when it does."""

    model: Model
    declined: str = ""

    @property
    def manifest(self) -> Manifest:
        return self.model.manifest


def volume_models(models: Registry) -> dict[str, Model]:
    """Those that read volumes, by id; refused folders are not among them, since nobody knows what they read."""
    return {id: m for id, m in models.models.items() if bundle_of(m) is not None and not m.refused}


def broken(models: Registry, policy: Policy, environment: str) -> list[Model]:
    """Folders of networks that could not be loaded and would otherwise speak here: their silence must not be taken for
    a reading. In production one that is a demonstration would not speak."""
    return [
        m
        for m in models.models.values()
        if m.refused
        and m.of_volumes
        and (environment == "demo" or m.manifest.status is not Status.demonstration)
        and policy.model_enabled(m.manifest.id, needs_enabling=m.manifest.status.needs_enabling)
    ]


def bundle_of(model: Model) -> Bundle | None:
    return model.manifest.runtime.volume if model.manifest.runtime.kind == "volume" else None


def study_id(ledger: Ledger, client: str, uid: str) -> str:
    """The name of a study in the ledger, in addresses and logs: 32 hexadecimal digits that lead back to nobody."""
    return ledger.patient_key(client, f"study/{uid}")[:32]


def job_key(study: str, model: Model) -> str:
    bundle = bundle_of(model)
    assert bundle is not None
    return f"{study}:{model.manifest.id}:{model.manifest.version}:{bundle.fingerprint[:16]}"


def scan_day(job: Job) -> date | None:
    """When the job's study was made; None where that is not known."""
    try:
        return date.fromisoformat(str(job.payload.get("scan")))
    except ValueError:
        return None


def allowed(model: Model, policy: Policy, environment: str, *, by_hand: bool) -> str:
    """Why this model must not run here; "" when it may. A network that is not for clinical use runs unasked in a
    demonstration only: what it finds could reach nobody. ``by_hand``: for whoever asked and nobody else; nothing is
    written of what might not run unasked as well."""
    bundle, manifest = bundle_of(model), model.manifest
    if bundle is None:
        return "not-a-volume-model"
    licence = manifest.licence
    if licence.acknowledge and not policy.licence_acknowledged(manifest.id, licence.name):
        return "licence-not-acknowledged"
    if environment != "demo" and not manifest.clinical_use and not by_hand:
        return Reason.NOT_CLINICAL.value
    if not policy.model_enabled(manifest.id, needs_enabling=manifest.status.needs_enabling) and not by_hand:
        return POLICY_DISABLED
    return ""


def fits(bundle: Bundle, about: About) -> str:
    """Why the study is none for this network; "" when it may be. What is not said counts for nothing."""
    wanted = bundle.studies
    if about.modalities and wanted.modality not in about.modalities:
        return "other-modality"
    said = " ".join(about.texts).lower()
    if wanted.regions and said and not any(word.lower() in said for word in wanted.regions):
        return "other-region"
    if about.age is not None and not wanted.ages[0] <= about.age <= wanted.ages[1]:
        return "age-outside-range"
    return ""


def plan(models: Registry, policy: Policy, environment: str, about: About, *, by_hand: bool = False) -> list[Planned]:
    """Every model that reads volumes, with why not where it does not read this one."""
    found = []
    for model in volume_models(models).values():
        bundle = bundle_of(model)
        assert bundle is not None
        declined = allowed(model, policy, environment, by_hand=by_hand) or fits(bundle, about)
        found.append(Planned(model, declined))
    return found
