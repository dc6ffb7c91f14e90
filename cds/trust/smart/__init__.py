"""SMART App Launch 2 (hl7.org/fhir/smart-app-launch): from a card's link to an open report, with PKCE; and Backend
Services, this service's own way into an EHR's FHIR server.

May import ``cds.errors``, ``cds.settings``, ``cds.ledger`` and the rest of ``cds.trust``.
"""

from cds.trust.smart.backend import Authorization, Backend, certificate_of, certificates
from cds.trust.smart.credentials import Credentials
from cds.trust.smart.door import Departure, Door
from cds.trust.smart.pending import cookie_of
from cds.trust.smart.places import bases
from cds.trust.smart.rehearsal import rehearse
from cds.trust.smart.session import ReportSession, ReportSessions

__all__ = [
    "Authorization",
    "Backend",
    "Credentials",
    "Departure",
    "Door",
    "ReportSession",
    "ReportSessions",
    "bases",
    "certificate_of",
    "certificates",
    "cookie_of",
    "rehearse",
]
