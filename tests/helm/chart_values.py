"""Values as sites give them, by name; every general claim about the chart is tried with each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from helm import CHART

Values = dict[str, Any]

PACKAGED_POLICY = (Path(__file__).parents[2] / "hooks" / "policy.yaml").read_text(encoding="utf-8")

SETTINGS = """\
public_url = "https://cds.hospital.example"
timezone = "Europe/Amsterdam"
language = "nl"
concept_map = "/etc/cds/settings/codes.json"

[clients.main-ehr]
issuer = "https://ehr.hospital.example/fhir"
jwks_file = "/etc/cds/settings/main-ehr.jwks.json"
fhir_servers = ["https://ehr.hospital.example/fhir"]
"""

DATABASE_EGRESS: Values = {
    "to": [{"ipBlock": {"cidr": "10.20.0.15/32"}}],
    "ports": [{"port": 5432, "protocol": "TCP"}],
}

HOSPITAL: Values = {
    "replicas": 3,
    "image": {
        "repository": "registry.hospital.example/cds/pancreas-cds",
        "digest": "sha256:" + "0123456789abcdef" * 4,
        "pullPolicy": "Always",
        "pullSecrets": ["registry-login"],
    },
    "settings": SETTINGS,
    # text that starts with blanks is where hand-made YAML blocks break
    "files": {"main-ehr.jwks.json": '  {"keys": []}\n', "codes.json": '{"resourceType": "ConceptMap"}'},
    "policy": PACKAGED_POLICY,
    "ledger": {
        "keySecret": {"name": "cds-hash", "key": "key"},
        "databaseSecret": {"name": "cds-postgres", "key": "uri"},
    },
    "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": "4", "memory": "2Gi"}},
    "service": {"type": "NodePort", "port": 8443, "annotations": {"team": "oncology"}},
    "serviceAccount": {"create": False, "name": "cds-runner"},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "dnsPorts": [53, 5353],
        "egress": [DATABASE_EGRESS],
    },
    "topologySpread": {"keys": ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]},
    "extraEnv": [
        {"name": "CDS_LANGUAGE", "value": "nl"},
        {"name": "CDS_FHIR__DEADLINE_S", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['deadline']"}}},
    ],
    "extraVolumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}],
    "extraVolumeMounts": [{"name": "models", "mountPath": "/opt/models", "readOnly": True}],
    "podAnnotations": {"deadline": "1.5"},
    "podLabels": {"cost-centre": "4711"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "clinical", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]
            }
        }
    },
    "priorityClassName": "clinical",
}


def shipped(name: str) -> Values:
    """A set of values that the chart brings along."""
    found: Values = yaml.safe_load((CHART / "values" / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


SHIPPED = ("laptop", "gpu-node", "three-zones")

# what the shipped sets leave out
OTHER_CHOICES: Values = {
    "settings": SETTINGS,
    "files": {"main-ehr.jwks.json": "{}", "codes.json": "{}"},
    "brokerSecret": {"name": "cds-broker"},
    "worker": {
        "enabled": True,
        "image": {"repository": "registry.hospital.example/cds/worker", "digest": "sha256:" + "ab" * 32},
        "gpu": {"enabled": True, "resource": "nvidia.com/mig-2g.20gb", "count": 2},
        "slotsClaim": "cds-slots",
        "autoscaling": {"by": "hpa", "databaseSecret": {"name": "cds-reader"}},
        "extraEnv": [{"name": "CDS_IMAGING__HALF", "value": "true"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "batch",
    },
    "ingress": {
        "enabled": True,
        "host": "cds.hospital.example",
        "tlsSecret": "cds-tls",
        "annotations": {"team": "oncology"},
        "mtls": {"enabled": True, "controller": "traefik", "caSecret": "cds-callers"},
    },
    "monitoring": {"rules": {"enabled": True}},
}

VALUE_SETS: dict[str, Values] = {
    "default": {},
    "hospital": HOSPITAL,
    "trial": {"replicas": 1, "ledger": {"databaseSecret": {"name": ""}}},
    "platform chooses the user": {"runAs": {"user": None, "group": None, "fsGroup": None}},
    "nothing optional": {
        "replicas": 1,
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "topologySpread": {"enabled": False},
        "fullnameOverride": "risk",
        "migrations": {"enabled": False},
    },
    "other choices": OTHER_CHOICES,
    **{name: shipped(name) for name in SHIPPED},
}
