"""docs/threats.md, written from the table of threats and the tests that carry their marks."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from threats import THREATS

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "threats.md"


def proofs(folder: Path = TESTS) -> dict[str, list[tuple[str, str]]]:
    """Threat -> (file, test), read from the source: nothing has to be imported."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for function in ast.walk(ast.parse(text)) if "mark.threat(" in text else ():
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                for threat in _marks(function):
                    found[threat].append((str(path.relative_to(folder)), function.name))
    return found


def _marks(function: ast.FunctionDef) -> list[str]:
    return [
        argument.value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.threat"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def page(found: dict[str, list[tuple[str, str]]] | None = None) -> str:
    found = proofs() if found is None else found
    tests = {proof for threat in THREATS for proof in found.get(threat, ())}
    lines = [
        "# Threats",
        "<!-- Written by scripts/threat-table; change tests/threats and the marks on tests, not this page. -->",
        "",
        f"What could be done to this service, and to patients through it: {len(THREATS)} threats, and {len(tests)} "
        "tests that name one and prove it stopped: a run in which one of them fails, or is skipped, is not passed. "
        "What is left open is said beside each. TLS towards callers, the rights of "
        "database and file system, and the network around them are the deployment's (docs/operate.md, helm/).",
    ]
    topic = ""
    for name, threat in THREATS.items():
        if threat.topic != topic:
            topic = threat.topic
            lines += ["", f"## {topic}", "", "| threat | what is tried | what stops it | proof |", "|---|---|---|---|"]
        stopped = threat.stopped + (f" *Remains: {threat.remains}*" if threat.remains else "")
        proof = "<br>".join(f"{_claim(test)} (`{file}`)" for file, test in found.get(name, ()))
        lines.append(f"| {name} | {threat.attack} | {stopped} | {proof} |")
    return "\n".join([*lines, ""])


def _claim(test: str) -> str:
    """The test's name as the sentence it is."""
    return test.removeprefix("test_").replace("_", " ")
