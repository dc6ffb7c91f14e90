"""What Prometheus may know: counts and times by service, model, topic. Never a patient, a user or a client's data."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from cds import __version__
from cds.engine import Answer, Engine
from cds.errors import CdsError, ForeignServer, NotAuthenticated, Overloaded
from cds.inference.prediction import Failed, NotAssessed
from cds.protocol.request import FeedbackItem
from cds.web.committee_metrics import Verdicts

_P = ParamSpec("_P")
_Metric = TypeVar("_Metric", Counter, Histogram)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

# `service`, `pod`, `job` and their like are what a Prometheus Operator says of whom it asks: ours would be renamed
CALLS = Counter("cds_calls_total", "Hook calls answered.", ["cds_service", "hook"])
REFUSED = Counter("cds_calls_refused_total", "Calls and feedback that ended in an error, by code.", ["code"])
SECONDS = Histogram("cds_call_seconds", "Time to answer a hook call.", ["cds_service"], buckets=_BUCKETS)
CARDS = Counter("cds_cards_total", "Cards given.", ["cds_service", "topic", "indicator"])
SUPPRESSED = Counter("cds_cards_suppressed_total", "Cards held back, by reason.", ["topic", "reason"])
ASSESSED = Counter("cds_assessments_total", "Model assessments, by outcome.", ["model", "outcome"])
GAPS = Counter("cds_data_gaps_total", "Prefetch keys that could not be had.", ["cds_service", "key"])
SPOOLED = Counter("cds_ledger_spooled_total", "Rows written to the spool because the ledger was unreachable.")
REPORTS = Counter("cds_reports_opened_total", "Report pages opened.", ["cds_service"])
FEEDBACK = Counter("cds_feedback_total", "Feedback received.", ["outcome"])

_log = logging.getLogger("cds.web")
_TELL_AGAIN_S = 60.0
_told = [-_TELL_AGAIN_S]
"""When the log last said that something could not be counted, on the monotonic clock."""


def _observing(count: Callable[_P, None]) -> Callable[_P, None]:
    """Whatever has become of the files of the counters: a card is not kept back because it can't be counted."""

    @wraps(count)
    def safely(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception as error:  # of a library, over files that somebody removed: of any kind at all
            if time.monotonic() - _told[0] >= _TELL_AGAIN_S:
                _told[0] = time.monotonic()
                _log.error("metrics.lost error=%s", type(error).__name__)

    return safely


@cache
def _of(metric: _Metric, *labels: str) -> _Metric:
    """The child of a metric for these labels, looked up once; they come from declarations, of which there are few."""
    return metric.labels(*labels)


def begin(engine: Engine) -> None:
    """Every count that an alert asks for is there before its first event: to Prometheus a count that comes into being
    at 1 has not grown, and a share of calls is of nothing as long as none was answered."""
    for service in engine.services.services.values():
        _of(CALLS, service.id, service.hook)
        _of(SECONDS, service.id)
        for query in engine.queries(service):
            _of(GAPS, service.id, query.key)
    for model_id in engine.models.models:
        _of(ASSESSED, model_id, "failed")
    for kind in (CdsError, NotAuthenticated, ForeignServer, Overloaded):
        _of(REFUSED, kind.code)


@_observing
def answered(answer: Answer, seconds: float) -> None:
    service = answer.service.id
    _of(CALLS, service, answer.service.hook).inc()
    _of(SECONDS, service).observe(seconds)
    for card in answer.response.cards:
        topic = card.source.topic.code if card.source.topic else ""
        _of(CARDS, service, topic, card.indicator).inc()
    for held in answer.suppressed:
        _of(SUPPRESSED, held.topic, held.reason.partition(":")[0]).inc()
    for model_id, assessment in answer.assessments.items():
        if isinstance(assessment, Failed):
            outcome = "failed"
        elif isinstance(assessment, NotAssessed):
            outcome = assessment.reason
        else:
            outcome = "predicted"
        _of(ASSESSED, model_id, outcome).inc()
    for key in answer.evidence.gaps:
        _of(GAPS, service, key).inc()
    if not answer.recorded:
        SPOOLED.inc()


@_observing
def refused(code: str) -> None:
    _of(REFUSED, code).inc()


@_observing
def feedback(items: Iterable[FeedbackItem]) -> None:
    for item in items:
        _of(FEEDBACK, item.outcome).inc()


@_observing
def report_opened(service: str) -> None:
    _of(REPORTS, service).inc()


def exposition(
    jobs: Mapping[str, int] | None = None,
    ready: Mapping[str, Any] | None = None,
    verdicts: Verdicts | None = None,
) -> bytes:
    """All workers' counts together, when they share ``PROMETHEUS_MULTIPROC_DIR``. ``jobs``: study jobs by state, as the
    ledger has them now. ``ready``: what `/ready` says. ``verdicts``: the committee's."""
    states: list[Metric] = []
    if jobs is not None:
        queue = GaugeMetricFamily("cds_study_jobs", "Study jobs, by state.", labels=["state"])
        for state, count in jobs.items():
            queue.add_metric([state], count)
        states.append(queue)
    if ready is not None:
        states += _states(ready)
    if verdicts is not None:
        states += verdicts.families(ask=ready is None or ready["ledger"]["reachable"])
    registry = CollectorRegistry()
    registry.register(_Now(states))
    told = generate_latest(registry)
    if (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")) is not None:
        if not os.path.isdir(folder):
            return told  # somebody removed what was counted; states are told all the same
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)
        return generate_latest(counted) + told
    return generate_latest(REGISTRY) + told


class _Now(Collector):
    """States as they are now. A ``Gauge``, in whichever registry, goes into the files that workers share, where what
    each of them told last stays: a database that was away, a policy that is no longer in force."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _states(ready: Mapping[str, Any]) -> Iterator[Metric]:
    ledger, refused = ready["ledger"], bool(ready["policy"]["rejected"])
    for name, text, value in (
        ("cds_ready", "1: takes calls.", ready["ready"]),
        ("cds_ledger_reachable", "1: the ledger's database answers.", ledger["reachable"]),
        ("cds_ledger_waiting", "Rows on this host's spool, waiting for the database.", ledger["spooled"]),
        ("cds_ledger_rejected", "Rows on this host's spool that no database takes.", ledger["rejected"]),
        ("cds_policy_rejected", "1: the newest policy file was refused, an older one is in force.", refused),
        (
            "cds_models_not_loaded",
            "Models that could not be loaded; their cards say so.",
            len(ready["models_not_loaded"]),
        ),
    ):
        yield GaugeMetricFamily(name, text, value)
    versions = ["version", "policy"]
    info = GaugeMetricFamily("cds_info", "Versions of the service and of the policy in force.", labels=versions)
    info.add_metric([__version__, ready["policy"]["version"]], 1)
    yield info
