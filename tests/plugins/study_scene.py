"""A small network that reads scans, an image archive that serves generated ones, and a worker's settings for both.

The network calls a lesion whatever is brighter than 100 HU after a coarse look, so what it finds is known beforehand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox.opset.ai.onnx.v17 as op
import sqlalchemy as sa
import yaml
from ct_series import phantom, slices_of, stored
from dicomweb_answers import DICOM_JSON, row, sends_series
from servers import Behaviour, Exchange, FhirServer, fhir_server, hangs, status
from spox import Tensor, Var, argument, build

from cds.inference.manifest import Manifest
from cds.inference.volumes import golden
from cds.ledger.database import parse_url

Json = dict[str, Any]
PATCH = (8, 32, 32)
MODEL = "tiny-network"
STUDY = "1.2.826.0.1.3680043.10.9.1"


def graph(*, not_a_number: bool = False, seen: Callable[[Var], Var] = lambda x: x) -> bytes:
    """[n, 1, z, y, x] in hundreds of HU -> logits of background and lesion. ``seen``: what it does to x first."""
    x = argument(Tensor(np.float32, ("n", 1, *PATCH)))
    lesion = op.mul(op.sub(seen(x), op.const(np.float32(1.0))), op.const(np.float32(8.0)))
    if not_a_number:
        lesion = op.mul(lesion, op.const(np.float32(np.nan)))
    logits = op.concat([op.neg(lesion), lesion], axis=1)
    content: bytes = build({"x": x}, {"logits": logits}).SerializeToString(deterministic=True)
    return content


def manifest(id: str = MODEL, *, sha256: str, clinical_use: bool = False, **volume: Any) -> Json:
    stage = {
        "name": "look",
        "folds": [{"file": "look.onnx", "sha256": sha256}],
        "classes": ["background", "lesion"],
        "spacing": [9.0, 10.0, 10.0],
        "patch": list(PATCH),
        "overlap": 0.0,
        "normalise": {"clip": [-1000, 1000], "mean": 0, "deviation": 100},
    }
    return {
        "id": id,
        "version": "1.0.0",
        "released": "2026-01-01",
        "task": "finding",
        "status": "established" if clinical_use else "demonstration",
        "words": {"title": {"en": "Tiny network", "nl": "Klein netwerk"}},
        "population": {"description": {"en": "Everybody", "nl": "Iedereen"}},
        "outputs": [
            {"name": "likelihood", "kind": "probability", "label": {"en": "likelihood", "nl": "kans"}, "horizon": "1m"},
            {
                "name": "suspicion",
                "kind": "category",
                "label": {"en": "suspicion", "nl": "verdenking"},
                "categories": {"0": "low", "1": "high"},
                "category_labels": {"low": {"en": "low", "nl": "laag"}, "high": {"en": "high", "nl": "hoog"}},
            },
        ],
        "runtime": {
            "kind": "volume",
            "volume": {
                "stages": [stage],
                "likelihood": {"of": "lesion", "smallest_voxels": 0},
                "operating_points": [{"category": "low", "at_least": 0}, {"category": "high", "at_least": 0.5}],
                "studies": {"regions": ["abdomen", "buik"]},
                "clinical_use": clinical_use,
                **volume,
            },
        },
        "sources": {"own": {"citation": "Made up for tests."}},
        "licence": {"name": "own", "notice": "Made up for tests."},
    }


def known_answers(*, of: float = 1.0) -> bytes:
    """The file that would have come with the network's import: the answers of one ``of`` times as strong."""
    stage = Manifest.model_validate(manifest(sha256="0" * 64)).runtime.volume.stages[0]  # type: ignore[union-attr]
    lesion = (golden.window(stage, 3)[0] - 1.0) * 8.0 * of
    answers = golden.answers_at(stage, np.concatenate([-lesion, lesion]), 3)
    return golden.written({stage.name: answers}, 3, "torch")


