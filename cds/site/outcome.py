"""The walk's outcome as plain data: for JSON, for scripts, for the page. Values of patients are not in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cds.site.answers import Answers
from cds.site.codes import Codes, Known, Unknown
from cds.site.walk import Site


def plain(site: Site) -> dict[str, Any]:
    return {
        "at": site.at.isoformat(timespec="seconds"),
        "version": site.version,
        "good": not site.findings.failed,
        "findings": [asdict(row) for row in site.findings.rows],
        "servers": [
            {"client": look.client, "base": look.base, "queries": [asdict(row) for row in look.asked]}
            for look in site.servers
        ],
        "dialects": dict(site.dialects),
        "models": {client: [_answers(row) for row in rows] for client, rows in site.answers.items()},
        "codes": {client: _codes(found) for client, found in site.codes.items()},
        "concept_maps": dict(site.concept_maps),
    }


def _answers(row: Answers) -> dict[str, Any]:
    return {**asdict(row), "lacking": dict(row.lacking), "assumed": dict(row.assumed), "told": row.told}


def _codes(found: Codes) -> dict[str, Any]:
    return {
        "known": [_known(one) for one in sorted(found.known.values(), key=lambda k: k.label.lower())],
        "unknown": [_unknown(one) for one in sorted(found.unknown.values(), key=lambda u: (not u.proposed, -u.count))],
        "uncoded": found.uncoded,
    }


def _known(one: Known) -> Mapping[str, Any]:
    return {
        "concept": one.concept,
        "label": one.label,
        "patients": len(one.patients),
        "results": one.count,
        "codes": [{"system": system, "code": code, "results": n} for (system, code), n in one.codes.most_common()],
        "units": [{"unit": unit, "results": n} for unit, n in one.units.most_common()],
        "refused": [{"unit": unit, "why": why, "results": n} for (unit, why), n in one.refused.most_common()],
    }


def _unknown(one: Unknown) -> Mapping[str, Any]:
    return {
        "system": one.system,
        "code": one.code,
        "display": one.display,
        "patients": len(one.patients),
        "results": one.count,
        "units": [{"unit": unit, "results": n} for unit, n in one.units.most_common()],
        "proposed": one.proposed,
        "because": one.because,
    }
