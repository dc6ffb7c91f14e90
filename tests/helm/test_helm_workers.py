"""Workers: their GPU, their image, and how many of them there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from chart_values import OTHER_CHOICES, shipped
from manifests import environment, of_kind, only, sole_container, worker

from cds import __version__
from cds.jobs import Jobs
from cds.ledger import migrate
from cds.ledger.tables import jobs as jobs_table
from helm import Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]


def test_there_are_none_unless_asked_for(rendered: Rendered) -> None:
    (found,) = of_kind(rendered("hospital"), "Deployment")
    assert sole_container(found)["args"] == ["serve"]


def test_a_worker_has_a_gpu_of_its_own_and_refuses_to_go_on_without(rendered: Rendered) -> None:
    found = worker(rendered("gpu-node"))
    container = sole_container(found)
    assert container["args"] == ["worker"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert environment(container)["CDS_REQUIRE_GPU"] == "true"
    spec = found["spec"]["template"]["spec"]
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    # a new pod would wait for the GPU of the one it replaces
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert not {"livenessProbe", "readinessProbe", "startupProbe", "ports"} & set(container)


def test_a_slice_of_a_gpu_is_asked_for_by_its_own_name(rendered: Rendered) -> None:
    limits = sole_container(worker(rendered("other choices")))["resources"]["limits"]
    assert limits["nvidia.com/mig-2g.20gb"] == 2
    assert "nvidia.com/gpu" not in limits


def test_workers_go_where_the_gpus_are(rendered: Rendered) -> None:
    spec = worker(rendered("three-zones"))["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    (spread,) = spec["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"gpu": {"enabled": True}}, f"pancreas-cds:{__version__}-cuda"),
        ({}, f"pancreas-cds:{__version__}"),
        ({"gpu": {"enabled": True}, "image": {"tag": "2.0"}}, "pancreas-cds:2.0"),
        ({"image": {"repository": "registry.example/worker"}}, f"registry.example/worker:{__version__}"),
        ({"image": {"digest": "sha256:" + "ab" * 32}}, "pancreas-cds@sha256:" + "ab" * 32),
    ],
)
def test_its_image_is_the_build_for_its_device(helm: Helm, values: dict[str, Any], image: str) -> None:
    assert sole_container(worker(helm.template({"worker": {"enabled": True, **values}})))["image"] == image


def test_the_service_s_digest_is_not_taken_for_the_gpu_build(helm: Helm) -> None:
    values = {"image": {"digest": "sha256:" + "cd" * 32}, "worker": {"enabled": True, "gpu": {"enabled": True}}}
    assert sole_container(worker(helm.template(values)))["image"] == f"pancreas-cds:{__version__}-cuda"


def test_pods_that_share_a_gpu_share_the_folder_with_its_lock(rendered: Rendered) -> None:
    found = worker(rendered("other choices"))
    mounts = {m["name"]: m["mountPath"] for m in sole_container(found)["volumeMounts"]}
    sources = {v["name"]: v for v in found["spec"]["template"]["spec"]["volumes"]}
    assert mounts["slots"] == environment(sole_container(found))["CDS_DATA_DIR"] + "/slots"
    assert sources["slots"]["persistentVolumeClaim"] == {"claimName": "cds-slots"}


def test_keda_scales_the_workers_by_the_queue_in_the_database(rendered: Rendered) -> None:
    manifests = rendered("three-zones")
    scaled, found = only(manifests, "ScaledObject")["spec"], worker(manifests)
    assert scaled["scaleTargetRef"] == {"name": found["metadata"]["name"]}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 6)
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "postgresql"
    # KEDA reads every value of a trigger as text
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    authentication = only(manifests, "TriggerAuthentication")
    assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "connection", "name": "cds-queue-reader", "key": "database-url"}]
    }
    # whoever scales it says how many: a number here would be set back at each upgrade
    assert "replicas" not in found["spec"]


def test_keda_goes_by_the_service_s_database_user_unless_it_has_one_of_its_own(helm: Helm) -> None:
    values = shipped("three-zones")
    for own, named in (
        ({"name": "cds-reader", "key": "uri"}, ("cds-reader", "uri")),
        ({}, ("cds-ledger", "database-url")),
    ):
        values["worker"]["autoscaling"]["databaseSecret"] = own
        (target,) = only(helm.template(values), "TriggerAuthentication")["spec"]["secretTargetRef"]
        assert (target["name"], target["key"]) == named


def test_keda_counts_what_waits_now_and_what_is_being_read(
    rendered: Rendered, postgres_database: Callable[[], str]
) -> None:
    url = postgres_database()
    migrate.upgrade(url)
    jobs = Jobs(url)
    jobs.enqueue("study", "running", {})
    running = jobs.claim("a", ("study",))
    assert running is not None
    jobs.enqueue("study", "done", {})
    done = jobs.claim("a", ("study",))
    assert done is not None and jobs.finish(done, {})
    jobs.enqueue("study", "due", {})
    jobs.enqueue("study", "within its quiet period", {}, after=timedelta(minutes=5))
    jobs.close()

    (trigger,) = only(rendered("three-zones"), "ScaledObject")["spec"]["triggers"]
    with psycopg.connect(url) as connection:
        assert connection.execute(trigger["metadata"]["query"]).fetchall() == [(2,)]
        # all that a user of KEDA's own has to be allowed
        assert f"FROM {jobs_table.name} " in trigger["metadata"]["query"]


def test_an_hpa_scales_the_workers_where_there_is_no_keda(rendered: Rendered) -> None:
    manifests = rendered("other choices")
    spec = only(manifests, "HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"]["name"] == worker(manifests)["metadata"]["name"]
    (metric,) = spec["metrics"]
    rules = [rule for group in only(manifests, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert metric["external"]["metric"]["name"] in {rule.get("record") for rule in rules}
    assert not of_kind(manifests, "ScaledObject")


def test_the_service_scales_by_processor_and_by_the_time_of_a_call(rendered: Rendered) -> None:
    manifests = rendered("three-zones")
    spec = only(manifests, "HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    cpu, latency = spec["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert latency["pods"]["target"] == {"type": "AverageValue", "averageValue": "500m"}
    rules = [rule for group in only(manifests, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert latency["pods"]["metric"]["name"] in {rule.get("record") for rule in rules}


def test_workers_are_told_by_the_broker_that_the_service_tells(rendered: Rendered) -> None:
    reference = {"secretKeyRef": {"name": OTHER_CHOICES["brokerSecret"]["name"], "key": "broker-url"}}
    for deployment in of_kind(rendered("other choices"), "Deployment"):
        assert environment(sole_container(deployment))["CDS_IMAGING__BROKER_URL"] == reference
