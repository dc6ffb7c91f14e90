"""MONAI bundles: what is read of their configuration, and what is refused because it would be computed otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from damaged_json import OTHERS, damaged
from monai_bundle import Change, configuration, step, write

from cds.cli import main
from cds.errors import ManifestError
from cds.networks import monai

SPACING, RANGE = "Spacingd", "ScaleIntensityRanged"


def bundle(folder: Path, change: Change = lambda c: None) -> Path:
    config = configuration()
    change(config)
    return write(folder, config)


def test_what_the_network_needs_is_read(tmp_path: Path) -> None:
    found = monai.source(bundle(tmp_path / "bundle"))
    assert found.classes == ("background", "pancreas", "tumor")
    assert (found.patch, found.spacing) == ((16, 24, 32), (2.5, 2.2, 2.0))
    assert (found.clip, found.mean, found.deviation, found.pad) == ((-57.0, 164.0), -57.0, 221.0, -57.0)
    assert (found.overlap, found.steps, found.blend) == (0.4, "strided", "constant")


def test_what_changes_nothing_here_may_be_said(tmp_path: Path) -> None:
    def told(c: dict[str, Any]) -> None:
        step(c, SPACING).update(mode=["bilinear"], align_corners=False, diagonal=False, padding_mode="border")
        step(c, "LoadImaged").update(image_only=True, reader="NibabelReader")
        step(c, "EnsureTyped").update(device="@device", dtype="float32")
        c["inferer"].update(sigma_scale=0.125, sw_device="@device", progress=True)

    assert monai.source(bundle(tmp_path / "bundle", told)).spacing == (2.5, 2.2, 2.0)


def exchanged(c: dict[str, Any]) -> None:
    steps = c["preprocessing"]["transforms"]
    steps[3], steps[4] = steps[4], steps[3]


def twice(c: dict[str, Any]) -> None:
    c["preprocessing"]["transforms"].insert(4, step(c, RANGE) | {"a_min": -1000, "a_max": 1000})


REFUSED: list[tuple[str, Change]] = [
    ("network 'SwinUNETR'", lambda c: c["network_def"].update(_target_="SwinUNETR")),
    ("network 'UNet' of 'scripts.own'", lambda c: c["network_def"].update(_target_="scripts.own.UNet")),
    ("preprocessing has CropForegroundd", lambda c: step(c, "EnsureTyped").update(_target_="CropForegroundd")),
    ("preprocessing has no Orientationd", lambda c: step(c, "Orientationd").update(_target_="EnsureTyped")),
    ("preprocessing is 'OneOf'", lambda c: c["preprocessing"].update(_target_="OneOf")),
    ("is an expression", lambda c: step(c, SPACING).update(pixdim="$[1.5] * 3")),
    ("without clip", lambda c: step(c, RANGE).update(clip=False)),
    ("exchanges axes", lambda c: step(c, "Orientationd").update(axcodes="SAR")),
    ("inferer 'SimpleInferer'", lambda c: c["inferer"].update(_target_="SimpleInferer")),
    ("no softmax", lambda c: c.update(postprocessing={})),
    ("no softmax", lambda c: c["postprocessing"]["transforms"][0].update(softmax=False, sigmoid=True)),
    (f"Orientationd before {RANGE} before {SPACING}, not Orientationd before {SPACING} before {RANGE}", exchanged),
    (f"preprocessing has {RANGE} 2 times", twice),
    ("SlidingWindowInferer with sigma_scale: 0.25", lambda c: c["inferer"].update(sigma_scale=0.25)),
    ("SlidingWindowInferer with cval: -1", lambda c: c["inferer"].update(cval=-1)),
    ('SlidingWindowInferer with mode: "hann"', lambda c: c["inferer"].update(mode="hann")),
    ("SlidingWindowInferer with roi_weight_map", lambda c: c["inferer"].update(roi_weight_map=[1])),
    (f"{SPACING} with align_corners: true", lambda c: step(c, SPACING).update(align_corners=True)),
    (f"{SPACING} with diagonal: true", lambda c: step(c, SPACING).update(diagonal=True)),
    (f'{SPACING} with mode: "nearest"', lambda c: step(c, SPACING).update(mode="nearest")),
    (f"{SPACING} with _disabled_: true", lambda c: step(c, SPACING).update(_disabled_=True)),
    ('EnsureTyped with dtype: "float16"', lambda c: step(c, "EnsureTyped").update(dtype="float16")),
    ("three millimetres", lambda c: step(c, SPACING).update(pixdim=[1.5, 1.5, -1])),
    ("roi_size", lambda c: c["inferer"].update(roi_size=[32, 24, -1])),
    ("overlap is not a number", lambda c: c["inferer"].update(overlap=None)),
    ("overlap is not a number", lambda c: c["inferer"].update(overlap=1.0)),
    (f"{RANGE} without a number b_min", lambda c: step(c, RANGE).pop("b_min")),
    (f"{RANGE} without a number b_max", lambda c: step(c, RANGE).update(b_max=None)),
    (f"{RANGE} without a number a_min", lambda c: step(c, RANGE).update(a_min="x")),
    (f"{RANGE} without a number a_max", lambda c: step(c, RANGE).update(a_max=float("inf"))),
    ("empty or turned range", lambda c: step(c, RANGE).update(b_max=0)),
    ("empty or turned range", lambda c: step(c, RANGE).update(a_max=-57)),
]


@pytest.mark.parametrize(("says", "change"), REFUSED)
def test_what_would_be_computed_otherwise_is_refused_by_name(tmp_path: Path, says: str, change: Change) -> None:
    with pytest.raises(ManifestError) as raised:
        monai.source(bundle(tmp_path / "bundle", change))
    assert says in str(raised.value) and "inference.json" in str(raised.value)


@pytest.mark.parametrize("value", OTHERS, ids=str)
def test_a_damaged_configuration_is_a_sentence_not_a_crash(value: Any, tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    refused = 0
    for name in ("inference.json", "metadata.json"):
        path = folder / "configs" / name
        whole = path.read_text()
        for other in damaged(json.loads(whole), value):
            path.write_text(json.dumps(other))
            try:
                monai.source(folder)
            except ManifestError as error:
                assert str(folder) in str(error)
                refused += 1
        path.write_text(whole)
    assert refused > 20


def test_an_import_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")  # without weights, and here without MONAI as well
    words = ["--title", "Small", "--licence", "MIT", "--notice", "None.", "--lesion", "tumor"]
    command = ["models", "import", "monai", str(folder), "--id", "small", "--in", str(tmp_path / "models"), *words]
    first, second = CliRunner().invoke(main, command), CliRunner().invoke(main, command)
    assert first.exit_code == second.exit_code != 0
    assert "exists already" not in second.output
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["attributes.yaml"]
