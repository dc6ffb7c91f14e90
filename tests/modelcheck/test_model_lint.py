"""`cds models check` finds what is wrong in a folder and says where: one fault put into a good folder at a time."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cds.inference import registry
from cds.modelcheck import Report, check_folder

MODELS = Path(__file__).parents[2] / "models"

Check = Callable[..., Report]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good folder of two models: one graph, one set of rules."""
    for name in ("vocabulary", "endpac", "nice-ng12", "qcancer-2013-pancreas", "ca19-9-response", "caps-surveillance"):
        shutil.copytree(MODELS / name, tmp_path / name)
    shutil.copy(MODELS / "attributes.yaml", tmp_path)
    return tmp_path


def changed(path: Path, old: str, new: str) -> int:
    """Put the fault in; the line it stands in."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def checked(folder: Path, name: str, *, rebuild: bool = False) -> Report:
    return check_folder(name, registry.load([folder]), rebuild=rebuild)


@pytest.mark.parametrize("name", ["endpac", "nice-ng12"])
def test_the_folders_used_here_are_good_before_a_fault_is_put_in(folder: Path, name: str) -> None:
    assert checked(folder, name).findings == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("endpac", "unit: mg/dL", "unit: mmol/L", "the record gives this concept in mg/dL, the input says mmol/L"),
        ("endpac", "unit: kg/a", "unit: yard/a", "'yard/a' is not a unit this service knows"),
        ("endpac", "    unit: a\n", "    unit: mo\n", "the unit of first_at_least is a"),
        ("endpac", "    horizon: 36m", "    horizon: 36q", "'36q' is not a duration"),
        ("qcancer-2013-pancreas", "    horizon: 2y\n", "", "'risk' is a risk without a horizon"),
        ("endpac", 'nl: "nuchtere glucose bij het begin"', 'de: "Glucose"', "has no words in 'nl'"),
        ("nice-ng12", 'en: "Jaundice at 40 or over"', 'en: ""', "has no words in 'en'"),
        (
            "endpac",
            "    value: 0.87",
            "    value: 0.87\n    interval: [0.1, 0.2]",
            "its value lies outside its interval",
        ),
        ("endpac", "  bands:\n    source: sharma-2018", "  bands:\n    by: me", "names no 'source' of this manifest"),
        ("endpac", "    source: israel", "    source: nobody", "evidence cites 'nobody', which is not under 'sources'"),
        ("endpac", '  intended_use: "', '  intent: "', "unknown key"),
        ("endpac", "sha256: 7807", "sha256: 0000", "is not the file pinned here"),
        ("endpac", "concepts: [body-weight]", "concepts: [body-mass]", "body-mass"),
        ("endpac", '{"0": very-low,', '{"7": very-low,', "a category its manifest does not name"),
    ],
)
def test_a_fault_in_the_manifest_is_named(folder: Path, name: str, old: str, new: str, message: str) -> None:
    changed(folder / name / "model.yaml", old, new)
    found = [f for f in checked(folder, name).findings if f.path.name == "model.yaml"]
    assert any(message in f.message for f in found), found


def test_a_fault_is_named_with_its_line(folder: Path) -> None:
    line = changed(folder / "endpac" / "model.yaml", "unit: kg/a", "unit: kg")
    (found,) = [f for f in checked(folder, "endpac").findings if f.path.name == "model.yaml"]
    assert found.line == line
    assert str(found).startswith(f"{folder / 'endpac' / 'model.yaml'}:{line}: ")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("endpac", "age_at_onset"),
        ("endpac", "glucose_before"),
        ("endpac", "weight_change"),
        ("nice-ng12", "age"),
        ("caps-surveillance", "youngest"),
        ("ca19-9-response", "change"),
        ("ca19-9-response", "lowest"),
        ("ca19-9-response", "ecog"),
    ],
)
def test_a_number_without_a_range_is_named_with_its_line(folder: Path, name: str, number: str) -> None:
    path = folder / name / "model.yaml"
    before, marker, after = path.read_text(encoding="utf-8").partition(f"  - name: {number}\n")
    path.write_text(before + marker + re.sub(r"^    range: .*\n", "", after, count=1, flags=re.M), encoding="utf-8")
    (found,) = [f for f in checked(folder, name).findings if f.path == path]
    assert found.line == before.count("\n") + 1
    assert f"{number}: give 'range'" in found.message


@pytest.mark.parametrize("name", ["ca19-9-response", "caps-surveillance", "qcancer-2013-pancreas"])
def test_codes_flags_and_what_the_service_counts_need_no_range(folder: Path, name: str) -> None:
    bare = [i for i in registry.load([folder])[name].manifest.inputs if i.range is None]
    assert bare
    assert checked(folder, name).findings == ()


def test_limits_of_different_number_in_two_languages_are_named(folder: Path) -> None:
    changed(folder / "nice-ng12" / "model.yaml", '      - "De richtlijn is Brits', '      # - "De richtlijn is Brits')
    assert any("different numbers of limits" in f.message for f in checked(folder, "nice-ng12").findings)


def test_an_attribute_that_nobody_states_is_named_with_its_number(folder: Path) -> None:
    changed(folder / "attributes.yaml", "funding:", "update_schedule_:")
    with pytest.raises(Exception, match="update_schedule_"):
        registry.load([folder])
    changed(folder / "attributes.yaml", "update_schedule_:", "# funding:")
    messages = [f.message for f in checked(folder, "endpac").findings]
    assert any("source attribute 2 is missing" in m for m in messages)


def test_a_vector_the_model_misses_is_named(folder: Path) -> None:
    path = folder / "endpac" / "vectors.yaml"
    changed(path, "outputs: {score: -1,", "outputs: {score: -2,")
    (found,) = [f for f in checked(folder, "endpac").findings if f.path == path]
    assert "score: expected -2" in found.message
    assert found.line == 2


def test_outputs_and_rules_without_a_vector_are_named(folder: Path) -> None:
    (folder / "nice-ng12" / "vectors.yaml").write_text(
        "- {name: nothing, source: ng12, inputs: {age: 30}, rules: []}\n", encoding="utf-8"
    )
    messages = {f.message for f in checked(folder, "nice-ng12").findings}
    assert "no vector tests the output 'criteria'" in messages
    assert "in no vector does the rule 'NG12-1.2.4' fire" in messages


def test_a_stale_card_and_a_missing_one_are_named(folder: Path) -> None:
    card = folder / "endpac" / "card.md"
    changed(card, "END-PAC", "The best")
    assert any("not what the manifest says now" in f.message for f in checked(folder, "endpac").findings)
    card.unlink()
    assert any(f.message.startswith("is missing") for f in checked(folder, "endpac").findings)


def test_places_left_to_be_done_are_named(folder: Path) -> None:
    line = changed(folder / "endpac" / "vectors.yaml", "# Worked out", "# TO DO: work out")
    assert any(f.line == line and f.message.startswith("TO DO") for f in checked(folder, "endpac").findings)


def test_a_builder_that_makes_another_graph_is_named(folder: Path) -> None:
    assert checked(folder, "endpac", rebuild=True).notes == ("rebuilt bit for bit",)
    changed(folder / "endpac" / "build.py", "BANDS = (1.0, 3.0)", "BANDS = (1.0, 4.0)")
    messages = [f.message for f in checked(folder, "endpac", rebuild=True).findings]
    assert messages == ["recreates another graph than the one pinned in model.yaml"]


def test_a_builder_that_fails_is_named_with_its_reason(folder: Path) -> None:
    changed(folder / "endpac" / "build.py", "BANDS = (1.0, 3.0)", "BANDS = 1 / 0")
    (found,) = checked(folder, "endpac", rebuild=True).findings
    assert "ZeroDivisionError" in found.message


CARD = """card:
  service: {id: s, hook: patient-view, title: T, description: D}
  topic: t
  topic_label: {en: T, nl: T}
  speaks:
    - when: [{output: score, at_least: 3}]
      summary: {en: "SUMMARY", nl: "SUMMARY"}
      recommendation: {en: "Do {score}.", nl: "Doe {score}."}
      proposals: [{order: moon, label: {en: M, nl: M}}]
"""


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        ("Score {scores}", "scores"),
        ("Score {score", "a brace too many or too few"),
        ("x" * 150, "can grow to 150 characters"),
        ("{found} " * 5, "a headline has under 140"),
    ],
)
def test_a_headline_that_can_not_be_filled_or_does_not_fit_is_named(folder: Path, summary: str, message: str) -> None:
    with (folder / "endpac" / "model.yaml").open("a", encoding="utf-8") as file:
        file.write(CARD.replace("SUMMARY", summary))
    assert any(message in f.message for f in checked(folder, "endpac").findings)


def test_an_order_this_site_does_not_have_is_a_note_and_no_fault(folder: Path) -> None:
    with (folder / "endpac" / "model.yaml").open("a", encoding="utf-8") as file:
        file.write(CARD.replace("SUMMARY", "Score {score}"))
    report = check_folder("endpac", registry.load([folder]), orders=frozenset({"ct"}))
    assert report.notes == ("this site's policy has no order 'moon', so it is not proposed",)
    assert [f.path.name for f in report.findings] == ["card.md"]