def write_model(folder: Path, *, onnx: bytes | None = None, **changed: Any) -> Path:
    """The models folder with the network in it."""
    content = graph() if onnx is None else onnx
    made = manifest(sha256=hashlib.sha256(content).hexdigest(), **changed)
    path = folder / "models" / made["id"]
    path.mkdir(parents=True, exist_ok=True)
    (path / "look.onnx").write_bytes(content)
    (path / "model.yaml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    return folder / "models"


def jobs_due_now(ledger_url: str) -> None:
    """What waits out a pause need not wait for it."""
    database = sa.create_engine(parse_url(ledger_url))
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE jobs SET run_at = created_at"))
    database.dispose()


def ct(study: str = STUDY, *, slices: int = 30, series: str | None = None, **elements: Any) -> list[bytes]:
    """A portal venous CT of 87 mm as a PACS stores it."""
    hu = phantom(slices, 64)
    return [stored(ds) for ds in slices_of(hu, study_uid=study, series_uid=series or f"{study}.1", **elements)]


@dataclass
class Archive:
    """An image archive over DICOMweb; a test may break any of its answers."""

    server: FhirServer
    studies: dict[str, dict[str, Sequence[bytes]]] = field(default_factory=dict)
    """Study UID -> series UID -> instances."""
    rows: dict[str, Json] = field(default_factory=dict)
    """Study UID -> what a search says of it beside its UID."""
    modalities: dict[str, str] = field(default_factory=dict)
    """Series UID -> what it is, where not CT."""
    series_answers: Behaviour | None = None
    """In place of a series' images."""
    broken: Behaviour | None = None
    """In place of every answer."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/fhir"

    def holds(self, study: str = STUDY, instances: Sequence[bytes] | None = None, **said: Any) -> None:
        self.studies[study] = {f"{study}.1": ct(study) if instances is None else instances}
        self.rows[study] = {"t00080020": "20261120", "t00081030": "CT abdomen", "t00100030": "19600101", **said}

    def answer(self, exchange: Exchange) -> None:
        if self.broken is not None:
            return self.broken(exchange)
        parts = exchange.hit.path.partition("?")[0].strip("/").split("/")[1:]
        if parts == ["studies"]:
            return self._search(exchange)
        series = self.studies.get(parts[1])
        if series is None:
            return status(404)(exchange)
        if len(parts) == 3:
            return _rows(
                exchange,
                [
                    row(
                        t0020000E=uid,
                        t00080060=self.modalities.get(uid, "CT"),
                        t0008103E="Abdomen portal venous 3.0",
                        t00201209=len(instances),
                    )
                    for uid, instances in series.items()
                ],
            )
        if self.series_answers is not None:
            return self.series_answers(exchange)
        return sends_series(series[parts[3]])(exchange)

    def _search(self, exchange: Exchange) -> None:
        wanted = exchange.hit.query.get("StudyInstanceUID")
        found = [
            row(t0020000D=uid, t00080061="CT", t00201208=sum(map(len, self.studies[uid].values())), **said)
            for uid, said in self.rows.items()
            if wanted is None or uid in wanted
        ]
        _rows(exchange, found)


def _rows(exchange: Exchange, rows: list[Json]) -> None:
    offset = int(exchange.hit.query.get("offset", ["0"])[0])
    exchange.answer(json.dumps(rows[offset:]).encode(), 200, DICOM_JSON)


def away() -> Behaviour:
    return status(503)


def silent() -> Behaviour:
    return hangs()


@pytest.fixture
def archive() -> Iterator[Archive]:
    with fhir_server() as server:
        made = Archive(server)
        server.on("*", made.answer)
        server.on("studies", made.answer)
        yield made


def policy(folder: Path, *, enabled: bool = True) -> Path:
    """The packaged policy, with this network named in it and no other of its kind."""
    import hooks

    text = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
    text = re.sub(r"pancreas-ct-demo: \{.*\}", "pancreas-ct-demo: {enabled: false}", text)
    path = folder / "policy.yaml"
    path.write_text(text.replace("\nmodels:\n", f"\nmodels:\n  {MODEL}: {{enabled: {str(enabled).lower()}}}\n"))
    return path


def settings_of(folder: Path, archive: Archive, **changed: Any) -> Json:
    """Settings of a demonstration whose only archive is ``archive``."""
    # no worker gives way: on a machine that runs other tests it would wait for all of them
    usual = {"quiet_period_s": 0.0, "lease_s": 2.0, "device": "cpu", "threads": 1, "nice": 0}
    imaging = {**usual, **changed.pop("imaging", {})}
    return {
        "environment": "demo",
        "data_dir": folder,
        "model_dirs": [folder / "models"],
        "policy_file": policy(folder, enabled=changed.pop("named", True)),
        "clients": {"demo": {"authentication": "loopback", **changed.pop("client", {})}},
        "pacs": {"main": {"url": archive.base, "attempts": 1, "idle_s": 5.0, **changed.pop("pacs", {})}},
        "imaging": imaging,
        **changed,
    }


def write_toml(path: Path, settings: Json) -> Path:
    """The same as a file for ``cds --settings``."""
    lines: list[str] = []

    def put(prefix: str, block: Json) -> None:
        for name, value in block.items():
            if not isinstance(value, dict):
                lines.append(f"{name} = {_toml(value)}")
        for name, value in block.items():
            if isinstance(value, dict):
                lines.append(f"[{prefix}{name}]")
                put(f"{prefix}{name}.", value)

    put("", settings)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value)
