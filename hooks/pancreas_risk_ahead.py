"""encounter-start: run the risk models ahead and keep their predictions; say nothing yet."""

from __future__ import annotations

from collections.abc import Iterable

from cds.services import Case, Finding, service
from hooks.pancreas_risk import MODELS, READS
from hooks.risk_decision import RiskParameters


@service(
    id="pancreas-risk",
    hook="encounter-start",
    title="Pancreatic cancer: assess ahead",
    description="When an encounter starts: runs the risk models and stores their predictions. Gives no cards.",
    models=MODELS,
    reads=READS,
    parameters=RiskParameters,
)
def pancreas_risk_ahead(case: Case) -> Iterable[Finding]:
    return ()
