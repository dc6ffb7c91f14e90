"""Reading one Bundle: our typed structs, plain dicts, full FHIR validation, on the same bytes in one process."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fhir.resources.R4B.bundle import Bundle
from patient_view import WITH_CARD, prefetch
from results import Section
from rich.progress import Progress

from cds.fhir.decoding import decode
from cds.inference import registry
from cds.record.reading import Reader

LABS = 60


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds = 30 if quick else 300
    vocabulary = registry.load(registry.installed_folders()).vocabulary
    sent = prefetch(WITH_CARD, {"observations": "Observation?patient={{context.patientId}}&_sort=-date&_count=1000"})
    bundle = sent["observations"] | {"entry": sent["observations"]["entry"][:LABS]}
    raw = json.dumps(bundle, separators=(",", ":")).encode()
    now = datetime.now(UTC)

    def facts() -> None:
        reader = Reader(vocabulary, WITH_CARD, now, UTC)
        reader.read(decode(raw).resources)
        reader.finish()

    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(raw),
        "decode + Reader": facts,
        "json.loads": lambda: json.loads(raw),
        "fhir.resources R4B": lambda: Bundle.model_validate_json(raw),
    }
    task = progress.add_task("decoding", total=rounds)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):  # in turns, so that a busy moment of the machine meets all of them
        for name, way in ways.items():
            start = time.process_time()
            way()
            found[name].append((time.process_time() - start) * 1000)
        progress.advance(task)
    medians = {name: statistics.median(values) for name, values in found.items()}
    section = Section(
        "decoding",
        "Reading one Bundle of laboratory results",
        f"A searchset of {LABS} Observations, {len(raw) / 1000:.0f} kB, the same bytes each way; CPU, median of "
        f"{rounds} runs in turn. "
        "`decode` gives typed structs of the elements that are used; `decode + Reader` goes all the way to coded, "
        "unit-converted, dated facts; `fhir.resources` validates every element.",
        raw=[f"{name:20} {m:7.3f} ms" for name, m in medians.items()],
    )
    section.add("full validation / decode", medians["fhir.resources R4B"] / medians["decode"], "×")
    section.add("full validation / decode + Reader", medians["fhir.resources R4B"] / medians["decode + Reader"], "×")
    section.add("json.loads / decode", medians["json.loads"] / medians["decode"], "×")
    return section
