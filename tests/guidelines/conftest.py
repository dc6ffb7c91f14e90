"""The shipped guidelines, and one of them as a resource that a test may spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds.inference import registry
from cds.inference.manifest import Manifest
from cds.inference.registry import Registry

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="session")
def shipped() -> Registry:
    return registry.load([MODELS])


@pytest.fixture(scope="session")
def guidelines(shipped: Registry) -> dict[str, Manifest]:
    """Those that are written as rules."""
    found = {id: model.manifest for id, model in shipped.models.items()}
    return {id: m for id, m in found.items() if m.guideline is not None and m.runtime.kind == "rules"}
