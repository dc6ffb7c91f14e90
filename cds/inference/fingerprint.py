"""What decides in rules, as one number: two editions that decide otherwise have two, whatever their version says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cds.inference.manifest import Manifest

_CODES: Any = {"__all__": {"display"}}
_LEFT_OUT: dict[str, Any] = {
    "rules": {"label", "says"},
    "eligibility": {"says"},
    # what an ordinary person has, and which kind of evidence it is, are for explanations
    "inputs": {"label": True, "reference": True, "modality": True, "absent": {"why"}},
    "concepts": {"label": True, "codes": _CODES, "exclude": _CODES, "conversions": {"__all__": {"source"}}},
}
"""Words for people: they decide nothing."""


def fingerprint_of_rules(manifest: Manifest) -> str:
    """SHA-256 of the rules, the inputs, for whom they speak, what the answers are called and the model's own concepts,
    as JSON with sorted keys.

    What stands at its default is left out, so that a later version's settings change nothing of what was kept. Codes in
    the shared vocabulary are the site's, and no part of it.
    """
    told = {
        "rules": _plain(manifest.runtime.rules, "rules"),
        "otherwise": manifest.runtime.otherwise,
        "inputs": _plain(manifest.inputs, "inputs"),
        "eligibility": _plain(manifest.population.eligibility, "eligibility"),
        "categories": {output.name: output.categories for output in manifest.outputs},
        "concepts": dict(
            zip(manifest.concepts, _plain(tuple(manifest.concepts.values()), "concepts"), strict=True),
        ),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(parts: tuple[Any, ...], kind: str) -> list[dict[str, Any]]:
    return [part.model_dump(mode="json", exclude=_LEFT_OUT[kind], exclude_defaults=True) for part in parts]
