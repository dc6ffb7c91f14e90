"""A call and a study job as traces: what a span holds, what it never holds, and that nothing waits for a collector."""

from __future__ import annotations

import subprocess
import sys
import time
import timeit
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from opaque_stories import opaque
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from servers import FhirServer, hangs, prefetch_of, sends, status
from service import MakeApp, loopback

from cds import tracing
from cds.errors import SettingsError
from cds.settings import load
from cds.tracing_settings import TracingSettings
from hooks import stories

Json = dict[str, Any]
SERVICE = "/cds-services/pancreas-risk"
TRACE = "0af7651916cd43dd8448eb211c80319c"
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    tracing.switch(TracingSettings())


def on(exporter: InMemorySpanExporter) -> None:
    """After the application was made, which says whether there are traces."""
    tracing.switch(TracingSettings(), exporter=exporter)


def call(patient: str, hook: str = "patient-view", drafts: Json | None = None, **more: Any) -> Json:
    context: Json = {"userId": "Practitioner/gp", "patientId": patient}
    if drafts is not None:
        context["draftOrders"] = drafts
    return {"hook": hook, "hookInstance": INSTANCE, "context": context, **more}


def by_name(spans: tuple[ReadableSpan, ...], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def told(span: ReadableSpan) -> Json:
    return {name.removeprefix("cds."): value for name, value in (span.attributes or {}).items()}


def test_a_call_is_one_trace_from_the_hook_over_fhir_and_the_models_to_the_ledger(
    make_app: MakeApp, fhir: FhirServer, exported: InMemorySpanExporter
) -> None:
    patient = opaque(stories.story("new-diabetes"), date.today())
    fhir.holds(patient.resources)
    app = make_app(**loopback(fhir_servers=[fhir.base]))
    on(exported)
    answer = app.test_client().post(
        SERVICE, json=call(patient.id, fhirServer=fhir.base), headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    )
    assert answer.status_code == 200
    spans = exported.get_finished_spans()
    (root,) = by_name(spans, "call")
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    assert told(root) | {"call": "-"} == {
        "call": "-",
        "cards": len(answer.get_json()["cards"]),
        "client": "demo",
        "gaps": 0,
        "hook": "patient-view",
        "instance": INSTANCE,
        "recorded": True,
        "service": "pancreas-risk",
        "suppressed": told(root)["suppressed"],
    }
    stages = ["trust", "parse", "gather", "turn", "record", "models", "cards", "ledger"]
    assert [s.name for s in spans if s.name in stages and s.name != "turn"] == [s for s in stages if s != "turn"]
    (gather,) = by_name(spans, "gather")
    queries = by_name(spans, "query")
    assert len(queries) == len(fhir.hits) >= 5
    assert all(q.parent and gather.context and q.parent.span_id == gather.context.span_id for q in queries)
    assert all(told(query)["pages"] == 1 for query in queries)
    (models,) = by_name(spans, "models")
    assert {told(one)["model"] for one in by_name(spans, "model")} >= {"endpac", "nice-ng12"}
    assert all(
        m.parent and models.context and m.parent.span_id == models.context.span_id for m in by_name(spans, "model")
    )


def test_a_query_that_fails_or_never_ends_says_its_code(
    make_app: MakeApp, fhir: FhirServer, exported: InMemorySpanExporter
) -> None:
    patient = opaque(stories.story("new-diabetes"), date.today())
    fhir.holds(patient.resources)
    fhir.on("Observation", hangs())
    fhir.on("Condition", status(403))
    app = make_app(fhir={"deadline_s": 0.5, "retries": 0}, **loopback(fhir_servers=[fhir.base]))
    on(exported)
    app.test_client().post(SERVICE, json=call(patient.id, fhirServer=fhir.base))
    faults = {told(q)["query"]: told(q).get("fault") for q in by_name(exported.get_finished_spans(), "query")}
    assert (faults["observations"], faults["conditions"], faults["patient"]) == ("CDS-601", "CDS-603", None)


def test_a_refusal_is_a_trace_with_its_code_and_without_its_words(
    make_app: MakeApp, exported: InMemorySpanExporter
) -> None:
    app = make_app(**loopback())
    on(exported)
    assert app.test_client().post(SERVICE, json=call("Testpatient Nora")).status_code == 400
    (root,) = by_name(exported.get_finished_spans(), "call")
    assert told(root)["fault"] == "CDS-400"
    assert root.status.description is None and not root.events


@pytest.mark.threat("phi-in-traces")
def test_no_span_of_any_authored_patient_holds_anything_of_them(
    make_app: MakeApp, fhir: FhirServer, exported: InMemorySpanExporter
) -> None:
    patients = [opaque(story, date.today()) for story in stories.STORIES]
    identifying = {text for patient in patients for text in patient.identifying}
    app = make_app(**loopback(fhir_servers=[fhir.base]))
    on(exported)
    client = app.test_client()
    for patient in patients:
        sent = {"prefetch": prefetch_of(patient.resources)}
        client.post(SERVICE, json=call(patient.id, **sent) | {"hookInstance": f"{patient.id} opened"})
        if patient.drafts is not None:
            client.post(
                "/cds-services/pancreas-first-line", json=call(patient.id, "order-sign", patient.drafts, **sent)
            )
        name = next(iter(patient.identifying))
        client.post(SERVICE, json=call(f"{patient.id} {name}", **sent), headers={"traceparent": name, "baggage": name})
        client.post(f"/cds-services/{name}", json=call(patient.id, fhirServer=f"{fhir.base}/{name}"))
    told_all = "\n".join(span.to_json() for span in exported.get_finished_spans())
    assert told_all.count('"name": "call"') >= 3 * len(patients)
    assert [text for text in identifying if text in told_all] == []


def test_a_span_takes_short_words_and_numbers_only(exported: InMemorySpanExporter) -> None:
    on(exported)
    with tracing.span("x", service="Jansen, Nora", hook="Patient/1", query="a\nb", model="m" * 81, client="ok") as span:
        span.note(instance="Nora", pages=3)
        with pytest.raises(KeyError, match="birthdate"):
            span.note(birthdate="1960-01-01")
    (one,) = exported.get_finished_spans()
    assert told(one) == {"client": "ok", "pages": 3}


def test_off_it_is_not_even_imported_and_costs_next_to_nothing(tmp_path: Path) -> None:
    program = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry"):
            print(name)
sys.meta_path.insert(0, Watch())
import cds.app
from cds import tracing
with tracing.span("x") as span:
    span.note(cards=1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    tracing.switch(TracingSettings())

    def one() -> None:
        with tracing.span("x", model="m", version="1"):
            pass

    # some forty spans a call: less than a thirtieth of a millisecond
    assert min(timeit.repeat(one, number=1000, repeat=20)) * 40 < 0.1


def test_a_collector_that_is_away_holds_no_call_up(make_app: MakeApp) -> None:
    app = make_app(tracing={"endpoint": "http://127.0.0.1:9/v1/traces"}, **loopback())
    try:
        client = app.test_client()
        client.post(SERVICE, json=call("p1"))
        began = time.monotonic()
        for _ in range(50):
            assert client.post(SERVICE, json=call("p1")).status_code == 412
        assert time.monotonic() - began < 5
    finally:
        tracing.switch(TracingSettings())


def test_spans_arrive_at_a_collector_in_the_background(make_app: MakeApp, fhir: FhirServer, tmp_path: Path) -> None:
    secret = tmp_path / "authorization"
    secret.write_text("Bearer collector-secret\n", encoding="utf-8")
    fhir.on("traces", sends(b"", content_type="application/x-protobuf"))
    address = f"http://127.0.0.1:{fhir.port}/fhir/traces"
    app = make_app(tracing={"endpoint": address, "authorization_file": secret, "service": "cds-test"}, **loopback())
    try:
        app.test_client().post(SERVICE, json=call("p1"))
        ends = time.monotonic() + 15
        while not (came := [hit for hit in fhir.hits if hit.kind == "traces"]) and time.monotonic() < ends:
            time.sleep(0.05)
    finally:
        tracing.switch(TracingSettings())
    assert came and came[0].headers["authorization"] == "Bearer collector-secret"
    assert b"cds-test" in came[0].body and b"pancreas-risk" in came[0].body


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"endpoint": "collector:4318"}, "must be an address"),
        ({"sample": 2}, "less than or equal to 1"),
        ({"service": "Nora Jansen"}, "pattern"),
        ({"endpint": "x"}, "endpoint"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(tmp_path: Path, block: Json, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(None, environment="demo", data_dir=tmp_path, tracing=block)


def test_a_secret_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    settings = TracingSettings(endpoint="http://127.0.0.1:9", authorization_file=tmp_path / "none")
    with pytest.raises(SettingsError, match="authorization_file"):
        tracing.switch(settings)
    assert tracing.span("x") is tracing.NOTHING
