"""A client's FHIR server as our queries meet it: tried on consented test patients, one query at a time and all at once.

What it can't do is tried the other ways that a client's ``dialect`` block allows, and the way that works is told.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from cds.errors import SourceError, SourceRefused, SourceUnsupported
from cds.fhir import resources as fhir
from cds.fhir.client import Fetched, FhirClient, Target
from cds.fhir.dialect import Dialect
from cds.fhir.evidence import OPTIONAL, Evidence, deadline_in, read_through
from cds.fhir.queries import Query
from cds.site.asking import Asker
from cds.site.findings import Findings
from cds.site.queries import parameters

PATIENCE_S = 30.0
"""For one query: a person waits at a terminal, not an EHR at a click."""
_NOT_SO = re.compile("answered (400|413|414|422)|OperationOutcome")
"""Refusals of how it was asked, not of who asks or of anything today."""
_NOBODY = re.compile("answered 40[13]")
_WAYS: tuple[dict[str, Any], ...] = (
    {"strict": False},
    {"leave_out": frozenset({"_sort"})},
    {"leave_out": frozenset({"_count"})},
    {"page": 100},
    {"strict": False, "leave_out": frozenset({"_sort", "_count"})},
    {"leave_out": frozenset({"code"})},
)
"""Tried in this order: the first that works asks for as little more as can be."""


@dataclass(frozen=True)
class Asked:
    """How one query fared over all test patients."""

    key: str
    resource: str
    patients: int
    answered: int
    resources: int
    median_ms: float
    slowest_ms: float
    fault: str = ""


@dataclass
class ServerLook:
    client: str
    base: str
    dialect: Dialect
    asked: list[Asked] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    """One a patient."""


class Server:
    """One FHIR server, with what it may be asked."""

    def __init__(self, part: str, target: Target, client: FhirClient, asker: Asker, findings: Findings) -> None:
        self.part, self.target, self.client, self.asker, self.findings = part, target, client, asker, findings

    def capability(self, queries: tuple[Query, ...]) -> bool:
        """Whether it is one that this service can read."""
        try:
            told, answer = self.asker.object(f"{self.target.base.rstrip('/')}/metadata", "application/fhir+json")
        except SourceError as error:
            self.findings.fault(self.part, f"{error.code}: {error}", "CapabilityStatement")
            return False
        version, software = str(told.get("fhirVersion", "")), told.get("software") or {}
        if not version.startswith("4."):
            why = f"it tells FHIR version '{version}'; this service reads R4 (4.0 or 4.3)"
            self.findings.fault(self.part, why, "CapabilityStatement")
            return False
        name = " ".join(str(software[key]) for key in ("name", "version") if software.get(key))
        self.findings.good(self.part, f"FHIR {version}{f', {name}' if name else ''}", "CapabilityStatement", answer.ms)
        self._says(told, queries)
        return True

    def _says(self, told: dict[str, Any], queries: tuple[Query, ...]) -> None:
        """What it says it can; what it does is tried after."""
        offered: dict[str, set[str]] = {}
        for rest in told.get("rest") or ():
            for one in rest.get("resource") or ():
                names = {str(p.get("name")) for p in one.get("searchParam") or () if isinstance(p, dict)}
                offered.setdefault(str(one.get("type")), set()).update(names)
        needed = parameters(queries)
        absent = sorted(set(needed) - set(offered))
        if absent:
            must = sorted(set(absent) - OPTIONAL)
            why = f"it does not say that it keeps {', '.join(absent)}; cards name what they lack"
            (self.findings.fault if must else self.findings.note)(self.part, why, "resource types")
        lacking = {kind: sorted(needed[kind] - names) for kind, names in offered.items() if kind in needed}
        said = [f"{kind} by {', '.join(names)}" for kind, names in sorted(lacking.items()) if names and offered[kind]]
        if said:
            self.findings.note(self.part, f"it does not say that it searches {'; '.join(said)}", "search parameters")
        elif not absent:
            self.findings.good(self.part, "it says that it has all that is asked with", "search parameters")

    def lets_in(self, queries: tuple[Query, ...], patients: tuple[str, ...], client: str) -> bool:
        """Whether there is any use in asking: one sentence, where else each query would tell the same."""
        [first] = [query for query in queries if query.resource == "Patient"][:1]
        faults = [self._fetch((first,), patient, self.target.dialect)[0].fault for patient in patients]
        if all(isinstance(fault, SourceRefused) and _NOBODY.search(str(fault)) for fault in faults):
            do = (
                "its scopes and whom the token was given to are the EHR's to look at"
                if self.target.token is not None
                else f"calls bring a token of the EHR's; for this check a [clients.{client}.backend] block says how to "
                "sign in (docs/integrate.md, 8)"
            )
            self.findings.fault(self.part, f"{faults[0]}: it lets this check not in; {do}", "signing in")
            return False
        if all(isinstance(fault, SourceUnsupported) for fault in faults):
            why = f"{faults[0]}; --patient takes the id of a Patient, what stands after Patient/ in its address"
            self.findings.fault(self.part, why, "patient")
            return False
        return True

    def fitting(self, queries: tuple[Query, ...], patients: tuple[str, ...]) -> Dialect:
        """The dialect under which its queries are answered: the one of the settings if it can be."""
        dialect = self.target.dialect
        for query in queries:
            if query.resource != "Patient" and self._refuses(query, patients, dialect):
                ways = (_with(dialect, way) for way in _WAYS)
                works = (way for way in ways if way != dialect and not self._refuses(query, patients, way))
                dialect = next(works, dialect)
        results = tuple(query for query in queries if query.resource == "Observation")
        if results and not self._gives(results, patients, dialect):
            # test patients without a single result are odd; some servers match the reference as it is written
            ways = (replace(dialect, patient=written) for written in ("typed", "subject") if written != dialect.patient)
            dialect = next((way for way in ways if self._gives(results, patients, way)), dialect)
        return dialect

    def _refuses(self, query: Query, patients: tuple[str, ...], dialect: Dialect) -> bool:
        """Whether it says no to how it is asked."""
        for patient in patients:
            [answer] = self._fetch((query,), patient, dialect)
            if isinstance(answer.fault, SourceRefused) and _NOT_SO.search(str(answer.fault)):
                return True
        return False

    def _gives(self, queries: tuple[Query, ...], patients: tuple[str, ...], dialect: Dialect) -> bool:
        """Whether anything comes for anybody."""
        return any(
            page.resources
            for query in queries
            for patient in patients
            for answer in self._fetch((query,), patient, dialect)
            for page in answer.pages
        )

    def _fetch(self, queries: tuple[Query, ...], patient: str, dialect: Dialect) -> list[Fetched]:
        target = replace(self.target, dialect=dialect)
        return self.client.fetch(queries, patient, target, time.monotonic() + PATIENCE_S)

    def ask(self, queries: tuple[Query, ...], patients: tuple[str, ...], dialect: Dialect) -> list[Asked]:
        """Each query by itself, so that its time is its own."""
        return [self._asked(query, patients, dialect) for query in queries]

    def _asked(self, query: Query, patients: tuple[str, ...], dialect: Dialect) -> Asked:
        times, answered, count, faults = [], 0, 0, []
        for patient in patients:
            start = time.monotonic()
            [answer] = self._fetch((query,), patient, dialect)
            times.append(1000 * (time.monotonic() - start))
            count += sum(len(page.resources) for page in answer.pages)
            if answer.fault is None and not answer.truncated:
                answered += 1
            else:
                faults.append(f"{answer.fault.code}: {answer.fault}" if answer.fault else "more pages than page_limit")
        row = Asked(
            key=query.key,
            resource=query.resource,
            patients=len(patients),
            answered=answered,
            resources=count,
            median_ms=statistics.median(times),
            slowest_ms=max(times),
            fault=faults[0] if faults else "",
        )
        say = self.findings.good if answered == len(patients) else self.findings.fault
        if answered < len(patients) and query.resource in OPTIONAL:
            say = self.findings.note
        told = f"{answered} of {len(patients)} patients, {count} resources"
        say(self.part, f"{told}; {row.fault}" if row.fault else told, query.key, row.median_ms)
        return row

    def together(self, queries: tuple[Query, ...], patients: tuple[str, ...], dialect: Dialect, limit_s: float) -> None:
        """A call's own way: all in one round. ``limit_s``: the time that calls give it (``fhir.deadline_s``)."""
        times = []
        for patient in patients:
            start = time.monotonic()
            self._fetch(queries, patient, dialect)
            times.append(time.monotonic() - start)
        middle, slowest = statistics.median(times), max(times)
        told = f"median {1000 * middle:.0f} ms, slowest {1000 * slowest:.0f} ms; calls wait {limit_s:g} s"
        if middle > limit_s:
            why = f"{told}: most calls would go without; let the EHR send prefetch, or raise fhir.deadline_s"
            self.findings.fault(self.part, why, "all queries in one round", 1000 * middle)
        elif slowest > limit_s:
            self.findings.note(
                self.part, f"{told}: some calls would lack data", "all queries in one round", 1000 * middle
            )
        else:
            self.findings.good(self.part, told, "all queries in one round", 1000 * middle)

    def read(self, queries: tuple[Query, ...], patients: Iterable[str], dialect: Dialect) -> list[Evidence]:
        target = replace(self.target, dialect=dialect)
        return [read_through(queries, p, self.client, target, deadline_in(PATIENCE_S)) for p in patients]


def _with(dialect: Dialect, way: dict[str, Any]) -> Dialect:
    more = dict(way)
    if "leave_out" in more:
        more["leave_out"] = dialect.leave_out | more["leave_out"]
    return replace(dialect, **more)


def written(dialect: Dialect, client: str) -> str:
    """As a block of the settings."""
    lines = [f"[clients.{client}.dialect]"]
    if not dialect.strict:
        lines.append("strict = false")
    if dialect.leave_out:
        names = ", ".join(f'"{name}"' for name in sorted(dialect.leave_out))
        lines.append(f"leave_out = [{names}]")
    if dialect.patient != "patient":
        lines.append(f'patient = "{dialect.patient}"')
    if dialect.page:
        lines.append(f"page = {dialect.page}")
    return "\n".join(lines)


def strangers(evidence: Iterable[Evidence], patients: Iterable[str]) -> int:
    """Resources of other patients than the one asked for: a server that sends those must not be used at all."""
    return sum(
        subject is not None and subject != patient
        for found, patient in zip(evidence, patients, strict=True)
        for resource in found.resources
        if not isinstance(resource, fhir.Patient)
        for subject in (fhir.subject_of(resource),)
    )
