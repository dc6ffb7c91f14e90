"""Prometheus itself goes by the chart's rules: what it says of CronJobs, and of two releases in one namespace."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests import of_kind, only

from helm import Helm, Manifest

pytestmark = pytest.mark.system

HOUR = 60
"""Minutes, in which Prometheus looks once each."""
DUE = 2 * HOUR
END = 12 * HOUR
TASKS = {
    "retention": {"enabled": True},
    "report": {"enabled": True, "claim": "reports"},
    "monitoring": {"rules": {"enabled": True}},
}


@pytest.fixture
def groups(helm: Helm) -> list[Any]:
    found: list[Any] = only(helm.template(TASKS), "PrometheusRule")["spec"]["groups"]
    return found


def told(name: str, minutes: list[float | None], cronjob: str) -> dict[str, str]:
    """A time that kube-state-metrics tells, minute by minute; None: it tells none."""
    labels = f'namespace="clinic",cronjob="{cronjob}",job="kube-state-metrics",instance="i"'
    return {
        "series": f"kube_cronjob_{name}{{{labels}}}",
        "values": " ".join("_" if minute is None else str(minute * 60) for minute in minutes),
    }


def runs(cronjob: str, *, well_after: int | None, was_well: bool = True, started: bool = True) -> list[dict[str, str]]:
    """Of a CronJob that is due once, at ``DUE``. ``well_after``: minutes until that run is done; None: it fails."""
    before, after = [None] * DUE, range(DUE, END + 1)
    first: list[float | None] = [float(DUE)] * DUE
    done = [well_after is not None and minute >= DUE + well_after for minute in after]
    old = -10.0 * HOUR if was_well else None
    return [
        told("status_last_schedule_time", [*before, *(float(DUE) if started else None for _ in after)], cronjob),
        told(
            "status_last_successful_time",
            [*([old] * DUE), *(float(DUE + (well_after or 0)) if well else old for well in done)],
            cronjob,
        ),
        told("next_schedule_time", [*first, *(DUE + 168.0 * HOUR if started else float(DUE) for _ in after)], cronjob),
    ]


def alerted(promtool: str, folder: Path, groups: list[Any], series: list[dict[str, str]], minute: int) -> bool:
    """Whether ``CdsCronJobFails`` is told at that minute."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    none = {"eval_time": f"{minute}m", "alertname": "CdsCronJobFails", "exp_alerts": []}
    given = {"interval": "1m", "input_series": series, "alert_rule_test": [none]}
    file = folder / "test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [given]}), encoding="utf-8"
    )
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "alertname: CdsCronJobFails" in said.replace("\n", " "), said
    return done.returncode != 0


@pytest.mark.parametrize("task", ["retention", "report"])
@pytest.mark.parametrize(
    ("how", "is_told"),
    [
        ({"well_after": None}, True),
        ({"well_after": None, "was_well": False}, True),
        ({"well_after": None, "started": False}, True),
        # the longest that a purge may take
        ({"well_after": 6 * HOUR}, False),
        ({"well_after": 1}, False),
        ({"well_after": 1, "was_well": False}, False),
    ],
)
def test_a_run_of_a_cronjob_that_is_not_well_is_told(
    promtool: str, tmp_path: Path, helm: Helm, groups: list[Any], task: str, how: Any, is_told: bool
) -> None:
    name = only(helm.template(TASKS), "CronJob", f"-{task}")["metadata"]["name"]
    series = runs(name, **how)
    assert not alerted(promtool, tmp_path, groups, series, DUE - 1)
    assert alerted(promtool, tmp_path, groups, series, END) is is_told


def test_another_s_cronjob_is_not_told_nor_anything_without_kube_state_metrics(
    promtool: str, tmp_path: Path, groups: list[Any]
) -> None:
    assert not alerted(promtool, tmp_path, groups, runs("backup-of-another", well_after=None), END)
    assert not alerted(promtool, tmp_path, groups, [], END)


def test_it_waits_for_longer_than_a_run_may_take(helm: Helm) -> None:
    manifests = helm.template(TASKS)
    rules = [rule for group in only(manifests, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    (waits,) = [int(rule["for"].removesuffix("h")) for rule in rules if rule.get("alert") == "CdsCronJobFails"]
    crons = of_kind(manifests, "CronJob")
    assert len(crons) == 2
    for cron in crons:
        assert cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < waits * 3600


@pytest.mark.parametrize("tasks", [[], ["retention"], ["report"]])
def test_only_cronjobs_of_the_release_are_asked_for(helm: Helm, tasks: list[str]) -> None:
    off = {task: {"enabled": False} for task in ("retention", "report") if task not in tasks}
    manifests = helm.template({**TASKS, **off})
    rules = [rule for group in only(manifests, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    asked = [rule["expr"] for rule in rules if rule.get("alert") == "CdsCronJobFails"]
    names = [cron["metadata"]["name"] for cron in of_kind(manifests, "CronJob")]
    assert len(asked) == len(names) == len(tasks)
    for expression, name in zip(asked, names, strict=True):
        assert f'cronjob=~"{name}"' in expression


def test_two_releases_of_one_namespace_have_a_queue_each(promtool: str, tmp_path: Path, helm: Helm) -> None:
    """An autoscaler that were told the longest of them would start workers for another's scans."""

    def release(name: str) -> list[Manifest]:
        scaled = {"enabled": True, "autoscaling": {"by": "hpa"}}
        return helm.template({"fullnameOverride": name, "worker": scaled, "monitoring": TASKS["monitoring"]})

    def series(name: str, pod: str, queued: int) -> dict[str, str]:
        labels = f'namespace="clinic",job="{name}",pod="{pod}",state="queued"'
        return {"series": f"cds_study_jobs{{{labels}}}", "values": f"{queued}x10"}

    queues = {"north": 3, "south": 40}
    files, asked = [], []
    for name, queued in queues.items():
        manifests = release(name)
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(only(manifests, "PrometheusRule")["spec"]), encoding="utf-8")
        files.append(file.name)
        (metric,) = only(manifests, "HorizontalPodAutoscaler", "-worker")["spec"]["metrics"]
        wanted = ",".join(
            f'{label}="{value}"' for label, value in metric["external"]["metric"]["selector"]["matchLabels"].items()
        )
        # an adapter adds up what the selector finds
        question = f"sum({metric['external']['metric']['name']}{{{wanted}}})"
        asked.append({"expr": question, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": queued}]})
    given = {
        "interval": "1m",
        # both pods of a release tell the same queue
        "input_series": [series(name, f"{name}-{n}", queued) for name, queued in queues.items() for n in (1, 2)],
        "promql_expr_test": asked,
    }
    test = tmp_path / "test.yaml"
    test.write_text(yaml.safe_dump({"rule_files": files, "evaluation_interval": "1m", "tests": [given]}))
    done = subprocess.run([promtool, "test", "rules", str(test)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
