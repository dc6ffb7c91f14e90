"""What the ledger keeps of a call, for the EHR that made it: no patient, no value of the record, no words of a card.

So that silence can be explained: which models answered, which cards went out, what was held back, why and until when.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from cds.engine import Engine
from cds.errors import UnknownService
from cds.ledger import CallEntry, FeedbackEntry
from cds.trust import sender

_KEPT = timedelta(hours=24)
"""How far back is looked: a call's time has an index, its instance has none."""


def blueprint(engine: Engine) -> Blueprint:
    pages = Blueprint("calls", __name__)

    @pages.get("/calls/<hook_instance>")
    def calls(hook_instance: str) -> Response:
        caller = engine.authenticator.authenticate(
            request.headers.get("Authorization"),
            path=request.path,
            remote_addr=sender(request.remote_addr, request.headers.keys()),
        )
        # another client's call is not even there
        found = engine.ledger.calls_of(caller.name, hook_instance, engine.now() - _KEPT)
        if not found:
            raise UnknownService("the ledger holds no such call of this client in the last 24 hours")
        g.log = {"client": caller.name, "calls": len(found)}
        rows = [row(call, {c.id: engine.ledger.feedback_on(c.id) for c in call.cards}) for call in found]
        answer = Response(orjson.dumps({"hookInstance": hook_instance, "calls": rows}), content_type="application/json")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return pages


def row(call: CallEntry, feedback: dict[str, tuple[FeedbackEntry, ...]]) -> dict[str, Any]:
    """One call as JSON. Left out on purpose: the keys of patient and user, values, references, a card's text."""
    return {
        "id": call.id,
        "at": call.at.isoformat(),
        "service": call.service,
        "serviceVersion": call.service_version,
        "hook": call.hook,
        "language": call.language,
        "policy": call.policy_version,
        "status": call.status,
        "error": call.error_code,
        "milliseconds": round(call.duration_ms, 3),
        "timings": call.timings,
        "data": {key: state["state"] for key, state in call.data_state.items() if isinstance(state, dict)},
        "predictions": [
            {
                "id": p.id,
                "model": p.model,
                "version": p.model_version,
                "sha256": p.model_sha256,
                "outcome": p.outcome,
                "reason": p.reason,
                "inputs": {name: kept.get("state") for name, kept in p.inputs.items()},
            }
            for p in call.predictions
        ],
        "cards": [
            {
                "id": card.id,
                "topic": card.topic,
                "indicator": card.indicator,
                "predictions": list(card.prediction_ids),
                "feedback": [
                    {"outcome": said.outcome, "reason": said.reason_code, "commented": said.comment_present}
                    for said in feedback.get(card.id, ())
                    if said.client == call.client
                ],
            }
            for card in call.cards
        ],
        "heldBack": [
            {
                "topic": s.topic,
                "label": _label(s.body),
                "reason": s.reason,
                "until": s.until.isoformat() if s.until else None,
            }
            for s in call.suppressions
        ],
    }


def _label(body: dict[str, Any] | None) -> str | None:
    """The topic in words, where a card was ready: the same words stand on every card of it."""
    found: str | None = body["source"]["topic"]["display"] if body is not None else None
    return found
