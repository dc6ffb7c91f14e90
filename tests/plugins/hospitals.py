"""Hospitals with people whose risk is known, for validation rounds: drawn, not real."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cds.validation.bins import logit_edges
from cds.validation.cases import Case
from cds.validation.rounds import Cohort, Outcome, Round, RoundModel

Floats = NDArray[np.float64]


def asked(*, horizons: tuple[int, ...] = (), low: float = 0.0005, high: float = 0.5, **changes: object) -> Round:
    given: dict[str, object] = {
        "id": "autumn",
        "title": "Risk, autumn 2026",
        "coordinator": "The network",
        "model": RoundModel(id="endpac", version="1.0.0", sha256="ab" * 32),
        "outcome": Outcome(name="cancer", definition="A diagnosis in the register.", horizons=horizons),
        "cohort": Cohort(definition="Adults seen once.", begins=date(2023, 1, 1), ends=date(2023, 12, 31)),
        "edges": logit_edges(low, high, 50),
        "subgroups": {"sex": ("female", "male")},
        "issued": date(2026, 11, 1),
        "expires": date(2027, 3, 1),
    }
    return Round.model_validate({**given, **changes})


@dataclass(frozen=True)
class Hospital:
    scores: Floats
    events: NDArray[np.bool_]
    female: NDArray[np.bool_]

    def cases(self) -> tuple[Case, ...]:
        return tuple(
            Case({None: float(s)}, bool(e), 0.0, {"sex": "female" if f else "male"})
            for s, e, f in zip(self.scores, self.events, self.female, strict=True)
        )

    def write(self, path: Path) -> None:
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["patient", "entered", "score", "event", "sex"])
            for number, (s, e, f) in enumerate(zip(self.scores, self.events, self.female, strict=True)):
                rows.writerow([f"p{number}", "2023-05-01", f"{s:.8f}", int(e), "female" if f else "male"])


def hospital(people: int, seed: int, *, shift: float = 0.0, noise: float = 0.5) -> Hospital:
    """About 3.6 % events. ``shift`` moves the true risk without the model knowing; ``noise`` blurs what it sees."""
    random = np.random.default_rng(seed)
    truth = random.normal(-4, 1.2, people)
    events = random.random(people) < 1 / (1 + np.exp(-(truth + shift)))
    scores = 1 / (1 + np.exp(-(truth + random.normal(0, noise, people))))
    return Hospital(scores, events, random.random(people) < 0.5)


def exact_auc(scores: Floats, events: NDArray[np.bool_]) -> float:
    """Of every pair, without bins (Mann-Whitney)."""
    from scipy.stats import rankdata

    ranks, had = rankdata(scores), int(events.sum())
    return float((ranks[events].sum() - had * (had + 1) / 2) / (had * (len(events) - had)))
