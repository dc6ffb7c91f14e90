"""The context an EHR sends with each hook, so that tests can fire whatever hooks discovery names."""

from __future__ import annotations

from typing import Any

Bundle = dict[str, Any]


def hook_context(
    hook: str, patient: str, drafts: Bundle | None = None, user: str | None = "Practitioner/gp"
) -> dict[str, Any]:
    """``drafts``: a Bundle of orders for the hooks about orders; all of them are selected."""
    given: dict[str, Any] = {"userId": user, "patientId": patient}
    if hook.startswith("encounter-"):
        given["encounterId"] = "1"
    if hook == "appointment-book":
        given["appointments"] = {"resourceType": "Bundle", "entry": [{"resource": appointment(patient)}]}
    if hook in ("order-select", "order-sign"):
        given["draftOrders"] = drafts or {"resourceType": "Bundle", "type": "collection", "entry": []}
    if hook == "order-select":
        orders = [entry["resource"] for entry in given["draftOrders"].get("entry", ())]
        given["selections"] = [f"{order['resourceType']}/{order['id']}" for order in orders]
    return given


def appointment(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "proposed",
        "status": "proposed",
        "start": "2026-12-07T09:00:00+01:00",
        "end": "2026-12-07T09:15:00+01:00",
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "needs-action"}],
    }
