"""The demonstration network, trained on phantoms, says nothing of any real scan: neither high nor low."""

from __future__ import annotations

from pathlib import Path

import pytest
from ct_samples import SAMPLES, needs_samples, nifti, series_folders, series_in, volumes
from numpy.typing import NDArray

from cds.imaging.reasons import Unusable
from cds.imaging.stacks import stacks
from cds.imaging.volume import build
from cds.inference import registry
from cds.inference.volumes.analyse import Analysis, Indeterminate

pytestmark = needs_samples
MODELS = Path(__file__).parents[2] / "models"

Scan = tuple[NDArray, tuple[float, float, float]]  # type: ignore[type-arg]


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    bundle = registry.load([MODELS])["pancreas-ct-demo"].manifest.runtime.volume
    assert bundle is not None
    return Analysis(bundle, MODELS / "pancreas-ct-demo")


def scans(place: Path) -> list[Scan]:
    """Volumes of one folder, or of one NIfTI file; none where the images are refused before any network sees them."""
    if place.is_file():
        return [nifti(place)]
    try:
        made = [build(stack) for stack in stacks(series_in(place).slices)]
    except Unusable:
        return []
    return [(volume.hu, volume.spacing) for volume in made]


@pytest.mark.parametrize(
    "place", [*series_folders(), *volumes()] if SAMPLES else [], ids=lambda p: str(p.relative_to(SAMPLES))
)
def test_a_real_scan_is_indeterminate(place: Path, analysis: Analysis) -> None:
    for hu, spacing in scans(place):
        found = analysis(hu, spacing)
        assert isinstance(found, Indeterminate), (found.likelihood, found.category, found.distances)


def test_the_samples_hold_scans_that_reach_the_network() -> None:
    assert sum(len(scans(place)) for place in (*series_folders(), *volumes())) >= 3
