"""Does an update believe of the inputs what is so? No update of rules changes what is read of a record, so its Library
has to be the installed model's: names, kinds, units and codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds.guidelines.expression import is_truth
from cds.guidelines.resources import CHILDREN, INPUT, UNIT
from cds.record.inputs import Input
from cds.record.vocabulary import Vocabulary

Json = Mapping[str, Any]
Fault = tuple[str, str]
"""(element, what is wrong)"""


def faults(where: str, library: Json, inputs: Mapping[str, Input], vocabulary: Vocabulary) -> Iterator[Fault]:
    """``where``: the resource, for the elements' names."""
    for position, given in enumerate(library.get("parameter", ())):
        if given.get("use") == "in":
            yield from _of_parameter(f"{where}.parameter[{position}]", given, inputs)
    for position, asked in enumerate(library.get("dataRequirement", ())):
        yield from _of_data(f"{where}.dataRequirement[{position}]", asked, inputs, vocabulary)


def _of_parameter(at: str, given: Json, inputs: Mapping[str, Input]) -> Iterator[Fault]:
    spec = inputs.get(given.get("name", ""))
    if spec is None:
        yield at, f"'{given.get('name')}' is no input of this guideline; it reads: {', '.join(inputs)}"
        return
    kind = "boolean" if is_truth(spec) else "decimal"
    if given.get("type") != kind:
        yield f"{at}.type", f"'{spec.name}' is a {kind} here, not a {given.get('type')}"
    for unit in (e.get("valueCode") for e in given.get("extension", ()) if e.get("url") == UNIT):
        if unit != spec.unit:
            yield f"{at}.extension", f"'{spec.name}' is in {spec.unit} here, not in {unit}"


def _of_data(at: str, asked: Json, inputs: Mapping[str, Input], vocabulary: Vocabulary) -> Iterator[Fault]:
    names = [e.get("valueCode") for e in asked.get("extension", ()) if e.get("url") == INPUT]
    if len(names) != 1 or names[0] not in inputs:
        yield at, f"'{names[0]}' is no input of this guideline" if names else f"names no input (extension '{INPUT}')"
        return
    spec = inputs[names[0]]
    known = {key for name in spec.concepts if name in vocabulary.concepts for key in vocabulary.codes_of(name)}
    for place, system, code in _codes(asked, at):
        if (system, code) not in known:
            yield (
                place,
                f"{system}|{code} is not among the codes that '{spec.name}' is read from; a new code belongs in the "
                "vocabulary or in the site's ConceptMap",
            )


def _codes(asked: Json, at: str) -> Iterator[tuple[str, str, str]]:
    """(place, system, code with ``*`` for its children)"""
    for n, chosen in enumerate(asked.get("codeFilter", ())):
        for m, coding in enumerate(chosen.get("code", ())):
            children = any(e.get("url") == CHILDREN and e.get("valueBoolean") for e in coding.get("extension", ()))
            code = f"{coding.get('code', '')}{'*' if children else ''}"
            yield f"{at}.codeFilter[{n}].code[{m}]", coding.get("system", ""), code
