"""The survival function in a model's outputs."""

from __future__ import annotations

from collections.abc import Mapping

from cds.inference.manifest import Output
from cds.inference.prediction import Prediction, Value
from cds.survival import Curve


def survival_of(prediction: Prediction) -> Output | None:
    return next((o for o in prediction.manifest.outputs if o.kind == "survival"), None)


def curve_of(prediction: Prediction, outputs: Mapping[str, Value] | None = None) -> Curve:
    """The survival output with its declared bounds; a model without bounds gets a band of no width."""
    spec = survival_of(prediction)
    assert spec is not None
    values = outputs if outputs is not None else prediction.outputs

    def series(name: str) -> tuple[float, ...]:
        found = values[name]
        return found if isinstance(found, tuple) else (found,)

    return Curve(spec.times, series(spec.name), series(spec.lower or spec.name), series(spec.upper or spec.name))
