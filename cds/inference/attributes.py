"""The 31 source attributes of a predictive decision support intervention (ONC HTI-1, 45 CFR 170.315(b)(11)(iv)(B)).

Regulators read them in English, so an attribute is one plain string. A model's own text wins; what the manifest
says anyway (outputs, population, limits, evidence) is derived from it; what is common to all models of a folder
(who made them, how they are looked after) stands once in ``attributes.yaml`` beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, TypeAdapter, ValidationError

from cds.errors import ManifestError
from cds.inference.horizon import in_english, unsaid
from cds.record.concepts import Strict
from cds.yaml_lines import YamlFault, parse, read_text

if TYPE_CHECKING:
    from cds.inference.manifest import Manifest, Output

FILE = "attributes.yaml"


class Attributes(Strict):
    """What the manifest says of itself for regulators and committees; None: derived, or said by the folder."""

    developer: str | None = Field(None, description="Name and contact of the developer.")
    funding: str | None = Field(None, description="Who paid for the development.")
    output_value: str | None = Field(None, description="Value the model produces.")
    output_kind: str | None = Field(None, description="Prediction, classification, recommendation, or other.")
    intended_use: str | None = Field(None, description="What it is for.")
    intended_population: str | None = Field(None, description="Patients it is for.")
    intended_users: str | None = Field(None, description="Who is meant to use it.")
    decision_role: str | None = Field(None, description="Informs, augments or replaces the clinician's judgement.")
    cautioned_use: str | None = Field(None, description="Tasks, situations or populations that call for caution.")
    known_risks: str | None = Field(None, description="Known risks, inappropriate settings, limitations.")
    training_criteria: str | None = Field(None, description="Who was included in and excluded from training data.")
    sensitive_inputs: str | None = Field(None, description="Demographic, social and health-status inputs it uses.")
    training_representativeness: str | None = Field(None, description="How representative the training data is.")
    training_relevance: str | None = Field(None, description="How the training data relates to where it is used.")
    fairness_approach: str | None = Field(None, description="What was done so that the output is fair.")
    bias_management: str | None = Field(None, description="How bias is managed, reduced or eliminated.")
    external_data: str | None = Field(None, description="Source and setting of external validation data.")
    external_party: str | None = Field(None, description="Who did the external validation.")
    external_representativeness: str | None = Field(None, description="How representative the external data is.")
    external_process: str | None = Field(None, description="How the external validation was done.")
    validity_same_source: str | None = Field(None, description="Validity in test data of the same source.")
    fairness_same_source: str | None = Field(None, description="Fairness in test data of the same source.")
    validity_external: str | None = Field(None, description="Validity in external data.")
    fairness_external: str | None = Field(None, description="Fairness in external data.")
    outcome_references: str | None = Field(None, description="References on its effect on outcomes.")
    monitoring_validity: str | None = Field(None, description="How and how often validity is monitored.")
    validity_local: str | None = Field(None, description="Validity in local data.")
    monitoring_fairness: str | None = Field(None, description="How and how often fairness is monitored.")
    fairness_local: str | None = Field(None, description="Fairness in local data.")
    update_schedule: str | None = Field(None, description="How and how often the model is updated.")
    correction_process: str | None = Field(None, description="What happens when validity or fairness is at risk.")


NAMES: tuple[str, ...] = tuple(Attributes.model_fields)


@dataclass(frozen=True)
class Attribute:
    number: int
    """1 to 31, in the rule's order."""
    name: str
    description: str
    text: str
    """Empty: nobody said."""
    origin: str
    """``manifest``, ``derived``, ``folder`` or ``missing``."""


_shared: TypeAdapter[Attributes] = TypeAdapter(Attributes)


def read_shared(folder: Path) -> Attributes:
    """``attributes.yaml`` of a models folder, if it has one. Raises ManifestError naming file and fault."""
    path = folder / FILE
    if not path.exists():
        return Attributes.model_validate({})
    try:
        return _shared.validate_python(parse(read_text(path))[0] or {})
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except YamlFault as error:
        raise ManifestError(error.at(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise ManifestError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def complete(manifest: Manifest, shared: Attributes) -> tuple[Attribute, ...]:
    """All 31, in the rule's order."""
    derived = _derived(manifest)
    found = []
    for number, name in enumerate(NAMES, start=1):
        origin, text = _first(
            ("manifest", getattr(manifest.attributes, name)),
            ("derived", derived.get(name)),
            ("folder", getattr(shared, name)),
        )
        description = Attributes.model_fields[name].description or ""
        found.append(Attribute(number, name, description, text, origin))
    return tuple(found)


def _first(*candidates: tuple[str, str | None]) -> tuple[str, str]:
    return next(((origin, text) for origin, text in candidates if text), ("missing", ""))


def _derived(m: Manifest) -> Mapping[str, str]:
    shown = [o for o in m.outputs if o.kind not in ("bound", "contributions")]
    limits = " ".join(m.words.limits.get("en", ()))
    return {
        "output_value": "; ".join(_output(o) for o in shown),
        "output_kind": m.task.value,
        "intended_population": m.population.description.get("en", ""),
        "cautioned_use": " ".join(e.says.get("en", "") for e in m.population.eligibility) or limits,
        "known_risks": limits,
        "validity_same_source": _evidence(m, "derivation", "internal-validation"),
        "validity_external": _evidence(m, "external-validation"),
    }


def _output(output: Output) -> str:
    """With unit, and with the time it holds for unless its name says that."""
    label = output.label.get("en") or output.name
    told = label if output.unit == "1" else f"{label} ({output.unit})"
    length = unsaid(label, output.horizon, in_english) if output.horizon is not None else None
    return told if length is None else f"{told}, within {length}"


def _evidence(m: Manifest, *stages: str) -> str:
    lines = []
    for e in m.evidence:
        if e.stage not in stages or e.value is None:
            continue
        metric = e.metric if isinstance(e.metric, str) else e.metric.get("en", "")
        interval = f" ({e.interval[0]:g} to {e.interval[1]:g})" if e.interval else ""
        size = f", n = {e.n}" if e.n else ""
        lines.append(f"{metric} {e.value:g}{interval} in {e.cohort.get('en', '')}{size}.")
    return " ".join(lines) or "None published."
