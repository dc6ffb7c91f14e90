"""A stub that plays the public CDS Hooks 2.0 specification to the EHR page, and writes down what it was sent.

It stands for any vendor's service, so that the page is tested as a client of the standard and of nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request

TABLE = """**Of 100 people like this**

- About 50 live between 5 and 14 months from the start of treatment.
- About 10 live longer than 26 months (best case).

| | 6 months | 12 months | 24 months |
|---|---|---|---|
| This estimate, alive (95% interval) | 71 of 100 (62–79) | 43 of 100 (34–52) | 14 of 100 (8–21) |
| All patients of the cohort (real world) | 66 of 100 | 38 of 100 | 12 of 100 |
| Trial: combination arm | 76 of 100 | 48 of 100 | 13 of 100 |

Trial patients are fitter than most.
"""
STUDY = "0" * 31 + "1"
DUTCH = "Overweeg een CT binnen 2 weken"
DETAIL = """**Consider a CT within 2 weeks.**

**Why**

- Weight: 71.9 kg (3 Nov 2026), 79.2 kg before (9 Oct 2025)
- HbA1c: 7.4 % (24 Oct 2026)

See the [guideline](https://guideline.invalid/a).
"""
REASONS = [
    {"code": "done-already", "system": "urn:stub:reason", "display": "Already investigated"},
    {"code": "declined", "system": "urn:stub:reason", "display": "Patient declines"},
]


def suggestion(patient: str, identity: str, label: str, *, recommended: bool = False) -> dict[str, Any]:
    order = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"text": label, "coding": [{"system": "urn:stub:order", "code": identity, "display": label}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    action = {"type": "create", "description": label, "resource": order}
    return {"label": label, "uuid": identity, "isRecommended": recommended, "actions": [action]}


@dataclass
class StubService:
    """``calls`` and ``feedback`` hold (service id, body, Accept-Language); ``broken`` makes calls fail with it."""

    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    feedback: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken: Response | None = None
    quiet: bool = False
    cards: list[dict[str, Any]] | None = None
    """Answered instead of the usual cards."""
    detail: str = DETAIL
    more: dict[str, Any] = field(default_factory=dict)
    """Beside the cards of every answer."""
    keeps_rows: bool = False
    """Whether it offers ledger rows, which CDS Hooks does not ask for."""
    until: str = "2027-05-23"
    withheld: list[dict[str, Any]] = field(default_factory=list)
    """``heldBack`` of its rows, while nobody refused anything."""
    progress: tuple[str, str, float] | None = None
    """(state, stage, share) of the analysis of ``STUDY``; None: it offers no such."""

    def app(self) -> Flask:
        app = Flask("stub_cds_service")

        @app.get("/cds-services")
        def discover() -> Response:
            return jsonify(services=[
                _offer("stub-advice", "patient-view", "Advice on opening", {
                    "patient": "Patient/{{context.patientId}}",
                    "observations": "Observation?patient={{context.patientId}}&_sort=-date&_count=250",
                    "encounter": "Encounter/{{context.encounterId}}",
                }),
                _offer("stub-check", "order-select", "Completeness of selected orders", {}),
                _offer("stub-outlook", "order-sign", "Outlook on signing", {}),
                _offer("stub-other", "vendor-specific-hook", "For a hook nobody knows", {}),
                _offer("stub-ahead", "encounter-start", "For a hook this EHR does not fire", {}),
            ])  # fmt: skip

        @app.post("/cds-services/<identity>")
        def call(identity: str) -> Response:
            body = request.get_json()
            self.calls.append((identity, body, request.headers.get("Accept-Language", "")))
            if self.broken is not None:
                return self.broken
            if self.cards is not None:
                return jsonify(cards=self.cards, **self.more)
            return jsonify(cards=[] if self.quiet else self._cards(identity, body), **self.more)

        @app.get("/calls/<instance>")
        def kept(instance: str) -> Response:
            made = [identity for identity, body, _ in self.calls if body["hookInstance"] == instance]
            if not self.keeps_rows or not made:
                return Response(status=404)
            held = [{"topic": "stub-risk/score", "reason": "snoozed:declined", "until": self.until}]
            row = {"service": made[0], "timings": {"models": 1.5}, "heldBack": held if self.quiet else self.withheld}
            return jsonify(hookInstance=instance, calls=[row])

        @app.get(f"/studies/{STUDY}/analyses")
        def analyses() -> Response:
            if self.progress is None:
                return Response(status=404)
            state, stage, share = self.progress
            return jsonify(study=STUDY, analyses=[{"state": state, "stage": stage, "progress": share}])

        @app.post("/cds-services/<identity>/feedback")
        def told(identity: str) -> Response:
            body = request.get_json()
            self.feedback.append((identity, body))
            self.quiet = self.quiet or any(item["outcome"] == "overridden" for item in body["feedback"])
            return jsonify({})

        return app

    def _cards(self, identity: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        dutch = request.headers.get("Accept-Language", "").startswith("nl")
        patient = body["context"]["patientId"]
        if identity == "stub-advice":
            return [{
                "uuid": "card-advice",
                "summary": DUTCH if dutch else "New-onset diabetes and weight loss at 67: consider CT within 2 weeks",
                "indicator": "warning",
                "detail": self.detail,
                "source": {
                    "label": "Stub guideline", "url": "https://guideline.invalid/",
                    "topic": {"system": "urn:cds:topic", "code": "stub-risk", "display": "Cancer risk"},
                },
                "suggestions": [
                    suggestion(patient, "ct", "Order CT of the abdomen, urgent", recommended=True),
                    suggestion(patient, "hba1c", "Order HbA1c"),
                ],
                "selectionBehavior": "any",
                "overrideReasons": REASONS,
                "links": [
                    {"label": "Guideline, section 1.2", "url": "https://guideline.invalid/1.2", "type": "absolute"},
                    {
                        "label": "Calculator", "url": "https://app.invalid/launch", "type": "smart",
                        "appContext": "sealed-reference",
                    },
                ],
            }]  # fmt: skip
        if identity == "stub-outlook":
            return [{
                "uuid": "card-outlook",
                "summary": "Prognosis information available: first-line treatment ordered",
                "indicator": "info",
                "detail": TABLE,
                "source": {
                    "label": "Stub estimate",
                    "topic": {"system": "urn:cds:topic", "code": "stub-survival", "display": "Prognosis"},
                },
                "overrideReasons": REASONS,
            }]  # fmt: skip
        return [{
            "uuid": "card-check", "summary": "Before signing: a blood count would complete the picture",
            "indicator": "critical", "source": {"label": "Stub check"},
        }]  # fmt: skip


def _offer(identity: str, hook: str, title: str, prefetch: dict[str, str]) -> dict[str, Any]:
    words = f"{title}, played by a stub."
    return {"id": identity, "hook": hook, "title": title, "description": words, "prefetch": prefetch}
