"""Wrong values are refused before anything is installed, with a message that names the place."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from chart_values import HOSPITAL, VALUE_SETS

from helm import CHART, Helm

pytestmark = pytest.mark.system

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"replica": 3}, "replica"),
    ({"replicas": "three"}, "/replicas"),
    ({"replicas": 0}, "/replicas"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"registry": "somewhere"}}, "registry"),
    ({"image": {"digest": "sha256:short"}}, "/image/digest"),
    ({"settings": {"timezone": "UTC"}}, "/settings"),
    ({"settings": ""}, "/settings"),
    ({"files": {"cds.toml": "x"}}, "/files/cds.toml"),
    ({"files": {"a/b": "x"}}, "a/b"),
    ({"policy": {"version": 1}}, "/policy"),
    ({"ledger": {"key": "s3cret"}}, "key"),
    ({"ledger": {"keySecret": {"name": ""}}}, "/ledger/keySecret/name"),
    ({"ledger": {"keySecret": {"value": "s3cret"}}}, "value"),
    ({"storage": {"dataSize": "much"}}, "/storage/dataSize"),
    ({"runAs": {"user": 0}}, "/runAs/user"),
    ({"resources": {"limits": {"memory": None}}}, "memory"),
    ({"service": {"port": 70000}}, "/service/port"),
    ({"serviceAccount": {"automount": True}}, "automount"),
    ({"networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}, "ports"),
    ({"networkPolicy": {"egress": [{"to": [], "ports": [{"port": 443}]}]}}, "/networkPolicy/egress/0/to"),
    ({"podDisruptionBudget": {"minAvailable": 1}}, "minAvailable"),
    ({"topologySpread": {"whenUnsatisfiable": "Maybe"}}, "/topologySpread/whenUnsatisfiable"),
    ({"extraEnv": [{"value": "x"}]}, "name"),
    ({"securityContext": {"privileged": True}}, "securityContext"),
]

UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"settings": 'ledger_key = "s3cret"\n'}, "'ledger_key' is a secret"),
    ({"settings": 'port = 1\n  "ledger_key"="s3cret"\n'}, "'ledger_key' is a secret"),
    ({"settings": 'database_url = "postgresql://cds:s3cret@db/cds"\n'}, "'database_url' is a secret"),
    ({"extraEnv": [{"name": "CDS_LEDGER_KEY", "value": "s3cret"}]}, "CDS_LEDGER_KEY is set by the chart"),
    ({"extraEnv": [{"name": "ORT_DISABLE_TELEMETRY", "value": "0"}]}, "ORT_DISABLE_TELEMETRY is set by the chart"),
    ({"extraEnv": [{"name": "cds_host", "value": "::"}]}, "cds_host is set by the chart"),
    ({"ledger": {"databaseSecret": {"name": ""}}}, "more than one pod needs ledger.databaseSecret.name"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
]


@pytest.mark.parametrize(("values", "named"), WRONG, ids=[f"{v}" for v, _ in WRONG])
def test_the_schema_refuses_it_and_names_the_key(helm: Helm, values: dict[str, Any], named: str) -> None:
    said = helm.refusal(values)
    assert "schema" in said
    assert named in said


@pytest.mark.parametrize(("values", "sentence"), UNSOUND, ids=[s for _, s in UNSOUND])
def test_what_would_run_badly_or_tell_a_secret_is_refused_with_a_sentence(
    helm: Helm, values: dict[str, Any], sentence: str
) -> None:
    said = helm.refusal(values)
    assert sentence in said
    assert "s3cret" not in said


@pytest.mark.parametrize("name", VALUE_SETS)
def test_lint_finds_nothing(helm: Helm, name: str) -> None:
    done = helm.run("lint", "--strict", str(CHART), values=VALUE_SETS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


def test_every_value_the_schema_knows_has_a_default_and_the_other_way_round() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert set(values) == set(schema["properties"]) - {"global"}
    for name, part in schema["properties"].items():
        if "properties" in part and name != "files":
            assert part["additionalProperties"] is False, name
            assert set(values[name]) == set(part["properties"]), name


def test_notes_say_what_is_still_needed(helm: Helm) -> None:
    bare = helm.run("install", "cds", str(CHART), "--dry-run=client", values={}).stdout
    assert "create secret generic cds-ledger" in bare
    assert "networkPolicy.egress is empty" in bare
    assert "every call will be refused" in bare
    complete = helm.run("install", "cds", str(CHART), "--dry-run=client", values=HOSPITAL).stdout
    assert "create secret generic cds-hash" in complete
    assert "create secret generic cds-postgres" in complete
    assert "WARNING" not in complete
