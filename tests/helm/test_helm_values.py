"""Wrong values are refused before anything is installed, with a message that names the place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import yaml
from chart_values import HOSPITAL, SHIPPED, VALUE_SETS
from manifests import environment, only, sole_container, web
from pydantic import BaseModel
from service import Keys

from cds.settings import Settings, load
from cds.trust.keys import read_key_set
from helm import CHART, Helm, Manifest

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
    ({"listen": "127.0.0.1"}, "/listen"),
    ({"serviceAccount": {"automount": True}}, "automount"),
    ({"networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}, "ports"),
    ({"networkPolicy": {"egress": [{"to": [], "ports": [{"port": 443}]}]}}, "/networkPolicy/egress/0/to"),
    ({"podDisruptionBudget": {"minAvailable": 1}}, "minAvailable"),
    ({"topologySpread": {"whenUnsatisfiable": "Maybe"}}, "/topologySpread/whenUnsatisfiable"),
    ({"extraEnv": [{"value": "x"}]}, "name"),
    ({"extraEnv": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, "/extraEnv/0"),
    ({"securityContext": {"privileged": True}}, "securityContext"),
    ({"autoscaling": {"maxReplicas": "many"}}, "/autoscaling/maxReplicas"),
    ({"autoscaling": {"latency": {"p99Milliseconds": 1}}}, "/autoscaling/latency/p99Milliseconds"),
    ({"secrets": ["Pacs Token"]}, "/secrets/0"),
    ({"secrets": [{"name": "pacs", "token": "s3cret"}]}, "/secrets/0"),
    ({"migrations": {"deadlineSeconds": 0}}, "/migrations/deadlineSeconds"),
    ({"devDatabase": {"password": "s3cret"}}, "password"),
    ({"retention": {"days": 0}}, "/retention/days"),
    ({"retention": {"schedule": "weekly"}}, "/retention/schedule"),
    ({"report": {"schedule": "monthly"}}, "/report/schedule"),
    ({"report": {"claim": "My Claim"}}, "/report/claim"),
    ({"report": {"folder": "/srv"}}, "folder"),
    ({"devDatabase": {"size": "big"}}, "/devDatabase/size"),
    ({"worker": {"gpu": {"resource": "gpu"}}}, "/worker/gpu/resource"),
    ({"worker": {"gpu": {"count": 0}}}, "/worker/gpu/count"),
    ({"worker": {"resources": {"limits": {"memory": "lots"}}}}, "/worker/resources/limits/memory"),
    ({"worker": {"autoscaling": {"by": "cron"}}}, "/worker/autoscaling/by"),
    ({"ingress": {"paths": ["/"]}}, "/ingress/paths/0"),
    ({"ingress": {"paths": ["/metrics"]}}, "/ingress/paths/0"),
    ({"ingress": {"mtls": {"controller": "apache"}}}, "/ingress/mtls/controller"),
    ({"ingress": {"tls": False}}, "tls"),
    ({"monitoring": {"rules": {"failedShare": 5}}}, "/monitoring/rules/failedShare"),
    ({"monitoring": {"rules": {"officeHoursUtc": {"from": 25}}}}, "/monitoring/rules/officeHoursUtc/from"),
]

_INGRESS = {"enabled": True, "host": "cds.hospital.example", "tlsSecret": "t"}
_POLLS = '[pacs.main]\nurl = "https://pacs.example/dicom-web"\npoll = true\n'
_KEY = "-----BEGIN {}PRIVATE KEY-----\ns3cret\n-----END {}PRIVATE KEY-----\n"
_BY_REFERENCE = {"secretKeyRef": {"name": "pacs", "key": "password"}}

UNSOUND: list[tuple[dict[str, Any], str]] = [
    ({"settings": 'ledger_key = "s3cret"\n'}, "'ledger_key' is a secret"),
    ({"settings": 'port = 1\n  "ledger_key"="s3cret"\n'}, "'ledger_key' is a secret"),
    ({"settings": 'database_url = "postgresql://cds:s3cret@db/cds"\n'}, "'database_url' is a secret"),
    ({"settings": '[pacs.main]\n"pass\\u0077ord" = "s3cret"\n'}, "a key is written with a backslash"),
    ({"settings": 'pacs.main = {url = "x", "\\U00000070assword"="s3cret"}\n'}, "a key is written with a backslash"),
    ({"settings": 'a = "amqps://cds:s3cret@rabbit"\n'}, "settings: holds an address with its password"),
    ({"settings": 'a = """' + _KEY.format("EC ", "EC ") + '"""\n'}, "settings: holds a private key"),
    # what looks like a comment and is none, and what tells all the same
    (
        {"settings": 'pacs.main = {url = """\n# """, password = "s3cret"}\n'},
        "'password' is a secret and a ConfigMap is none",
    ),
    ({"settings": '  # pacs.main.password = "s3cret"\n'}, "'password' is a secret and a ConfigMap is none"),
    ({"settings": "# " + _KEY.format("", "").replace("\n", "\n# ")}, "settings: holds a private key"),
    ({"policy": "# https://me:s3cret@wiki.example\n"}, "policy: holds an address with its password"),
    (
        {"files": {"key.pem": _KEY.format("", "")}},
        "files.key.pem: holds a private key and a ConfigMap is no secret; put it",
    ),
    (
        {"files": {"own.jwks.json": '{"keys": [{"kty": "EC", "d": "s3cret"}]}'}},
        "files.own.jwks.json: holds a private key",
    ),
    *(
        ({"extraEnv": [{"name": name, "value": value}]}, f"extraEnv: {name} has a secret as its value")
        for name, value in (
            ("CDS_PACS__MAIN__PASSWORD", "s3cret"),
            ("CDS_CLIENTS__A__SMART__SECRET", "s3cret"),
            ("cds_clients__a__smart__secret", "s3cret"),
            ("API_TOKEN", "s3cret"),
            ("API_KEY", "s3cret"),
            ("HTTPS_PROXY", "http://cds:s3cret@proxy.example"),
            ("ARCHIVE", "postgresql://db/cds?user=cds&password=s3cret"),
            ("SIGNING", _KEY.format("RSA ", "RSA ")),
            ("CDS_PACS", '{"main": {"user": "cds", "password": "s3cret"}}'),
            ("CDS_PACS", '{"main": {"user": "cds", "pass\\u0077ord": "s3cret"}}'),
            ("GOOGLE_APPLICATION_CREDENTIALS", "s3cret"),
            # of a password only a part is by reference
            ("HTTPS_PROXY", "http://cds:$(PASSWORD)s3cret@proxy.example"),
            ("API_TOKEN", "$$(s3cret)"),
        )
    ),
    (
        {
            "extraEnv": [
                {"name": "PROXY", "value": "s3cret"},
                {"name": "HTTPS_PROXY", "value": "http://cds:$(PROXY)@proxy.example"},
            ]
        },
        "extraEnv: HTTPS_PROXY has a secret as its value",
    ),
    *(
        ({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": value}]}, "HEADERS has headers as its value")
        for value in ("authorization=Basic s3cret", "tenant=$(TENANT),authorization=Bearer%20s3cret")
    ),
    *(
        ({"extraEnv": [{"name": name, "value": value}]}, f"extraEnv: {name} has its file in the ConfigMap")
        for name, value in (
            ("CDS_PACS__MAIN__PASSWORD_FILE", "/etc/cds/settings/pacs"),
            ("CDS_PACS", '{"main": {"user": "cds", "password_file": "/etc/cds/settings/pacs"}}'),
            ("CDS_SIGNING_KEYS", '["/etc/cds/secrets/own/new.pem", "/etc/cds/settings/own.pem"]'),
            ("CDS_PACS__MAIN__KEY", "/etc/cds/settings/tls"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/cds/settings/gcp.json"),
            ("PGPASSFILE", "/etc/cds/settings/pgpass"),
        )
    ),
    *(
        ({"settings": settings}, f"settings: '{key}' has its file in the ConfigMap")
        for key, settings in (
            ("token_file", 'pacs.main = {ca_file = "/etc/cds/settings/ca", token_file="/etc/cds/settings/t"}\n'),
            ("token_file", "[pacs.main]\n'token_file' = '/etc/cds/secrets/../settings/t'\n"),
            ("token_file", 'token_file = """\n/etc/cds/settings/t"""\n'),
            ("key", '[pacs.main]\ntoken_file = ""\nkey = "/etc/cds/settings/k"\n'),
            (
                "signing_keys",
                'signing_keys = [\n"/etc/cds/secrets/own/new.pem",\n"/etc/cds//settings/own.pem",\n]\n',
            ),
        )
    ),
    (
        {"worker": {"extraEnv": [{"name": "CDS_PACS__MAIN__PASSWORD", "value": "s3cret"}]}},
        "write valueFrom.secretKeyRef",
    ),
    ({"settings": "longest_arrival_s = 120.0\n"}, "longest_arrival_s may be 25 at most"),
    ({"extraEnv": [{"name": "CDS_LEDGER_KEY", "value": "s3cret"}]}, "CDS_LEDGER_KEY is set by the chart"),
    ({"extraEnv": [{"name": "ORT_DISABLE_TELEMETRY", "value": "0"}]}, "ORT_DISABLE_TELEMETRY is set by the chart"),
    ({"extraEnv": [{"name": "cds_host", "value": "::"}]}, "cds_host is set by the chart"),
    ({"ledger": {"databaseSecret": {"name": ""}}}, "more than one pod needs ledger.databaseSecret.name"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
    (
        {"settings": '[pacs.main]\npassword = "s3cret"\n'},
        "'password' is a secret and a ConfigMap is none; name its Secret",
    ),
    ({"settings": 'clients.a.smart = {client_id = "x", secret="s3cret"}\n'}, "'secret' is a secret"),
    ({"settings": 'imaging.broker_url = "redis://:s3cret@redis"\n'}, "brokerSecret names the Secret"),
    ({"worker": {"extraEnv": [{"name": "CDS_REQUIRE_GPU", "value": "0"}]}}, "CDS_REQUIRE_GPU is set by the chart"),
    ({"devDatabase": {"enabled": True}}, "ledger.databaseSecret names a database already"),
    (
        {"replicas": 1, "autoscaling": {"enabled": True}, "ledger": {"databaseSecret": {"name": ""}}},
        "more than one pod needs ledger.databaseSecret.name",
    ),
    (
        {"replicas": 1, "retention": {"enabled": True}, "ledger": {"databaseSecret": {"name": ""}}},
        "retention: needs ledger.databaseSecret.name",
    ),
    (
        {"replicas": 1, "report": {"enabled": True, "claim": "c"}, "ledger": {"databaseSecret": {"name": ""}}},
        "report: needs ledger.databaseSecret.name",
    ),
    ({"report": {"enabled": True}}, "report.claim: is needed"),
    ({"replicas": 8, "autoscaling": {"enabled": True}}, "autoscaling.maxReplicas: is less than replicas"),
    (
        {"autoscaling": {"enabled": True, "latency": {"enabled": True}}},
        "autoscaling.latency: needs monitoring.rules.enabled",
    ),
    (
        {"replicas": 1, "worker": {"enabled": True}, "ledger": {"databaseSecret": {"name": ""}}},
        "the queue is in the database",
    ),
    (
        {"worker": {"enabled": True, "autoscaling": {"by": "keda", "minReplicas": 9}}},
        "worker.autoscaling.maxReplicas: is less than minReplicas",
    ),
    (
        {"worker": {"enabled": True, "autoscaling": {"by": "hpa", "minReplicas": 0}}},
        "an HPA can't go to zero",
    ),
    ({"worker": {"enabled": True, "autoscaling": {"by": "hpa"}}}, "needs monitoring.rules.enabled"),
    (
        {"settings": _POLLS, "worker": {"enabled": True, "autoscaling": {"by": "keda", "minReplicas": 0}}},
        "with no worker nobody polls",
    ),
    ({"ingress": {"enabled": True}}, "ingress: host and tlsSecret are needed"),
    ({"ingress": {**_INGRESS, "host": "other.example"}}, 'settings should have public_url = "https://other.example"'),
    ({"ingress": {**_INGRESS, "mtls": {"enabled": True}}}, "ingress.mtls.caSecret: is needed"),
]


@pytest.mark.parametrize(("values", "named"), WRONG, ids=[f"{v}" for v, _ in WRONG])
def test_the_schema_refuses_it_and_names_the_key(helm: Helm, values: dict[str, Any], named: str) -> None:
    said = helm.refusal(values)
    assert "schema" in said
    assert named in said
    assert "s3cret" not in said


@pytest.mark.parametrize(("values", "named"), WRONG[::4], ids=[f"{v}" for v, _ in WRONG[::4]])
def test_helm_3_refuses_it_as_well(older_helm: Helm, values: dict[str, Any], named: str) -> None:
    said = older_helm.refusal(values)
    assert "schema" in said
    assert named.removeprefix("/").replace("/", ".") in said


@pytest.mark.parametrize(("values", "sentence"), UNSOUND, ids=[s for _, s in UNSOUND])
def test_what_would_run_badly_or_tell_a_secret_is_refused_with_a_sentence(
    helm: Helm, values: dict[str, Any], sentence: str
) -> None:
    said = helm.refusal(values)
    assert sentence in said
    assert "s3cret" not in said


def test_what_only_resembles_a_secret_is_taken(helm: Helm, client_keys: Keys) -> None:
    """Paths, references, public keys, and texts with colons and backslashes in them."""
    values = {
        "settings": 'a = "C:\\\\x = y"\nb = ["caf\\u00e9"]\nc = "https://host:8443/a@b"\n'
        '[pacs.main]\npassword_file = "/etc/cds/secrets/x/y"\nca_file = "/etc/cds/settings/ca.pem"\n'
        '# a password, secret = in the Secret pacs, never pacs.main.password = "..." here\n'
        "  # the address is postgresql://user:password@host/database and lies in the Secret cds-ledger\n"
        '# token_file = "/etc/cds/settings/t" was refused\n',
        "files": {"ehr.jwks.json": json.dumps(client_keys.public_set()), "ca.pem": "-----BEGIN CERTIFICATE-----\n"},
        "extraEnv": [
            {"name": "CDS_PACS__MAIN__KEY", "value": "/etc/cds/secrets/pacs/tls.key"},
            {"name": "CDS_PACS__MAIN__PASSWORD", "valueFrom": _BY_REFERENCE},
            {"name": "CDS_PACS__MAIN__PASSWORD_FILE", "value": "/etc/cds/secrets/pacs/password"},
            {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"},
            {"name": "PROXY", "valueFrom": _BY_REFERENCE},
            {"name": "HTTP_PROXY", "value": "http://cds:$(PROXY)@proxy.example:3128"},
            {"name": "ARCHIVE", "value": "postgresql://db/cds?user=cds&password=$(PROXY)&sslmode=require"},
            {"name": "ARCHIVE_PASSWORD", "value": "$(PROXY)"},
            {"name": "CDS_PACS", "value": '{"main": {"user": "cds", "password": "$(PROXY)"}}'},
            {"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "tenant=$(TENANT),authorization=Bearer%20$(PROXY)"},
            {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/etc/cds/secrets/gcp/key.json"},
        ],
    }
    assert environment(sole_container(web(helm.template(values))))["CDS_PACS__MAIN__PASSWORD"] == _BY_REFERENCE


def test_no_setting_may_have_its_secret_in_a_file_of_the_config_map(helm: Helm) -> None:
    """Whatever file a setting names is among those anybody may read, or is refused there."""
    named = set(files_of(Settings))
    assert named >= OPEN
    for key in named - OPEN:
        said = helm.refusal({"files": {"f": "s3cret"}, "settings": f'x.{key} = "/etc/cds/settings/f"\n'})
        assert f"'{key}' has its file in the ConfigMap" in said
    every = "".join(f'{key} = "/etc/cds/settings/f"\n' for key in OPEN)
    assert helm.template({"settings": every})


OPEN = {
    *("data_dir", "model_dirs", "hook_dirs", "wording_dir", "concept_map"),
    *("policy_file", "charter_file", "jwks_file", "ca_file", "certificate"),
}


def files_of(block: type[BaseModel]) -> Iterator[str]:
    """Names of the settings that are files or folders, however deep."""

    def kinds(annotation: Any) -> Iterator[Any]:
        within = get_args(annotation)
        for one in within:
            yield from kinds(one)
        if not within:
            yield annotation

    for name, field in block.model_fields.items():
        for kind in kinds(field.annotation):
            if kind is Path:
                yield name
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from files_of(kind)


@pytest.mark.parametrize("name", VALUE_SETS)
@pytest.mark.parametrize("version", ["helm", "older_helm"])
def test_lint_finds_nothing(request: pytest.FixtureRequest, version: str, name: str) -> None:
    found: Helm = request.getfixturevalue(version)
    done = found.run("lint", "--strict", str(CHART), values=VALUE_SETS[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUE_SETS)
def test_helm_3_and_helm_4_give_the_same(
    older_helm: Helm, rendered: Callable[[str], list[Manifest]], name: str
) -> None:
    def key(manifest: Manifest) -> tuple[str, str]:
        return manifest["kind"], manifest["metadata"]["name"]

    assert sorted(older_helm.template(VALUE_SETS[name]), key=key) == sorted(rendered(name), key=key)


def test_every_set_that_ships_is_one_of_those_tested() -> None:
    assert {path.stem for path in (CHART / "values").glob("*.yaml")} == set(SHIPPED)


def test_every_value_the_schema_knows_has_a_default_and_the_other_way_round() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    del schema["properties"]["global"]

    def compare(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        while "$ref" in part:
            part = schema["definitions"][part["$ref"].rsplit("/", 1)[1]]
        if "properties" in part and "patternProperties" not in part:
            assert part["additionalProperties"] is False, path
            assert set(values) == set(part["properties"]), path
            for name, below in part["properties"].items():
                compare(values[name], below, f"{path}.{name}")

    compare(values, schema, "values")


def test_notes_say_what_the_release_stands_on_and_what_it_lacks(helm: Helm) -> None:
    def notes(values: dict[str, Any]) -> str:
        return helm.run("install", "cds", str(CHART), "--dry-run=client", values=values).stdout.partition("NOTES:")[2]

    bare = notes({})
    assert "cds-ledger: ledger-key, database-url" in bare
    assert "networkPolicy.egress is empty" in bare
    assert "every call will be refused" in bare
    complete = notes(HOSPITAL)
    assert "cds-hash: key" in complete
    assert "cds-postgres: uri" in complete
    assert "WARNING" not in complete
    zones = notes(VALUE_SETS["three-zones"])
    assert "cds-database-owner: database-url" in zones
    assert "cds-database-ca, cds-subscription, pacs: the files that settings and the database's address name" in zones
    assert "https://cds.hospital.example/cds-services" in zones
    laptop = notes(VALUE_SETS["laptop"])
    assert "cds-ledger: ledger-key, database-password" in laptop
    assert "development database" in laptop


def test_the_laptop_s_client_is_complete_once_it_is_uncommented(
    helm: Helm, tmp_path: Path, client_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [v for v in os.environ if v.startswith("CDS_")]:
        monkeypatch.delenv(variable)
    text = (CHART / "values" / "laptop.yaml").read_text(encoding="utf-8")
    client = re.compile(r"^( *)# (?=\[clients|\w+ = |files:|  )", re.MULTILINE)
    head, mark, below = text.partition("replicas: 1\n")
    values = yaml.safe_load(head + mark + client.sub(r"\1", below))
    assert list(values["files"]) == ["my-ehr.jwks.json"] and json.loads(values["files"]["my-ehr.jwks.json"])
    values["files"]["my-ehr.jwks.json"] = json.dumps(client_keys.public_set())
    config = only(helm.template(values), "ConfigMap", "-settings")["data"]
    (tmp_path / "cds.toml").write_text(config["cds.toml"], encoding="utf-8")
    found = load(tmp_path / "cds.toml", environment="production").clients["my-ehr"]
    assert found.fhir_servers == (found.issuer,)
    assert found.jwks_file is not None and found.jwks_file.parent == Path("/etc/cds/settings")
    assert read_key_set(config[found.jwks_file.name].encode())
    (rule,) = values["networkPolicy"]["egress"]
    assert urlsplit(found.fhir_servers[0]).port in {port["port"] for port in rule["ports"]}
