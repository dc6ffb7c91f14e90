"""A charter is taken whole or refused with file, line and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from committee_room import CHARTER

from cds.committee.charter import FILE, version_of
from cds.committee.charter_file import charter_path, read_charter
from cds.committee.cohort import target, threshold_of
from cds.errors import CharterError
from cds.inference.registry import Registry
from cds.policy.schema import Known, parse
from cds.services.declaration import installed_packages


def written(folder: Path, text: str) -> Path:
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_charter_is_good_and_names_what_it_watches(models: Registry) -> None:
    charter, text = read_charter(charter_path(None, installed_packages()), models)
    assert charter.version == version_of(text)
    for id, watch in charter.models.items():
        assert watch.outcome in charter.outcomes, id


def test_every_watched_model_has_something_to_compare(models: Registry) -> None:
    """Its output exists and has a horizon, and the threshold its charter points to is in the packaged policy."""
    charter, _ = read_charter(charter_path(None, installed_packages()), models)
    from cds import services as service_room
    from cds.policy.packaged import packaged_policy

    path = packaged_policy(installed_packages())
    services = service_room.load()
    policy = parse(path.read_text(encoding="utf-8"), str(path), Known(models.thresholds(), services.parameters()))
    for id, watch in charter.models.items():
        manifest = models[id].manifest
        found = target(manifest, watch, policy)
        assert found is not None, id
        assert found.survival or found.months is not None
        if watch.threshold is not None:
            assert threshold_of(watch, policy, manifest) is not None, f"{id}: {watch.threshold} leads nowhere"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("outcome: cancer", "outcome: cancr", "'cancr' is not among 'outcomes'"),
        ("[pancreatic-cancer]", "[pancreatic-cancr]", "did you mean 'pancreatic-cancer'?"),
        ("qcancer-2013-pancreas:", "qcancer-2013-pancrea:", "not installed; did you mean 'qcancer-2013-pancreas'?"),
        ("output: risk", "output: riks", "did you mean 'risk'?"),
        ("horizon: 2y", "horizon: two years", "is not a duration"),
        ("threshold: 0.02", "limits: {auk: {act: 0.6}}", "'auk' is no measure; there are: unusable"),
        ("threshold: 0.02", "limits: {auc: {watch: 0.6, act: 0.7}}", "must fall from 'watch' to 'act'"),
        ("death: true", "deaths: true", "unknown key"),
        ("name: test", "nane: test", "this key is required"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, models: Registry, old: str, new: str, told: str) -> None:
    assert old in CHARTER
    path = written(tmp_path, CHARTER.replace(old, new, 1))
    with pytest.raises(CharterError) as caught:
        read_charter(path, models)
    assert told in str(caught.value)
    assert f"{path}:" in str(caught.value)


def test_a_file_that_is_missing_or_no_mapping_is_a_sentence(tmp_path: Path, models: Registry) -> None:
    with pytest.raises(CharterError, match="can't be read"):
        read_charter(tmp_path / "none.yaml", models)
    with pytest.raises(CharterError, match="mapping of keys"):
        read_charter(written(tmp_path, "- a\n"), models)
    with pytest.raises(CharterError, match="no charter"):
        charter_path(None, [tmp_path / "nothing"])


def test_another_text_is_another_version(tmp_path: Path, models: Registry) -> None:
    one, _ = read_charter(written(tmp_path, CHARTER), models)
    other, _ = read_charter(written(tmp_path, CHARTER + "\nmaturity: 6m\n"), models)
    assert one.version != other.version
    assert (one.maturity, other.maturity) == ("3m", "6m")


def test_a_model_s_own_limits_replace_the_general_ones_measure_by_measure(tmp_path: Path, models: Registry) -> None:
    own = CHARTER.replace("threshold: 0.02", "limits: {auc: {stop: 0.55}}")
    charter, _ = read_charter(written(tmp_path, own), models)
    assert charter.limits_of("qcancer-2013-pancreas", "auc").stop == 0.55
    assert charter.limits_of("qcancer-2013-pancreas", "auc").act is None
    assert charter.limits_of("qcancer-2013-pancreas", "slope") == charter.limits.slope
