"""A few hundred background patients from clinosim, generated once and kept.

Load as a pytest plugin. The first run takes about 45 s of one core (population 500 gives 292 patients with a record);
later runs read the cache in about a second. The same version, country, seed and dates give the same patients.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

Patients = list[tuple[str, list[dict[str, Any]]]]

POPULATION, SEED, COUNTRY = 500, 7, "US"
START, END = "2025-06-30", "2026-06-30"
BACKGROUND_NOW = datetime(2026, 6, 30, 23, 59, tzinfo=UTC)
"""The day the simulation ends: fire hooks as of this moment."""

_KEPT = (
    "Patient",
    "Observation",
    "Condition",
    "MedicationRequest",
    "MedicationAdministration",
    "Procedure",
    "ServiceRequest",
    "ImagingStudy",
    "FamilyMemberHistory",
    "Encounter",
    "DiagnosticReport",
)
_CACHE = Path(__file__).parents[2] / ".cache"


@pytest.fixture(scope="session")
def background_patients() -> Patients:
    """(patient id, resources) of every simulated patient, Patient resource first."""
    return load()


@pytest.fixture(scope="session")
def background_now() -> datetime:
    return BACKGROUND_NOW


def load(cache: Path = _CACHE) -> Patients:
    kept = f"clinosim-{version('clinosim')}-p{POPULATION}-{COUNTRY}-s{SEED}-{END}"
    path = cache / kept / "patients.ndjson"
    cache.mkdir(parents=True, exist_ok=True)
    # several test processes may come at once: one generates, the others wait for it
    with (cache / f"{kept}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _generate(path)
    with path.open(encoding="utf-8") as lines:
        return [(row["id"], row["resources"]) for row in map(json.loads, lines)]


def _generate(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parents[1]) as folder:
        out = Path(folder) / "out"
        command = [
            str(Path(sysconfig.get_path("scripts")) / "clinosim"),
            *("simulate", "-p", str(POPULATION), "--country", COUNTRY, "--seed", str(SEED)),
            *("--start", START, "--end", END, "--format", "fhir-r4", "-o", str(out)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise RuntimeError(f"clinosim failed ({done.returncode}):\n{done.stderr[-2000:]}")
        rows = _by_patient(out / "fhir_r4")
        staged = Path(folder) / path.parent.name
        staged.mkdir()
        with (staged / path.name).open("w", encoding="utf-8") as file:
            for identity, resources in rows:
                file.write(json.dumps({"id": identity, "resources": resources}) + "\n")
        shutil.rmtree(path.parent, ignore_errors=True)
        staged.rename(path.parent)


def _by_patient(folder: Path) -> Patients:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for kind in _KEPT:
        file = folder / f"{kind}.ndjson"
        if not file.exists():
            continue
        with file.open(encoding="utf-8") as lines:
            for resource in map(json.loads, lines):
                subject = resource.get("subject") or resource.get("patient") or {}
                reference = f"Patient/{resource['id']}" if kind == "Patient" else subject.get("reference", "")
                if reference.startswith("Patient/"):
                    found[reference.removeprefix("Patient/")].append(resource)
    return sorted((p, r) for p, r in found.items() if r[0]["resourceType"] == "Patient")
