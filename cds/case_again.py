"""A past call's case, made again from what was kept of it: under the policy of then, or under another."""

from __future__ import annotations

from collections.abc import Mapping

from cds.cards.phrasebook import Phrasebook
from cds.editions import Editions
from cds.fhir.evidence import Evidence
from cds.inference.prediction import Assessment
from cds.policy.schema import Policy
from cds.protocol.request import Context, HookCall
from cds.services import Case, Service
from cds.snapshot import Snapshot
from cds.studies.desk import assessment
from cds.studies.plan import bundle_of

NOBODY = "1"
"""In place of the patient's id, which is not kept."""


def case_again(kept: Snapshot, policy: Policy, service: Service, editions: Editions, words: Phrasebook) -> Case:
    """Models that the policy switches on run on the facts as they were read. Raises ValueError (pydantic) for
    parameters that the service does not take."""
    record, drafts = kept.record, kept.drafts
    record.patient_id = drafts.patient_id = NOBODY
    record.drafts = drafts
    assessments: dict[str, Assessment] = {}
    for id in service.all_models:
        model = editions.models[id]
        if bundle_of(model) is not None and not model.refused:
            continue  # its readings of scans were kept
        if editions.runs(id, policy):
            assessments[id] = editions.of(id, policy).assess(record)
    assessments |= _readings(kept, editions)
    return Case(
        call=HookCall(kept.hook, "", NOBODY, Context(patientId=NOBODY), None, None, {}),
        record=record,
        drafts=drafts,
        assessments=assessments,
        evidence=Evidence(states=dict(kept.states)),
        parameters=service.parameters.model_validate(policy.service(service.id).parameters),
        policy=policy,
        words=words,
        patient_facing=kept.patient_facing,
        studies=kept.studies,
        withheld=frozenset(kept.withheld) & assessments.keys(),
    )


def _readings(kept: Snapshot, editions: Editions) -> Mapping[str, Assessment]:
    models = editions.models
    return {id: assessment(models[id], reading) for id, reading in kept.studies.items() if id in models.models}
