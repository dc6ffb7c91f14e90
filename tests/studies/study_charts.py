"""What the chart of a patient says of scans, and a worker's job between two looks at it."""

from __future__ import annotations

from typing import Any

from study_calls import body
from study_house import House

Json = dict[str, Any]


def cards(house: House, *studies: Json, language: str = "en", **changed: Any) -> list[Json]:
    answer = house.app.test_client().post(
        "/cds-services/pancreas-imaging",
        json=body(*studies, **changed),
        headers={"Accept-Language": language},
    )
    assert answer.status_code == 200, answer.text
    house.engine.studies.settle()
    found: list[Json] = answer.get_json()["cards"]
    return found


def only(found: list[Json]) -> tuple[str, str]:
    [card] = found
    assert card["indicator"] == "info"
    return card["summary"], card["detail"]


def work(house: House) -> None:
    job = house.work()
    assert job is not None and job.state == "done", job
