"""What the source as a whole promises: no disease in the engine, small files, no dangerous calls."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("cds", "hooks", "models", "scripts", "benchmarks")
DISEASE = re.compile(r"pancrea|pdac|ca.?19", re.IGNORECASE)
MOST_LINES = 400
# a table of patients, one row each: data, though written in Python
TABLES = {"hooks/stories/table.py"}
VAGUE = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "common", "misc", "core", "lib", "shared"}


def sources() -> Iterator[Path]:
    for folder in PRODUCT:
        yield from sorted((ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_nothing_in_the_engine_names_the_disease() -> None:
    """That is what makes room for the next disease."""
    files = [p for kind in ("*.py", "*.yaml", "*.html", "*.css") for p in sorted((ROOT / "cds").rglob(kind))]
    assert len(files) > 80
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if DISEASE.search(line)
    ]
    assert found == []


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    long = {shown(p): n for p in sources() if (n := len(p.read_text(encoding="utf-8").splitlines())) > MOST_LINES}
    assert set(long) <= TABLES, long


def test_every_module_says_what_it_is_for() -> None:
    silent = [shown(p) for p in sources() if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert silent == []


def test_no_module_has_a_name_that_could_hold_anything() -> None:
    assert [shown(p) for p in sources() if p.stem.lower() in VAGUE or p.parent.name.lower() in VAGUE] == []


def dangers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name in ("pickle", "marshal", "shelve", "dill"))
        elif isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "shelve", "dill"):
            yield node.lineno, node.module
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load"):
                yield node.lineno, called
            for keyword in node.keywords:
                if keyword.arg == "shell" and ast.unparse(keyword.value) != "False":
                    yield node.lineno, f"{called}(shell=...)"
                if keyword.arg == "verify" and ast.unparse(keyword.value) == "False":
                    yield node.lineno, f"{called}(verify=False)"


@pytest.mark.threat("deserialisation")
def test_nothing_unpickles_evaluates_or_shells_out() -> None:
    found = [
        f"{shown(path)}:{line}: {what}"
        for path in sources()
        for line, what in dangers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize("source", ["import pickle", "eval('1')", "run('ls', shell=True)", "yaml.load(text)"])
def test_the_search_for_dangers_finds_them(source: str) -> None:
    assert list(dangers(ast.parse(source)))


def handlers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno, "bare except"
            elif ast.unparse(node.type) in ("Exception", "BaseException") and all(
                isinstance(statement, ast.Pass | ast.Continue) for statement in node.body
            ):
                yield node.lineno, "swallowed exception"


def test_no_failure_is_swallowed() -> None:
    found = [
        f"{shown(path)}:{line}: {what}"
        for path in sources()
        for line, what in handlers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_nothing_is_left_to_be_done() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{shown(path)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if marks.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "entrance", ["cds.app", "cds.serve", "cds.cli", "cds.inference.runtime", "cds.inference.registry", "cds.demo.run"]
)
def test_onnx_runtime_is_told_to_send_nothing_before_it_is_imported(entrance: str) -> None:
    """Whatever is imported first: the switch is read at the first import of onnxruntime."""
    program = f"""
import os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("onnxruntime", os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
import {entrance}
from cds.inference.runtime import wanted_providers
wanted_providers()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == {"onnxruntime 1"}
