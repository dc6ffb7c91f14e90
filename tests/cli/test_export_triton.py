"""``cds models export-triton``: a folder a graph, and a sentence where there is none to write."""

from __future__ import annotations

from pathlib import Path

from command_line import cds

from cds.inference import model_repository, registry
from cds.inference.open_inference import name_of

MODELS = Path(__file__).parents[2] / "models"


def test_each_graph_is_written_under_the_name_a_worker_asks_for(tmp_path: Path) -> None:
    graphs = list(model_repository.graphs(registry.read(MODELS / "pancreas-ct-demo").manifest))
    assert len(graphs) == 2
    result = cds("models", "export-triton", "pancreas-ct-demo", "--output", tmp_path / "made" / "here")
    assert result.exit_code == 0, result.output
    places = [tmp_path / "made" / "here" / name_of("pancreas-ct-demo", file, sha256) for file, sha256 in graphs]
    assert result.stdout.splitlines() == [str(place) for place in places]
    for place, (file, _) in zip(places, graphs, strict=True):
        assert (place / "1" / "model.onnx").read_bytes() == (MODELS / "pancreas-ct-demo" / file).read_bytes()
        assert (place / "config.pbtxt").read_text(encoding="utf-8").startswith(f'name: "{place.name}"\n')


def test_a_model_of_rules_has_nothing_to_write_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    rules = cds("models", "export-triton", "nice-ng12", "--output", tmp_path)
    assert rules.exit_code != 0 and "nice-ng12 has no graph" in rules.stderr
    unknown = cds("models", "export-triton", "pancreas-ct-dem", "--output", tmp_path)
    assert unknown.exit_code == 2 and "did you mean 'pancreas-ct-demo'?" in unknown.stderr
    assert list(tmp_path.iterdir()) == []
