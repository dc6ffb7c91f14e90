"""All checks of one folder, and the two that look at its other files: the card, and the builder."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cds.inference import attributes
from cds.inference.registry import Registry
from cds.modelcards import markdown
from cds.modelcheck import evidence, graph, inputs, scans, wording
from cds.modelcheck.subject import MARK, Finding, Subject, findings_in

_BUILD = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("build", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["build"] = module
spec.loader.exec_module(module)
pathlib.Path(sys.argv[2]).write_bytes(module.graph())
"""
_BUILD_S = 300


@dataclass(frozen=True)
class Report:
    id: str
    version: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.findings


def check_folder(name: str, found: Registry, *, orders: frozenset[str] | None = None, rebuild: bool = False) -> Report:
    """``name``: the folder's name, a key of ``found.models``. ``rebuild`` runs the folder's own build.py."""
    model = found[name]
    if model.refused:
        return Report(name, "", tuple(findings_in(model.refused, model.folder / "model.yaml")))
    subject = Subject(model, found.vocabulary.concepts, orders)
    notes = list(wording.notes(subject))
    findings = [*_unfinished(model.folder), *inputs.findings(subject), *wording.findings(subject)]
    findings += [*evidence.findings(subject), *graph.findings(subject), *scans.findings(subject)]
    findings += _card(subject)
    if rebuild and model.graph is not None:
        findings += _rebuilt(subject, notes)
    findings.sort(key=lambda f: (f.path.name != "model.yaml", str(f.path), f.line))
    return Report(name, model.manifest.version, tuple(findings), tuple(notes))


def _unfinished(folder: Path) -> Iterator[Finding]:
    shared = folder.parent / attributes.FILE
    files = sorted(p for kind in ("*.yaml", "*.py") for p in folder.glob(kind))
    for path in [*files, *([shared] if shared.exists() else [])]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if MARK in line:
                yield Finding(path, number, line[line.index(MARK) :].strip().strip("\"'}"))


def _card(subject: Subject) -> Iterator[Finding]:
    path = subject.model.folder / "card.md"
    if not path.exists():
        yield Finding(path, 1, f"is missing: cds models export {subject.manifest.id} -o {path.name}")
    elif path.read_text(encoding="utf-8") != markdown.card(subject.model):
        yield Finding(path, 1, "is not what the manifest says now: write it again with cds models export")


def _rebuilt(subject: Subject, notes: list[str]) -> Iterator[Finding]:
    builder = subject.model.folder / "build.py"
    if not builder.exists():
        yield Finding(builder, 1, "is missing: nothing recreates the graph")
        return
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("spox") is None:
        notes.append("not rebuilt: install onnx and spox (extra 'train')")
        return
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.onnx"
        # the builder is the folder's own, and whoever checks a folder asked for it to be run
        command = [sys.executable, "-c", _BUILD, str(builder), str(target)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, check=False)  # nosec B603
        except subprocess.TimeoutExpired:
            yield Finding(builder, 1, f"did not finish within {_BUILD_S} s")
            return
        if done.returncode != 0 or not target.exists():
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            yield Finding(builder, 1, f"its graph() failed: {last}")
        elif target.read_bytes() != (subject.model.folder / (subject.manifest.runtime.file or "")).read_bytes():
            yield Finding(builder, 1, "recreates another graph than the one pinned in model.yaml")
        else:
            notes.append("rebuilt bit for bit")
