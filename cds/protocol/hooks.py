"""The hooks of the CDS Hooks library, and what each one's context must hold.

Source: HL7 CDS Hooks Library 2.0.0-cibuild (hook pages) and 1.0.1; order-dispatch 1.1 names with the 1.0 ones
accepted. ``fhir`` fields hold resources; ``references`` hold ``Type/id`` strings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hook:
    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ("userId", "patientId", "encounterId")
    """Context fields that may stand in a prefetch template ("Prefetch Token: Yes")."""
    version: str = "1.0"
    """hookVersion of the definition this service follows."""
    alternatives: tuple[tuple[str, str], ...] = ()
    """(name, older name) pairs that count as the same field."""


_HOOKS = (
    Hook("patient-view", ("userId", "patientId"), ("encounterId",)),
    Hook("encounter-start", ("userId", "patientId", "encounterId")),
    Hook("encounter-discharge", ("userId", "patientId", "encounterId")),
    Hook("appointment-book", ("userId", "patientId", "appointments"), ("encounterId",)),
    Hook("order-select", ("userId", "patientId", "selections", "draftOrders"), ("encounterId",)),
    Hook("order-sign", ("userId", "patientId", "draftOrders"), ("encounterId",)),
    Hook(
        "order-dispatch",
        ("patientId", "dispatchedOrders", "performer"),
        ("fulfillmentTasks",),
        tokens=("patientId", "dispatchedOrders", "performer"),
        version="1.1",
        alternatives=(("dispatchedOrders", "order"), ("fulfillmentTasks", "task")),
    ),
    Hook("medication-refill", ("patientId", "medications"), ("userId", "encounterId"), version="0.1.0"),
    Hook("allergyintolerance-create", ("userId", "patientId", "allergyIntolerance"), ("encounterId",), version="0.1.0"),
    Hook("problem-list-item-create", ("userId", "patientId", "conditions"), ("encounterId",), version="0.1.0"),
)

HOOKS: dict[str, Hook] = {hook.name: hook for hook in _HOOKS}
