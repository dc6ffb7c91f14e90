"""Time and caching: a clinician waits for the answer, and nobody may keep it."""

from __future__ import annotations

from statistics import median

from answers import Answered
from flask.testing import FlaskClient
from requirements import requirement
from service import StoryCalls


@requirement(41)
def test_an_answer_takes_less_than_half_a_second(every_answer: list[Answered]) -> None:
    times = [a.ms for a in every_answer]
    assert median(times) < 100
    # one slow answer in fifty is this machine's, not the service's
    assert sorted(times)[int(len(times) * 0.98)] < 500


@requirement(42)
def test_answers_about_a_patient_are_not_to_be_stored(fire: StoryCalls) -> None:
    feedback = fire.client.post("/cds-services/pancreas-risk/feedback", json={"feedback": []})
    for answer in (fire("new-diabetes"), fire("referred"), feedback):
        assert answer.headers["Cache-Control"] == "no-store"


@requirement(42)
def test_discovery_can_be_revalidated(client: FlaskClient) -> None:
    first = client.get("/cds-services")
    again = client.get("/cds-services", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get("/cds-services", headers={"If-None-Match": '"another"'})
    assert other.status_code == 200
