"""A figure leads somewhere: to a publication's own page, or to a script in the model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FOLDER = Path(__file__).parents[2] / "models"
FITTED = sorted(path.parent.name for path in FOLDER.glob("*/fit.json"))


def test_every_source_is_a_page_of_its_own_and_not_a_front_page(registry) -> None:
    front = {
        f"{model_id}: {source.url}"
        for model_id, model in registry.models.items()
        for source in model.manifest.sources.values()
        if source.url and urlsplit(source.url).path in ("", "/")
    }
    assert front == set()


def test_what_was_tested_elsewhere_was_published_elsewhere(registry) -> None:
    """A figure of this product's own is no external validation that a reader can look up."""
    unlinked = {
        f"{model_id}: {item.source}"
        for model_id, model in registry.models.items()
        for item in model.manifest.evidence
        if item.stage == "external-validation" and not model.manifest.sources[item.source].url
    }
    assert unlinked == set()


@pytest.mark.parametrize("model_id", FITTED)
def test_a_term_that_was_not_fitted_here_names_the_publication_it_was_read_in(registry, model_id) -> None:
    terms = json.loads((FOLDER / model_id / "fit.json").read_text(encoding="utf-8")).get("fusion", {})
    manifest = registry[model_id].manifest
    for term in terms.values():
        ratio, low, high = term["hazard_ratio"]
        source = manifest.sources["subtype"]
        assert (source.url or "").startswith("https://doi.org/")
        assert f"{ratio} ({low} to {high})" in (source.note or "")
        assert any(f"{ratio}, {low} to {high}" in limit for limit in manifest.words.limits["en"])
