"""A rule's tests as FHIRPath. Inputs are environment variables, ``%age``; an absent one is empty, so that FHIRPath's
three values are those of ``cds.inference.rules``: what is unknown never makes a rule true.

Every form written here is read back by ``cds.guidelines.reading`` as the very same test.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cds.errors import GuidelineError
from cds.inference.manifest import Condition, Rule
from cds.record.inputs import Input, Reduce

OPERATORS = {"at_least": ">=", "at_most": "<=", "below": "<", "above": ">"}


def is_truth(spec: Input) -> bool:
    """Whether an input is yes or no, a boolean in FHIRPath; all others, counts among them, are numbers."""
    return spec.reduce in (Reduce.presence, Reduce.new) or spec.source == "patient.male"


def conditions(rule: Rule, inputs: Mapping[str, Input]) -> list[str]:
    """One expression each for the tests that must all hold, and one for those of which some must."""
    found = [_test(test, inputs) for test in rule.all]
    some = [_test(test, inputs) for test in rule.any]
    if len(some) > 1 and rule.needs == 1:
        found.append(" or ".join(some))
    elif some:
        found.append(f"{' + '.join(f'iif({test}, 1, 0)' for test in some)} >= {rule.needs}")
    return found


def number(value: float) -> str:
    """As FHIRPath writes it, without an exponent; reads back as the same double."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def _test(test: Condition, inputs: Mapping[str, Input]) -> str:
    truth = is_truth(inputs[test.input])
    if test.present is not None:
        if truth:
            return f"%{test.input} = {'true' if test.present else 'false'}"
        return f"%{test.input} {'!=' if test.present else '='} 0"
    if truth or (test.minus is not None and is_truth(inputs[test.minus])):
        raise GuidelineError(f"'{test.input}' is yes or no, and is compared with a number: FHIRPath has no such test")
    name, limit = next((key, value) for key in OPERATORS if (value := getattr(test, key)) is not None)
    subject = f"%{test.input}" if test.minus is None else f"%{test.input} - %{test.minus}"
    return f"{subject} {OPERATORS[name]} {number(limit)}"
