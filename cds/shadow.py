"""A policy that is computed and not shown: the cards it would have ready for a call that another policy answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from cds.cards import withheld
from cds.cards.compose import in_order
from cds.cards.findings import findings
from cds.editions import Editions
from cds.inference.prediction import Assessment
from cds.policy.book import Shadow
from cds.services import CardDraft, Case, Service
from cds.studies.plan import bundle_of

_log = logging.getLogger("cds.engine")

Shadowed = tuple[str, list[CardDraft], Mapping[str, Assessment]]
"""(versions, cards it would have ready, what they rest on)"""


def shadowed(shadow: Shadow | None, case: Case, service: Service, editions: Editions) -> Shadowed | None:
    """It can't touch what is shown: a fault in it is the log's alone."""
    if shadow is None:
        return None
    try:
        return _in_shadow(shadow, case, service, editions)
    except Exception as error:  # the last guard: nobody is to miss a card for what nobody is shown
        _log.error("shadow.failed service=%s error=%s", service.id, type(error).__name__)
        return shadow.versions, [], {}


def _in_shadow(shadow: Shadow, case: Case, service: Service, editions: Editions) -> Shadowed:
    policy = shadow.policy
    if not policy.service(service.id).enabled:
        return shadow.versions, [], {}
    own = {id: editions.of(id, policy) for id in service.all_models if editions.runs(id, policy)}
    as_shown = {
        id: a
        for id, a in case.assessments.items()
        if editions.runs(id, policy) and (id not in own or editions.of(id, case.policy) is own[id])
    }
    more = {id: model for id, model in own.items() if id not in as_shown and bundle_of(model) is None}
    again = as_shown | {id: model.assess(case.record) for id, model in more.items()}
    parameters = service.parameters.model_validate(policy.service(service.id).parameters)
    supposed = replace(case, assessments=again, policy=policy, parameters=parameters)
    said = findings(supposed, service, withheld.lapsed(supposed))
    drafts = in_order(f for f in said if isinstance(f, CardDraft))
    return shadow.versions, drafts, again
