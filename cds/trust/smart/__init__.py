"""SMART App Launch 2 (hl7.org/fhir/smart-app-launch): from a card's link to an open report, with PKCE.

May import ``cds.errors``, ``cds.settings``, ``cds.ledger`` and the rest of ``cds.trust``.
"""

from cds.trust.smart.door import Departure, Door
from cds.trust.smart.pending import cookie_of
from cds.trust.smart.places import bases
from cds.trust.smart.rehearsal import rehearse
from cds.trust.smart.session import ReportSession, ReportSessions

__all__ = ["Departure", "Door", "ReportSession", "ReportSessions", "bases", "cookie_of", "rehearse"]
