"""Traces (OpenTelemetry) of a call, from the hook over FHIR and the models to the ledger, and of a study job's stages.

Off unless the settings name a collector, and then a span is one look at a variable. On, a span holds its name, its
times and short words and numbers of our own: a text with a blank, a slash or anything else that a name, an address or
a resource's id could be made of is left out, and no exception's message is kept. The collector is told in the
background, from a queue that forgets when it is full: none of it can hold up or fail a call.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from cds.errors import CdsError, SettingsError
from cds.ids import is_uuid
from cds.tracing_settings import TracingSettings

_log = logging.getLogger("cds.tracing")

ATTRIBUTES = frozenset(
    {
        "attempt",
        "call",
        "cards",
        "client",
        "fault",
        "gaps",
        "hook",
        "instance",
        "job",
        "kind",
        "model",
        "pages",
        "query",
        "recorded",
        "service",
        "suppressed",
        "version",
    }
)
"""What a span may hold beside its name and times; each with ``cds.`` before it."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", re.ASCII)
_QUEUED, _EVERY_MS, _TIMEOUT_S = 2048, 2000, 5


class Nothing:
    """A span that is not made."""

    __slots__ = ()

    def __enter__(self) -> Nothing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        return None

    def note(self, **attributes: object) -> None:
        return None

    def end(self, **attributes: object) -> None:
        return None


NOTHING = Nothing()


class Span(Nothing):
    """One that is made. As a context it holds what begins inside; ``end`` is for one that is not entered."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Any) -> None:
        self._span = span
        self._token: Any = None

    def __enter__(self) -> Span:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        from opentelemetry import context

        context.detach(self._token)
        if kind is not None:
            # a message may quote what a record says of a patient
            self.end(fault=error.code if isinstance(error, CdsError) else kind.__name__)
        else:
            self.end()

    def note(self, **attributes: object) -> None:
        for name, value in attributes.items():
            if name not in ATTRIBUTES:
                raise KeyError(f"{name} is not among the attributes a span may have")
            if isinstance(value, bool | int | float) or (isinstance(value, str) and _harmless(name, value)):
                self._span.set_attribute(f"cds.{name}", value)

    def end(self, **attributes: object) -> None:
        if not self._span.is_recording():
            return
        fault = attributes.get("fault")
        self.note(**{name: value for name, value in attributes.items() if value is not None})
        if fault is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _harmless(name: str, value: str) -> bool:
    # hookInstance is the EHR's own: only what can't be anything but a UUID
    return is_uuid(value) if name == "instance" else _WORD.fullmatch(value) is not None


class _Tracer:
    """Made before the fork; its exporter, which has a thread, by the first span of each process."""

    def __init__(self, settings: TracingSettings, ca_file: Path | None, exporter: Any = None) -> None:
        """``exporter``: in place of OTLP, and told at once. Raises SettingsError."""
        self._settings, self._ca_file, self._given = settings, ca_file, exporter
        self._lock, self._pid, self._tracer = threading.Lock(), -1, None
        self._provider: Any = None
        try:
            import opentelemetry.exporter.otlp.proto.http.trace_exporter
            import opentelemetry.sdk.trace  # noqa: F401
        except ImportError as error:
            raise SettingsError(
                "tracing.endpoint: traces need the extra 'telemetry' (pip install '<package>[telemetry]')"
            ) from error
        self._headers = self._authorization()

    def _authorization(self) -> dict[str, str]:
        path = self._settings.authorization_file
        if path is None:
            return {}
        try:
            return {"Authorization": path.read_text(encoding="utf-8").strip()}
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"tracing.authorization_file: {path} can't be read: {error}") from error

    def begin(self, name: str, traceparent: str | None, attributes: dict[str, object]) -> Span:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._tracer, self._pid = self._started(), os.getpid()
        within = _caller(traceparent) if traceparent is not None else None
        tracer: Any = self._tracer
        span = Span(tracer.start_span(name, context=within, record_exception=False, set_status_on_exception=False))
        span.note(**attributes)
        return span

    def _started(self) -> Any:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        sampler = ParentBased(TraceIdRatioBased(self._settings.sample))
        provider = TracerProvider(sampler, Resource({"service.name": self._settings.service}))
        if self._given is not None:
            provider.add_span_processor(SimpleSpanProcessor(self._given))
        else:
            exporter = OTLPSpanExporter(
                endpoint=self._settings.endpoint,
                certificate_file=str(self._ca_file) if self._ca_file is not None else None,
                headers=self._headers or None,
                timeout=_TIMEOUT_S,
            )
            provider.add_span_processor(
                BatchSpanProcessor(exporter, max_queue_size=_QUEUED, schedule_delay_millis=_EVERY_MS)
            )
        self._provider = provider
        return provider.get_tracer("cds")

    def close(self) -> None:
        """What is in the queue is sent, if the collector is there."""
        if self._provider is not None and self._pid == os.getpid():
            self._provider.shutdown()


def _caller(traceparent: str) -> Any:
    """The caller's own trace (W3C Trace Context), if it is plainly one. Its ``tracestate`` and ``baggage`` are free
    text and are not read."""
    if not _TRACEPARENT.fullmatch(traceparent):
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


_on: _Tracer | None = None


def switch(settings: TracingSettings, ca_file: Path | None = None, exporter: Any = None) -> None:
    """On or off, for this process and those it forks. Raises SettingsError."""
    global _on  # noqa: PLW0603 - a process has one collector, as it has one log
    if _on is not None:
        _on.close()
    _on = _Tracer(settings, ca_file, exporter) if settings.endpoint is not None or exporter is not None else None


def tried(settings: TracingSettings, ca_file: Path | None = None) -> None:
    """Raises SettingsError where ``switch`` would; switches nothing."""
    if settings.endpoint is not None:
        _Tracer(settings, ca_file)


def span(name: str, traceparent: str | None = None, **attributes: object) -> Nothing:
    """For ``with``: what begins inside belongs to it."""
    return NOTHING if _on is None else _on.begin(name, traceparent, attributes)
