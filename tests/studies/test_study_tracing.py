"""A study job as a trace: its stages, its reason when it fails, and no UID and nobody's name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from study_house import Build, House
from study_scene import STUDY, Archive, away

from cds import tracing
from cds.tracing_settings import TracingSettings


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    yield InMemorySpanExporter()
    tracing.switch(TracingSettings())


@pytest.mark.threat("phi-in-traces")
def test_a_job_is_one_trace_of_its_stages(house: House, exported: InMemorySpanExporter) -> None:
    tracing.switch(TracingSettings(), exporter=exported)
    house.ask()
    job = house.work()
    assert job is not None and job.state == "done", job
    spans = exported.get_finished_spans()
    assert [span.name for span in spans] == ["fetch", "analyse", "write", "store", "job"]
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    assert dict(spans[-1].attributes or {}) == {"cds.job": job.id, "cds.kind": job.kind, "cds.attempt": 1}
    said = "".join(span.to_json() for span in spans)
    assert STUDY not in said and "GENERATED" not in said and "p1" not in {*said.split('"')}


def test_a_job_that_fails_says_why(build: Build, archive: Archive, exported: InMemorySpanExporter) -> None:
    archive.holds()
    house = build()
    tracing.switch(TracingSettings(), exporter=exported)
    house.ask()
    archive.broken = away()
    house.work()
    (job,) = [span for span in exported.get_finished_spans() if span.name == "job"]
    assert (job.attributes or {})["cds.fault"] == "pacs-failed"
    assert not job.events and job.status.description is None
