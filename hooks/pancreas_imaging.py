"""What networks have read on the patient's scans, and run ahead where a chart will be opened soon.

The scans are read by study jobs; a call only looks the readings up, and asks for those that are lacking.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds.cards import scan_card
from cds.services import Case, Finding, service


@service(
    id="pancreas-imaging",
    hook="patient-view",
    title="Pancreas on CT: what networks have read",
    description=(
        "When a chart is opened: the newest stored reading of the patient's CT, how old the scan is, and whether a "
        "newer one is being read or could not be. Asks for the analysis of a recent scan that nobody has read."
    ),
    studies=True,
)
def pancreas_imaging(case: Case) -> Iterable[Finding]:
    yield from scan_card.findings(case)


@service(
    id="pancreas-imaging",
    hook="encounter-start",
    title="Pancreas on CT: read ahead",
    description="When an encounter starts: asks for the analysis of a recent scan not yet read. Gives no cards.",
    studies=True,
)
def read_ahead_of_encounter(case: Case) -> Iterable[Finding]:
    return ()


@service(
    id="pancreas-imaging",
    hook="appointment-book",
    title="Pancreas on CT: read ahead",
    description="When an appointment is booked: asks for the analysis of a recent scan not yet read. Gives no cards.",
    studies=True,
)
def read_ahead_of_appointment(case: Case) -> Iterable[Finding]:
    return ()
