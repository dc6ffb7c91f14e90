"""What a service is: declared beside its function, found in installed packages and mounted folders alike.

A file in ``hooks/`` writes::

    @service(id="my-service", hook="patient-view", title=..., description=..., models=("my-model",))
    def my_service(case: Case) -> Iterable[Finding]:
        ...
"""

from cds.services.case import CardDraft, Case, Finding, Proposal, Suppressed, Weighed
from cds.services.declaration import NoParameters, Service, ServiceRegistry, load, names_drugs, service
from cds.services.past import Again, Dial, Past, PastAnswer, Would

__all__ = [
    "Again",
    "CardDraft",
    "Case",
    "Dial",
    "Finding",
    "NoParameters",
    "Past",
    "PastAnswer",
    "Proposal",
    "Service",
    "ServiceRegistry",
    "Suppressed",
    "Weighed",
    "Would",
    "load",
    "names_drugs",
    "service",
]
