"""Whether a condition stands and how sure it is, where no status of FHIR's says so."""

from __future__ import annotations

from typing import Any

import pytest
from test_reading import read, vocabulary  # noqa: F401 # a fixture

from cds.record.facts import Fact
from cds.record.vocabulary import Vocabulary

GERMAN = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
MARK = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"


def condition(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": GERMAN, "code": "C25.0"}]}
    subject = {"reference": "Patient/p1"}
    return {
        "resourceType": "Condition",
        "id": "c1",
        "code": code,
        "subject": subject,
        "recordedDate": "2024-03-01",
    } | more


def marked(mark: Any, **more: Any) -> dict[str, Any]:
    made = condition(**more)
    made["code"]["coding"][0]["extension"] = [{"url": "urn:another", "valueBoolean": True}, {"url": MARK, **mark}]
    return made


def sure(mark: str) -> dict[str, Any]:
    return {
        "valueCoding": {"system": "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT", "code": mark}
    }


def status(name: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}]}


def found(vocabulary: Vocabulary, sent: dict[str, Any]) -> list[Fact]:  # noqa: F811
    return read(vocabulary, sent).of("tumour")


def test_german_marks_are_read_where_no_status_is_sent(vocabulary: Vocabulary) -> None:  # noqa: F811
    (confirmed,) = found(vocabulary, marked(sure("G")))
    assert (confirmed.provisional, confirmed.status) == (False, "active")
    (suspected,) = found(vocabulary, marked(sure("V")))
    assert suspected.provisional
    (past,) = found(vocabulary, marked({"valueCode": "Z"}))
    assert (past.provisional, past.status) == (False, "inactive")
    assert found(vocabulary, marked(sure("A"))) == []


def test_a_status_that_was_sent_counts_before_them(vocabulary: Vocabulary) -> None:  # noqa: F811
    (fact,) = found(vocabulary, marked(sure("V"), verificationStatus=status("condition-ver-status", "confirmed")))
    assert not fact.provisional
    (fact,) = found(vocabulary, marked(sure("Z"), clinicalStatus=status("condition-clinical", "active")))
    assert fact.status == "active"


@pytest.mark.parametrize("mark", [{}, {"valueCoding": 3}, {"valueCode": ["A"]}])
def test_one_that_can_not_be_read_costs_nothing(vocabulary: Vocabulary, mark: dict[str, Any]) -> None:  # noqa: F811
    assert len(found(vocabulary, marked(mark))) == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"abatementDateTime": "2019-05"}, "inactive"),
        ({"abatementDateTime": "2027-01-01"}, "active"),
        ({"abatementDateTime": "soon"}, "active"),
        ({"abatementDateTime": "2019-05", "clinicalStatus": status("condition-clinical", "active")}, "active"),
    ],
)
def test_what_has_ended_is_no_standing_problem(
    vocabulary: Vocabulary,  # noqa: F811
    sent: dict[str, Any],
    expected: str,
) -> None:
    (fact,) = found(vocabulary, condition(**sent))
    assert fact.status == expected
