"""What the chart gives the cluster: valid, closed by default, and holding what the service will read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import operators
import pytest
import yaml
from chart_values import HOSPITAL, PACKAGED_POLICY, SETTINGS, SHIPPED, VALUE_SETS
from manifests import chosen, component, environment, of_kind, only, pods, sole_container, web, worker
from pydantic import BaseModel

from cds import __version__
from cds.settings import load
from helm import CHART, Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]
OLDEST, NEWEST = "1.25", kubernetes_validate.latest_version()
BY_OPERATORS = {kind for _, kind in operators.SPECS}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", VALUE_SETS)
def test_kubernetes_accepts_every_manifest(helm: Helm, name: str, version: str) -> None:
    """As rendered for a cluster of that version."""
    for manifest in helm.template(VALUE_SETS[name], version):
        if manifest["kind"] not in BY_OPERATORS:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("kind", sorted(BY_OPERATORS))
def test_operators_take_what_is_theirs(rendered: Rendered, kind: str) -> None:
    found = [m for name in VALUE_SETS for m in of_kind(rendered(name), kind)]
    assert found, "no set of values writes one"
    for manifest in found:
        operators.validate(manifest)


@pytest.mark.parametrize("values", [{}, {"fullnameOverride": "pancreas.risk" + "-of-the-hospital" * 4}])
def test_every_name_is_one_the_cluster_takes_however_long_the_release_s(helm: Helm, values: dict[str, Any]) -> None:
    """No schema says so: 52 characters for a CronJob, whose Jobs' names are longer, and for a StatefulSet, whose pods
    have a label with it and a hash; 63 and no dot for what is a DNS label."""
    database = {"ledger": {"databaseSecret": {"name": ""}}, "devDatabase": {"enabled": True}}
    manifests = helm.template(
        {**HOSPITAL, **database, **values, "retention": {"enabled": True}, "report": {"enabled": True, "claim": "c"}},
        release="r" * 35 + ".production-of-53",
    )
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(set(names)) == len(names)
    for kind, name in names:
        longest = 52 if kind in ("CronJob", "StatefulSet") else 63
        assert len(name) <= longest and re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name), (kind, name)


def test_of_a_full_name_as_much_counts_as_the_values_say(helm: Helm) -> None:
    (said,) = re.findall(r"its first (\d+) characters count", (CHART / "values.yaml").read_text(encoding="utf-8"))
    full = "ab" * 30
    assert web(helm.template({"fullnameOverride": full}))["metadata"]["name"] == full[: int(said)]


def test_only_what_was_too_long_is_named_otherwise_and_never_as_its_neighbour_is(helm: Helm) -> None:
    """Another name would be another Service: of a release that runs, all that the cluster took keeps its own."""
    jobs = []
    for full in ("r" * 43 + "-north", "r" * 43 + "-south", "r" * 42):
        wanted = {"fullnameOverride": full, "retention": {"enabled": True}, "report": {"enabled": True, "claim": "c"}}
        manifests = helm.template({**HOSPITAL, **wanted})
        for kind in ("Service", "Deployment"):
            assert full in [manifest["metadata"]["name"] for manifest in of_kind(manifests, kind)]
        jobs += [manifest["metadata"]["name"] for manifest in of_kind(manifests, "CronJob")]
    assert len(set(jobs)) == 6 and {full + "-report", full + "-retention"} <= set(jobs)


def test_the_service_listens_where_its_pod_has_addresses(helm: Helm) -> None:
    assert environment(sole_container(web(helm.template({"listen": "::"}))))["CDS_HOST"] == "::"


def test_every_pod_is_locked_down(manifests: list[Manifest]) -> None:
    found = list(pods(manifests))
    assert len(found) >= 2
    for _, spec in found:
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security.get("runAsUser") != 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"]["cpu"]
            if "cds" in container["image"]:
                assert environment(container)["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_user_is_left_to_a_platform_that_chooses_it(rendered: Rendered) -> None:
    for _, spec in pods(rendered("default")):
        assert spec["securityContext"]["runAsUser"] == 10001
    for _, spec in pods(rendered("platform chooses the user")):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"])


def test_secrets_are_named_and_never_written_down(manifests: list[Manifest]) -> None:
    assert not of_kind(manifests, "Secret")
    kinds = ("Deployment", "Job", "CronJob", "StatefulSet")
    for manifest in [m for kind in kinds for m in of_kind(manifests, kind)]:
        for name, value in environment(sole_container(manifest)).items():
            if name.endswith(("PASSWORD", "BROKER_URL", "LEDGER_KEY")):
                assert set(value) == {"secretKeyRef"}, name
            if name == "CDS_DATABASE_URL":
                # the development database's address has a user and no password
                assert "secretKeyRef" in value or value.startswith("postgresql://cds@"), value
    spec = web(manifests)["spec"]["template"]["spec"]
    assert next(v for v in spec["volumes"] if v["name"] == "ledger-key")["secret"]["secretName"]
    for config in of_kind(manifests, "ConfigMap"):
        for text in config["data"].values():
            assert "ledger_key" not in text
            assert "postgresql://" not in text


@pytest.mark.parametrize(
    ("which", "name"),
    [
        *((web, name) for name in ("default", "hospital", "trial", *SHIPPED)),
        *((worker, name) for name in ("gpu-node", "three-zones", "other choices")),
    ],
)
def test_the_service_loads_what_is_mounted(
    rendered: Rendered,
    which: Callable[[list[Manifest]], Manifest],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment, config = which(rendered(name)), only(rendered(name), "ConfigMap", "-settings")
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    for variable in [v for v in os.environ if v.startswith("CDS_")]:
        monkeypatch.delenv(variable)
    for variable, value in environment(container).items():
        if isinstance(value, str):
            monkeypatch.setenv(variable, value)
    (tmp_path / "cds.toml").write_text(config["data"]["cds.toml"], encoding="utf-8")

    settings = load(tmp_path / "cds.toml")

    sources = {v["name"]: v for v in spec["volumes"]}
    mounts = {Path(m["mountPath"]): sources[m["name"]] for m in container["volumeMounts"]}
    assert settings.environment == "production"
    assert settings.host == "0.0.0.0"
    if which is web:
        assert [settings.port] == [p["containerPort"] for p in container["ports"]]
    for file in files_named(settings):
        if file.is_relative_to("/etc/cds/secrets"):
            assert mounts[file.parent]["secret"]["secretName"] == file.parent.name
    assert "emptyDir" in mounts[settings.data_dir]
    assert "emptyDir" in mounts[Path("/tmp")]
    assert settings.ledger_key_file is not None
    (item,) = mounts[settings.ledger_key_file.parent]["secret"]["items"]
    assert item["path"] == settings.ledger_key_file.name
    settings_file = Path(environment(container)["CDS_SETTINGS"])
    assert mounts[settings_file.parent]["configMap"]["name"] == config["metadata"]["name"]
    assert settings_file.name in config["data"]
    if settings.policy_file is not None:
        policy = only(rendered(name), "ConfigMap", "-policy")
        assert mounts[settings.policy_file.parent]["configMap"]["name"] == policy["metadata"]["name"]
        assert settings.policy_file.name in policy["data"]
    if settings.concept_map is not None:
        assert mounts[settings.concept_map.parent]["configMap"]["name"] == config["metadata"]["name"]
        assert settings.concept_map.name in config["data"]


def files_named(block: BaseModel) -> Iterator[Path]:
    """Every file and folder that the settings name, however deep."""
    for value in dict(block).values():
        for one in value.values() if isinstance(value, dict) else (value,):
            if isinstance(one, Path):
                yield one
            elif isinstance(one, BaseModel):
                yield from files_named(one)


def test_texts_arrive_byte_for_byte(rendered: Rendered) -> None:
    settings = only(rendered("hospital"), "ConfigMap", "-settings")["data"]
    assert settings == {"cds.toml": SETTINGS, **HOSPITAL["files"]}
    assert only(rendered("hospital"), "ConfigMap", "-policy")["data"] == {"policy.yaml": PACKAGED_POLICY}


def test_a_changed_setting_rolls_the_pods_and_a_changed_policy_does_not(helm: Helm) -> None:
    before = web(helm.template(HOSPITAL))
    other_settings = {**HOSPITAL, "settings": SETTINGS.replace('"nl"', '"en"')}
    other_policy = {**HOSPITAL, "policy": PACKAGED_POLICY + "\n# reviewed\n"}
    assert web(helm.template(other_settings)) != before
    assert web(helm.template(other_policy)) == before
    # a file mounted by subPath is never brought up to date
    assert not any("subPath" in m for m in before["spec"]["template"]["spec"]["containers"][0]["volumeMounts"])


def test_without_a_policy_the_packaged_one_is_used(rendered: Rendered) -> None:
    container = sole_container(web(rendered("default")))
    assert "CDS_POLICY_FILE" not in environment(container)
    assert not [m for m in of_kind(rendered("default"), "ConfigMap") if m["metadata"]["name"].endswith("-policy")]


def test_probes_ask_the_service_s_own_addresses_and_bear_a_slow_database(manifests: list[Manifest]) -> None:
    container = sole_container(web(manifests))
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in paths.items()} == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert {get["port"] for get in paths.values()} == {"http"}
    # half a second for the statement, one for the connection, and some
    assert container["readinessProbe"]["timeoutSeconds"] >= 4


def test_selectors_find_the_pods_they_are_for_and_no_others(manifests: list[Manifest]) -> None:
    for manifest in [*of_kind(manifests, "Deployment"), *of_kind(manifests, "StatefulSet")]:
        spec = manifest["spec"]
        assert chosen(manifests, spec["selector"]["matchLabels"]) == {component(manifest)}
        for spread in spec["template"]["spec"].get("topologySpreadConstraints", []):
            assert chosen(manifests, spread["labelSelector"]["matchLabels"]) == {component(manifest)}
    for service in of_kind(manifests, "Service"):
        assert chosen(manifests, service["spec"]["selector"]) == {component(service)}
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        assert chosen(manifests, budget["spec"]["selector"]["matchLabels"]) == {"web"}


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1), (5, 1)])
def test_a_budget_for_disruptions_comes_with_the_second_replica(helm: Helm, replicas: int, budgets: int) -> None:
    assert len(of_kind(helm.template({"replicas": replicas}), "PodDisruptionBudget")) == budgets


def test_a_budget_comes_with_autoscaling_which_makes_a_second_replica(helm: Helm) -> None:
    values = {"replicas": 1, "autoscaling": {"enabled": True}}
    assert only(helm.template(values), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_chart_is_for_this_version_of_the_service(rendered: Rendered) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__
    assert sole_container(web(rendered("default")))["image"] == f"pancreas-cds:{__version__}"
    assert sole_container(web(rendered("hospital")))["image"] == "{repository}@{digest}".format(**HOSPITAL["image"])


@pytest.mark.parametrize(("status", "passes"), [(200, True), (503, False)])
def test_helm_test_asks_for_health_and_fails_when_it_is_bad(
    rendered: Rendered, probed: Callable[[int], Any], status: int, passes: bool
) -> None:
    pod = only(rendered("hospital"), "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,) = pod["spec"]["containers"]
    service = only(rendered("hospital"), "Service")
    port = service["spec"]["ports"][0]["port"]
    assert environment(container)["SERVICE"] == f"{service['metadata']['name']}:{port}"
    with probed(status) as server:
        command = [sys.executable, *container["command"][1:], *container["args"]]
        done = subprocess.run(command, env={"SERVICE": f"127.0.0.1:{server.port}"}, capture_output=True, check=False)
    assert (done.returncode == 0) is passes, done.stderr
    assert server.paths == ["/health"]
