"""What a policy may name, of the services and models that are here."""

from __future__ import annotations

from cds.inference.registry import Registry
from cds.policy.schema import Known
from cds.services.declaration import ServiceRegistry


def known_here(models: Registry, services: ServiceRegistry, *, two_people: bool = False) -> Known:
    """``services``: those that models join or ask for included. ``two_people``: author and approver must differ."""
    return Known(
        models.thresholds(),
        services.parameters(),
        models.limits(),
        models.editions(),
        two_people,
        hooks=services.hooks(),
        orders=services.orders() | models.orders(),
    )
