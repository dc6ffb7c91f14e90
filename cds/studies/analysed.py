"""One analysed scan, as those who write results back are given it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.results.author import Author
from cds.imaging.results.comparison import Comparison
from cds.imaging.results.findings import Findings
from cds.imaging.volume import Volume
from cds.inference.model import Model
from cds.inference.volumes.analyse import Assessed
from cds.inference.volumes.bundle import Bundle
from cds.jobs.job import Job


@dataclass(frozen=True, eq=False)
class Analysed:
    """All that a writer needs to put a result where people look."""

    job: Job
    study_uid: str
    client: str
    model: Model
    bundle: Bundle
    author: Author
    volume: Volume
    found: Assessed
    findings: Findings
    comparison: Comparison | None
    web: DicomWeb
    patient_key: Callable[[str], str]
    """Of a Patient's id on the client's server: the job's subject, if the patient is known."""
    at: datetime
    """When the analysis ended; the same for every attempt to write what came of it."""
    written: Mapping[str, Any]
    """What the writers before this one stored."""
    alive: Callable[[], None]
    """To be called between steps that take long, or the work counts as hanging; it may raise Stop."""


class Writer(Protocol):
    name: str

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        """What was stored, for the job's result. Doing it twice is doing it once. Raises Unusable or a SourceError."""
