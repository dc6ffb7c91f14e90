"""What a service has to say of a case, and the models that join it: before snoozes and limits, and whatever fails."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping

from cds.cards import by_manifest, withheld
from cds.cards.phrasebook import Phrasebook
from cds.services.case import CardDraft, Case, Finding
from cds.services.declaration import Service

_log = logging.getLogger("cds.engine")


def findings(case: Case, service: Service, stopped: Mapping[str, withheld.Stopped]) -> list[Finding]:
    """Without the answers of models that are ``stopped``."""
    everything = _everything(case, service)
    if not stopped:
        return everything
    rest = _everything(withheld.without(case, stopped), service)
    return withheld.said(everything, rest, case, stopped)


def _everything(case: Case, service: Service) -> list[Finding]:
    """A fault in what the service or a manifest says is a visible, modest card (silence would read as "no risk"), and
    keeps nobody else from speaking."""
    own = _guarded(lambda: service.run(case), case, service)
    return own + _guarded(lambda: by_manifest.findings(case, service.contributors), case, service)


def _guarded(work: Callable[[], Iterable[Finding]], case: Case, service: Service) -> list[Finding]:
    try:
        return [*work()]
    except Exception as error:  # the last guard between a site's own service and the EHR
        place = traceback.extract_tb(error.__traceback__)[-1]
        # the message may hold a patient's values: type and place are enough to find the fault
        _log.error(
            "service.failed service=%s error=%s at=%s:%s", service.id, type(error).__name__, place.name, place.lineno
        )
        return [failure_card(service.id, case.words)]


def failure_card(service_id: str, words: Phrasebook) -> CardDraft:
    return CardDraft(
        topic="service-failed",
        rank="information",
        indicator="info",
        summary=words("engine.failed.summary"),
        detail=words("engine.failed.detail", service=service_id),
        source_label=words("engine.source"),
        repeat="always",
    )
