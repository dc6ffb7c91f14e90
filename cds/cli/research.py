"""The packaged policy with the research models on: for a demonstration, never for care."""

from __future__ import annotations

import yaml

from cds import yaml_lines
from cds.inference.registry import installed_folders, load
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages


def research_policy() -> str:
    """Text of a policy that also runs what a policy has to ask for by name: models of research, and unverified ones.

    Not the networks that read scans: they need an image archive, and settings of their own.
    """
    content = yaml_lines.plain(packaged_policy(installed_packages()).read_text(encoding="utf-8"))
    models = content.setdefault("models", {})
    for id, model in load(installed_folders()).models.items():
        manifest = model.manifest
        if manifest.status.needs_enabling and manifest.runtime.kind != "volume" and not model.refused:
            models[id] = {**models.get(id, {}), "enabled": True}
    content |= {"name": "Demonstration with research models", "reason": "To see what is not meant for care yet"}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
