"""What operators take: the parts of their resources that this chart writes, in our own words.

Read off the definitions their projects publish: KEDA (config/crd/bases, keda.sh/v1alpha1), the Prometheus Operator 0.82
(example/prometheus-operator-crd, monitoring.coreos.com/v1) and Traefik 3.7 (its reference of dynamic configuration,
traefik.io/v1alpha1). It is a check by hand, and not the published schema: a field that is not listed here is refused,
so that whoever writes a new one looks it up there first.
"""

from __future__ import annotations

from typing import Any

import jsonschema

from helm import Manifest

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION: Schema = {"type": "string", "pattern": r"^(?=\d)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"}


def block(needs: str = "", **fields: Schema) -> Schema:
    return {"type": "object", "properties": fields, "required": needs.split(), "additionalProperties": False}


def each(of: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": of, "minItems": least}


_TRIGGER = block("type metadata", type=TEXT, metadata=TEXTS, authenticationRef=block("name", name=TEXT))
_SCALING = block("stabilizationWindowSeconds", stabilizationWindowSeconds={**WHOLE, "maximum": 3600})
_RULE = block("expr", record=TEXT, alert=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS, **{"for": DURATION})

SPECS: dict[tuple[str, str], Schema] = {
    ("keda.sh/v1alpha1", "ScaledObject"): block(
        "scaleTargetRef triggers",
        scaleTargetRef=block("name", name=TEXT),
        pollingInterval=WHOLE,
        cooldownPeriod=WHOLE,
        minReplicaCount=WHOLE,
        maxReplicaCount=WHOLE,
        fallback=block("failureThreshold replicas", failureThreshold=WHOLE, replicas=WHOLE),
        advanced=block(horizontalPodAutoscalerConfig=block(behavior=block(scaleDown=_SCALING))),
        triggers=each(_TRIGGER),
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): block(
        secretTargetRef=each(block("parameter name key", parameter=TEXT, name=TEXT, key=TEXT))
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): block(
        "selector endpoints",
        selector=block(matchLabels=TEXTS),
        namespaceSelector=block(any={"type": "boolean"}, matchNames=each(TEXT)),
        endpoints=each(block(port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): block(
        groups=each(
            block(
                "name",
                name=TEXT,
                interval=DURATION,
                rules=each({**_RULE, "oneOf": [{"required": ["record"]}, {"required": ["alert"]}]}),
            )
        )
    ),
    ("traefik.io/v1alpha1", "TLSOption"): block(
        minVersion={"enum": ["VersionTLS12", "VersionTLS13"]},
        clientAuth=block(
            secretNames=each(TEXT),
            clientAuthType={
                "enum": [
                    *("NoClientCert", "RequestClientCert", "RequireAnyClientCert"),
                    *("VerifyClientCertIfGiven", "RequireAndVerifyClientCert"),
                ]
            },
        ),
    ),
}


def validate(manifest: Manifest) -> None:
    """Raises KeyError for a kind or version nobody looked up, ValidationError for what its operator would not take."""
    spec = SPECS[manifest["apiVersion"], manifest["kind"]]
    jsonschema.validate(
        manifest, block("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata={}, spec=spec)
    )
    names = [group["name"] for group in manifest["spec"].get("groups", ())]
    assert len(set(names)) == len(names), "groups of one PrometheusRule are told apart by name"
