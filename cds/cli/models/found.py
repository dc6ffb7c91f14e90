"""The models of this site, as its settings say."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from cds import services as service_room
from cds.errors import CdsError
from cds.inference import registry
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.policy.schema import Policy
from cds.record.vocabulary import read_concept_map
from cds.record.written import DrugNames
from cds.services.joined import join
from cds.settings import Settings, load
from cds.site.in_force import policy_here
from cds.site.installed import knowing


def settings_of(ctx: click.Context) -> Settings:
    return load(ctx.find_root().obj)


def folders_of(settings: Settings) -> list[Path]:
    return [*registry.installed_folders(), *settings.model_dirs]


def registry_of(settings: Settings) -> Registry:
    """Every model, with the site's own codes. Raises a ConfigurationError."""
    found = registry.load(folders_of(settings))
    if settings.concept_map is not None:
        found.vocabulary.add_site_codes(read_concept_map(settings.concept_map))
    return found


def names_of(settings: Settings) -> tuple[DrugNames, ...]:
    """By which the drugs of orders in words are told. Raises a ConfigurationError."""
    return service_room.load(settings.hook_dirs).drug_names


def policy_of(settings: Settings, found: Registry) -> Policy:
    """The policy in force, of the file and the ledger's site layer. Raises a ConfigurationError."""
    services = service_room.load(settings.hook_dirs)
    return policy_here(settings, knowing(found, join(services, found), settings))[0]


def policy_if_good(settings: Settings, found: Registry) -> tuple[Policy | None, str]:
    """None and why, where there is no policy or a wrong one: a command about models can do without."""
    try:
        return policy_of(settings, found), ""
    except CdsError as error:
        return None, str(error)


def model_of(found: Registry, model_id: str) -> Model:
    """Raises UsageError naming the one meant, or all there are, or the reason why the folder was refused."""
    if model_id not in found.models:
        near = difflib.get_close_matches(model_id, found.models, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(sorted(found.models))}"
        raise click.UsageError(f"there is no model '{model_id}'; {hint}")
    model = found[model_id]
    if model.refused:
        raise click.ClickException(f"model '{model_id}' was refused:\n{model.refused}")
    return model
