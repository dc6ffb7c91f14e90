"""Which past calls a change can bear on, and whether their stored answers are enough to see what it does there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cds.inference.registry import Registry
from cds.ledger.past import PastCall
from cds.policy.differences import Difference
from cds.policy.schema import Policy
from cds.preview.replay import Replay, of_other_rules
from cds.services import ServiceRegistry

Key = tuple[str, str]
"""(service, hook)"""


@dataclass(frozen=True)
class Reach:
    """What one changed key bears on."""

    setting: str
    services: Mapping[Key, bool]
    """Whose calls; True: stored answers tell what it does there."""
    model: str = ""
    asks: bool = False
    """The model's own answer has to be there, or its inputs: it is switched on, or other rules are in force."""


def reaches(changed: Iterable[Difference], services: ServiceRegistry, models: Registry, only: str = "") -> list[Reach]:
    """Of keys that decide which cards there are for some services alone, one a key (an edition is one key). What holds
    back cards of every service is decided by the live lines on whatever was ready. ``only``: the service whose calls it
    is that are under what differs; empty: any."""
    found: dict[str, Reach] = {}
    for each in changed:
        reach = _reach(each, services, models)
        if reach is not None:
            mine = {key: enough for key, enough in reach.services.items() if not only or key[0] == only}
            found.setdefault(reach.setting, replace(reach, services=mine))
    return list(found.values())


def together(found: Iterable[Reach]) -> list[Reach]:
    """One a key, of what differs for several: as far as any of them reaches."""
    joined: dict[str, Reach] = {}
    for each in found:
        held = joined.get(each.setting, each)
        services = {key: each.services.get(key, True) and held.services.get(key, True)
                    for key in (*held.services, *each.services)}  # fmt: skip
        joined[each.setting] = replace(each, services=services, asks=each.asks or held.asks)
    return list(joined.values())


def words_only(changed: Iterable[Difference]) -> list[str]:
    """Keys of what a card says or proposes, and not of whether there is one."""
    return [
        each.key
        for each in changed
        if each.path[0] == "orders" or (each.path[0] == "override_reasons" and each.path[-1] != "snooze")
    ]


def _reach(each: Difference, services: ServiceRegistry, models: Registry) -> Reach | None:
    match each.path:
        case ("services", id, "enabled"):
            return Reach(each.key, {k: not each.after for k, s in services.services.items() if s.id == id})
        case ("services", id, "parameters", *_):
            mine = {k: s for k, s in services.services.items() if s.id == id}
            by_answers = any(s.again is not None for s in mine.values())
            return Reach(each.key, dict.fromkeys(mine, by_answers))
        case ("models", id, "thresholds", *_):
            return Reach(each.key, _of_model(id, services, models), id)
        case ("models", id, _):
            return Reach(each.key, _of_model(id, services, models, anew=bool(each.after)), id, asks=bool(each.after))
        case ("guidelines", "reviewed", id, *_):
            return Reach(f"guidelines.reviewed.{id}", _of_model(id, services, models), id)
        case ("guidelines", "editions", id, *_):
            return Reach(f"guidelines.editions.{id}", _of_model(id, services, models, anew=True), id, asks=True)
        case ("guidelines", *_):
            guidelines = [id for id, m in models.models.items() if not m.refused and m.manifest.guideline is not None]
            joined: dict[Key, bool] = {}
            for id in guidelines:
                for key, enough in _of_model(id, services, models).items():
                    joined[key] = joined.get(key, True) and enough
            return Reach(each.key, joined)
        case _:
            return None


def _of_model(id: str, services: ServiceRegistry, models: Registry, *, anew: bool = False) -> dict[Key, bool]:
    """``anew``: it may answer what it did not then, and a service that weighed its answers has not weighed that."""
    model = models.models.get(id)
    scans = model is not None and model.manifest.runtime.kind == "volume"
    return {
        key: not scans and (id not in service.models or (service.again is not None and not anew))
        for key, service in services.services.items()
        if id in service.all_models or (scans and service.studies)
    }


def unseen(call: PastCall, found: Iterable[Reach], replay: Replay, policy: Policy) -> Iterable[str]:
    """Keys whose effect on this call can't be known from its stored answers."""
    for reach in found:
        enough = reach.services.get((call.service, call.hook))
        if enough is False or (enough and reach.asks and not _answered(call, reach.model, replay, policy)):
            yield reach.setting


def _answered(call: PastCall, id: str, replay: Replay, policy: Policy) -> bool:
    model = replay.models.models.get(id)
    if model is None or model.refused or not replay.editions.runs(id, policy):
        return True  # it does not speak, whatever it would have said
    said = next((p for p in call.predictions if p.model == id), None)
    if said is None:
        return False
    outside = said.outcome != "predicted" and said.reason != "input-absent"
    edition = replay.editions.of(id, policy)
    return outside or not of_other_rules(edition, said, policy) or replay.features(edition, said) is not None
