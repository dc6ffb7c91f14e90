"""Operating points rise: of two at one height the first is a category that nobody can ever be given."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from study_scene import manifest

from cds.inference.manifest import Manifest
from cds.inference.volumes.bundle import Bundle


def bundle(*points: float) -> Bundle:
    names = ["low", "high", "higher"]
    said = [{"category": name, "at_least": at} for name, at in zip(names, points, strict=False)]
    found = Manifest.model_validate(manifest(sha256="0" * 64, operating_points=said)).runtime.volume
    assert found is not None
    return found


@pytest.mark.parametrize("points", [(0, 0.5, 0.5), (0, 0), (0, 0.6, 0.5), (0.1, 0.5), (0, 0.999, 0.999)])
def test_points_that_do_not_rise_from_zero_are_refused(points: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="must start at 0 and rise, each above the one before"):
        bundle(*points)


def test_a_likelihood_at_a_point_is_of_its_category() -> None:
    found = bundle(0, 0.5, 0.9)
    assert [found.category(at) for at in (0, 0.49, 0.5, 0.89, 0.9, 1)] == [
        "low",
        "low",
        "high",
        "high",
        "higher",
        "higher",
    ]
