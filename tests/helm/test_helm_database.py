"""The database: migrated before a new version answers, the hospital's own or, for a trial, the release's."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ledger_entries
import pytest
from chart_values import HOSPITAL, shipped
from click.testing import CliRunner
from manifests import chosen, environment, of_kind, only, pods, sole_container, web
from sqlalchemy import make_url

from cds.cli import main
from cds.ledger import Ledger, migrate
from cds.ledger.tables import HEAD
from helm import CHART, Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]


def test_a_job_migrates_before_a_new_version_answers_calls(rendered: Rendered) -> None:
    job = only(rendered("default"), "Job")
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    # a failed one stays to be read
    assert "hook-failed" not in annotations["helm.sh/hook-delete-policy"]
    assert sole_container(job)["image"] == sole_container(web(rendered("default")))["image"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_job_needs_nothing_of_the_release_it_comes_before(rendered: Rendered) -> None:
    spec = only(rendered("default"), "Job")["spec"]["template"]["spec"]
    assert {next(key for key in volume if key != "name") for volume in spec["volumes"]} == {"emptyDir"}
    assert spec["serviceAccountName"] == "default"
    assert only(rendered("hospital"), "Job")["spec"]["template"]["spec"]["serviceAccountName"] == "cds-runner"
    assert set(environment(sole_container(only(rendered("default"), "Job")))) == {
        "ORT_DISABLE_TELEMETRY",
        "CDS_DATA_DIR",
        "CDS_DATABASE_URL",
    }


def test_the_job_s_command_does_it(rendered: Rendered, postgres_database: Callable[[], str], tmp_path: Path) -> None:
    container = sole_container(only(rendered("default"), "Job"))
    url = postgres_database()
    variables = {"CDS_DATABASE_URL": url, "CDS_DATA_DIR": str(tmp_path)}
    assert set(variables) == {name for name in environment(container) if name.startswith("CDS_")}
    result = CliRunner().invoke(main, container["args"], env=variables)
    assert result.exit_code == 0, result.output
    assert migrate.current(url) == HEAD
    assert migrate.check(url) == ()


def test_it_may_have_a_database_user_who_may_change_tables(rendered: Rendered) -> None:
    def secret(manifest: Manifest) -> str:
        return str(environment(sole_container(manifest))["CDS_DATABASE_URL"]["secretKeyRef"]["name"])

    assert secret(only(rendered("three-zones"), "Job")) == "cds-database-owner"
    assert secret(web(rendered("three-zones"))) == "cds-ledger"


def test_whoever_reaches_the_database_has_the_files_that_its_address_may_name(manifests: list[Manifest]) -> None:
    service = sole_container(web(manifests))
    secrets = [m for m in service["volumeMounts"] if m["mountPath"].startswith("/etc/cds/secrets/")]
    for _, spec in pods(manifests):
        (container,) = spec["containers"]
        if "CDS_DATABASE_URL" in environment(container):
            assert [mount for mount in container["volumeMounts"] if mount in secrets] == secrets
            sources = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in spec["volumes"]}
            assert all(mount["mountPath"] == f"/etc/cds/secrets/{sources[mount['name']]}" for mount in secrets)


@pytest.mark.parametrize("name", ["gpu-node", "three-zones"])
def test_the_addresses_that_shipped_values_suggest_name_an_authority_that_is_there(name: str) -> None:
    text = (CHART / "values" / f"{name}.yaml").read_text(encoding="utf-8").replace("\\\n#", "")
    made = re.findall(r"create secret generic ([\w-]+) (.*)", text)
    addresses = {secret: make_url(url) for secret, rest in made for url in re.findall(r"database-url='(.+?)'", rest)}
    files = {secret: re.findall(r"--from-file=([\w.]+)", rest) for secret, rest in made}
    # KEDA's is read in KEDA's own pod
    addresses.pop(shipped(name)["worker"].get("autoscaling", {}).get("databaseSecret", {}).get("name"), None)
    assert addresses
    for url in addresses.values():
        assert url.query["sslmode"] == "verify-full"
        authority = Path(str(url.query["sslrootcert"]))
        assert authority.parent.parent == Path("/etc/cds/secrets")
        assert authority.name in files[authority.parent.name] and authority.parent.name in shipped(name)["secrets"]


def test_jobs_have_what_is_for_the_way_to_the_database_and_no_part_of_settings_they_have_not(helm: Helm) -> None:
    values = {
        **HOSPITAL,
        "retention": {"enabled": True},
        "extraEnv": [*HOSPITAL["extraEnv"], {"name": "PGSSLCERT", "value": "/run/own/tls.crt"}],
        "extraVolumes": [
            *HOSPITAL["extraVolumes"],
            {"name": "own", "secret": {"secretName": "cds-own"}},
            {"name": "vault", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}},
        ],
        "extraVolumeMounts": [
            *HOSPITAL["extraVolumeMounts"],
            {"name": "own", "mountPath": "/run/own"},
            {"name": "vault", "mountPath": "/run/vault", "readOnly": True},
        ],
    }
    manifests = helm.template(values)
    for job in (only(manifests, "Job"), only(manifests, "CronJob")):
        container = sole_container(job)
        assert environment(container)["PGSSLCERT"] == "/run/own/tls.crt"
        assert "CDS_LANGUAGE" not in environment(container)
        assert {"name": "own", "mountPath": "/run/own"} in container["volumeMounts"]
        assert {"name": "vault", "mountPath": "/run/vault", "readOnly": True} in container["volumeMounts"]
        # a claim may be held by another node
        assert "models" not in {mount["name"] for mount in container["volumeMounts"]}
    (volumes,) = [
        {volume["name"]: volume for volume in spec["volumes"]}
        for metadata, spec in pods(manifests)
        if metadata["labels"]["app.kubernetes.io/component"] == "migrations"
    ]
    assert volumes["own"]["secret"] == {"secretName": "cds-own"}
    assert volumes["vault"]["csi"]["driver"] == "secrets-store.csi.k8s.io"


def test_without_a_database_there_is_nothing_to_migrate_ahead(rendered: Rendered) -> None:
    assert not of_kind(rendered("trial"), "Job")
    assert not of_kind(rendered("nothing optional"), "Job")


def test_the_development_database_is_migrated_once_it_is_there(rendered: Rendered) -> None:
    assert only(rendered("laptop"), "Job")["metadata"]["annotations"]["helm.sh/hook"] == "post-install,pre-upgrade"


def test_whoever_needs_the_development_database_finds_it_with_its_password_by_reference(rendered: Rendered) -> None:
    manifests = rendered("laptop")
    database, service = only(manifests, "StatefulSet"), only(manifests, "Service", "-database")
    user = environment(sole_container(database))
    password = {"secretKeyRef": {"name": "cds-ledger", "key": "database-password"}}
    assert user["POSTGRES_PASSWORD"] == password
    for manifest in (web(manifests), only(manifests, "Job")):
        variables = environment(sole_container(manifest))
        host, name = service["metadata"]["name"], user["POSTGRES_DB"]
        assert variables["CDS_DATABASE_URL"] == f"postgresql://{user['POSTGRES_USER']}@{host}/{name}"
        assert variables["PGPASSWORD"] == password


def test_the_development_database_keeps_its_rows_when_its_pod_goes(rendered: Rendered) -> None:
    database = only(rendered("laptop"), "StatefulSet")
    (claim,) = database["spec"]["volumeClaimTemplates"]
    mounts = {m["name"]: m["mountPath"] for m in sole_container(database)["volumeMounts"]}
    assert environment(sole_container(database))["PGDATA"].startswith(mounts[claim["metadata"]["name"]])


def test_keda_asks_the_development_database_too(helm: Helm) -> None:
    values = {
        "ledger": {"databaseSecret": {"name": ""}},
        "devDatabase": {"enabled": True},
        "worker": {"enabled": True, "autoscaling": {"by": "keda"}},
    }
    manifests = helm.template(values)
    (trigger,) = only(manifests, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["host"] == f"{only(manifests, 'Service', '-database')['metadata']['name']}.clinic.svc"
    (target,) = only(manifests, "TriggerAuthentication")["spec"]["secretTargetRef"]
    assert target["parameter"] == "password"


def test_old_rows_are_removed_when_the_hospital_says_so(
    rendered: Rendered, postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    assert not of_kind(rendered("hospital"), "CronJob")
    job = only(rendered("three-zones"), "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    url, container = postgres_database(), sole_container(job)
    migrate.upgrade(url)
    # the audit is told of what goes, and has to believe it
    assert environment(container)["CDS_LEDGER_KEY_FILE"] == "/etc/cds/ledger/key"
    assert {m["mountPath"] for m in container["volumeMounts"]} >= {"/etc/cds/ledger"}
    key = tmp_path / "key"
    key.write_bytes(ledger_entries.KEY)
    variables = {"CDS_DATABASE_URL": url, "CDS_DATA_DIR": str(tmp_path), "CDS_LEDGER_KEY_FILE": str(key)}
    ledger = Ledger(url, ledger_entries.KEY, tmp_path / "spool")
    ledger.record_call(ledger_entries.call(at=ledger_entries.NOW - timedelta(days=4000)))
    ledger.drain()
    ledger.close()
    for arguments in (["audit", "seal"], container["args"], ["audit", "verify"]):
        result = CliRunner().invoke(main, arguments, env=variables)
        assert result.exit_code == 0, result.output


def test_the_month_s_report_goes_to_the_claim_when_the_hospital_says_so(
    helm: Helm, postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    manifests = helm.template({**HOSPITAL, "report": {"enabled": True, "claim": "minutes"}})
    job = only(manifests, "CronJob", "-report")
    container, spec = sole_container(job), job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    folder = container["args"][-1]
    assert {"name": "reports", "mountPath": folder} in container["volumeMounts"]
    assert {"name": "reports", "persistentVolumeClaim": {"claimName": "minutes"}} in spec["volumes"]
    reached = only(manifests, "NetworkPolicy", "-report")["spec"]
    assert chosen(manifests, reached["podSelector"]["matchLabels"]) == {"report"}
    reports, url, key = tmp_path / "reports", postgres_database(), tmp_path / "key"
    reports.mkdir()
    migrate.upgrade(url)
    key.write_bytes(ledger_entries.KEY)
    variables = {"CDS_DATABASE_URL": url, "CDS_DATA_DIR": str(tmp_path), "CDS_LEDGER_KEY_FILE": str(key)}
    result = CliRunner().invoke(main, [*container["args"][:-1], str(reports)], env=variables)
    assert result.exit_code == 0, result.output
    month = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    assert {file.name for file in reports.iterdir()} == {f"committee-{month}.pdf", f"committee-{month}.json"}
