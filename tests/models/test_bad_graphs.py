"""A graph that is not what its manifest says, or says what can't be true, gives no answer but a reason; over HTTP,
too, and beside models that are right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox.opset.ai.onnx.v17 as op
import tiny_models
from flask import Flask
from flask.testing import FlaskClient
from ledger_reading import outcomes
from service import MakeApp, StoryCalls, loopback, request
from tiny_models import Change, Json, column, number, risk

from cds.errors import ModelError
from cds.inference.prediction import Failed, Prediction
from cds.inference.registry import Registry, load

TIMES = (0.0, 6.0, 12.0)


def outputs(*declared: Json) -> Change:
    def change(content: Json) -> None:
        content["outputs"] = list(declared)
        content["card"]["speaks"][0] |= {"when": [], "summary": {"en": "Says something"}}

    return change


def unchanged(content: Json) -> None:
    pass


def curve(x: Any, levels: list[float]) -> Any:
    """[n, 3]"""
    return op.add(op.mul(op.unsqueeze(column(x, 1), op.const(np.array([1]))), number(np.zeros((1, 3)))), number(levels))


SURVIVAL = {"name": "risk", "kind": "survival", "times": list(TIMES)}
CATEGORY = {"name": "risk", "kind": "category", "categories": {"0": "low", "1": "high"}}

GRAPHS: dict[str, tuple[Callable[[], bytes], Change, str]] = {
    "one-column-more": (lambda: tiny_models.graph(columns=3), unchanged, "takes 3 inputs, its manifest lists 2"),
    "single-precision": (
        lambda: tiny_models.graph(lambda x: {"risk": op.cast(column(x, 1), to=np.float64)}, dtype=np.float32),
        unchanged,
        "one float64 tensor 'x'",
    ),
    "another-name": (lambda: tiny_models.graph(name="features"), unchanged, "one float64 tensor 'x'"),
    "no-such-output": (lambda: tiny_models.graph(lambda x: {"chance": risk(x)}), unchanged, "the graph failed"),
    "float-output": (
        lambda: tiny_models.graph(lambda x: {"risk": op.cast(risk(x), to=np.float32)}),
        unchanged,
        "output 'risk' is float32, a graph gives float64",
    ),
    "no-graph-at-all": (lambda: b"not a graph", unchanged, "the graph can't be loaded"),
    "not-a-number": (
        lambda: tiny_models.graph(lambda x: {"risk": op.div(column(x, 1), op.sub(column(x, 1), column(x, 1)))}),
        unchanged,
        "holds a value that is not finite",
    ),
    "above-one": (
        lambda: tiny_models.graph(lambda x: {"risk": op.add(risk(x), number(0.5))}),
        unchanged,
        "is a chance and lies outside 0 to 1",
    ),
    "below-nothing": (
        lambda: tiny_models.graph(lambda x: {"risk": op.neg(risk(x))}),
        unchanged,
        "is a chance and lies outside 0 to 1",
    ),
    "bound-above-one": (
        lambda: tiny_models.graph(lambda x: {"risk": risk(x), "low": risk(x), "high": op.add(risk(x), number(0.5))}),
        outputs(
            {"name": "risk", "kind": "probability", "horizon": "2y", "lower": "low", "upper": "high", "interval": 0.95},
            {"name": "low", "kind": "bound"},
            {"name": "high", "kind": "bound"},
        ),
        "output 'high' is a chance and lies outside 0 to 1",
    ),
    "rising-from-the-dead": (
        lambda: tiny_models.graph(lambda x: {"risk": curve(x, [1.0, 0.5, 0.6])}),
        outputs(SURVIVAL),
        "is a survival curve that rises",
    ),
    "a-point-too-few": (
        lambda: tiny_models.graph(lambda x: {"risk": curve(x, [1.0, 0.5, 0.4])}),
        outputs(SURVIVAL | {"times": [0.0, 12.0]}),
        "has the shape [1, 3], its manifest says [1, 2]",
    ),
    "a-row-too-few": (
        lambda: tiny_models.graph(lambda x: {"risk": number(0.5)}),
        unchanged,
        "has the shape []",
    ),
    "third-of-two": (
        lambda: tiny_models.graph(lambda x: {"risk": op.add(op.mul(column(x, 1), number(0.0)), number(2.0))}),
        outputs(CATEGORY),
        "is a category its manifest does not name",
    ),
}


def write_all(folder: Path) -> Path:
    """Every broken graph a folder, good ones between."""
    for id, (onnx, change, _) in GRAPHS.items():
        content = tiny_models.manifest(id)
        change(content)
        tiny_models.write(folder, content, onnx())
    tiny_models.write(folder, tiny_models.manifest("good"), tiny_models.graph())
    falling = tiny_models.manifest("falling")
    outputs(SURVIVAL)(falling)
    tiny_models.write(folder, falling, tiny_models.graph(lambda x: {"risk": curve(x, [1.0, 0.5, 0.4])}))
    return folder


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="module")
def legion(graphs: Path) -> Registry:
    found = load([graphs])
    assert found.refused == {}
    return found


@pytest.mark.parametrize("id", GRAPHS)
@pytest.mark.threat("tampered-model")
def test_a_graph_that_is_wrong_gives_no_answer_but_a_reason(legion: Registry, id: str) -> None:
    answer = legion[id].assess(tiny_models.patient())
    assert isinstance(answer, Failed)
    assert GRAPHS[id][2] in answer.error
    assert id in answer.error


@pytest.mark.parametrize(
    ("id", "reason"),
    [
        ("no-such-output", "the graph has no output 'risk', which its manifest lists"),
        ("float-output", "output 'risk' is a tensor(float), a graph gives tensor(double)"),
        ("one-column-more", "the graph takes 3 inputs, its manifest lists 2"),
    ],
)
def test_it_is_known_before_the_first_patient_where_it_can_be(legion: Registry, id: str, reason: str) -> None:
    with pytest.raises(ModelError, match=re.escape(reason)):
        legion[id].warm()


def test_good_ones_beside_them_answer(legion: Registry) -> None:
    good = legion["good"].assess(tiny_models.patient())
    assert isinstance(good, Prediction)
    assert good.number("risk") == pytest.approx(1 / (1 + np.exp(-2)))
    falling = legion["falling"].assess(tiny_models.patient())
    assert isinstance(falling, Prediction)
    assert falling.series("risk") == (1.0, 0.5, 0.4)


# ---- over HTTP


UNREADABLE = {
    "not-utf-8": b"id: not-utf-8\nwords: {title: {en: caf\xe9}}\n",
    "yaml-bomb": tiny_models.bomb().encode(),
    "ten-megabytes": b"# " + b"x" * 10_000_000,
}


@pytest.fixture(scope="module")
def app(make_app: MakeApp, graphs: Path, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A service with all of it: broken graphs, manifests that are not valid, files that can't be read."""
    folder = tmp_path_factory.mktemp("manifests")
    unknown = tiny_models.manifest("unknown-key") | {"fancy": 1}
    tiny_models.write(folder, unknown, tiny_models.graph())
    tiny_models.write(folder, tiny_models.manifest("other-hash"), tiny_models.graph(), pinned=False)
    for name, content in UNREADABLE.items():
        (folder / name).mkdir()
        (folder / name / "model.yaml").write_bytes(content)
    return make_app(**loopback(), model_dirs=[graphs, folder])


