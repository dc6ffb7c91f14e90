"""What was measured on a cohort, as a page for people, figures for programs, and a block for the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cds.cohort.figure import calibration_figure
from cds.cohort.judge import ENOUGH
from cds.cohort.tables import ranges_table, table, with_interval

Found = Mapping[str, Any]


def write(found: Found, folder: Path, *, said: str) -> Path:
    """``validation.md``, ``validation.json`` and ``calibration.svg`` into ``folder``; returns the page. ``said``: which
    file, read by which form."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "validation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    panels = _panels(found)
    if panels:
        calibration_figure(folder / "calibration.svg", panels, f"{found['model']} {found['version']}, by fourth")
    page = folder / "validation.md"
    blocks = (
        _head(found, said),
        *(_survival(found) if found["kind"] == "survival" else _yes_or_no(found)),
        "![predicted against observed](calibration.svg)" if panels else "",
        *_subgroups(found),
        *_evidence(found),
    )
    page.write_text("\n\n".join(b for b in blocks if b) + "\n", encoding="utf-8")
    return page


def summary(found: Found) -> str:
    """One line for the terminal."""
    measure, name = ("c_index", "C-index") if found["kind"] == "survival" else ("auc", "AUC")
    return f"{found['n']} patients, {found['events']} events; {name} {_told(found[measure])}"


def _panels(found: Found) -> dict[str, list[dict[str, float]]]:
    if found["kind"] == "survival":
        return {f"{at} months": part["rows"] for at, part in found["fourths"].items() if "rows" in part}
    return {"a point a fourth": found["fourths"]} if "fourths" in found else {}


def _head(found: Found, said: str) -> str:
    lines = [
        f"# {found['model']} {found['version']} on another cohort",
        f"Output `{found['output']}` of the graph as shipped (sha256 {found['graph'][:16]}...), nothing fitted here. "
        f"{said} Intervals: 95%, {found['draws']} bootstraps of patients, but for observed shares (Kaplan-Meier or "
        "Wilson).",
        f"**{found['n']} patients, {found['events']} events.** Whether these patients are the ones the model is for "
        "can only in part be seen from a file: what rests on records (diagnoses, earlier treatment) is taken as given.",
    ]
    if found["few"]:
        lines.append(
            f"**Fewer than {ENOUGH} outcomes: the figures are too uncertain to judge the model by; they are no "
            "evidence that it holds, nor that it fails.**"
        )
    left = [f"- {count}: {why}" for why, count in found["left_out"].items()]
    if found["without_outcome"]:
        left.append(f"- {found['without_outcome']}: outcome or time not known, or followed for no time at all")
    if left:
        lines.append("Left out:\n\n" + "\n".join(left))
    if found["never_known"]:
        lines.append("Not in the file, so unknown for everybody: " + ", ".join(found["never_known"]) + ".")
    if found["unknown"]:
        lines.append("Unknown for some: " + ", ".join(f"{n} ({count})" for n, count in found["unknown"].items()) + ".")
    return "\n\n".join(lines)


def _survival(found: Found) -> list[str]:
    rows = []
    off = []
    for at, row in found["horizons"].items():
        if "not_estimated" in row:
            rows.append([at, row["not_estimated"], "", "", "", ""])
            continue
        if not row["lower"] <= row["predicted"] <= row["upper"]:
            off.append(
                f"{at} months (too {'few' if row['predicted'] < row['observed'] else 'many'} survivors predicted)"
            )
        changes = [_told(row[name], 2) for name in ("observed_to_expected", "intercept", "slope")]
        rows.append([at, f"{row['predicted']:.3f}", with_interval(row, of="observed"), *changes])
    head = ["months", "predicted alive", "observed", "deaths observed / expected", "intercept", "slope"]
    follow = found["median_follow_up"]
    return [
        "## Discrimination",
        f"C-index {_told(found['c_index'])}."
        + (f" Median follow-up {follow:.1f} months." if follow is not None else ""),
        "## Calibration",
        table(head, rows),
        "Intercept and slope: logistic recalibration at that month, patients lost before it weighted out; to be 0 and "
        f"1. Slope over all time (Cox): {_told(found['slope'], 2)}.",
        "The mean prediction lies outside the interval of what was observed at: "
        + (", ".join(off) or "no month")
        + ".",
        "## One patient's own range",
        found["ranges"]["not_estimated"] if "not_estimated" in found["ranges"] else ranges_table(found["ranges"]),
    ]


def _yes_or_no(found: Found) -> list[str]:
    blocks = ["## Discrimination", f"AUC {_told(found['auc'])}."]
    if found["kind"] != "probability":
        return [*blocks, "A score is no probability: it has no calibration."]
    overall = found["overall"]
    rows = [
        [at, row["n"], f"{row['predicted']:.3f}", with_interval(row, of="observed")]
        for at, row in [*enumerate(found["fourths"], start=1), ("all", overall)]
    ]
    return [
        *blocks,
        "## Calibration",
        table(["fourth", "n", "predicted", "observed"], rows),
        f"Observed / expected {_told(found['observed_to_expected'], 2)}, intercept {_told(found['intercept'], 2)}, "
        f"slope {_told(found['slope'], 2)}; to be 1, 0 and 1.",
    ]


def _subgroups(found: Found) -> list[str]:
    if not found["subgroups"]:
        return []
    measure = "c_index" if found["kind"] == "survival" else "auc"
    rows = []
    for name, group in found["subgroups"].items():
        share = group.get("alive") or group.get("share")
        cells: list[str] = []
        if share:
            seen = "not_estimated" not in share
            cells = [f"{share['predicted']:.3f}", with_interval(share, of="observed")] if seen else ["", _told(share)]
        rows.append([name, group["n"], group["events"], _told(group[measure]), *cells])
    head = ["patients", "n", "events", "C-index" if measure == "c_index" else "AUC"]
    if found["kind"] == "survival":
        head += [f"predicted alive at {found['subgroups_at']:g} months", "observed"]
    elif found["kind"] == "probability":
        head += ["predicted", "observed"]
    return ["## Subgroups", table(head, rows), "Groups of fewer than ten patients are not shown."]


def _evidence(found: Found) -> list[str]:
    """A block for ``evidence`` of the model's manifest; who the patients were, only a person can write."""
    measure, key = ("C-index", "c_index") if found["kind"] == "survival" else ("AUROC", "auc")
    value = found[key]
    if found["few"] or "not_estimated" in value:
        return []
    lines = (
        "- stage: external-validation",
        '  cohort: {en: "WHO WAS STUDIED, WHERE, WHEN", nl: "WIE, WAAR, WANNEER"}',
        f"  n: {found['n']}",
        f"  events: {found['events']}",
        f"  metric: {measure}",
        f"  value: {value['value']}",
        f"  interval: [{value['lower']}, {value['upper']}]",
        "  source: A-KEY-OF-SOURCES",
    )
    return ["## For the manifest", "```yaml\n" + "\n".join(lines) + "\n```"]


def _told(found: Found, decimals: int = 3) -> str:
    return f"not estimated: {found['not_estimated']}" if "not_estimated" in found else with_interval(found, decimals)
