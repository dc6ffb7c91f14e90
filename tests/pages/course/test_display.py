"""``report.yaml``: what is wrong in it is said at the start, with its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from charted_house import House
from pydantic import ValidationError

import hooks
from cds.errors import CdsError, ServiceError
from cds.pages.report.display import Display, Limits, _require, display, read_display

PACKAGED = Path(hooks.__file__).parent / "report.yaml"


def altered(folder: Path, before: str, after: str) -> Path:
    text = PACKAGED.read_text(encoding="utf-8")
    assert before in text
    path = folder / "report.yaml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    return path


def test_the_packaged_one_fits_this_deployment(house: House) -> None:
    found = display(house.engine)
    assert found is not None
    assert [lane.label["en"] for lane in found.timeline.lanes] == ["CA 19-9", "Bilirubin", "HbA1c", "Body weight"]


def test_a_key_nobody_knows_is_a_fault_with_its_line(tmp_path: Path) -> None:
    path = altered(tmp_path, "scale: log", "scaling: log")
    with pytest.raises(ServiceError, match=r"report\.yaml:\d+: timeline\.lanes\.0\.scaling: Extra inputs"):
        read_display(path)


@pytest.mark.parametrize(
    ("limits", "said"),
    [({"source": "a laboratory"}, "'low', 'high' or both"), ({"high": 34, "source": {}}, "limits need a source")],
)
def test_limits_are_of_something_and_from_somewhere(limits: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Limits.model_validate(limits)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("concepts: [hba1c]", "concepts: [hba2c]", "hba2c"),
        ("unit: kg", "unit: furlongs", "'furlongs' is no unit of 'body-weight'"),
        ("marks: [marked-fall", "marks: [marked-leap", "marked-leap"),
        ("model: ca19-9-response", "model: ca19-9-oracle", "ca19-9-oracle"),
        ('label: {en: "Scans", nl: "Scans"}', 'label: {en: "Scans"}', "no words in nl"),
        ("all: [fluorouracil, irinotecan, oxaliplatin]", "all: [fluorouracil, metformin]", "metformin"),
    ],
)
def test_what_the_deployment_does_not_know_is_a_fault(
    tmp_path: Path, house: House, before: str, after: str, said: str
) -> None:
    found: Display = read_display(altered(tmp_path, before, after))
    with pytest.raises(CdsError, match=said):
        _require(found, house.engine.models, house.engine.catalogues, "report.yaml")


def test_a_mounted_folder_adds_its_lanes(make_house: object, tmp_path: Path) -> None:
    shutil.copy(PACKAGED, tmp_path / "report.yaml")
    house: House = make_house(hook_dirs=(tmp_path,))  # type: ignore[operator]
    found = display(house.engine)
    assert found is not None
    assert len(found.timeline.lanes) == 8


def test_every_limit_names_its_source(house: House) -> None:
    found = display(house.engine)
    assert found is not None
    sources: list[str | dict[str, str]] = [lane.limits.source for lane in found.timeline.lanes if lane.limits]
    sources += [one.source for lane in found.timeline.lanes for one in lane.confounders]
    texts = [text for one in sources for text in ([one] if isinstance(one, str) else one.values())]
    assert all(len(text) > 20 for text in texts)
