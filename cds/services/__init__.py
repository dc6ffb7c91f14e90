"""What a service is: declared beside its function, found in installed packages and mounted folders alike.

A file in ``hooks/`` writes::

    @service(id="my-service", hook="patient-view", title=..., description=..., models=("my-model",))
    def my_service(case: Case) -> Iterable[Finding]:
        ...
"""

from cds.services.case import CardDraft, Case, Finding, Proposal, Suppressed
from cds.services.declaration import NoParameters, Service, ServiceRegistry, load, service

__all__ = [
    "CardDraft",
    "Case",
    "Finding",
    "NoParameters",
    "Proposal",
    "Service",
    "ServiceRegistry",
    "Suppressed",
    "load",
    "service",
]
