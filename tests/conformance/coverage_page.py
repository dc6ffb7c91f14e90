"""docs/conformance.md, written from the table of requirements and the tests that name them."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from requirements import REQUIREMENTS

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "conformance.md"


@dataclass(frozen=True)
class Proof:
    file: str
    test: str

    @property
    def claim(self) -> str:
        """The test's name as the sentence it is."""
        return self.test.removeprefix("test_").replace("_", " ")


def proofs(folder: Path = TESTS) -> dict[int, list[Proof]]:
    """Point -> tests decorated with it, read from the source: nothing has to be imported."""
    found: dict[int, list[Proof]] = defaultdict(list)
    for path in sorted(folder.glob("test_*.py")):
        for test in _tests(path):
            for point in _points(test):
                found[point].append(Proof(path.name, test.name))
    return found


def test_names(path: Path) -> list[str]:
    return [test.name for test in _tests(path)]


def _tests(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]


def _points(function: ast.FunctionDef) -> list[int]:
    return [
        argument.value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == "requirement"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    ]


def page(found: dict[int, list[Proof]] | None = None) -> str:
    found = proofs() if found is None else found
    tests = sum(len({(p.file, p.test) for p in found.get(point, ())}) for point in REQUIREMENTS)
    lines = [
        "# CDS Hooks conformance",
        "<!-- Written by scripts/conformance-table; change tests/conformance, not this page. -->",
        "",
        f"CDS Hooks 2.0.1, and the 3.0 ballot where it is compatible, as a checklist for a service: "
        f"{len(REQUIREMENTS)} points, proven {tests} times by tests in `tests/conformance/`; a run in which one of "
        "them fails, or is skipped, is not passed. A point or a part of one "
        "that does not apply here says why. Section titles are those of the specification; the strength is the "
        "strongest word in the point.",
    ]
    topic = ""
    for point, row in sorted(REQUIREMENTS.items()):
        if row.topic != topic:
            topic = row.topic
            lines += [
                "",
                f"## {topic}",
                "",
                "| point | strength | requirement | clause | proof |",
                "|---|---|---|---|---|",
            ]
        proof = "<br>".join(f"{p.claim} (`{p.file}`)" for p in found.get(point, ()))
        if row.reason:
            proof += f"{'<br>' if proof else ''}*{row.reason}*"
        lines.append(f"| {point} | {row.strength} | {row.text} | {row.clause} | {proof} |")
    return "\n".join([*lines, ""])
