"""Who may talk to whom: nothing that was not named, and from outside only what an EHR and a browser need."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from chart_values import DATABASE_EGRESS, HOSPITAL, VALUE_SETS
from flask import Flask
from manifests import chosen, of_kind, only, pods

from cds.settings import Settings
from helm import Helm, Manifest

pytestmark = pytest.mark.system

Rendered = Callable[[str], list[Manifest]]


def of_component(manifests: list[Manifest], component: str) -> list[Manifest]:
    """Policies for these pods, the general refusal left out."""
    found = [
        m
        for m in of_kind(manifests, "NetworkPolicy")
        if m["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component") == component
    ]
    assert found, f"no policy for {component}"
    return [m["spec"] for m in found]


CLOSED = [name for name in VALUE_SETS if name != "nothing optional"]


@pytest.mark.parametrize("name", CLOSED)
def test_every_pod_is_refused_everything_first(rendered: Rendered, name: str) -> None:
    manifests = rendered(name)
    refusal = only(manifests, "NetworkPolicy", "-deny")["spec"]
    everyone = {metadata["labels"]["app.kubernetes.io/component"] for metadata, _ in pods(manifests)}
    assert chosen(manifests, refusal["podSelector"]["matchLabels"]) == everyone
    assert refusal == {"podSelector": refusal["podSelector"], "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", CLOSED)
def test_every_pod_has_a_policy_of_its_own_that_names_both_ways(rendered: Rendered, name: str) -> None:
    for component in {metadata["labels"]["app.kubernetes.io/component"] for metadata, _ in pods(rendered(name))}:
        (policy,) = of_component(rendered(name), component)
        assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_the_service_is_closed_but_for_its_port_and_name_resolution(rendered: Rendered) -> None:
    (policy,) = of_component(rendered("default"), "web")
    assert policy["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    (dns,) = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"]


def test_the_service_opens_to_what_is_named_and_to_helm_test(rendered: Rendered) -> None:
    (policy,) = of_component(rendered("hospital"), "web")
    (rule,) = policy["ingress"]
    named, test_pod = rule["from"]
    assert [named] == HOSPITAL["networkPolicy"]["ingressFrom"]
    assert chosen(rendered("hospital"), test_pod["podSelector"]["matchLabels"]) == {"test"}
    dns, database = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53, 5353}
    assert database == DATABASE_EGRESS


def test_nobody_reaches_a_worker_and_it_reaches_the_archive_as_well(rendered: Rendered) -> None:
    (worker,) = of_component(rendered("gpu-node"), "worker")
    (service,) = of_component(rendered("gpu-node"), "web")
    assert "ingress" not in worker
    further = [rule for rule in worker["egress"] if rule not in service["egress"]]
    assert [rule["to"] for rule in further] == [[{"ipBlock": {"cidr": "10.20.0.30/32"}}]]


def test_migrations_reach_the_database_before_the_release_is_there(rendered: Rendered) -> None:
    policy = only(rendered("default"), "NetworkPolicy", "-migrations")
    job = only(rendered("default"), "Job")
    for key in ("helm.sh/hook", "helm.sh/hook-delete-policy"):
        assert policy["metadata"]["annotations"][key] == job["metadata"]["annotations"][key]
    assert int(policy["metadata"]["annotations"]["helm.sh/hook-weight"]) < int(
        job["metadata"]["annotations"]["helm.sh/hook-weight"]
    )
    (rules,) = of_component(rendered("hospital"), "migrations")
    assert DATABASE_EGRESS in rules["egress"]


@pytest.mark.parametrize("component", ["migrations", "retention"])
def test_migrations_and_retention_reach_the_database_and_nothing_else(helm: Helm, component: str) -> None:
    ehr = {"to": [{"ipBlock": {"cidr": "10.20.0.16/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}

    def reached(of: str, **named: list[object]) -> list[object]:
        (policy,) = of_component(helm.template({"retention": {"enabled": True}, "networkPolicy": named}), of)
        dns, *further = policy["egress"]
        assert {port["port"] for port in dns["ports"]} == {53}
        return further

    assert reached(component, egress=[ehr], databaseEgress=[DATABASE_EGRESS]) == [DATABASE_EGRESS]
    assert reached("web", egress=[ehr], databaseEgress=[DATABASE_EGRESS]) == [DATABASE_EGRESS, ehr]
    # the database is among them, nobody says which
    assert reached(component, egress=[ehr, DATABASE_EGRESS]) == [ehr, DATABASE_EGRESS]


@pytest.mark.parametrize("name", ["gpu-node", "three-zones", "laptop"])
def test_the_shipped_values_let_migrations_reach_nothing_but_the_database(rendered: Rendered, name: str) -> None:
    (policy,) = of_component(rendered(name), "migrations")
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5432}


@pytest.mark.parametrize("empty", ["databaseEgress", "egress", "workerEgress"])
def test_a_list_that_is_left_empty_names_nothing(helm: Helm, empty: str) -> None:
    """A key with nothing but a comment below it is null."""
    named = {"networkPolicy": {**VALUE_SETS["gpu-node"]["networkPolicy"], empty: None}}
    manifests = helm.template({**VALUE_SETS["gpu-node"], **named})
    (worker,) = of_component(manifests, "worker")
    lists = [named["networkPolicy"].get(name) or [] for name in ("databaseEgress", "egress", "workerEgress")]
    assert worker["egress"][1:] == [rule for rules in lists for rule in rules]


def test_the_development_database_is_reached_by_the_release_alone(rendered: Rendered) -> None:
    (policy,) = of_component(rendered("laptop"), "database")
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    assert chosen(rendered("laptop"), peer["podSelector"]["matchLabels"]) == {"web", "database", "migrations", "test"}
    assert "egress" not in policy
    for component in ("web", "migrations"):
        (own,) = of_component(rendered("laptop"), component)
        assert any(port["port"] == 5432 for rule in own["egress"] for port in rule["ports"])


def test_the_ingress_sends_what_an_ehr_and_a_browser_need_and_nothing_of_the_operator_s(
    rendered: Rendered, app: Flask
) -> None:
    (rule,) = only(rendered("gpu-node"), "Ingress")["spec"]["rules"]
    paths = [path["path"] for path in rule["http"]["paths"]]
    for path in rule["http"]["paths"]:
        # what ingress-nginx lets in as a Prefix
        plain = re.fullmatch(r"/[A-Za-z0-9/_-]*", path["path"]) is not None
        assert path["pathType"] == ("Prefix" if plain else "ImplementationSpecific")

    def sent(route: str) -> bool:
        return any(route == path or route.startswith(f"{path}/") for path in paths)

    routes = {r.rule for r in app.url_map.iter_rules()}
    inside = {route for route in routes if not sent(route)}
    assert inside == {"/health", "/ready", "/metrics"}
    unused = [path for path in paths if not any(route == path or route.startswith(f"{path}/") for route in routes)]
    assert not unused


def test_the_ingress_speaks_tls_for_the_host_it_is_for(rendered: Rendered) -> None:
    spec = only(rendered("gpu-node"), "Ingress")["spec"]
    assert spec["tls"] == [{"hosts": ["cds.hospital.example"], "secretName": "cds-tls"}]
    assert [rule["host"] for rule in spec["rules"]] == ["cds.hospital.example"]


@pytest.mark.parametrize(
    ("controller", "annotation", "value"),
    [
        ("nginx", "nginx.ingress.kubernetes.io/auth-tls-secret", "clinic/callers"),
        ("nginx", "nginx.ingress.kubernetes.io/auth-tls-verify-client", "on"),
        ("haproxy", "haproxy-ingress.github.io/auth-tls-secret", "clinic/callers"),
        ("haproxy", "haproxy-ingress.github.io/auth-tls-verify-client", "on"),
        ("traefik", "traefik.ingress.kubernetes.io/router.tls.options", "clinic-cds-pancreas-cds-mtls@kubernetescrd"),
    ],
)
def test_callers_can_be_made_to_show_a_certificate(helm: Helm, controller: str, annotation: str, value: str) -> None:
    ingress = {"enabled": True, "host": "cds.hospital.example", "tlsSecret": "t"}
    mtls = {"enabled": True, "controller": controller, "caSecret": "callers"}
    manifests = helm.template({"ingress": {**ingress, "mtls": mtls}})
    assert only(manifests, "Ingress")["metadata"]["annotations"][annotation] == value
    options = of_kind(manifests, "TLSOption")
    if controller == "traefik":
        assert options[0]["metadata"]["name"] == "cds-pancreas-cds-mtls"
        assert options[0]["spec"]["clientAuth"] == {
            "secretNames": ["callers"],
            "clientAuthType": "RequireAndVerifyClientCert",
        }
    else:
        assert not options


def test_an_ingress_without_certificates_asks_for_none(rendered: Rendered) -> None:
    annotations = only(rendered("gpu-node"), "Ingress")["metadata"]["annotations"]
    assert not [name for name in annotations if "auth-tls" in name]


def test_nginx_takes_as_large_a_call_as_the_service(helm: Helm, rendered: Rendered) -> None:
    """By itself it takes one megabyte, and a call brings its prefetch."""
    name = "nginx.ingress.kubernetes.io/proxy-body-size"
    megabytes = int(only(rendered("gpu-node"), "Ingress")["metadata"]["annotations"][name].removesuffix("m"))
    largest = Settings.model_fields["max_body_bytes"].default
    assert largest <= megabytes * 2**20 < largest + 2**20
    assert name not in only(rendered("three-zones"), "Ingress")["metadata"].get("annotations", {})
    ingress = {"enabled": True, "className": "nginx", "host": "cds.hospital.example", "tlsSecret": "t"}
    manifests = helm.template({"ingress": {**ingress, "annotations": {name: "20m"}}})
    assert only(manifests, "Ingress")["metadata"]["annotations"] == {name: "20m"}


@pytest.mark.parametrize("by", ["none", "keda"])
def test_keda_in_its_own_namespace_may_ask_the_development_database_and_only_where_it_scales(
    helm: Helm, by: str
) -> None:
    scaled = {"enabled": True, "autoscaling": {"by": by}}
    manifests = helm.template({**VALUE_SETS["laptop"], "worker": scaled})
    (policy,) = of_component(manifests, "database")
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "postgresql", "protocol": "TCP"}]
    own, *others = rule["from"]
    assert set(own) == {"podSelector"}
    keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    assert others == ([keda] if by == "keda" else [])
