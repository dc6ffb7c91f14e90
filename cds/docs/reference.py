"""Reference pages, written from the code they describe: settings, errors, and the tables of every page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cds import errors
from cds.settings import (
    ApproverSettings,
    AuditSettings,
    BackendSettings,
    ClientSettings,
    CommitteeSettings,
    ConsoleSettings,
    DialectSettings,
    FhirSettings,
    ImagingSettings,
    InferenceSettings,
    OidcSettings,
    PacsSettings,
    Settings,
    StudySource,
    TracingSettings,
)
from cds.smart_settings import SmartSettings

GENERATED = "<!-- Written by scripts/generate-docs; change the code, not this page. -->"


_BLOCKS = ("fhir", "approvers", "clients", "imaging", "inference", "pacs", "committee", "audit", "tracing")


def settings_page() -> str:
    return "\n".join(
        [
            "# Settings",
            GENERATED,
            "",
            "In `cds.toml` (or the file named by `--settings` or `CDS_SETTINGS`); each can be overridden by an",
            "environment variable, `CDS_` + name, nested with `__`: `CDS_PORT`, `CDS_FHIR__DEADLINE_S`. Secrets",
            "belong in the environment or in files, never in `cds.toml`. An unknown key is refused with the",
            "nearest right one.",
            "",
            "## General",
            "",
            *table(Settings, skip=_BLOCKS),
            "",
            "## `[fhir]`: fetching what the EHR did not send",
            "",
            *table(FhirSettings),
            "",
            '## `[approvers."NAME"]`: who may approve a version of the policy',
            "",
            *table(ApproverSettings),
            "",
            "## `[clients.NAME]`: one block an EHR",
            "",
            *table(ClientSettings, skip=("studies", "smart", "backend", "dialect")),
            "",
            "## `[clients.NAME.studies]`: how it tells of imaging studies",
            "",
            *table(StudySource),
            "",
            "## `[clients.NAME.backend]`: how this service itself signs in to its FHIR server",
            "",
            *table(BackendSettings),
            "",
            "## `[clients.NAME.dialect]`: how its FHIR server wants to be asked",
            "",
            *table(DialectSettings),
            "",
            "## `[clients.NAME.smart]`: the report behind its cards, opened in that EHR",
            "",
            *table(SmartSettings),
            "",
            "## `[imaging]`: analysing imaging studies",
            "",
            *table(ImagingSettings),
            "",
            "## `[inference]`: networks on a model server",
            "",
            *table(InferenceSettings),
            "",
            "## `[committee]`: watching the models",
            "",
            *table(CommitteeSettings, skip=("console",)),
            "",
            "## `[committee.console]`: the committee's pages",
            "",
            *table(ConsoleSettings, skip=("oidc",)),
            "",
            "## `[committee.console.oidc]`: signing in with the hospital's own accounts",
            "",
            *table(OidcSettings),
            "",
            "## `[audit]`: what happened, and how long it is kept",
            "",
            *table(AuditSettings),
            "",
            "## `[tracing]`: traces for OpenTelemetry",
            "",
            *table(TracingSettings),
            "",
            "## `[pacs.NAME]`: one block an image archive",
            "",
            *table(PacsSettings),
            "",
        ]
    )


def errors_page() -> str:
    rows = ["| code | HTTP | error | meaning |", "|---|---|---|---|"]
    tree = errors.__doc__ or ""
    for kind in _tree(errors.CdsError):
        http = str(kind.status) if issubclass(kind, errors.RequestError) or "status" in vars(kind) else "–"
        rows.append(f"| `{kind.code}` | {http} | {kind.__name__} | {_meaning(kind, tree)} |")
    return "\n".join(
        [
            "# Errors",
            GENERATED,
            "",
            "Every fault carries one of these codes: in the OperationOutcome's `details.coding`, in the log line and,",
            "where a source of data failed, on the card. Search the log for the code; the sentence beside it says what",
            "to do. A fault of HTTP itself, such as an unknown address or a wrong method, has its status as number:",
            "`CDS-405`. `CDS-900` is the demonstration's own: it did not start, or the service refused its call.",
            "",
            *rows,
            "",
        ]
    )


def _tree(kind: type[errors.CdsError]) -> Iterable[type[errors.CdsError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def _meaning(kind: type[errors.CdsError], tree: str) -> str:
    """The words beside the class in the tree drawn at the top of ``cds/errors.py``."""
    for line in tree.splitlines():
        if re.search(rf"\b{kind.__name__}\b", line):
            text = line.split(kind.__name__, 1)[1]
            return re.sub(r"^\s*(\d{3}\s+)?(CDS-\d{3}\s+)?", "", text).strip() or "root of the tree"
    return ""


def table(model: type[BaseModel], skip: tuple[str, ...] = ()) -> list[str]:
    """A row a key, in Markdown."""
    rows = ["| key | type | default | what it does |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in skip:
            rows.append(f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {field.description or ''} |")
    return rows


_WORDS: dict[Any, str] = {
    Any: "any value",
    Path: "path",
    SecretStr: "text (secret)",
    bool: "true or false",
    date: "date",
    float: "number",
    int: "whole number",
    str: "text",
    type(None): "empty",
}


def _type(annotation: Any) -> str:
    """In the words of those who write the file, not in Python's."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _WORDS.get(annotation, "a block, see below")
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (tuple, list):
        inner = [_type(a) for a in arguments if a is not Ellipsis]
        return f"list of {inner[0]}" if origin is list or Ellipsis in arguments else f"[{', '.join(inner)}]"
    if origin is dict:
        return f"names, each with {_type(arguments[1]).removesuffix(' or empty')}"
    if getattr(origin, "__name__", "") == "Literal":
        return " or ".join(f"`{a}`" for a in arguments)
    return " or ".join(_type(a) for a in arguments)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else None
    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_none=True)
        if given and all(isinstance(v, int | float) for v in given.values()) and len(given) <= 3:
            return ", ".join(f"`{name}: {number:g}`" for name, number in given.items())
        return "as below" if given else "empty"
    if value is None or value == () or value == "":
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{v}`" for v in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
