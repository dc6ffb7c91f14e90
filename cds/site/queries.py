"""Every query that a call at this site may need, each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cds.fhir.queries import Query, plan
from cds.inference.registry import Registry, concepts_of
from cds.services.declaration import ServiceRegistry


def needed(services: ServiceRegistry, models: Registry) -> tuple[Query, ...]:
    """Keys say which services ask; the patient comes first."""
    asked: dict[str, tuple[Query, list[str]]] = {}
    for (service_id, _hook), service in services.services.items():
        own = [models[name].manifest for name in service.all_models if not models[name].refused]
        concepts = {c for manifest in own for c in concepts_of(manifest, fetched=True)} | set(service.reads)
        for query in plan(concepts, models.vocabulary, studies=service.studies):
            _, askers = asked.setdefault(query.template, (query, []))
            if service_id not in askers:
                askers.append(service_id)
    several = {q.key for q, _ in asked.values() if sum(q.key == other.key for other, _ in asked.values()) > 1}
    return tuple(
        replace(query, key=f"{query.key} of {', '.join(askers)}" if query.key in several else query.key)
        for query, askers in asked.values()
    )


def parameters(queries: tuple[Query, ...]) -> Mapping[str, frozenset[str]]:
    """Resource type -> search parameters that are asked with; those of results (``_sort``, ``_count``) left out."""
    found: dict[str, set[str]] = {}
    for query in queries:
        search = query.template.partition("?")[2]
        names = {part.partition("=")[0] for part in search.split("&") if part}
        found.setdefault(query.resource, set()).update(name for name in names if not name.startswith("_"))
    return {resource: frozenset(names) for resource, names in found.items()}
