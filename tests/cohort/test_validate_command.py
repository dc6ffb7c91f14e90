"""``cds models validate``: a right model is found right, a wrong one wrong, and what would mislead is refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from cds.cli import main
from cds.cohort import judge, reading
from cds.cohort.form import read_form
from cds.errors import CohortError
from cds.inference.registry import Registry

Made = Callable[..., pd.DataFrame]
PAGE = (Path(__file__).parents[2] / "docs" / "validate-a-model.md").read_text(encoding="utf-8")
FORM: dict[str, Any] = {
    "inputs": {
        "age": {"column": "age", "unit": "a"},
        "male": {"column": "sex", "values": {"M": 1, "F": 0}},
        "t": {"column": "T", "values": {"T2": 2, "T3": 3}},
        "n": {"column": "N", "values": {"N0": 0, "N1": 1}},
        "grade": {"column": "grade", "values": {"G2": 2, "G3": 3}},
    },
    "outcome": {"time": {"column": "survival_time", "unit": "d"}, "event": {"column": "event_occurred"}},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def validate(model: str, frame: pd.DataFrame, *options: str, form: dict[str, Any] | None = None) -> Result:
    frame.to_csv("cohort.csv", index=False)
    columns = []
    if form is not None:
        Path("columns.yaml").write_text(yaml.safe_dump(form), encoding="utf-8")
        columns = ["--columns", "columns.yaml"]
    words = ["models", "validate", model, "--data", "cohort.csv", "--draws", "20", *columns, *options]
    return CliRunner().invoke(main, words, prog_name="cds")


def figures(result: Result, model: str = "resected-os") -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(Path(f"validation-{model}/validation.json").read_text(encoding="utf-8"))
    return found


def refusal(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert not list(Path().glob("validation-*"))
    assert result.stderr.startswith("CDS-780: ")
    return result.stderr


def judged(registry: Registry, frame: pd.DataFrame, form: dict[str, Any]) -> dict[str, Any]:
    """Of resected-os, as the command does it."""
    frame.to_csv("cohort.csv", index=False)
    Path("columns.yaml").write_text(yaml.safe_dump(form), encoding="utf-8")
    model, path = registry["resected-os"], Path("cohort.csv")
    cohort = reading.read(path, read_form(Path("columns.yaml")), model, registry.vocabulary)
    return judge.judge(model, cohort, draws=20)


def changed(part: str, name: str, **keys: Any) -> dict[str, Any]:
    form = json.loads(json.dumps(FORM))
    form[part][name] = {**form[part].get(name, {}), **keys}
    return dict(form)


def test_a_model_that_is_right_is_found_right_in_every_respect(patients: Made) -> None:
    frame = patients()
    frame.loc[:4, "survival_time"] = np.nan
    frame.loc[5:14, "N"] = "NX"
    found = figures(validate("resected-os", frame))
    assert (found["n"], found["without_outcome"], found["unknown"]["n"]) == (495, 5, 10)
    assert found["events"] == frame.event_occurred[5:].sum()
    assert found["never_known"] == ["basal_like"]
    assert 0.55 < found["c_index"]["lower"] < found["c_index"]["upper"] < 0.8
    assert found["slope"]["lower"] < 1 < found["slope"]["upper"]
    assert list(found["horizons"]) == ["6", "12", "18", "24"]
    for at, row in found["horizons"].items():
        assert row["observed_to_expected"]["value"] == pytest.approx(1, abs=0.3), at
        assert row["intercept"]["lower"] < 0.25, at
        assert row["intercept"]["upper"] > -0.25, at
        assert row["slope"]["lower"] < 1.3, at
    assert found["ranges"]["worst to best case"]["within"] == pytest.approx(0.8, abs=0.06)
    page = Path("validation-resected-os/validation.md").read_text(encoding="utf-8")
    assert "own columns.yaml" in page
    assert "stage: external-validation" in page
    assert "| women |" in page
    assert "Fewer than 100" not in page
    assert Path("validation-resected-os/calibration.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_model_that_promises_too_much_is_found_out(patients: Made) -> None:
    found = figures(validate("resected-os", patients(300, pace=2.0)))
    assert found["horizons"]["12"]["observed_to_expected"]["lower"] > 1.2
    assert found["horizons"]["12"]["intercept"]["lower"] > 0.5
    assert found["ranges"]["worst to best case"]["before"] > 0.13
    page = Path("validation-resected-os/validation.md").read_text(encoding="utf-8")
    assert "12 months (too many survivors predicted)" in page


def test_the_figures_are_the_same_on_every_run_and_no_row_is_written(patients: Made) -> None:
    frame = patients(200).assign(centre=lambda f: f.centre + "-VERY-LOCAL")
    frame["name"] = [f"Patient{i}" for i in range(len(frame))]
    first = figures(validate("resected-os", frame, form=FORM | {"subgroups": ["centre"]}))
    assert first == figures(validate("resected-os", frame, form=FORM | {"subgroups": ["centre"]}))
    assert first["subgroups"]["centre: north-VERY-LOCAL"]["n"] == (frame.centre == "north-VERY-LOCAL").sum()
    written = "".join(p.read_text(encoding="utf-8") for p in Path("validation-resected-os").iterdir())
    assert "Patient1" not in written


def test_patients_outside_the_models_population_are_left_out_and_counted(patients: Made) -> None:
    frame = patients(300)
    frame.loc[:9, "age"] = 95
    frame.loc[10:16, "M"] = "M1"
    found = figures(validate("resected-os", frame))
    assert found["n"] == len(frame) - 17
    assert {"Stage IV or M1 is on record.": 7}.items() <= found["left_out"].items()
    assert sum(found["left_out"].values()) == 17


def test_small_groups_are_not_shown_and_groups_with_few_deaths_have_no_c_index(
    patients: Made, registry: Registry
) -> None:
    frame = patients(300)
    frame.loc[:5, "centre"] = "tiny"
    frame.loc[6:20, "centre"] = "new"
    frame.loc[6:20, "event_occurred"] = 0
    found = judged(registry, frame, FORM | {"subgroups": ["centre"]})
    assert "centre: tiny" not in found["subgroups"]
    assert found["subgroups"]["centre: new"]["c_index"] == {"not_estimated": "fewer than 10 deaths"}


def test_a_horizon_nobody_reached_is_left_out_with_its_reason(patients: Made, registry: Registry) -> None:
    frame = patients(300)
    beyond = frame.survival_time > 500
    frame.loc[beyond, ["survival_time", "event_occurred"]] = [500, 0]
    found = judged(registry, frame, FORM)
    assert found["horizons"]["18"] == {"not_estimated": "nobody was followed for 18 months"}
    assert "not_estimated" not in found["horizons"]["12"]


def test_units_are_converted() -> None:
    rng = np.random.default_rng(1)
    count = 200
    frame = pd.DataFrame(
        {
            "Age": rng.integers(40, 85, count),
            "ECOG": rng.choice(["0", "1", "2+"], count),
            "ANC": rng.integers(2000, 9000, count),
            "mono": rng.uniform(0.2, 1.2, count).round(2),
            "lympho": rng.uniform(0.6, 3, count).round(2),
            **{name: rng.choice(["yes", "no"], count) for name in ("liver", "perit", "lung")},
            "weeks": rng.exponential(45, count).round(1) + 0.1,
            "dead": rng.choice(["y", "n"], count, p=[0.8, 0.2]),
        }
    )
    yes = {"yes": 1, "no": 0}
    inputs = {
        "age": {"column": "Age", "unit": "years"},
        "ecog": {"column": "ECOG", "values": {"0": 0, "1": 1, "2+": 2}},
        "neutrophils": {"column": "ANC", "unit": "/uL"},
        "monocytes": {"column": "mono", "unit": "10*3/uL"},
        "lymphocytes": {"column": "lympho", "unit": "G/L"},
        "liver": {"column": "liver", "values": yes},
        "peritoneum": {"column": "perit", "values": yes},
        "lung": {"column": "lung", "values": yes},
    }
    outcome = {
        "time": {"column": "weeks", "unit": "d", "factor": 7},
        "event": {"column": "dead", "values": {"y": 1, "n": 0}},
    }
    found = figures(validate("metastatic-os", frame, form={"inputs": inputs, "outcome": outcome}), "metastatic-os")
    assert found["n"] == count
    assert set(found["never_known"]) == {"male", "cacs", "basal_like"}


def test_a_probability_has_auc_and_calibration_and_a_score_auc_alone(registry: Registry) -> None:
    rng = np.random.default_rng(2)
    count = 600
    frame = pd.DataFrame(
        {
            "age": rng.integers(40, 85, count),
            "ecog": rng.integers(0, 3, count),
            "cacs": rng.integers(0, 2, count),
            "neutrophils": rng.uniform(2, 9, count),
            "monocytes": rng.uniform(0.2, 1.2, count),
            "lymphocytes": rng.uniform(0.6, 3, count),
        }
    )
    model = registry["metastatic-response"]
    x = np.array([[row.get(i.name, 0.0) for i in model.manifest.inputs] for row in frame.to_dict("records")], float)
    frame["event"] = (rng.random(count) < model.score(x)["response"]).astype(int)
    found = figures(validate("metastatic-response", frame), "metastatic-response")
    assert found["slope"]["lower"] < 1 < found["slope"]["upper"]
    assert found["observed_to_expected"]["lower"] < 1 < found["observed_to_expected"]["upper"]
    assert "the names of the inputs" in Path("validation-metastatic-response/validation.md").read_text("utf-8")
    urine = pd.DataFrame(
        {
            "age": rng.integers(40, 85, count),
            "creatinine": 1.0,
            "lyve1": rng.uniform(0.1, 6, count),
            "reg1b": rng.uniform(1, 200, count),
            "tff1": rng.uniform(10, 900, count),
        }
    )
    urine["event"] = (rng.random(count) < urine.lyve1 / 8).astype(int)
    found = figures(validate("urine-panel", urine), "urine-panel")
    assert found["auc"]["lower"] > 0.6
    assert "fourths" not in found
    assert "no calibration" in Path("validation-urine-panel/validation.md").read_text(encoding="utf-8")


def test_too_few_events_are_refused_and_with_a_lower_limit_said_to_prove_nothing(patients: Made) -> None:
    frame = patients(60)
    events = int(frame.event_occurred.sum())
    told = refusal(validate("resected-os", frame))
    assert f"not enough data: {events} events, 100 needed (of 60 patients" in told
    found = figures(validate("resected-os", frame, "--least-events", "10"))
    assert found["few"]
    page = Path("validation-resected-os/validation.md").read_text(encoding="utf-8")
    assert "Fewer than 100 outcomes" in page
    assert "external-validation" not in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (changed("inputs", "age", column="Age"), "there is no column 'Age' (age); 'age' is there"),
        (FORM | {"subgroups": ["hospital"]}, "there is no column 'hospital' (subgroups)"),
        (FORM | {"inputs": {"male": FORM["inputs"]["male"]}}, "can't answer without 'age'"),
        (changed("inputs", "size", column="age"), "the form names 'size', no input of resected-os"),
        (
            changed("inputs", "age", unit="mg/dL"),
            "said to be in 'mg/dL', which can't be turned into a, the unit of 'age'",
        ),
        (changed("inputs", "age", unit=""), "column 'age' needs its unit: 'age' is read in a"),
        (changed("inputs", "age", unit="mo"), "outside 28 to 90 a"),
        (changed("inputs", "n", values={"N0": 0}), "column 'N' is not among its 'values' in"),
        (changed("inputs", "grade", values={}), "column 'grade' is not a number in 500 lines, such as 2, 3, 4, 5, 6"),
        (changed("outcome", "time", unit="mo"), "is the unit of 'outcome.time' right?"),
        (changed("outcome", "time", unit="furlong"), "'furlong' is no unit of time: d, mo or a"),
        (changed("outcome", "time", factor=-1), "is before the beginning in"),
        (FORM | {"outcome": FORM["outcome"] | {"horizons": [72]}}, "none of 'outcome.horizons' lies on it"),
        (changed("outcome", "event", column="age"), "is neither 0 nor 1: give its 'values'"),
        (FORM | {"outcome": {"event": FORM["outcome"]["event"]}}, "predicts survival: the form needs 'outcome.time'"),
        (changed("outcome", "time", unit=""), "'time' needs its unit"),
        (changed("inputs", "age", colum="age"), "columns.yaml:3: inputs.age.colum: Extra inputs are not permitted"),
        (changed("inputs", "age", constant=60), "give one of 'column', 'constant' and 'unknown: true'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_mislead_is_refused_in_a_sentence(
    patients: Made, registry: Registry, form: dict[str, Any], says: str
) -> None:
    with pytest.raises(CohortError) as refused:
        judged(registry, patients(), form)
    assert says in str(refused.value)


def test_a_text_from_the_file_never_stands_in_the_refusal(patients: Made) -> None:
    frame = patients().assign(grade="Jansen, 12 May")
    assert "Jansen" not in refusal(validate("resected-os", frame, form=FORM))


def test_files_that_can_not_be_read_are_named() -> None:
    Path("cohort.csv").write_text("age,event\n50\n", encoding="utf-8")
    run = CliRunner().invoke
    words = ["models", "validate", "urine-panel", "--data", "cohort.csv"]
    assert "cohort.csv:2: has 1 cells, the first line has 2" in run(main, words).stderr
    Path("cohort.csv").write_text("age,event\n", encoding="utf-8")
    assert "holds no patient" in run(main, words).stderr
    Path("cohort.csv").write_bytes("age,größe\n50,1\n".encode("latin-1"))
    assert "is not UTF-8" in run(main, words).stderr
    Path("cohort.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert "are not named as the model's inputs (age, creatinine, lyve1" in run(main, words).stderr


def test_a_model_that_gives_nothing_to_judge_says_so(patients: Made) -> None:
    assert "nor a score to judge" in refusal(validate("nice-ng12", patients(), form=FORM))


def test_without_the_libraries_it_says_what_to_install(patients: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "lifelines" else object())
    result = validate("resected-os", patients(20))
    assert result.exit_code == 1
    assert "needs lifelines: install the extra 'validate'" in result.stderr


def test_the_form_on_the_page_is_one_and_each_refusal_on_it_is_real() -> None:
    (text,) = re.findall(r"```yaml file=columns.yaml\n(.*?)```", PAGE, re.DOTALL)
    Path("columns.yaml").write_text(text, encoding="utf-8")
    form = read_form(Path("columns.yaml"))
    assert form.inputs["spread"].values == {"Yes": 1, "No": 0}
    assert "NA" in form.missing
    source = "".join(
        p.read_text(encoding="utf-8") for p in (Path(sys.modules["cds.cohort"].__file__ or "").parent).glob("*.py")
    )
    for words in ("there is no column", "can't answer without", "which can't be turned into", "is its unit really",
                  "half of the patients are followed", "is not among its 'values'", "not enough data: "):  # fmt: skip
        assert words in PAGE
        assert words in source
