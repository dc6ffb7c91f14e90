"""nnU-Net's plans: what is read of them, and what is refused because it would be computed otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damaged_json import OTHERS, damaged

from cds.errors import ManifestError
from cds.networks import plans
from cds.networks import recipe as recipes

SOLID: dict[str, Any] = {
    "patch_size": [48, 96, 96],
    "spacing": [9.0, 4.5, 4.5],
    "normalization_schemes": ["CTNormalization"],
    "use_mask_for_norm": [False],
    "preprocessor_name": "DefaultPreprocessor",
    "UNet_class_name": "PlainConvUNet",
    "UNet_base_num_features": 32,
    "unet_max_num_features": 320,
    "n_conv_per_stage_encoder": [2, 2, 2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2, 2, 2],
    "pool_op_kernel_sizes": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
    "conv_kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
}
PROPERTIES = {"mean": 42.8, "std": 93.9, "percentile_00_5": -152.0, "percentile_99_5": 253.0}
Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], Any]


def folder(tmp_path: Path, change: Change = lambda plans, dataset, solid: None) -> Path:
    solid = json.loads(json.dumps(SOLID))
    written: dict[str, Any] = {
        "dataset_name": "Dataset001_Small",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "configurations": {"2d": {"patch_size": [96, 96]}, "3d_fullres": solid},
        "foreground_intensity_properties_per_channel": {"0": dict(PROPERTIES)},
    }
    dataset: dict[str, Any] = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "lesion": 2, "gland": 1}}
    change(written, dataset, solid)
    (tmp_path / "plans.json").write_text(json.dumps(written))
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    return tmp_path


def test_what_the_network_needs_is_read(tmp_path: Path) -> None:
    found = plans.read(folder(tmp_path))
    assert found.trainer_configuration == "3d_fullres"
    assert found.classes == ("background", "gland", "lesion")
    assert (found.patch, found.spacing) == ((48, 96, 96), (9.0, 4.5, 4.5))
    assert (found.clip, found.mean, found.deviation) == ((-152.0, 253.0), 42.8, 93.9)
    assert found.arguments["features_per_stage"] == [32, 64, 128, 256, 320]
    assert (found.order, found.against) == (3, ())


def test_a_reader_that_turns_the_scan_is_followed(tmp_path: Path) -> None:
    turned = folder(tmp_path, lambda p, d, s: p.update(image_reader_writer="NibabelIOWithReorient"))
    assert plans.read(turned).against == (1, 2)


def test_inherited_settings_are_read(tmp_path: Path) -> None:
    def larger(p: dict[str, Any], d: dict[str, Any], s: dict[str, Any]) -> None:
        p["configurations"]["3d_large"] = {"inherits_from": "3d_fullres", "patch_size": [64, 96, 96]}

    found = plans.read(folder(tmp_path, larger), "3d_large")
    assert (found.patch, found.spacing) == ((64, 96, 96), (9.0, 4.5, 4.5))


REFUSED: list[tuple[str, Change]] = [
    ("reads 2 images", lambda p, d, s: d.update(channel_names={"0": "CT", "1": "PET"})),
    ("ZScoreNormalization, not CT", lambda p, d, s: s.update(normalization_schemes=["ZScoreNormalization"])),
    ("within a mask", lambda p, d, s: s.update(use_mask_for_norm=[True])),
    ("exchanges axes", lambda p, d, s: p.update(transpose_forward=[1, 0, 2])),
    ("does not say how patients lie", lambda p, d, s: p.update(image_reader_writer="NibabelIO")),
    ("another network's result", lambda p, d, s: s.update(previous_stage="3d_lowres")),
    ("resamples by a function of its own", lambda p, d, s: s.update(resampling_fn_data="resample_torch")),
    ("preprocessor is not the default", lambda p, d, s: s.update(preprocessor_name="Mine")),
    ("networks of class 'os.system'", lambda p, d, s: s.update(UNet_class_name="os.system")),
    ("overlapping regions", lambda p, d, s: d.update(labels={"background": 0, "whole": [1, 2]})),
    ("numbered 0, 1, 2", lambda p, d, s: d.update(labels={"background": 0, "lesion": 2})),
    ("not as nnU-Net writes it: there is no 'spacing'", lambda p, d, s: s.pop("spacing")),
    ("plans.json: '3d_fullres' is null, where nnU-Net writes an object", lambda p, d, s: kept(p, None)),
    ("'patch_size' is 7, where nnU-Net writes a list", lambda p, d, s: s.update(patch_size=7)),
    ("'resampling_fn_data_kwargs' is null", lambda p, d, s: s.update(resampling_fn_data_kwargs=None)),
    ("dataset.json: 'labels' is null", lambda p, d, s: d.update(labels=None)),
    ("dataset.json: no 'labels'", lambda p, d, s: d.pop("labels")),
    ("'spacing' is .9.0, 0, 4.5., not three numbers above 0", lambda p, d, s: s.update(spacing=[9.0, 0, 4.5])),
    ("'std' of the intensities is \"x\"", lambda p, d, s: of_intensities(p).update(std="x")),
]


def kept(plans: dict[str, Any], solid: Any) -> None:
    plans["configurations"]["3d_fullres"] = solid


def of_intensities(plans: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plans["foreground_intensity_properties_per_channel"]["0"]
    return found


@pytest.mark.parametrize(("says", "change"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_would_be_computed_otherwise_is_refused_by_name(tmp_path: Path, says: str, change: Change) -> None:
    with pytest.raises(ManifestError, match=says):
        plans.read(folder(tmp_path, change))


@pytest.mark.parametrize("value", OTHERS, ids=str)
def test_damaged_plans_are_a_sentence_not_a_crash(value: Any, tmp_path: Path) -> None:
    refused = 0
    for name in ("plans.json", "dataset.json"):
        path = folder(tmp_path) / name
        for other in damaged(json.loads(path.read_text()), value):
            path.write_text(json.dumps(other))
            try:
                plans.read(tmp_path, "3d_fullres")
            except ManifestError as error:
                assert str(tmp_path) in str(error)
                refused += 1
    assert refused > 20


def test_single_slices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'2d' works on single slices"):
        plans.read(folder(tmp_path), "2d")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "models" / "recipes").glob("*.yaml")), ids=str)
def test_each_packaged_recipe_names_a_licence_and_rates_nobody(path: Path) -> None:
    found = recipes.read(path)
    assert found.licence.name
    assert isinstance(found.licence.notice, dict) and set(found.licence.notice) == {"en", "nl"}
    assert found.licence.told == f"{found.licence.name}. {found.licence.notice['en']}"
    assert [p.category for p in found.volume.operating_points] == [recipes.UNRATED]


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("manifest: {}\nstages: [{name: detect, margin: 3}]\nvolume: {likelihood: {of: lesion}}\n")
    with pytest.raises(ManifestError, match=r"stages.0.margin"):
        recipes.read(path)


def test_a_recipe_without_a_licence_is_refused_by_what_it_lacks() -> None:
    made = recipes.plain("Small", "MIT", "", "lesion", ())
    del made.manifest["licence"]["notice"]
    with pytest.raises(ManifestError, match=r"manifest\.licence\.notice: Field required"):
        _ = made.licence


def test_words_about_a_licence_that_a_person_gave_are_english() -> None:
    notice = recipes.plain("Small", "MIT", "Keep the notice.", "lesion", ()).licence.notice
    assert notice == {"en": "Keep the notice.", "nl": "TO DO: Keep the notice."}
