"""What the commands about guidelines stand on: the models, the codes, and the policy in force."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import click

from cds import services as service_room
from cds.cli.models.found import registry_of, settings_of
from cds.inference.guideline import under
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.policy.schema import Known, Policy
from cds.services.joined import join
from cds.settings import Settings
from cds.site.in_force import policy_here
from cds.site.installed import knowing


@dataclass(frozen=True)
class Here:
    settings: Settings
    found: Registry
    known: Known
    policy: Policy
    unknown: str
    """What of the policy could not be read; empty where all could."""

    @property
    def by_rules(self) -> dict[str, Manifest]:
        """Guidelines that are written as rules, as installed."""
        return {
            id: model.manifest
            for id, model in self.found.models.items()
            if not model.refused and model.manifest.guideline is not None and model.manifest.runtime.kind == "rules"
        }

    def in_force(self, model_id: str) -> Model:
        """With the edition of the policy. Raises UsageError for what is no guideline of rules."""
        if model_id not in self.by_rules:
            near = difflib.get_close_matches(model_id, self.by_rules, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(self.by_rules))}"
            raise click.UsageError(f"no guideline of rules is called '{model_id}'; {hint}")
        return under(self.found[model_id], self.policy.guidelines.editions)


def here(ctx: click.Context) -> Here:
    """Raises a ConfigurationError."""
    settings = settings_of(ctx)
    found = registry_of(settings)
    known = knowing(found, join(service_room.load(settings.hook_dirs), found), settings)
    policy, unknown = policy_here(settings, known)
    return Here(settings, found, known, policy, unknown)
