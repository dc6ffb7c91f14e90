"""What a checkpoint does not say of itself: whom it is for, what its classes mean, what becomes of them, its licence.

A recipe is YAML with the keys of ``model.yaml`` that are words, figures and sources (``manifest``), how the stages
follow each other (``stages``) and what becomes of the last one's classes (``volume``). The importer adds what the
checkpoint says: networks, classes, spacing, windows, normalisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from cds import yaml_lines
from cds.errors import ManifestError
from cds.inference.origin import Licence
from cds.inference.volumes.bundle import Likelihood, OperatingPoint, Resample, Triple
from cds.inference.volumes.legend import Legend
from cds.inference.volumes.studies import Studies
from cds.record.concepts import Strict

UNRATED = "unrated"
"""The only category before a site has validated the network and set its operating points."""


class StageRecipe(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    checkpoint: str | None = None
    """File in each fold's folder; None: the last one, else the best."""
    resample: Resample | None = None
    """Done before the network's own framework sees the scan; None: only what the framework does."""
    keep: tuple[str, ...] = ()
    parts: Literal["largest", "all"] = "largest"
    box: Literal["edges", "centres"] = "edges"
    margin_mm: Triple = (0.0, 0.0, 0.0)
    smallest_ml: float = 0.0
    largest_ml: float = 1e6


class VolumeRecipe(Strict):
    likelihood: Likelihood
    operating_points: tuple[OperatingPoint, ...] = (OperatingPoint(category=UNRATED, at_least=0),)
    phase: tuple[str, ...] = ()
    studies: Studies = Studies()  # type: ignore[call-arg]
    legend: Legend = Legend()


class Recipe(Strict):
    manifest: dict[str, Any]
    """Keys of ``model.yaml``, but id, version, released, status and runtime."""
    stages: tuple[StageRecipe, ...] = Field(min_length=1)
    volume: VolumeRecipe

    @property
    def licence(self) -> Licence:
        """Of the weights. Raises ManifestError."""
        try:
            return Licence.model_validate(self.manifest.get("licence", {}))
        except ValidationError as error:
            raise ManifestError(f"the recipe is incomplete: {_faults(error, 'manifest', 'licence')}") from error


def read(path: Path) -> Recipe:
    """Raises ManifestError."""
    try:
        return Recipe.model_validate(yaml_lines.plain(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        raise ManifestError(f"{path} is no recipe: {_faults(error)}") from error


def _faults(error: ValidationError, *within: str) -> str:
    return "; ".join(f"{'.'.join(map(str, (*within, *f['loc'])))}: {f['msg']}" for f in error.errors())


def plain(
    title: str,
    licence: str,
    notice: str,
    lesion: str,
    within: tuple[str, ...],
    keep: tuple[str, ...] = (),
    margin_mm: Triple = (0.0, 0.0, 0.0),
) -> Recipe:
    """For networks nobody has written a recipe for: what a person still has to say is marked TO DO. With ``keep``, a
    first network finds where the second one looks."""
    stages = [{"name": "locate", "keep": keep, "margin_mm": margin_mm}] if keep else []
    return Recipe.model_validate(
        {
            "manifest": _words(title, licence, notice),
            "stages": [*stages, {"name": "detect"}],
            "volume": {"likelihood": {"of": lesion, "within": within, "way": "one-threshold", "lowest": 0, "most": 20}},
        }
    )


def _words(title: str, licence: str, notice: str) -> dict[str, Any]:
    return {
        "task": "finding",
        "words": {
            "title": {"en": title, "nl": f"TO DO: {title}"},
            "summary": {
                "en": "TO DO: what it looks for, on what scans, and who made it.",
                "nl": "TO DO: wat het zoekt, op welke scans, en wie het maakte.",
            },
            "limits": {
                "en": ["Imported from published weights and not yet validated in this hospital."],
                "nl": ["Overgenomen uit gepubliceerde gewichten en nog niet gevalideerd in dit ziekenhuis."],
            },
        },
        "population": {"description": {"en": "TO DO: for whom it was made.", "nl": "TO DO: voor wie het is gemaakt."}},
        "evidence": [
            {
                "stage": "derivation",
                "cohort": {"en": "TO DO: who was studied", "nl": "TO DO: wie er onderzocht is"},
                "metric": "AUROC",
                "note": {"en": "TO DO: value, interval and n as published.", "nl": "TO DO: waarde, interval en n."},
                "source": "publication",
            }
        ],
        "sources": {"publication": {"citation": "TO DO: as a reader would look it up.", "published": "TO DO: year"}},
        "licence": {
            "name": licence,
            "notice": {
                "en": notice or "TO DO: what has to be said.",
                "nl": f"TO DO: {notice or 'wat gezegd moet worden.'}",
            },
        },
        "attributes": {
            name: "TO DO"
            for name in (
                "intended_use",
                "training_criteria",
                "sensitive_inputs",
                "training_representativeness",
                "training_relevance",
                "fairness_approach",
                "bias_management",
                "external_data",
                "external_party",
                "external_representativeness",
                "external_process",
                "fairness_same_source",
                "fairness_external",
                "outcome_references",
            )
        },
    }
