"""What a reader must know beside a preview's figures: codes of the catalogue, and their values."""

from __future__ import annotations

from typing import Any

from cds.preview.preview import Preview
from cds.preview.reach import words_only

Json = dict[str, Any]


def notes(preview: Preview) -> list[Json]:
    seen, found = preview.seen, list[Json]()
    if seen.weeks < 1 and preview.asked.since < preview.asked.until:
        found.append({"note": "short"})
    if seen.unweighed:
        found.append({"note": "unweighed", "calls": seen.unweighed})
    for model, count in sorted(seen.other_versions.items()):
        found.append({"note": "other-version", "model": model, "answers": count})
    for model, count in sorted(seen.withheld.items()):
        if count:
            found.append({"note": "withheld", "model": model, "answers": count})
    if preview.asked.outcomes is not None:
        kept = preview.asked.outcomes.charter.outcomes
        wanted = {s.again.outcome for s in seen.services.values() if s.again is not None and s.id in seen.asked}
        found += [{"note": "not-in-charter", "outcome": name} for name in sorted(wanted - set(kept))]
    found += _not_seen(preview)
    if preview.asked.broken:
        found.append({"note": "broken", "lines": preview.asked.broken})
    found += [{"note": "empty-month", "month": month} for month in _empty_months(preview)]
    return found


def _not_seen(preview: Preview) -> list[Json]:
    """What the stored calls can't tell of this change, each with its count."""
    seen, asked = preview.seen, preview.asked
    found: list[Json] = [{"note": "whole", "calls": seen.whole}] if seen.whole else []
    if seen.by_others:
        found.append({"note": "by-others", "calls": seen.by_others})
    found += [{"note": "kept-too-little", "setting": k, "calls": n} for k, n in sorted(seen.unseen.items())]
    for reach in preview.reaches:
        if not any(key in seen.services for key in reach.services):
            names = sorted({id for id, _ in reach.services})
            found.append({"note": "no-call-of", "setting": reach.setting, "services": ", ".join(names) or "–"})
    words = dict.fromkeys(words_only(each.difference for each in preview.changes))
    found += [{"note": "words-only", "setting": key} for key in words]
    found += [{"note": "gone-service", "service": s, "calls": n} for s, n in sorted(seen.gone_services.items())]
    found += [{"note": "gone-model", "model": m, "answers": n} for m, n in sorted(seen.gone_models.items())]
    if asked.from_day is not None:
        found.append({"note": "from-day", "day": asked.from_day.isoformat()})
    if asked.others:
        found.append({"note": "others-by-then", "layers": ", ".join(asked.others)})
    if asked.trial_ends:
        found.append({"note": "trial-ends"})
    return found


def _empty_months(preview: Preview) -> list[str]:
    """Without a single call, between the first and the last."""
    months = preview.seen.months
    if not months:
        return []
    year, month = map(int, min(months).split("-"))
    found = []
    while (name := f"{year}-{month:02}") <= max(months):
        if name not in months:
            found.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found
