"""For those who run the service: is it alive, is it ready, how is it doing, what does it speak."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cds.engine import Engine
from cds.leaving import leaving
from cds.trust.own_keys import OwnKeys
from cds.web import metrics
from cds.web.committee_metrics import Verdicts


def blueprint(engine: Engine) -> Blueprint:
    pages = Blueprint("operations", __name__)
    verdicts = Verdicts(engine.settings.ledger_url)

    @pages.get("/health")
    def health() -> Response:
        """Alive: answers without touching anything that can be slow."""
        return _json({"status": "alive"})

    @pages.get("/ready")
    def ready() -> Response:
        found = readiness(engine)
        return _json(found, 200 if found["ready"] else 503)

    @pages.get("/metrics")
    def prometheus() -> Response:
        told = metrics.exposition(engine.studies.depth(), readiness(engine), verdicts)
        return Response(told, content_type=CONTENT_TYPE_LATEST)

    @pages.get("/.well-known/jwks.json")
    def keys() -> Response:
        """Our public keys, for the authorization servers that this service signs in to."""
        answer = _json(OwnKeys(engine.settings.signing_keys).jwks())
        answer.headers["Cache-Control"] = "max-age=300"
        return answer

    @pages.get("/openapi.yaml")
    def openapi() -> Response:
        return Response(openapi_text(), content_type="application/yaml")

    return pages


def readiness(engine: Engine) -> dict[str, Any]:
    """Ready to take calls. A ledger that is down does not make it unready: cards still go out, rows are spooled."""
    providers = {m.manifest.id: m.graph.provider for m in engine.models.models.values() if m.graph is not None}
    # an empty provider is a session that never opened in this process: its cards say so, and here it is to be seen
    failed = sorted({*engine.models.refused, *(model_id for model_id, provider in providers.items() if not provider)})
    on_gpu = bool(providers) and all(p not in ("", "CPUExecutionProvider") for p in providers.values())
    reasons = []
    if engine.settings.require_gpu and not on_gpu:
        reasons.append("require_gpu is set, but models run on the CPU")
    if leaving.begun:
        reasons.append("told to stop: calls that come are still answered for a moment, no more should be sent")
    return {
        "ready": not reasons,
        "reasons": reasons,
        "policy": {
            "version": engine.policies.current().version,
            "rejected": engine.policies.fault,
            "layers": {name: held.layer.version for name, held in engine.policies.standing.live.items()},
        },
        "ledger": {
            "reachable": engine.ledger.ping(),
            "spooled": engine.ledger.spooled(),
            "rejected": engine.ledger.rejected(),
        },
        "providers": providers,
        "models_not_loaded": failed,
    }


def _json(content: dict[str, Any], status: int = 200) -> Response:
    answer = Response(orjson.dumps(content), status=status, content_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@cache
def openapi_text() -> str:
    """The contract, from the package or, in a checkout, from the repository's top."""
    here = Path(__file__).resolve().parents[1]
    for path in (here / "openapi.yaml", here.parent / "openapi.yaml"):
        if path.exists():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError("openapi.yaml is not part of this installation")
