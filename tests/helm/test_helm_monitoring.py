"""Alerts and the dashboard ask for metrics that the service really has, and every alert says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from chart_values import shipped
from flask import Flask
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models import prometheus
from manifests import only
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from cds.errors import CdsError, NotTaken, Overloaded, ReportRefused, RequestError
from helm import Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]
Rule = dict[str, Any]

KUBE_STATE = {
    "kube_cronjob_status_last_schedule_time",
    "kube_cronjob_status_last_successful_time",
    "kube_cronjob_next_schedule_time",
}
"""Of kube-state-metrics, by namespace and cronjob (its docs/metrics/workload/cronjob-metrics.md)."""
RUNBOOK = Path(__file__).parents[2] / "docs" / "operate.md"


@pytest.fixture(scope="module")
def families(app: Flask) -> list[Metric]:
    return list(text_string_to_metric_families(app.test_client().get("/metrics").text))


@pytest.fixture(scope="module")
def exported(families: list[Metric]) -> set[str]:
    """Names of all series at ``/metrics``, and of the one that Prometheus adds by itself."""
    found = {"up"}
    for family in families:
        # by kind, since one with labels has no sample before its first event
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + suffix for suffix in suffixes}
    return found


@pytest.fixture(scope="module")
def rules(rendered: Rendered) -> list[Rule]:
    groups = only(rendered("three-zones"), "PrometheusRule")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def alerts(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if "alert" in rule]


@pytest.fixture(scope="module")
def dashboard(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(only(rendered("three-zones"), "ConfigMap", "-dashboard")["data"]["cds.json"])
    return found


def questions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            # Grafana's own, replaced before Prometheus is asked
            yield target["expr"].replace("$__rate_interval", "5m")


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Raises ValueError for what is no PromQL."""

    def walk(node: Any) -> Iterator[promql_parser.VectorSelector]:
        if isinstance(node, promql_parser.VectorSelector):
            yield node
        for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
            part = getattr(node, name, None)
            if part is not None:
                yield from walk(part)
        for part in getattr(node, "args", None) or ():
            yield from walk(part)

    return walk(promql_parser.parse(expression))


def fits(matchers: list[promql_parser.Matcher], labels: dict[str, str]) -> bool:
    kinds = promql_parser.MatchOp

    def says(matcher: promql_parser.Matcher) -> bool:
        value = labels.get(matcher.name, "")
        if matcher.op in (kinds.Re, kinds.NotRe):
            found = re.fullmatch(matcher.value, value) is not None
        else:
            found = value == matcher.value
        return found == (matcher.op in (kinds.Equal, kinds.Re))

    return all(says(matcher) for matcher in matchers)