def call(client: FlaskClient, id: str, prefetch: Json | None = None) -> list[Json]:
    body = request("patient-view", {"userId": "Practitioner/1", "patientId": "probe"}, prefetch or tiny_models.chart())
    answer = client.post(f"/cds-services/probe-{id}", json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    cards: list[Json] = answer.get_json()["cards"]
    return cards


@pytest.mark.parametrize("id", [*GRAPHS, "unknown-key", "other-hash"])
@pytest.mark.threat("tampered-model")
def test_its_service_says_that_it_could_not_be_assessed(app: Flask, client: FlaskClient, id: str) -> None:
    (card,) = call(client, id)
    assert card["summary"] == f"Could not be assessed: Model {id}"
    assert "That is no reassurance" in card["detail"]
    assert set(outcomes(app).values()) == {"failed"}


def test_the_good_services_answer_as_if_nothing_were_wrong(client: FlaskClient, fire: StoryCalls) -> None:
    (card,) = call(client, "good")
    assert card["summary"] == "Risk about 88 in 100"
    answer = fire("new-diabetes")
    assert answer.status_code == 200
    assert any(c["source"]["topic"]["code"] == "pancreas-risk" for c in answer.get_json()["cards"])


def test_operators_see_which_models_are_not_loaded(client: FlaskClient) -> None:
    answer = client.get("/ready")
    assert answer.status_code == 200
    missing = set(answer.get_json()["models_not_loaded"])
    assert {"unknown-key", "other-hash", *UNREADABLE} <= missing
    # those whose graph opens, but says what can't be true, are loaded
    assert "good" not in missing
    assert "not-a-number" not in missing


def test_one_models_fault_leaves_the_others_of_a_shared_service_their_cards(make_app: MakeApp, tmp_path: Path) -> None:
    for id, onnx in (("good", tiny_models.graph()), ("not-a-number", GRAPHS["not-a-number"][0]())):
        content = tiny_models.manifest(id)
        content["card"]["service"]["id"] = "probe-shared"
        tiny_models.write(tmp_path, content, onnx)
    client = make_app(**loopback(), model_dirs=[tmp_path]).test_client()
    cards = call(client, "shared")
    assert [c["summary"] for c in cards] == ["Risk about 88 in 100", "Could not be assessed: Model not-a-number"]


def test_a_policy_for_a_model_that_no_longer_loads_is_still_a_policy(make_app: MakeApp, tmp_path: Path) -> None:
    """What broke is the folder; the clinical lead's file must not be what is refused."""
    path = tmp_path / "models" / "silent" / "model.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(UNREADABLE["not-utf-8"])
    policy = tmp_path / "policy.yaml"
    packaged = Path(__file__).resolve().parents[2] / "hooks" / "policy.yaml"
    text = packaged.read_text(encoding="utf-8")
    policy.write_text(text.replace("models:\n", "models:\n  silent: {thresholds: {high: 0.4}}\n", 1), encoding="utf-8")
    app = make_app(**loopback(), model_dirs=[path.parents[1]], policy_file=policy)
    assert app.extensions["cds"].policies.current().thresholds("silent") == {"high": 0.4}
