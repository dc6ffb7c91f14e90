"""What the committee measured of a model at this hospital, on this very version and file; or that nobody did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.ledger.verdicts import Verdict
from cds.pages.report.stored import Told

_TOLD = ("auc", "ratio")
"""Does it rank people rightly, and do as many get the outcome as it says (``docs/charter.md``)."""


@dataclass(frozen=True)
class Here:
    title: str
    """The model's."""
    said: str
    """In a sentence or two."""


def here(engine: Engine, client: str, words: Phrasebook, answers: tuple[Told, ...]) -> tuple[Here, ...]:
    """In the order of ``answers``; empty where none of them was measured here. Raises LedgerError."""
    versions = [(t.manifest.id, t.entry.model_version) for t in answers]
    reached = engine.ledger.verdicts_here(client, versions) if versions else {}
    found = [(t, _of_file(t, reached.get(version))) for t, version in zip(answers, versions, strict=True)]
    if not any(verdict is not None and _figures(words, verdict) for _, verdict in found):
        return ()
    zone = ZoneInfo(engine.settings.timezone)
    return tuple(Here(words.pick(t.manifest.words.title), _said(words, verdict, zone)) for t, verdict in found)


def _of_file(answer: Told, verdict: Verdict | None) -> Verdict | None:
    """Two files under one version number are two models. Rows of either kind from before it was kept which, hold none:
    their version tells."""
    files = {answer.entry.model_sha256, verdict.model_sha256 if verdict is not None else None} - {"", None}
    return verdict if len(files) < 2 else None


def _said(words: Phrasebook, verdict: Verdict | None, zone: tzinfo) -> str:
    figures = _figures(words, verdict) if verdict is not None else []
    if verdict is None or not figures:
        return words("report.here.nothing")
    first = next(f for f in verdict.findings if _measured(f))
    counted = {"n": words.number(first["n"], 0), "events": words.number(first["events"], 0)}
    day = words.day(verdict.at.astimezone(zone))
    measured = words("report.here.measured", day=day, figures="; ".join(figures), **counted)
    return f"{measured} {words(f'report.here.level.{verdict.level}')}"


def _figures(words: Phrasebook, verdict: Verdict) -> list[str]:
    return [_figure(words, finding) for finding in verdict.findings if _measured(finding)]


def _figure(words: Phrasebook, finding: Mapping[str, Any]) -> str:
    value, low, high = (words.number(finding[k], 2) for k in ("value", "lower", "upper"))
    months = finding["about"].partition(" ")[0]
    key = f"report.here.{finding['measure']}{'_at' if months else ''}"
    return words(key, value=value, low=low, high=high, **({"months": months} if months else {}))


def _measured(finding: Mapping[str, Any]) -> bool:
    """An interval without an end says too little for a page."""
    return finding["measure"] in _TOLD and finding.get("value") is not None and finding.get("upper") is not None
