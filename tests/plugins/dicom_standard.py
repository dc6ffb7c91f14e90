"""dicom-validator with the standard's tables of attributes that come with highdicom.

The validator's own way to the standard is a download, which a test must not need. These tables have every module's
attributes, their types and nesting, but no conditions: it checks what is mandatory, what may be empty and what does not
belong; ``dicom_checks`` checks the conditions.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from dicom_validator.validator.dicom_file_validator import DicomFileValidator
from dicom_validator.validator.dicom_info import DicomInfo
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

_SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.88.34")
# Where the table lists side by side what are alternatives: content items of all kinds, functional groups that are
# either shared or per frame. There only these are mandatory.
_ALTERNATIVES = ((), ("ContentSequence",), ("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",))
_ALWAYS = (
    "ValueType",
    "RelationshipType",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "NumberOfFrames",
)
_FLATTENED = ("sr-document-content", "segmentation-multi-frame-functional-groups")
_CONTENT = "(0040,A730)"
_FREE = {"type": "U"}
"""A condition that can't be checked here."""


@cache
def _info() -> DicomInfo:
    folder = resources.files("highdicom").joinpath("_standard")
    classes, iods, attributes = (
        json.loads(folder.joinpath(name).read_text())
        for name in ("sop_class_iod_map.json", "iod_module_map.json", "module_attribute_map.json")
    )
    used: dict[str, dict[str, Any]] = {}
    modules: dict[str, dict[str, Any]] = {}
    for uid in _SOP_CLASSES:
        parts = {}
        for module in iods[classes[uid]]:
            parts[module["key"]] = {"ref": module["key"], "use": module["usage"]}
            if module["usage"] == "C":
                parts[module["key"]]["cond"] = _FREE
            modules[module["key"]] = _tree(module["key"], attributes[module["key"]])
        used[uid] = {"title": classes[uid], "modules": parts, "group_macros": {}}
    return DicomInfo(dictionary={}, iods=used, modules=modules)


def _tree(module: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: len(row["path"])):
        level = found
        for step in row["path"]:
            level = level[_tag(step)].setdefault("items", {})
        one = {"name": row["keyword"], "type": row["type"]}
        if module in _FLATTENED and tuple(row["path"]) in _ALTERNATIVES and row["keyword"] not in _ALWAYS:
            one["type"] = "3"
        if one["type"] in ("1C", "2C"):
            one["cond"] = _FREE
        level[_tag(row["keyword"])] = one
    if module == "sr-document-content":
        # items hold items, to any depth
        content = found[_CONTENT]["items"]
        content[_CONTENT] = {"name": "ContentSequence", "type": "3", "items": content}
    return found


def _tag(keyword: str) -> str:
    number = tag_for_keyword(keyword)
    assert number is not None, keyword
    tag = Tag(number)
    return f"({tag.group:04X},{tag.element:04X})"


def faults(content: bytes, folder: Path) -> list[str]:
    """What dicom-validator finds wrong with one object."""
    path = folder / "object.dcm"
    path.write_bytes(content)
    (result,) = DicomFileValidator(_info(), log_level=logging.CRITICAL).validate(path).values()
    if result.errors and not result.module_errors:
        return [str(result.status)]
    return [
        f"{name}: {tag} {error.code}" for name, found in result.module_errors.items() for tag, error in found.items()
    ]
