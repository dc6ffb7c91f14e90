"""What is wrong in a model folder is named with file, line and reason, and harms nobody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import study_scene
import tiny_models
import yaml
from tiny_models import Change, Json

from cds.errors import ManifestError
from cds.inference.prediction import Failed, Prediction
from cds.inference.registry import load

# ---- refused when loaded: (what is changed, text of the line that is named, reason)


def set_in(*path: str | int, value: Any) -> Change:
    def change(content: Json) -> None:
        place: Any = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


SPEECH = ("card", "speaks", 0)

WRONG: dict[str, tuple[Change, str, str]] = {
    "unknown key": (set_in("fancy", value=1), "fancy: 1", "fancy: unknown key; see docs/manifest.schema.json"),
    "unknown key of an input": (set_in("inputs", 1, "colour", value="red"), "colour: red", "unknown key"),
    "a required key is missing": (lambda c: c.pop("licence"), "id:", "licence: this key is required"),
    "a card cites no source": (
        set_in("card", "thresholds", "high", "source", value="nowhere"),
        "source: nowhere",
        "threshold 'high' cites 'nowhere', which is not under 'sources'",
    ),
    "no source at all": (set_in("sources", value={}), "sources: {}", "at least 1"),
    "evidence cites no source": (
        set_in("evidence", value=[{"stage": "derivation", "cohort": {"en": "x"}, "metric": "AUROC", "source": "lost"}]),
        "source: lost",
        "evidence cites 'lost', which is not under 'sources'",
    ),
    "a sentence names no field": (
        set_in(*SPEECH, "summary", "nl", value="Kans {risico}"),
        "nl: Kans {risico}",
        "a sentence names 'risico', which is no input, no output, 'rules' or 'found'",
    ),
    "a sentence with code in it": (
        set_in(*SPEECH, "summary", "en", value="Risk {risk.__class__}"),
        "en: Risk {risk.__class__}",
        "has a field that is not a plain name in braces",
    ),
    "a sentence with a width": (
        set_in(*SPEECH, "recommendation", "en", value="{risk:>999999999}"),
        "en: '{risk:>999999999}'",
        "has a field that is not a plain name in braces",
    ),
    "a brace too many": (
        set_in(*SPEECH, "summary", "en", value="Risk {"),
        "en: Risk {",
        "has a brace too many or too few",
    ),
    "a threshold that is not declared": (
        set_in(*SPEECH, "when", 0, "at_least", value="hihg"),
        "at_least: hihg",
        "there is no threshold 'hihg'; declared are: high",
    ),
    "the card tests no output": (
        set_in(*SPEECH, "when", 0, "output", value="ryzik"),
        "output: ryzik",
        "the card tests the output 'ryzik', which the manifest does not declare",
    ),
    "an anchor that is not declared before": (
        set_in("inputs", 1, "anchor", value={"input": "later"}),
        "input: later",
        "input 'marker' is anchored on 'later'",
    ),
    "two outputs of one name": (
        lambda c: c["outputs"].append(dict(c["outputs"][0])),
        "- name: risk",
        "two outputs are called 'risk'",
    ),
    "a date that is none": (set_in("released", value="2026-02-30"), "released:", "date"),
    "a unit that is none": (
        set_in("concepts", "test-marker", "unit", value="bananas/mL"),
        "unit: bananas/mL",
        "unit 'bananas/mL' is not one this service knows",
    ),
    "a concept that no vocabulary has": (
        set_in("inputs", 1, "concepts", value=["unheard-of"]),
        "- unheard-of",
        "the model names concepts that no vocabulary defines: unheard-of",
    ),
    "shares that add up to more than all": (
        set_in("inputs", 1, "absent", value={"does": "assume", "value": 1, "vary": [0, 1], "weights": [0.9, 0.9]}),
        "absent:",
        "adding up to 1",
    ),
    "an input worked out from one declared after it": (
        lambda c: c["inputs"].insert(
            0, {"name": "ratio", "label": {}, "source": "inputs", "graph": False, "powers": {"marker": 2}}
        ),
        "marker: 2",
        "input 'ratio' is worked out from 'marker', which is not declared before it",
    ),
    "an input worked out from others as a column of the graph": (
        lambda c: c["inputs"].append({"name": "ratio", "label": {}, "source": "inputs", "powers": {"marker": 2}}),
        "- name: ratio",
        "the graph does that itself",
    ),
    "eligibility by one of several inputs that is none": (
        set_in("population", "eligibility", value=[{"any": [{"input": "nothing", "at_least": 1}], "says": {}}]),
        "- input: nothing",
        "eligibility tests 'nothing', which is not an input",
    ),
    "a kind of evidence said not to be used that is": (
        lambda c: c.update(unused={"laboratory": {"en": "nothing"}}),
        "laboratory:",
        "'laboratory' is said not to be used, and an input of that kind is",
    ),
    "a number read off a curve that is none": (
        set_in("outputs", 0, "curve", value="age"),
        "curve: age",
        "output 'risk' is read off 'age', which is not an output with 'times'",
    ),
    "a number read off a curve past its end": (
        lambda c: (
            c["outputs"].append({"name": "alive", "kind": "survival", "times": [0, 6, 12]})
            or c["outputs"][0].update(curve="alive")
        ),
        "horizon: 2y",
        "output 'risk' is read off 'alive' at 2y, outside its 12 months",
    ),
    "a share without a curve": (
        set_in("outputs", 0, "until", value=0.5),
        "until: 0.5",
        "'risk' has 'until': give the 'curve' it is read off",
    ),
    "both a time and a share": (
        lambda c: c["outputs"][0].update(until=0.5, curve="alive"),
        "curve: alive",
        "'risk' is read off a curve: give its 'horizon' or 'until', not both",
    ),
    "the file's hash differs": (
        lambda c: None,
        "sha256:",
        "model.onnx is not the file pinned here (its SHA-256 differs)",
    ),
    "the graph is missing": (
        set_in("runtime", "file", value="other.onnx"),
        "file: other.onnx",
        "other.onnx is missing",
    ),
    "the graph lies elsewhere": (
        set_in("runtime", "file", value="../secret.onnx"),
        "file: ../secret.onnx",
        "runtime.file must lie in the model's folder",
    ),
    "the id is not the folder's": (
        set_in("id", value="somebody-else"),
        "id: somebody-else",
        "id 'somebody-else' differs from its folder's name 'broken'",
    ),
}

WRONG_RULES: dict[str, tuple[Change, str, str]] = {
    "a rule gives no category": (
        set_in("runtime", "rules", 0, "gives", value="enormous"),
        "gives: enormous",
        "rule 'R1' gives 'enormous', which is not among the categories of 'band'",
    ),
    "nothing said for when no rule holds": (
        lambda c: c["runtime"].pop("otherwise"),
        "runtime:",
        "give 'runtime.otherwise' for when no rule holds",
    ),
    "a category under no number": (
        set_in("outputs", 0, "categories", value={"low": "low", "1": "high"}),
        "low: low",
        "'low' is not a number",
    ),
    "a label for no category": (
        set_in("outputs", 0, "category_labels", value={"huge": {"en": "Huge"}}),
        "huge:",
        "category_labels names 'huge'",
    ),
    "the card tests for no category": (
        set_in(*SPEECH, "when", 0, "is", value="huge"),
        "is: huge",
        "the card tests for the category 'huge', which 'band' lacks",
    ),
    "a rule tests no input": (
        set_in("runtime", "rules", 0, "all", 0, "input", value="wish"),
        "input: wish",
        "rule 'R1' tests 'wish', which is not an input",
    ),
    "a test without a comparison": (
        lambda c: c["runtime"]["rules"][0]["all"][0].pop("at_least"),
        "- input: marker",
        "needs exactly one of at_least, at_most, below, above, present",
    ),
}

WRONG_NETWORKS: dict[str, tuple[Change, str, str]] = {
    f"{status} and for clinical use": (
        set_in("status", value=status),
        f"status: {status}",
        f"a network of status '{status}' can't be for clinical use: once it is validated, give it the status "
        "'local-fit' or 'established'; until then, 'clinical_use: false'",
    )
    for status in ("demonstration", "unverified", "research")
}


def network(id: str) -> Json:
    """One that reads scans, for clinical use."""
    return study_scene.manifest(id, sha256="0" * 64, clinical_use=True)


def broken(folder: Path, change: Change, base: Callable[[str], Json]) -> Path:
    """One folder ``broken`` beside a good neighbour."""
    good = tiny_models.manifest("good")
    tiny_models.write(folder, good, tiny_models.graph())
    content = base("broken")
    onnx = tiny_models.graph() if content["runtime"]["kind"] == "onnx" else None
    path = folder / "broken"
    path.mkdir()
    if onnx is not None:
        (path / "model.onnx").write_bytes(onnx)
        if change is not WRONG["the file's hash differs"][0]:
            content["runtime"]["sha256"] = good["runtime"]["sha256"]
    change(content)
    (path / "model.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "line", "reason", "base"),
    [
        *((*case, tiny_models.manifest) for case in WRONG.values()),
        *((*case, tiny_models.by_rules) for case in WRONG_RULES.values()),
        *((*case, network) for case in WRONG_NETWORKS.values()),
    ],
    ids=[*WRONG, *WRONG_RULES, *WRONG_NETWORKS],
)
def test_it_is_refused_with_file_line_and_reason_and_its_neighbour_is_not(
    tmp_path: Path, change: Change, line: str, reason: str, base: Callable[[str], Json]
) -> None:
    path = broken(tmp_path, change, base) / "model.yaml"
    found = load([tmp_path])
    assert set(found.refused) == {"broken"}
    refused = found.refused["broken"].splitlines()[0]
    assert reason in refused
    where = re.match(rf"{re.escape(str(path))}:(\d+): ", refused)
    assert where, refused
    assert line in path.read_text(encoding="utf-8").splitlines()[int(where[1]) - 1]
    answer = found["broken"].assess(tiny_models.patient())
    assert isinstance(answer, Failed)
    assert reason in answer.error
    assert isinstance(found["good"].assess(tiny_models.patient()), Prediction)


# ---- files that are no manifest at all


UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "not UTF-8": (b"id: broken\nversion: 1.0.0\nwords: {title: {en: caf\xe9}}\n", 3, "is not UTF-8 text"),
    "a YAML bomb": (tiny_models.bomb().encode(), 1, "its aliases (*) repeat too much"),
    "an alias in itself": (b"id: broken\ninputs: &a [*a]\n", 2, "an alias (*) stands inside what it names"),
    "10 MB": (b"id: broken\n# " + b"x" * 10_000_000, 1, "is larger than 1000 kB"),
    "nested a thousand deep": (b"id: " + b"[" * 5000 + b"]" * 5000, 1, "not valid YAML"),
    "a bracket too few": (b"id: broken\ninputs: [1, 2\nstatus: research\n", 3, "not valid YAML"),
    "a key written twice": (b"id: broken\nstatus: research\nid: broken\n", 3, "id: written twice, first in line 1"),
    "code in YAML": (b"id: !!python/object/apply:os.system ['true']\n", 1, "not valid YAML"),
    "a control character": (b"id: broken\nversion: \x07\n", 2, "not valid YAML"),
    "30 February": (b"id: broken\nreleased: 2026-02-30\n", 1, "not valid YAML"),
    "empty": (b"", 1, "the manifest: "),
    "a list": (b"- id: broken\n", 1, "the manifest: "),
}


@pytest.mark.parametrize(("content", "line", "reason"), UNREADABLE.values(), ids=list(UNREADABLE))
@pytest.mark.threat("zip-bomb")
def test_what_can_not_be_read_is_refused_by_name(tmp_path: Path, content: bytes, line: int, reason: str) -> None:
    tiny_models.write(tmp_path, tiny_models.manifest("good"), tiny_models.graph())
    (tmp_path / "broken").mkdir()
    path = tmp_path / "broken" / "model.yaml"
    path.write_bytes(content)
    found = load([tmp_path])
    assert set(found.refused) == {"broken"}
    refused = found.refused["broken"]
    assert refused.startswith(f"{path}:{line}: ")
    assert reason in refused
    assert len(refused) < 2000, "the file is not repeated in the log"
    assert isinstance(found["good"].assess(tiny_models.patient()), Prediction)


@pytest.mark.parametrize("file", ["model.yaml", "model.onnx"])
@pytest.mark.threat("path-traversal")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, file: str) -> None:
    path = tiny_models.write(tmp_path / "models", tiny_models.manifest("broken"), tiny_models.graph())
    outside = tmp_path / file
    (path / file).rename(outside)
    (path / file).symlink_to(outside)
    refused = load([tmp_path / "models"]).refused["broken"]
    assert re.search("is a link out of the model's folder|must lie in the model's folder", refused)


def test_links_inside_the_folder_are_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    """A ConfigMap's files are links into a folder beside them."""
    path = tiny_models.write(tmp_path, tiny_models.manifest("good"), tiny_models.graph())
    data = path / "..data"
    data.mkdir()
    for file in ("model.yaml", "model.onnx"):
        (path / file).rename(data / file)
        (path / file).symlink_to(Path("..data") / file)
    assert load([tmp_path]).refused == {}


def test_a_models_own_concept_does_not_displace_a_shared_one(tmp_path: Path) -> None:
    """Whatever the order of folders: it is the model that is refused."""
    tiny_models.write(tmp_path / "first", tiny_models.manifest("broken"), tiny_models.graph())
    shared = tmp_path / "second" / "vocabulary" / "labs.yaml"
    shared.parent.mkdir(parents=True)
    other = {"test-marker": {"resource": "Condition", "label": {"en": "another"}}}
    shared.write_text(yaml.safe_dump(other), encoding="utf-8")
    found = load([tmp_path / "first", tmp_path / "second"])
    assert "concept 'test-marker' is already defined otherwise" in found.refused["broken"]
    assert found.vocabulary.concepts["test-marker"].resource == "Condition"


def test_what_all_models_share_stops_the_start_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "attributes.yaml"
    path.write_bytes(b"developer: somebody\nfunding: caf\xe9\n")
    with pytest.raises(ManifestError, match=re.escape(f"{path}:2: is not UTF-8")):
        load([tmp_path])
