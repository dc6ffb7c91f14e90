"""Which models answer under a policy, and with which rules: its editions of guidelines over the packaged ones."""

from __future__ import annotations

import orjson

from cds.inference.guideline import under
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.policy.schema import Policy

_MOST = 100
"""Held at once; those in force, in a canary and in the shadow are a few."""


class Editions:
    def __init__(self, models: Registry) -> None:
        self.models = models
        self._made: dict[tuple[str, bytes], Model] = {}

    def of(self, model_id: str, policy: Policy) -> Model:
        """The model with the rules that the policy has in force for it: one object for as long as they are the same."""
        model, content = self.models[model_id], policy.guidelines.editions.get(model_id)
        if content is None:
            return model
        key = model_id, orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST:
                self._made.clear()  # another thread may be here, too: what it holds in hand stays good
            made = self._made.setdefault(key, under(model, policy.guidelines.editions))
        return made

    def runs(self, model_id: str, policy: Policy) -> bool:
        return policy.model_enabled(model_id, needs_enabling=self.models[model_id].manifest.status.needs_enabling)
