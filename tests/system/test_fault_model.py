"""A model's file goes bad on the service's disk: its patients' cards say so, and a mended file needs one restart."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import story_calls
from faults import Seen
from ledger_rows import kept_once, outcomes, sqlite_of
from prometheus_client.parser import text_string_to_metric_families
from running_service import Ehr, RunningService, running

import models

pytestmark = pytest.mark.system

SPOILT, WELL = "endpac", "nice-ng12"
"""The patient's risk would come from the first; the second answers as ever."""


def failures(service: RunningService) -> float:
    """Of the spoilt model, as they are counted."""
    counted = text_string_to_metric_families(service.get("/metrics").text)
    about = {"model": SPOILT, "outcome": "failed"}
    samples = (s for family in counted for s in family.samples if s.name == "cds_assessments_total")
    return sum(s.value for s in samples if about.items() <= s.labels.items())


@pytest.mark.fault("model", "its file is corrupt or gone at the start")
@pytest.mark.parametrize("spoil", ["replaced", "removed"])
def test_a_model_that_cannot_run_is_a_card_a_count_and_a_row(tmp_path: Path, ehr: Ehr, spoil: str, seen: Seen) -> None:
    own = tmp_path / "models"
    shutil.copytree(Path(models.__file__).parent, own, ignore=shutil.ignore_patterns("__pycache__"))
    graph = own / SPOILT / "model.onnx"
    good = graph.read_bytes()
    graph.write_bytes(b"not a graph") if spoil == "replaced" else graph.unlink()
    first, second = story_calls.patient_view(), story_calls.patient_view()
    with running(tmp_path, ehr, packages=tmp_path, workers=1) as service:
        ready = service.ready()
        assert ready["ready"] is True and ready["models_not_loaded"] == [SPOILT]
        during = service.call(first)
        assert during.status_code == 200, during.text
        told = "\n".join(card["summary"] + card["detail"] for card in during.json()["cards"])
        [said] = [line.lstrip("- ") for line in told.splitlines() if "END-PAC" in line and "could not run" in line]
        assert "no sign of low risk" in said
        assert failures(service) == 1
    graph.write_bytes(good)
    begun = time.monotonic()
    with running(tmp_path, ehr, packages=tmp_path, workers=1) as service:  # a restart, as its docs say
        after = service.call(second)
        recovery = time.monotonic() - begun
        assert service.ready()["models_not_loaded"] == []
    url = sqlite_of(service)
    found = [outcomes(url, body["hookInstance"]) for body in (first, second)]
    assert [(outcome[SPOILT], outcome[WELL]) for outcome in found] == [("failed", "predicted"), ("predicted",) * 2]
    seen(
        "model",
        "its file is corrupt or gone at the start",
        during=[during],
        after=[after],
        also=said,
        of="calls in the ledger, the model's failure among their predictions",
        owed=2,
        kept=kept_once(url, [body["hookInstance"] for body in (first, second)]),
        recovery_s=recovery,
        case=spoil,
    )
