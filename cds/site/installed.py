"""What is installed and mounted here: models, codes, services, policy, the ledger's key. No network, no database."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cds import services as service_room
from cds.app import check_languages
from cds.cards import site_wording
from cds.cards.phrasebook import Catalogues
from cds.errors import ServiceError
from cds.inference import registry
from cds.ledger_key import whole
from cds.pages.report.display import Display, displayed
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy, parse
from cds.policy.store import text_of
from cds.record.vocabulary import read_concept_map
from cds.services.declaration import ServiceRegistry, installed_packages
from cds.services.joined import join
from cds.services.known import known_here
from cds.settings import Settings
from cds.site import start
from cds.site.findings import Findings


@dataclass
class Installed:
    """What could be loaded; None for what could not."""

    models: registry.Registry | None = None
    """With the site's own codes."""
    services: ServiceRegistry | None = None
    """Those that models join or ask for included."""
    policy: Policy | None = None


def look(settings: Settings, findings: Findings) -> Installed:
    loaded, found = Installed(), None
    with findings.of("models") as say:
        found = registry.load([*registry.installed_folders(), *settings.model_dirs])
        for model in found.models.values():
            model.warm()
        providers = sorted({m.graph.provider for m in found.models.values() if m.graph is not None})
        say(f"{len(found.models)} loaded and run once, on {', '.join(providers)}")
    if settings.concept_map is not None and found is not None:
        with findings.of("ConceptMap") as say:
            found.vocabulary.add_site_codes(read_concept_map(settings.concept_map))
            say("every local code maps to a known concept")
    catalogues: Catalogues | None = None
    with findings.of("services") as say:
        declared = service_room.load(settings.hook_dirs)
        for service in declared.services.values():
            if found is not None and (missing := sorted(set(service.models) - set(found.models))):
                raise ServiceError(f"service '{service.id}' needs models that are not installed: {', '.join(missing)}")
        sources = (*installed_packages(), *settings.hook_dirs)
        folders = [p / "catalogue" for p in sources if (p / "catalogue").is_dir()]
        own = partial(site_wording.read, settings.wording_dir) if settings.wording_dir is not None else None
        catalogues = Catalogues(folders, own=own)
        say(f"{len(declared.services)} declared, cards in {', '.join(catalogues.languages)}")
        if found is not None:
            loaded.models, loaded.services = found, join(declared, found)
        check_languages(settings, catalogues)
    if found is not None and catalogues is not None:
        with findings.of("report") as say:
            timeline = displayed(settings.hook_dirs, found, catalogues)
            say(_timeline(timeline) if timeline is not None else "no report.yaml: its timeline stays empty")
    with findings.of("policy") as say:
        path = settings.policy_file or packaged_policy(installed_packages())
        loaded.policy = parse(text_of(path), str(path), _known(loaded, settings) or known_to(settings))
        say(f"{path.name}, version {loaded.policy.version}")
    with findings.of("ledger key") as say:
        settings.load_ledger_key()
        say("strong enough")
    given = settings.ledger_key.get_secret_value().encode() if settings.ledger_key is not None else b""
    if whole(given) == given != given.strip():  # of several keys no blank is a part
        findings.note(
            "ledger key",
            "begins or ends with blanks or a line end, which are part of it: people are found with them alone. "
            "Keep them once there are rows; without them it would be another key, as in a ledger_key_file",
        )
    start.look(settings, loaded.models, findings)
    if not settings.clients:
        findings.note("clients", "none is set: every call will be refused with 401")
    return loaded


def _timeline(found: Display) -> str:
    plan = found.timeline
    events = [part for part in (plan.treatments, plan.procedures, plan.scans, plan.genomics) if part is not None]
    return f"report.yaml: {len(plan.lanes)} measurements and {len(events)} kinds of events on its timeline"


def _known(loaded: Installed, settings: Settings) -> Known | None:
    if loaded.models is None or loaded.services is None:
        return None
    return knowing(loaded.models, loaded.services, settings)


def known_to(settings: Settings) -> Known:
    """What a policy may name at this site: the services and models that are installed or mounted."""
    services = service_room.load(settings.hook_dirs)
    models = registry.load([*registry.installed_folders(), *settings.model_dirs])
    return knowing(models, join(services, models), settings)


def knowing(models: registry.Registry, services: ServiceRegistry, settings: Settings) -> Known:
    return known_here(models, services, two_people=settings.environment == "production")
