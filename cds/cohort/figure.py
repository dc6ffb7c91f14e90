"""Predicted against observed, as an SVG that is the same on every run. Needs matplotlib (extra ``validate``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def calibration_figure(path: Path, panels: Mapping[str, Sequence[Mapping[str, float]]], title: str) -> None:
    """A panel a key; each row a point at ``predicted`` and ``observed`` with its interval, ``lower`` to ``upper``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "calibration", "svg.fonttype": "none", "font.size": 9})
    path.parent.mkdir(exist_ok=True)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(2.6 * len(panels), 2.9), sharey=True, squeeze=False)
    for axis, (name, rows) in zip(axes[0], panels.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        predicted, observed = ([row[key] for row in rows] for key in ("predicted", "observed"))
        reach = [
            [max(row["observed"] - row["lower"], 0) for row in rows],
            [max(row["upper"] - row["observed"], 0) for row in rows],
        ]
        axis.errorbar(predicted, observed, yerr=reach, fmt="o", markersize=4, linewidth=1, color="#1f4e79")
        axis.set(xlim=(0, 1), ylim=(0, 1), title=name, xlabel="predicted", aspect="equal")
    axes[0][0].set_ylabel("observed")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
