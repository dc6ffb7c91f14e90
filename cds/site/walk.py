"""The whole walk through a site, part by part, with a word before each part and a line after each finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydicom.uid import UID

from cds import __version__
from cds.errors import CdsError, SettingsError
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient
from cds.fhir.queries import Query
from cds.inference.registry import Registry
from cds.record.moments import day_at
from cds.settings import FhirSettings, Settings
from cds.site import callers, codes, devices, ground, installed, problems, reach
from cds.site.answers import Answers, answers, records
from cds.site.archive import Archive
from cds.site.asking import Asker
from cds.site.fhir_server import PATIENCE_S, Server, ServerLook, strangers, written
from cds.site.findings import Finding, Findings
from cds.site.manners import Manners
from cds.site.queries import needed
from cds.studies.ehr import target_of
from cds.trust.allowlist import AllowList
from cds.trust.smart import Backend, certificate_of, certificates, rehearse

Step = Callable[[str, int, int], None]
"""(what comes next, its number, how many there are)"""

_NOT_ASKED = "not asked: there is no connection, as said above"
_EVERYTHING = Query(
    "all observations", "Observation", "Observation?patient={{context.patientId}}&_sort=-date&_count=250"
)


@dataclass
class Site:
    """What came of it."""

    at: datetime
    version: str
    findings: Findings
    servers: list[ServerLook] = field(default_factory=list)
    codes: dict[str, codes.Codes] = field(default_factory=dict)
    """By client."""
    answers: dict[str, list[Answers]] = field(default_factory=dict)
    concept_maps: dict[str, dict[str, Any]] = field(default_factory=dict)
    dialects: dict[str, str] = field(default_factory=dict)
    """Client -> a block for its settings that its server needs and does not have yet."""


class Walk:
    def __init__(
        self,
        settings: Settings,
        patients: Mapping[str, tuple[str, ...]],
        study: str | None,
        now: Callable[[], datetime],
        step: Step = lambda *_: None,
        tell: Callable[[Finding], None] = lambda _: None,
    ) -> None:
        """``patients``: client -> ids of its consented test patients."""
        self._settings, self._patients, self._study, self._now, self._step = settings, patients, study, now, step
        self.site = Site(now(), __version__, Findings(tell=tell))
        self._loaded = installed.Installed()
        self._unreached: frozenset[tuple[str, str]] = frozenset()
        self._queries: tuple[Query, ...] = ()

    def run(self) -> Site:
        settings, findings = self._settings, self.site.findings
        parts: list[tuple[str, Callable[[], None]]] = [
            ("what is installed", self._installed),
            ("files", partial(ground.files, settings, findings)),
            ("disk", partial(ground.disk, settings, findings)),
            ("database", partial(ground.database, settings, findings)),
            ("queue", partial(ground.queue, settings, findings)),
            ("certificates and clocks", self._reached),
        ]
        for name, client in settings.clients.items():
            parts.append((f"keys of {name}", partial(self._client, name)))
            parts += [(f"FHIR server of {name}", partial(self._server, name, base)) for base in client.fhir_servers]
        for name in settings.pacs:
            parts.append((f"archive {name}", partial(self._archive, name)))
        parts.append(("device", self._devices))
        for number, (title, part) in enumerate(parts):
            self._step(title, number, len(parts))
            part()
        self._step("done", len(parts), len(parts))
        return self.site

    def _reached(self) -> None:
        self._unreached = reach.look(self._settings, self.site.findings)

    def _archive(self, name: str) -> None:
        archive, url = Archive(name, self._settings, self.site.findings), self._settings.pacs[name].url
        if (archive.part, urlsplit(url).netloc) in self._unreached:
            self.site.findings.note(archive.part, _NOT_ASKED, "search (QIDO-RS)")
            return
        archive.look(self._study, day_at(self._now(), ZoneInfo(self._settings.timezone)))

    def _installed(self) -> None:
        self._loaded = installed.look(self._settings, self.site.findings)
        if self._loaded.models is not None and self._loaded.services is not None:
            self._queries = needed(self._loaded.services, self._loaded.models)

    def _devices(self) -> None:
        if self._loaded.models is not None:
            devices.look(self._settings, self._loaded.models, self.site.findings)

    def _client(self, name: str) -> None:
        client = self._settings.clients[name]
        callers.look(name, client, self._settings, self.site.findings)
        if client.smart is not None:
            with self.site.findings.of(f"client {name}", "report") as say:
                say(rehearse(self._settings, name))

    def _server(self, name: str, base: str) -> None:
        settings, findings, client = self._settings, self.site.findings, self._settings.clients[name]
        part = f"FHIR server {base}"
        if (f"client {name}", urlsplit(base).netloc) in self._unreached:
            findings.note(part, _NOT_ASKED)
            return
        asker = Asker(settings.ca_file, certificate_of(client.backend))
        try:
            allowed = AllowList(client.fhir_servers)
            target = target_of(Backend(settings, name, self._now), base, allowed)
        except CdsError as error:
            findings.fault(part, f"{error.code}: {error}", "signing in")
            return
        if target.token is not None:
            findings.good(part, "this service is given a token", "signing in")
            asker = Asker(settings.ca_file, asker.certificate, f"{target.scheme} {target.token}")
        reader = FhirClient(self._patiently(), settings.ca_file, certificates(settings))
        server = Server(part, target, reader, asker, findings)
        patients = self._patients.get(name, ())
        if not server.capability(self._queries) or not self._queries:
            return
        if not patients:
            why = "no test patient is named (--patient): queries, codes and models are not tried"
            findings.note(part, why, "queries")
            return
        self._tried(name, base, server, patients, Manners(part, base, allowed, asker, findings))

    def _patiently(self) -> FhirSettings:
        """One answer may take as long as a person waits; what a call may take is compared."""
        return self._settings.fhir.model_copy(update={"deadline_s": PATIENCE_S})

    def _tried(self, name: str, base: str, server: Server, patients: tuple[str, ...], manners: Manners) -> None:
        findings, models, language = self.site.findings, self._loaded.models, self._language(name)
        assert models is not None
        if not server.lets_in(self._queries, patients, name):
            return
        dialect = server.fitting(self._queries, patients)
        if dialect != server.target.dialect:
            self.site.dialects[name] = written(dialect, name)
            why = "its queries are answered only when it is asked otherwise; put into the settings:\n"
            findings.fault(server.part, why + self.site.dialects[name], "dialect")
        look = ServerLook(name, base, dialect, server.ask(self._queries, patients, dialect))
        look.evidence = server.read(self._queries, patients, dialect)
        self.site.servers.append(look)
        if count := strangers(look.evidence, patients):
            why = (
                f"{count} resources of other patients than asked for came: don't use this server before that is mended"
            )
            findings.fault(server.part, why, "only the patient asked for")
        else:
            findings.good(server.part, "no other patient's data came", "only the patient asked for")
        server.together(self._queries, patients, dialect, self._settings.fhir.deadline_s)
        self._manners(manners, look, patients)
        everything = [e.resources for e in server.read((_EVERYTHING,), patients, dialect)]
        self._coded(name, everything, models, language)
        if self._loaded.policy is not None:
            found = records(look.evidence, patients, self._queries, models, self.site.at, self._settings.timezone)
            problems.look(findings, f"client {name}", found)
            rows = self.site.answers[name] = answers(found, models, self._loaded.policy, language, self._settings)
            spoken = [row for row in rows if row.speaks and not row.apart]
            told = (
                f"{len(spoken)} may speak here; {sum(row.answered > 0 for row in spoken)} answered for a test patient"
            )
            findings.good(f"client {name}", told, "models")

    def _manners(self, manners: Manners, look: ServerLook, patients: tuple[str, ...]) -> None:
        """On the patient and the query with most results: they show most."""
        counts = [sum(isinstance(r, fhir.Observation) for r in found.resources) for found in look.evidence]
        patient = patients[counts.index(max(counts))]
        manners.strict(patient, look.dialect)
        results = {row.key: row.resources for row in look.asked if row.resource == "Observation"}
        if results:
            richest = max(results, key=lambda key: results[key])
            manners.sorted_and_coded(next(q for q in self._queries if q.key == richest), patient, look.dialect)
        manners.pages(patient, look.dialect)

    def _coded(self, name: str, patients: list[list[Any]], models: Registry, language: str) -> None:
        found = codes.coverage(patients, models.vocabulary, language)
        self.site.codes[name] = found
        if found.unknown:
            self.site.concept_maps[name] = codes.concept_map(found, models.vocabulary)
        refused = sum(sum(one.refused.values()) for one in found.known.values())
        proposed = sum(bool(one.proposed) for one in found.unknown.values())
        told = (
            f"{len(found.known)} inputs found under {sum(len(k.codes) for k in found.known.values())} codes; "
            f"{len(found.unknown)} codes unknown, {proposed} with a proposal"
        )
        if proposed:
            told += ": what they mean is lost until somebody of the laboratory has looked (--concept-map FILE)"
        findings, part = self.site.findings, f"client {name}"
        say = findings.fault if not found.known else findings.note if proposed else findings.good
        say(part, told, "codes")
        if refused:
            findings.note(part, f"{refused} values can't be used for their unit: see the table", "units")
        if found.uncoded:
            findings.note(part, f"{found.uncoded} results have no code: they can't be found", "codes")

    def _language(self, name: str) -> str:
        return (self._settings.clients[name].language or self._settings.language).split("-")[0].lower()


def study_of(named: str | None) -> str | None:
    """Raises SettingsError for what is no UID."""
    if named is not None and not UID(named).is_valid:
        raise SettingsError(f"--study: '{named}' is no Study Instance UID: digits and dots, 64 characters at most")
    return named


def patients_of(settings: Settings, named: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """``named``: ``client:id``, or an id alone where there is one client. Raises SettingsError."""
    found: dict[str, list[str]] = {}
    for one in named:
        client, colon, patient = one.rpartition(":")
        if not colon:
            if len(settings.clients) != 1:
                raise SettingsError("write --patient CLIENT:ID: there is not just one client")
            client = next(iter(settings.clients))
        if client not in settings.clients:
            raise SettingsError(f"--patient: '{client}' is no client; there are {', '.join(settings.clients)}")
        if not patient or set(patient) & set("/?&#"):
            raise SettingsError("--patient: a test patient is named by the id of its Patient resource alone")
        found.setdefault(client, []).append(patient)
    return {client: tuple(dict.fromkeys(ids)) for client, ids in found.items()}
