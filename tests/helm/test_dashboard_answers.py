"""Prometheus itself answers every question of the dashboard: with two pods, and with the labels its legend names."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from chart_values import shipped
from manifests import only
from prometheus_client.metrics import MetricWrapperBase

from cds.web import metrics
from helm import Helm

DASHBOARD = Path(__file__).parents[2] / "helm" / "dashboards" / "cds.json"
PACKAGES = Path(__file__).parents[2] / "scripts" / "test-system-packages"
LABELS: dict[str, dict[str, tuple[str, ...]]] = {
    "cds_ready": {},
    "cds_ledger_reachable": {},
    "cds_ledger_waiting": {},
    "cds_ledger_rejected": {},
    "cds_policy_rejected": {},
    "cds_models_not_loaded": {},
    "cds_info": {"version": ("1",), "policy": ("p",)},
    "cds_calls_total": {"cds_service": ("risk", "therapy"), "hook": ("patient-view", "order-select")},
    "cds_call_seconds_bucket": {"cds_service": ("risk", "therapy"), "le": ("0.1", "1.0", "+Inf")},
    "cds_calls_refused_total": {"code": ("CDS-401", "CDS-500")},
    "cds_cards_total": {"cds_service": ("risk", "therapy"), "topic": ("t", "u"), "indicator": ("info", "warning")},
    "cds_cards_suppressed_total": {"topic": ("t", "u"), "reason": ("snoozed", "repeat")},
    "cds_assessments_total": {"model": ("a", "b"), "outcome": ("predicted", "failed")},
    "cds_data_gaps_total": {"cds_service": ("risk", "therapy"), "key": ("labs", "scans")},
    "cds_ledger_spooled_total": {},
    "cds_reports_opened_total": {"cds_service": ("risk", "therapy")},
    "cds_feedback_total": {"outcome": ("accepted", "overridden")},
    "cds_study_jobs": {"state": ("queued", "running", "done", "dead", "cancelled")},
    "cds_committee_verdict": {"model": ("a", "b"), "site": ("north", "south")},
    "cds_committee_evaluated_seconds": {"model": ("a", "b"), "site": ("north", "south")},
    **{
        f"cds_committee_measure{end}": {
            "model": ("a", "b"),
            "site": ("north", "south"),
            "measure": ("auc", "drift", "burden"),
            "about": ("", "age"),
        }
        for end in ("", "_lower", "_upper")
    },
}
"""Series -> label -> values it is seen with."""
BY_OPERATOR = ("namespace", "job", "pod", "instance", "service", "endpoint", "container")
"""What the operator says of a target; a label of ours that has such a name becomes ``exported_...``."""


def panels() -> Iterator[tuple[str, str, frozenset[str]]]:
    """(title, what Prometheus is asked, labels that its legend names)"""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            asked = target["expr"].replace("$__rate_interval", "5m").replace("$namespace", "n").replace("$job", "j")
            yield panel["title"], asked, frozenset(re.findall(r"{{\s*(\w+)\s*}}", target.get("legendFormat") or ""))


def series() -> Iterator[dict[str, str]]:
    """Of two pods that have been up for hours, all that is counted growing."""
    for name, labels in LABELS.items():
        for pod, *values in product(("one", "two"), *labels.values()):
            ours = {f"exported_{n}" if n in BY_OPERATOR else n: v for n, v in zip(labels, values, strict=True)}
            target = dict.fromkeys(BY_OPERATOR, "the target's") | {"namespace": "n", "job": "j", "pod": pod}
            told = {**target, "instance": f"{pod}:8080", **ours}
            text = ",".join(f'{label}="{value}"' for label, value in told.items())
            yield {"series": f"{name}{{{text}}}", "values": "1+3x180"}


def answers(promtool: str, folder: Path, asked: list[str]) -> dict[str, list[set[str]]]:
    """Question -> the labels of each thing that is answered, without those that tell of the target alone; a question
    that Prometheus can't answer is not in it."""
    tests = [{"expr": one, "eval_time": "2h", "exp_samples": [{"labels": "nothing", "value": -1}]} for one in asked]
    given: dict[str, Any] = {"interval": "1m", "input_series": list(series()), "promql_expr_test": tests}
    file = folder / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [given]}), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    told = re.findall(r'expr: ("(?:[^"\\]|\\.)*"), time: 2h,\s+exp:.*\n\s+got:(.*)', done.stdout + done.stderr)
    label = re.compile(r"(\w+)=\"(?!the target's)")
    return {
        json.loads(question): [set(label.findall(one)) for one in re.findall(r"{([^}]*)}", answer)]
        for question, answer in told
    }


def test_every_panel_is_answered_with_the_labels_of_its_legend(promtool: str, tmp_path: Path) -> None:
    wanted = list(panels())
    found = answers(promtool, tmp_path, [asked for _, asked, _ in wanted])
    assert len(wanted) > 20
    for title, asked, legend in wanted:
        assert found.get(asked), f"{title}: no answer"
        # any: a measure about nothing in particular has an empty label, which is none to Prometheus
        assert any(legend <= labels for labels in found[asked]), f"{title}: {found[asked]}"


def test_alerts_that_tell_pods_services_or_models_apart_are_answered_with_them(
    promtool: str, tmp_path: Path, helm: Helm
) -> None:
    groups = only(helm.template(shipped("three-zones")), "PrometheusRule")["spec"]["groups"]
    wanted = {}
    # what kube-state-metrics tells is in test_rules_in_prometheus.py
    for rule in (
        rule for group in groups for rule in group["rules"] if "alert" in rule and "kube_" not in rule["expr"]
    ):
        if named := set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])):
            asked = rule["expr"].replace('namespace="clinic",job="cds-pancreas-cds"', 'namespace="n",job="j"')
            # whatever its threshold
            wanted[re.sub(r" (==|>) [\d.]+$", "", asked)] = named
    found = answers(promtool, tmp_path, list(wanted))
    assert len(wanted) >= 5
    for asked, named in wanted.items():
        assert found.get(asked), f"{asked}: no answer"
        assert all(named <= labels for labels in found[asked]), f"{asked}: {found[asked]}"


def test_a_question_with_no_answer_and_one_that_can_not_be_joined_are_seen(promtool: str, tmp_path: Path) -> None:
    silent, unjoined = "sum(cds_nothing)", "cds_cards_total / on (cds_service) cds_calls_total"
    found = answers(promtool, tmp_path, [silent, unjoined, "sum(cds_ready)"])
    assert found["sum(cds_ready)"] == [set()]
    assert not found.get(silent) and not found.get(unjoined)


def test_what_is_counted_here_has_the_labels_it_has_in_the_service() -> None:
    kept = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    assert len(kept) >= 10
    for metric in kept:
        name = metric._name + {"counter": "_total", "histogram": "_bucket"}[metric._type]
        assert set(LABELS[name]) - {"le"} == set(metric._labelnames), name
    assert not {label for labels in LABELS.values() for label in labels} & set(BY_OPERATOR)


def test_testing_installs_no_prometheus_that_listens() -> None:
    """Its package has systemd start one, on every interface, when the machine next starts."""
    installed = " ".join(re.findall(r"missing\+=\(([^)]*)\)", PACKAGES.read_text(encoding="utf-8"))).split()
    assert "postgresql" in installed and "prometheus" not in installed
