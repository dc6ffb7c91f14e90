"""FHIRPath read as a rule's tests. fhirpathpy's own grammar takes it apart; what is understood of it is a subset, and
anything else is refused with its place in the text: a condition half understood would speak for the wrong patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds.errors import GuidelineError
from cds.guidelines.expression import OPERATORS, is_truth
from cds.inference.manifest import Condition
from cds.record.inputs import Input

Node = Mapping[str, Any]
_COMPARED = {written: name for name, written in OPERATORS.items()}
_TURNED = {">=": "<=", "<=": ">=", "<": ">", ">": "<", "=": "=", "!=": "!="}
_MOST = 2000
"""Characters of one expression."""
_HINT = "write comparisons of inputs with numbers, joined by 'and' or 'or' (docs/guidelines.md)"


@dataclass(frozen=True)
class Tests:
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    needs: int = 1


def understood(expression: str, inputs: Mapping[str, Input], where: str) -> Tests:
    """``where``: the element, for the sentence. Raises GuidelineError."""
    node = _parsed(expression, where)
    try:
        return _Reader(inputs)(node)
    except _No as no:
        raise GuidelineError(f"{where}: {no}") from no


def joined(parts: Iterable[Tests]) -> Tests:
    """All of them together: the conditions of one action. Raises GuidelineError."""
    try:
        return _both(*parts)
    except _No as no:
        raise GuidelineError(str(no)) from no


class _No(Exception):
    """Why an expression is not taken."""


def _parsed(expression: str, where: str) -> Node:
    """The syntax tree. fhirpathpy's ``parse`` mends what it can't read in silence; here a fault is one."""
    try:
        from antlr4 import CommonTokenStream, InputStream, ParseTreeWalker
        from antlr4.error.ErrorListener import ErrorListener
        from fhirpathpy.parser.ASTPathListener import ASTPathListener
        from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
        from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser
    except ImportError as error:
        raise GuidelineError("reading FHIRPath needs fhirpathpy: install the extra 'committee'") from error

    class Strict(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, msg: str, e: Any) -> None:
            place = f"at character {column + 1}" if line == 1 else f"in line {line} at character {column + 1}"
            raise GuidelineError(f"{where}: not valid FHIRPath {place}: {_told(getattr(symbol, 'text', None), msg)}")

    if len(expression) > _MOST:
        raise GuidelineError(f"{where}: longer than {_MOST} characters, which nobody can review")
    listener = Strict()
    lexer = FHIRPathLexer(InputStream(expression))
    parser = FHIRPathParser(CommonTokenStream(lexer))
    for reader in (lexer, parser):
        reader.removeErrorListeners()
        reader.addErrorListener(listener)
    made = ASTPathListener()
    try:
        ParseTreeWalker().walk(made, parser.entireExpression())
    except RecursionError as error:
        raise GuidelineError(f"{where}: nested too deeply to be reviewed") from error
    root: Node = made.parentStack[0]["children"][0]["children"][0]
    return root


def _told(symbol: str | None, message: str) -> str:
    """The parser's own sentence lists every token there is."""
    if symbol == "<EOF>":
        return "it ends where something has to follow"
    return message.split(" expecting ")[0] if symbol is None else f"'{symbol}' can't stand here"


