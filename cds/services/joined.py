"""Services that models join by their manifests, and services that exist only because a manifest asks for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cds.inference.contribution import CardService
from cds.inference.registry import Registry
from cds.services.case import Case, Finding
from cds.services.declaration import Service, ServiceRegistry

_log = logging.getLogger("cds.services")


def join(services: ServiceRegistry, models: Registry) -> ServiceRegistry:
    """Each model with a ``card`` becomes a contributor of the service it names. Where no ``hooks/`` file declares
    that service, the first manifest that describes it does; a model whose service nobody describes is refused."""
    found = dict(services.services)
    asked: dict[tuple[str, str], list[str]] = {}
    for id, model in models.models.items():
        if model.manifest.card is not None:
            wanted = model.manifest.card.service
            asked.setdefault((wanted.id, wanted.hook), []).append(id)
    for key, ids in asked.items():
        service = found.get(key) or _described(models, ids)
        if service is None:
            _log.error("service.undescribed service=%s hook=%s models=%s", *key, ",".join(ids))
            continue
        found[key] = replace(service, contributors=tuple(ids))
    return replace(services, services=found)


def _described(models: Registry, ids: list[str]) -> Service | None:
    for id in ids:
        card = models[id].manifest.card
        if card is not None and card.service.title and card.service.description:
            return _made(card.service, _by_language(card.service.title), _by_language(card.service.description))
    return None


def _made(wanted: CardService, title: Mapping[str, str], description: Mapping[str, str]) -> Service:
    said = {language: (title[language], description[language]) for language in title.keys() & description.keys()}
    name, does = said.get("en") or next(iter(said.values()))
    return Service(id=wanted.id, hook=wanted.hook, title=name, description=does, run=_says_nothing_itself, said=said)


def _by_language(text: str | Mapping[str, str]) -> Mapping[str, str]:
    return {"en": text} if isinstance(text, str) else text


def _says_nothing_itself(case: Case) -> Iterable[Finding]:
    return ()
