"""The background patients: enough of them, each a whole record, none from after the simulation's end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cds.record.moments import parse

Patients = list[tuple[str, list[dict[str, Any]]]]


def test_a_few_hundred_patients_each_with_a_record_of_their_own(background_patients: Patients) -> None:
    assert len(background_patients) >= 200
    assert len({identity for identity, _ in background_patients}) == len(background_patients)
    for identity, resources in background_patients:
        assert resources[0]["resourceType"] == "Patient"
        assert resources[0]["id"] == identity
        subjects = {(r.get("subject") or r.get("patient"))["reference"] for r in resources[1:]}
        assert subjects <= {f"Patient/{identity}"}


def test_no_result_lies_after_the_moment_the_simulation_ends(
    background_patients: Patients, background_now: datetime
) -> None:
    for _, resources in background_patients:
        for resource in resources:
            if resource["resourceType"] == "Observation" and (when := parse(resource.get("effectiveDateTime", ""))):
                assert when.earliest <= background_now
