"""``vectors.yaml``: a model's published or computed answers, which it must reproduce wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from cds.errors import ManifestError, ModelError
from cds.record.concepts import Strict
from cds.yaml_lines import YamlFault, parse, read_text

if TYPE_CHECKING:
    from cds.inference.manifest import Manifest
    from cds.inference.model import Model

FILE = "vectors.yaml"


class Vector(Strict):
    name: str
    source: str = Field(description="A key of the manifest's `sources`.")
    inputs: dict[str, float]
    """By input name, in the input's unit; inputs not named take what their absence assumes, flags 0."""
    outputs: dict[str, float | tuple[float, ...] | str] = Field(default_factory=dict)
    """Numbers, series, or the name of a category."""
    rules: tuple[str, ...] | None = None
    """Ids of the rules that must fire, and no others."""
    tolerance: float = Field(1e-6, gt=0, description="Absolute.")


@dataclass(frozen=True)
class Miss:
    vector: str
    what: str


_file: TypeAdapter[tuple[Vector, ...]] = TypeAdapter(tuple[Vector, ...])


def read(folder: Path) -> tuple[Vector, ...]:
    """Empty when the folder has no vectors. Raises ManifestError naming file and fault."""
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        return _file.validate_python(parse(read_text(path))[0] or ())
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except YamlFault as error:
        raise ManifestError(error.at(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ManifestError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def misses(model: Model, vectors: tuple[Vector, ...]) -> list[Miss]:
    """Where the model's answer differs from a vector; empty when all pass."""
    found: list[Miss] = []
    for vector in vectors:
        found += [Miss(vector.name, what) for what in _compared(model, vector)]
    return found


def _compared(model: Model, vector: Vector) -> list[str]:
    manifest = model.manifest
    if unknown := sorted(set(vector.inputs) - {i.name for i in manifest.inputs}):
        return [f"names inputs the manifest lacks: {', '.join(unknown)}"]
    if vector.source not in manifest.sources:
        return [f"cites '{vector.source}', which is not under 'sources'"]
    try:
        answer = model.answer(vector.inputs)
    except ModelError as error:
        return [str(error)]
    wrong = []
    if vector.rules is not None and set(answer.rules) != set(vector.rules):
        wrong.append(f"rules {sorted(vector.rules)} were to fire, {sorted(answer.rules)} did")
    for name, expected in vector.outputs.items():
        if name not in answer.outputs:
            wrong.append(f"names the output '{name}', which the manifest lacks")
        elif isinstance(expected, str):
            if answer.category(name) != expected:
                wrong.append(f"{name}: expected '{expected}', got '{answer.category(name)}'")
        elif not _close(_of_graph(manifest, name, answer.outputs[name]), expected, vector.tolerance):
            wrong.append(f"{name}: expected {expected}, got {answer.outputs[name]} (tolerance {vector.tolerance:g})")
    return wrong


def _of_graph(manifest: Manifest, name: str, value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """One number an input: of those that the graph reads, whatever else decides for whom it speaks."""
    output = next(o for o in manifest.outputs if o.name == name)
    return tuple(value[at] for at in manifest.columns) if output.per_input and isinstance(value, tuple) else value


def _close(got: float | tuple[float, ...], expected: float | tuple[float, ...], tolerance: float) -> bool:
    a, b = np.atleast_1d(np.asarray(got)), np.atleast_1d(np.asarray(expected))
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=tolerance))


def unnamed(manifest: Manifest, vectors: tuple[Vector, ...]) -> list[str]:
    """Outputs that no vector tests."""
    tested = {name for v in vectors for name in v.outputs}
    return [o.name for o in manifest.outputs if o.name not in tested]
