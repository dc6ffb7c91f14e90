"""What the chart gives the cluster: valid, closed by default, and holding what the service will read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from chart_values import DATABASE_EGRESS, HOSPITAL, PACKAGED_POLICY, SETTINGS

from cds import __version__
from cds.settings import load
from helm import CHART, Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]
OLDEST, NEWEST = "1.25", kubernetes_validate.latest_version()


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind]


def only(manifests: list[Manifest], kind: str, suffix: str = "") -> Manifest:
    (found,) = [m for m in of_kind(manifests, kind) if m["metadata"]["name"].endswith(suffix)]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(metadata, spec) of the pods that would run."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["metadata"], manifest["spec"]
        elif "template" in manifest.get("spec", {}):
            yield manifest["spec"]["template"]["metadata"], manifest["spec"]["template"]["spec"]


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_every_manifest(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_pod_is_locked_down(manifests: list[Manifest]) -> None:
    found = list(pods(manifests))
    assert len(found) == 2
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
            assert environment(container)["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_user_is_left_to_a_platform_that_chooses_it(rendered: Rendered) -> None:
    for _, spec in pods(rendered("default")):
        assert spec["securityContext"]["runAsUser"] == 10001
    for _, spec in pods(rendered("platform chooses the user")):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"])


def test_secrets_are_named_and_never_written_down(manifests: list[Manifest]) -> None:
    assert not of_kind(manifests, "Secret")
    spec = only(manifests, "Deployment")["spec"]["template"]["spec"]
    variables = environment(spec["containers"][0])
    assert set(variables.get("CDS_DATABASE_URL", {"secretKeyRef": None})) == {"secretKeyRef"}
    assert "CDS_LEDGER_KEY" not in variables
    key = next(v for v in spec["volumes"] if v["name"] == "ledger-key")
    assert key["secret"]["secretName"]
    for config in of_kind(manifests, "ConfigMap"):
        for text in config["data"].values():
            assert "ledger_key" not in text
            assert "postgresql://" not in text


@pytest.mark.parametrize("name", ["default", "hospital", "trial"])
def test_the_service_loads_what_is_mounted(
    rendered: Rendered, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, config = only(rendered(name), "Deployment"), only(rendered(name), "ConfigMap", "-settings")
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
    assert [settings.port] == [p["containerPort"] for p in container["ports"]]
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


def test_texts_arrive_byte_for_byte(rendered: Rendered) -> None:
    settings = only(rendered("hospital"), "ConfigMap", "-settings")["data"]
    assert settings == {"cds.toml": SETTINGS, **HOSPITAL["files"]}
    assert only(rendered("hospital"), "ConfigMap", "-policy")["data"] == {"policy.yaml": PACKAGED_POLICY}


def test_a_changed_setting_rolls_the_pods_and_a_changed_policy_does_not(helm: Helm) -> None:
    before = only(helm.template(HOSPITAL), "Deployment")
    other_settings = {**HOSPITAL, "settings": SETTINGS.replace('"nl"', '"en"')}
    other_policy = {**HOSPITAL, "policy": PACKAGED_POLICY + "\n# reviewed\n"}
    assert only(helm.template(other_settings), "Deployment") != before
    assert only(helm.template(other_policy), "Deployment") == before
    # a file mounted by subPath is never brought up to date
    assert not any("subPath" in m for m in before["spec"]["template"]["spec"]["containers"][0]["volumeMounts"])


def test_without_a_policy_the_packaged_one_is_used(rendered: Rendered) -> None:
    container = only(rendered("default"), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "CDS_POLICY_FILE" not in environment(container)
    assert not [m for m in of_kind(rendered("default"), "ConfigMap") if m["metadata"]["name"].endswith("-policy")]


def test_probes_ask_the_service_s_own_addresses_and_bear_a_slow_database(manifests: list[Manifest]) -> None:
    container = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["path"] for name, get in paths.items()} == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert {get["port"] for get in paths.values()} == {"http"}
    # half a second for the statement, one for the connection, and some
    assert container["readinessProbe"]["timeoutSeconds"] >= 4


def test_selectors_find_the_pods_that_answer_and_not_the_one_that_tests(manifests: list[Manifest]) -> None:
    labels = {
        metadata.get("labels", {})["app.kubernetes.io/component"]: metadata["labels"] for metadata, _ in pods(manifests)
    }
    deployment = only(manifests, "Deployment")["spec"]
    selectors = [deployment["selector"]["matchLabels"], only(manifests, "Service")["spec"]["selector"]]
    for kind, field in (("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector")):
        selectors += [m["spec"][field]["matchLabels"] for m in of_kind(manifests, kind)]
    selectors += [c["labelSelector"]["matchLabels"] for c in _spread(deployment)]
    for selector in selectors:
        assert selector.items() <= labels["web"].items()
        assert not selector.items() <= labels["test"].items()


def _spread(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployment["template"]["spec"].get("topologySpreadConstraints", [])
    return found


def test_the_network_is_closed_but_for_the_port_and_name_resolution(rendered: Rendered) -> None:
    policy = only(rendered("default"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    (dns,) = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"]


def test_the_network_opens_to_what_is_named_and_to_helm_test(rendered: Rendered) -> None:
    policy = only(rendered("hospital"), "NetworkPolicy")["spec"]
    (rule,) = policy["ingress"]
    named, test_pod = rule["from"]
    assert [named] == HOSPITAL["networkPolicy"]["ingressFrom"]
    assert (
        test_pod["podSelector"]["matchLabels"].items()
        <= only(rendered("hospital"), "Pod")["metadata"]["labels"].items()
    )
    dns, database = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53, 5353}
    assert database == DATABASE_EGRESS


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1), (5, 1)])
def test_a_budget_for_disruptions_comes_with_the_second_replica(helm: Helm, replicas: int, budgets: int) -> None:
    assert len(of_kind(helm.template({"replicas": replicas}), "PodDisruptionBudget")) == budgets


def test_the_chart_is_for_this_version_of_the_service(rendered: Rendered) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__
    (container,) = only(rendered("default"), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"pancreas-cds:{__version__}"
    (container,) = only(rendered("hospital"), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "{repository}@{digest}".format(**HOSPITAL["image"])


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