@dataclass(frozen=True)
class _Reader:
    inputs: Mapping[str, Input]

    def __call__(self, node: Node) -> Tests:
        node = _bare(node)
        match node["type"]:
            case "AndExpression":
                return _both(*(self(child) for child in node["children"]))
            case "OrExpression":
                return Tests(any=self._either(node))
            case "InequalityExpression" if (counted := self._counted(node)) is not None:
                return counted
            case _:
                return Tests(all=(self._test(node),))

    def _either(self, node: Node) -> tuple[Condition, ...]:
        node = _bare(node)
        if node["type"] != "OrExpression":
            if node["type"] == "AndExpression":
                raise _No("'and' inside 'or' is not understood: make it two rules")
            return (self._test(node),)
        if node["terminalNodeText"] != ["or"]:
            raise _No("'xor' is not understood: " + _HINT)
        return tuple(test for child in node["children"] for test in self._either(child))

    def _counted(self, node: Node) -> Tests | None:
        """``iif(a, 1, 0) + iif(b, 1, 0) >= 2``: how many must hold."""
        left, right = (_bare(child) for child in node["children"])
        parts = _summed(left)
        if not any(_called(part) == "iif" for part in parts):
            return None
        needs = _number(right)
        if node["terminalNodeText"] != [">="] or needs is None or needs[1] or needs[0] != int(needs[0]) or needs[0] < 1:
            raise _No("a count of tests is compared with '>=' and a whole number from 1")
        if needs[0] > len(parts):
            raise _No(f"{needs[0]:g} of {len(parts)} tests can never hold")
        return Tests(any=tuple(self._one_of(part) for part in parts), needs=int(needs[0]))

    def _one_of(self, node: Node) -> Condition:
        if _called(node) != "iif":
            raise _No("a count adds up 'iif(test, 1, 0)' and nothing else")
        given = _arguments(node)
        if len(given) != 3 or [_number(each) for each in given[1:]] != [(1.0, ""), (0.0, "")]:
            raise _No("'iif' is understood as 'iif(test, 1, 0)' only")
        return self._test(_bare(given[0]))

    def _test(self, node: Node) -> Condition:
        plain = self._plain(node)
        if plain is not None:
            return plain
        if node["type"] not in ("InequalityExpression", "EqualityExpression"):
            raise _No(f"{_named(node)} is not understood: {_HINT}")
        (operator,) = node["terminalNodeText"]
        if operator not in _TURNED:
            raise _No(f"'{operator}' is not understood: {_HINT}")
        left, right = (_bare(child) for child in node["children"])
        if not self._subject(left):
            left, right, operator = right, left, _TURNED[operator]
        subject = self._subject(left)
        if not subject:
            raise _No(f"a comparison without an input such as '%{next(iter(self.inputs))}': {_HINT}")
        if (truth := _boolean(right)) is not None:
            return self._truth(subject, operator, truth)
        limit = _number(right)
        if limit is None:
            raise _No(f"{_named(right)} is no number: {_HINT}")
        return self._compared(subject, operator, *limit)

    def _plain(self, node: Node) -> Condition | None:
        """``%jaundice`` alone, and ``%jaundice.not()``."""
        negated = node["type"] == "InvocationExpression" and _called(_bare(node["children"][1])) == "not"
        subject = self._subject(_bare(node["children"][0]) if negated else node)
        if len(subject) != 1 or not is_truth(self.inputs[subject[0]]):
            return None
        return Condition(input=subject[0], present=not negated)

    def _truth(self, subject: tuple[str, ...], operator: str, truth: bool) -> Condition:
        if operator not in ("=", "!=") or len(subject) > 1:
            raise _No("true and false are compared with '=' only")
        if not is_truth(self.inputs[subject[0]]):
            raise _No(f"'%{subject[0]}' is a number, not yes or no")
        return Condition(input=subject[0], present=truth is (operator == "="))

    def _compared(self, subject: tuple[str, ...], operator: str, limit: float, unit: str) -> Condition:
        for name in subject:
            spec = self.inputs[name]
            if is_truth(spec):
                raise _No(f"'%{name}' is yes or no: write '%{name} = true'")
            if unit and unit != spec.unit:
                raise _No(f"'%{name}' is in {spec.unit}, and the limit in {unit}: write it in {spec.unit}")
        minus = subject[1] if len(subject) > 1 else None
        if operator in ("=", "!="):
            if limit != 0 or minus is not None:
                raise _No(f"a number is compared by order; '{operator}' is for 0 alone")
            return Condition(input=subject[0], present=operator == "!=")
        return Condition.model_validate({"input": subject[0], "minus": minus, _COMPARED[operator]: limit})

    def _subject(self, node: Node) -> tuple[str, ...]:
        """One input, or two of which the second is taken off; none where it is neither."""
        if node["type"] == "AdditiveExpression" and node["terminalNodeText"] == ["-"]:
            left, right = (self._subject(_bare(child)) for child in node["children"])
            return (*left, *right) if len(left) == len(right) == 1 else ()
        if node["type"] != "ExternalConstant":
            return ()
        name = str(node["children"][0].get("text", "")) if node.get("children") else ""
        if name not in self.inputs:
            raise _No(f"'%{name}' is no input of this guideline; it reads: {', '.join(self.inputs)}")
        return (name,)


def _both(*parts: Tests) -> Tests:
    some = [part for part in parts if part.any]
    if len(some) > 1:
        raise _No("a second choice ('or') in one rule is not understood: make it two rules")
    chosen = some[0] if some else Tests()
    return Tests(tuple(test for part in parts for test in part.all), chosen.any, chosen.needs)


def _bare(node: Node) -> Node:
    """Without parentheses and the grammar's wrappers."""
    wrapped = ("TermExpression", "ParenthesizedTerm", "ExternalConstantTerm", "LiteralTerm", "InvocationTerm")
    while node["type"] in wrapped and len(node.get("children", ())) == 1:
        node = node["children"][0]
    return node


def _summed(node: Node) -> list[Node]:
    if node["type"] == "AdditiveExpression" and node["terminalNodeText"] == ["+"]:
        return [part for child in node["children"] for part in _summed(_bare(child))]
    return [node]


def _called(node: Node) -> str:
    """Name of the function that is called; empty for none."""
    if node["type"] != "FunctionInvocation":
        return ""
    return str(node["children"][0]["children"][0].get("text", ""))


def _arguments(node: Node) -> list[Node]:
    function = node["children"][0]
    return [_bare(child) for part in function["children"][1:] for child in part["children"]]


def _number(node: Node) -> tuple[float, str] | None:
    """(value, unit); the unit is empty for none."""
    node = _bare(node)
    if node["type"] == "PolarityExpression":
        found = _number(node["children"][0])
        sign = -1.0 if node["terminalNodeText"] == ["-"] else 1.0
        return (sign * found[0], found[1]) if found is not None else None
    if node["type"] == "NumberLiteral":
        return float(node["text"]), ""
    if node["type"] == "QuantityLiteral":
        quantity = node["children"][0]
        if not quantity.get("children"):
            return float(quantity["terminalNodeText"][0]), ""
        unit = quantity["children"][0]
        texts = unit["terminalNodeText"] or [str(unit["children"][0]["terminalNodeText"][0])]
        return float(quantity["terminalNodeText"][0]), str(texts[0]).strip("'")
    return None


def _boolean(node: Node) -> bool | None:
    return node["text"] == "true" if node["type"] == "BooleanLiteral" else None


def _named(node: Node) -> str:
    """What a node is, to a reader."""
    if node["type"] == "ExternalConstant":
        return f"'%{node['children'][0].get('text', '')}'" if node.get("children") else "'%'"
    function = _called(node) or (_called(_bare(node["children"][-1])) if node["type"] == "InvocationExpression" else "")
    if function:
        return f"the function '{function}()'"
    if node.get("text"):
        return f"'{node['text']}'"
    signs = " ".join(node.get("terminalNodeText", ()))
    return f"'{signs}'" if signs else "this"
