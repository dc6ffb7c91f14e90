from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cds.inference.registry import Registry, load

FOLDER = Path(__file__).parents[2] / "models"
GRAPHS = ("endpac", "metastatic-os", "msk-prognostic-score", "pantheia-siri", "qcancer-2013-pancreas")

Ask = Callable[..., dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load([FOLDER])


@pytest.fixture(scope="session")
def ask(registry: Registry) -> Ask:
    """Asks a model's committed graph about rows of named inputs; what a row leaves out is 0."""

    def asked(model_id: str, *rows: dict[str, float]) -> dict[str, np.ndarray]:
        model = registry[model_id]
        names = [i.name for i in model.manifest.inputs]
        for row in rows:
            assert set(row) <= set(names)
        x = np.array([[row.get(n, 0.0) for n in names] for row in rows], dtype=np.float64)
        return model.score(x)

    return asked


@pytest.fixture(scope="session")
def builder() -> Callable[[str], ModuleType]:
    """A model folder's build.py as a module."""

    def built(model_id: str) -> ModuleType:
        name = f"build_{model_id.replace('-', '_')}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, FOLDER / model_id / "build.py")
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        return sys.modules[name]

    return built