def tree(kind: type[CdsError]) -> Iterator[type[CdsError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def test_every_series_asked_for_is_exported(rules: list[Rule], dashboard: dict[str, Any], exported: set[str]) -> None:
    asked = {s.name for text in [*(r["expr"] for r in rules), *questions(dashboard)] for s in selectors(text)}
    assert asked <= exported | KUBE_STATE
    assert len(asked) > 10  # and so the walk finds them


def test_every_series_an_alert_asks_for_is_there_before_the_first_event(
    alerts: list[Rule], families: list[Metric]
) -> None:
    """One that comes into being at 1 has not grown, to Prometheus: the first failure would be told to nobody."""
    samples = [sample for family in families for sample in family.samples]
    by_scraping = {"namespace", "job"}  # labels that Prometheus adds
    asked = 0
    for alert in alerts:
        for selector in selectors(alert["expr"]):
            wanted = [m for m in selector.matchers.matchers if m.name not in by_scraping]
            if selector.name != "up" and selector.name not in KUBE_STATE:
                told = [s for s in samples if s.name == selector.name and fits(wanted, s.labels)]
                assert told, (alert["alert"], str(selector))
                asked += 1
    assert asked > 10


def test_a_pod_that_nobody_calls_counts_as_quick(rules: list[Rule]) -> None:
    """A quantile of no calls is no number, and an autoscaler that misses a number takes no pod away."""
    [quantile] = [rule["expr"] for rule in rules if rule.get("record") == "cds_call_seconds_p99"]
    assert re.fullmatch(
        r"\(histogram_quantile\(0\.99, .+\) >= 0\) or sum by \(namespace, pod\) \(rate\(.+\) \* 0", quantile
    )


def test_every_error_of_the_service_s_own_is_told_as_one(alerts: list[Rule]) -> None:
    [rule] = [alert for alert in alerts if alert["alert"] == "CdsCallsFail"]
    failed = [s for s in selectors(rule["expr"]) if s.name == "cds_calls_refused_total"]
    matchers = [m for m in failed[0].matchers.matchers if m.name == "code"]
    told = {kind.code for kind in tree(CdsError) if fits(matchers, {"code": kind.code})}
    assert {"CDS-500", "CDS-700", "CDS-800"} <= told
    assert not told & {kind.code for kind in (*tree(RequestError), *tree(ReportRefused), Overloaded, NotTaken)}


def test_every_state_and_count_is_on_the_dashboard(dashboard: dict[str, Any], exported: set[str]) -> None:
    shown = {selector.name for text in questions(dashboard) for selector in selectors(text)}
    ours = {name for name in exported if name.startswith("cds_") and not name.endswith(("_created", "_sum", "_count"))}
    assert ours - shown == set()


def _lost(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Of ours, what does not come back; defaults that are added are none of it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from _lost(value, theirs.get(key), f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(one, other, f"{where}[{n}]")
    elif ours != theirs:
        yield where


def test_grafanas_own_types_hold_all_of_the_dashboard(dashboard: dict[str, Any]) -> None:
    """As Grafana publishes them: a key it does not know is dropped, options of an unknown panel are a bare mapping."""
    plugins.register_default_plugins()

    def dropped(given: dict[str, Any]) -> list[str]:
        return [*_lost(given, json.loads(JSONEncoder().encode(grafana.Dashboard.from_json(given))))]

    decoded = grafana.Dashboard.from_json(dashboard)
    assert dropped(dashboard) == []
    assert dropped({**dashboard, "refreshes": "30s"}) == [".refreshes"]
    panels = [panel for panel in decoded.panels or () if isinstance(panel, grafana.Panel)]
    assert len(panels) > 20
    for panel in panels:
        assert type(panel.options).__module__ == f"grafana_foundation_sdk.models.{panel.type_val}", panel.title
        assert panel.targets and all(isinstance(target, prometheus.Dataquery) for target in panel.targets), panel.title


def test_every_question_is_about_this_release_alone(rules: list[Rule], dashboard: dict[str, Any]) -> None:
    for text in [*(r["expr"] for r in rules), *questions(dashboard)]:
        for selector in selectors(text):
            named = {matcher.name for matcher in selector.matchers.matchers}
            assert {"namespace", "cronjob" if selector.name in KUBE_STATE else "job"} <= named, text


def test_every_alert_leads_to_what_to_do(alerts: list[Rule]) -> None:
    headings = re.findall(r"^## (Cds\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert [alert["alert"] for alert in alerts] == headings
    for alert in alerts:
        page, anchor = alert["annotations"]["runbook_url"].split("#")
        assert page == shipped("three-zones")["monitoring"]["rules"]["runbook"]
        assert anchor == alert["alert"].lower()
    for section in re.split(r"^## Cds\w+$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        assert "**Means:**" in section and "**Clinicians:**" in section and "**Do:**" in section


def test_every_alert_has_a_severity_a_patience_and_a_sentence(alerts: list[Rule]) -> None:
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"\d+[mh]", alert["for"])
        assert alert["annotations"]["summary"].endswith(".")


def test_alerts_about_scans_come_with_workers(helm: Helm) -> None:
    def names(workers: bool) -> set[str]:
        values = {"worker": {"enabled": workers}, "monitoring": {"rules": {"enabled": True}}}
        groups = only(helm.template(values), "PrometheusRule")["spec"]["groups"]
        return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}

    assert names(True) - names(False) == {"CdsStudiesStuck", "CdsStudyQueueLong", "CdsStudiesFail"}


def test_thresholds_are_the_site_s(helm: Helm) -> None:
    values = {"monitoring": {"rules": {"enabled": True, "p99Seconds": 2.5, "officeHoursUtc": {"from": 6, "to": 18}}}}
    groups = only(helm.template(values), "PrometheusRule")["spec"]["groups"]
    by_name = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert by_name["CdsCallsSlow"].endswith("> 2.5")
    assert "hour() >= 6 and hour() < 18" in by_name["CdsNoCalls"]


def test_prometheus_scrapes_the_service_and_finds_it_by_the_site_s_labels(rendered: Rendered) -> None:
    monitor, service = only(rendered("three-zones"), "ServiceMonitor"), only(rendered("three-zones"), "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["clinic"]}
    # the operator names a job by its Service, which is what the rules ask for
    assert f'job="{service["metadata"]["name"]}"' in json.dumps(
        only(rendered("three-zones"), "PrometheusRule")
    ).replace('\\"', '"')
    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert only(rendered("three-zones"), kind)["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert only(rendered("three-zones"), "ConfigMap", "-dashboard")["metadata"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.parametrize(("interval", "waits"), [("5s", "5s"), ("15s", "10s"), ("1m", "10s")])
def test_prometheus_waits_no_longer_than_to_its_next_look(helm: Helm, interval: str, waits: str) -> None:
    """Its operator refuses a monitor that does, and nothing is scraped then."""
    monitor = helm.template({"monitoring": {"serviceMonitor": {"enabled": True, "interval": interval}}})
    (endpoint,) = only(monitor, "ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (interval, waits)


def test_the_dashboard_asks_the_source_that_is_chosen_on_it(dashboard: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"].endswith(".")
