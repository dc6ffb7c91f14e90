"""The policy a hospital starts from: it comes with the installed services."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cds.errors import PolicyError


def packaged_policy(packages: Iterable[Path]) -> Path:
    """``policy.yaml`` of the first package of services that brings one. Raises PolicyError when none does."""
    for package in packages:
        if (package / "policy.yaml").exists():
            return package / "policy.yaml"
    raise PolicyError("no policy: set policy_file, since no installed package of services brings one")
