"""From call to cards, on one screen:

    authenticate -> parse -> gather (prefetch, then one parallel round) -> record -> models -> service -> policy
    -> cards -> ledger

Each step is a plain function in its own room; this file only joins them and keeps the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from cds import audit, correlation, tracing
from cds.cards import memory, withheld
from cds.cards.attention import OVER_CALL, Held, Opening
from cds.cards.compose import compose, in_order, within_limits
from cds.cards.findings import failure_card, findings
from cds.cards.phrasebook import Catalogues
from cds.committee.standing import Standings
from cds.editions import Editions
from cds.errors import ConfigurationError, LedgerError, RequestError
from cds.fhir.chart import read_chart
from cds.fhir.client import FhirClient, Target
from cds.fhir.dialect import dialect_of
from cds.fhir.evidence import Evidence, deadline_in, gather
from cds.fhir.queries import Query, plan
from cds.ids import new_id
from cds.inference.model import Model
from cds.inference.prediction import Assessment
from cds.inference.registry import Registry, concepts_of
from cds.ledger import CallEntry, Ledger
from cds.policy.book import PolicyBook
from cds.policy.schema import Policy
from cds.protocol.request import HookCall, parse_call
from cds.protocol.response import Card, Link, Response
from cds.record.facts import Record
from cds.record.features import Already
from cds.record.moments import day_at
from cds.services import CardDraft, Case, Service, ServiceRegistry, Suppressed, Weighed
from cds.services.told import told
from cds.settings import Settings
from cds.shadow import shadowed
from cds.snapshot import Snapshots
from cds.studies.desk import Desk, assessment, unloaded
from cds.studies.lookup import Seen
from cds.studies.plan import allowed, bundle_of, volume_models
from cds.studies.plan import broken as broken_networks
from cds.timings import Timings
from cds.trust import AllowList, Authenticator, Caller
from cds.trust.smart import Door, ReportSessions
from cds.turns import Turns

Aside = Callable[..., AbstractContextManager[Any]]
"""Entered for as long as others may have this call's turn to compute; given seconds, from then on."""
_MOMENT_S = 0.005
"""That this host's own files are read and written in, several times over."""

_log = logging.getLogger("cds.engine")


@dataclass(frozen=True)
class Answer:
    """What goes out, and what observers (metrics, log) may look at."""

    response: Response
    service: Service
    evidence: Evidence
    assessments: Mapping[str, Assessment]
    suppressed: tuple[Suppressed, ...]
    timings: Timings
    recorded: bool
    """False: the ledger was unreachable and the row is on the spool."""
    instance: str
    """``hookInstance``, as the EHR sent it."""


@dataclass
class Engine:
    """Everything a call needs; made once a process by ``cds.app.create_app``."""

    settings: Settings
    authenticator: Authenticator
    services: ServiceRegistry
    models: Registry
    policies: PolicyBook
    catalogues: Catalogues
    fhir: FhirClient
    ledger: Ledger
    now: Callable[[], datetime]
    studies: Desk
    reports: ReportSessions
    door: Door
    standings: Standings
    snapshots: Snapshots | None
    """None: nothing is kept that a card could be made again from."""

    def __post_init__(self) -> None:
        self._scanned = {key: self._volumes(service) for key, service in self.services.services.items()}
        self._queries = {key: self._plan(service) for key, service in self.services.services.items()}
        self._allowed = {name: AllowList(c.fhir_servers) for name, c in self.settings.clients.items()}
        self._zone = ZoneInfo(self.settings.timezone)
        self._turns = Turns()
        self._editions = Editions(self.models)
        self._validated: dict[str, tuple[Policy, BaseModel]] = {}

    def described(self, service: Service, language: str) -> tuple[str, str]:
        """(title, description), as discovery gives them."""
        return told(service, self.catalogues.book(language))

    def queries(self, service: Service) -> tuple[Query, ...]:
        return self._queries[service.id, service.hook]

    def _plan(self, service: Service) -> tuple[Query, ...]:
        self.models.vocabulary.require(service.reads, where=f"service '{service.id}'")
        models = [self.models[m] for m in service.all_models]
        concepts = {c for m in models if not m.refused for c in concepts_of(m.manifest, fetched=True)}
        studies = bool(self._scanned[service.id, service.hook])
        return plan(concepts | set(service.reads), self.models.vocabulary, studies=studies)

    def _volumes(self, service: Service) -> list[Model]:
        """Models that read scans and whose readings this service asks for."""
        known = volume_models(self.models)
        return [model for id, model in known.items() if service.studies or id in service.all_models]

    def answer(
        self,
        service_id: str,
        body: bytes,
        *,
        authorization: str | None,
        path: str,
        remote_addr: str,
        accept_language: str | None,
        traceparent: str | None = None,
        aside: Aside = nullcontext,
    ) -> Answer:
        """Raises a RequestError for what the caller must mend; anything else degrades and is said on a card.

        A refusal of a caller we know is a row of the ledger, too. One we don't know leaves a line in the log only:
        strangers must not be able to fill the ledger. ``aside``: entered while FHIR server, keys or ledger are
        waited for.
        """
        timings = Timings()
        call_id, at = new_id(), self.now()
        with tracing.span("call", traceparent, call=call_id) as span:
            with timings.stage("trust"), self._at_ledger(aside):
                self.services.hooks_of(service_id)
                caller = self.authenticator.authenticate(authorization, path=path, remote_addr=remote_addr)
            correlation.call(call_id)
            span.note(client=caller.name, service=service_id)
            try:
                answer = self._answer(call_id, at, caller, service_id, body, accept_language, timings, aside)
            except RequestError as error:
                policy = self.policies.current(caller.name, service_id)
                with self._at_ledger(aside):
                    self._keep(audit.refusal(call_id, at, caller, service_id, policy, error, timings.ms))
                raise
            shown, held, gaps = len(answer.response.cards), len(answer.suppressed), len(answer.evidence.gaps)
            span.note(hook=answer.service.hook, instance=answer.instance, recorded=answer.recorded)
            span.note(cards=shown, suppressed=held, gaps=gaps)
            return answer

    def _answer(
        self,
        call_id: str,
        at: datetime,
        caller: Caller,
        service_id: str,
        body: bytes,
        accept_language: str | None,
        timings: Timings,
        aside: Aside,
    ) -> Answer:
        with timings.stage("parse"):
            call = parse_call(body)
            correlation.instance(call.hook_instance)
            service = self.services.find(service_id, call.hook)
            whose = (caller.name, service.id, call.context.userId or "")
            policy = self.policies.current(*whose)
            words = self.catalogues.book(accept_language, caller.client.language, fallback=self.settings.language)
            target = self._target(call, caller)
        with timings.stage("gather"):
            deadline = deadline_in(self.settings.fhir.deadline_s)
            evidence = gather(call, self.queries(service), self.fhir, target, deadline, aside)
        with self._turns.one(timings.stage("turn"), aside) as turn:
            # a file is read by this thread itself; a server is waited for
            asking: Aside = turn.aside if self.ledger.file is None else nullcontext
            with timings.stage("record"):
                queries, vocabulary = self.queries(service), self.models.vocabulary
                names = self.services.drug_names
                record, drafts = read_chart(call, evidence, queries, vocabulary, at, self._zone, names)
                record.drafts = drafts
            with timings.stage("models"):
                assessments = self._assess(service, policy, record)
                with asking():
                    seen = self._seen(service, policy, record, evidence, caller)
                assessments |= {id: assessment(self.models[id], reading) for id, reading in seen.readings.items()}
            with timings.stage("cards"):
                parameters = self._parameters(service, policy)
                patient = caller.client.patient_facing or call.by_patient
                case = Case(
                    call, record, drafts, assessments, evidence, parameters, policy, words, patient, seen.readings
                )
                stopped = self._stopped(case, caller)
                case = replace(case, withheld=frozenset(stopped))
                cards, suppressed, weighed = self._cards(case, service, caller, stopped, asking)
            beside = shadowed(self.policies.shadow(*whose), case, service, self._editions)
        with timings.stage("ledger"):
            kept = self._snapshot(call_id, case, service, caller, stopped) if cards else None
            row = audit.entry(
                call_id, caller, case, service, cards, suppressed, timings.ms, self.ledger, kept, beside, weighed
            )
            with self._at_ledger(aside):
                recorded = self._keep(row)
        self.studies.ask_later(seen, caller.name, call.hook)
        response = Response(tuple(card for card, _ in cards))
        return Answer(
            response, service, evidence, assessments, tuple(suppressed), timings, recorded, call.hook_instance
        )

    def _at_ledger(self, aside: Aside) -> AbstractContextManager[Any]:
        """A server is waited for, and so is the disk that is to have a row on the spool. A file, as that of used tokens
        beside it, is read and written by this thread itself, and a call that began meanwhile would make both late; but
        it may hang, as may a client's server that has the keys."""
        return aside(0.0 if self.ledger.waits else _MOMENT_S)

    def _parameters(self, service: Service, policy: Policy) -> BaseModel:
        """What the policy sets for a service, validated once for as long as that policy is in force."""
        held = self._validated.get(service.id)
        if held is None or held[0] is not policy:
            held = policy, service.parameters.model_validate(policy.service(service.id).parameters)
            self._validated[service.id] = held
        return held[1]

    def _target(self, call: HookCall, caller: Caller) -> Target | None:
        """Where this call's data may be fetched. Raises ForeignServer for an address outside the client's list."""
        if call.fhir_server is None:
            return None
        allowed = self._allowed[caller.name]
        allowed.require(call.fhir_server)
        if not caller.client.fhir_access:
            return None
        token = call.authorization.access_token if call.authorization else None
        return Target(call.fhir_server, allowed, token, dialect=dialect_of(caller.client))

    def _assess(self, service: Service, policy: Policy, record: Record) -> dict[str, Assessment]:
        found: dict[str, Assessment] = {}
        already: Already = {}
        for model_id in service.all_models:
            model = self.models[model_id]
            if bundle_of(model) is not None and not model.refused:
                continue  # read by study jobs, never during a call
            if self._editions.runs(model_id, policy):
                with tracing.span("model", model=model_id, version=model.manifest.version):
                    found[model_id] = self.edition(model_id, policy).assess(record, already)
        return found

    def _seen(self, service: Service, policy: Policy, record: Record, evidence: Evidence, caller: Caller) -> Seen:
        """Stored readings of the patient's scans; of a network that may not speak here, none."""
        models = self._scanned[service.id, service.hook]
        wanted = [m for m in models if not allowed(m, policy, self.settings.environment, by_hand=False)]
        seen = self.studies.see(caller.name, record.patient_id, record.age, evidence.resources, wanted)
        if not service.studies:
            return seen
        broken = {m.manifest.id: unloaded(m) for m in broken_networks(self.models, policy, self.settings.environment)}
        return replace(seen, readings={**seen.readings, **broken})

    def _stopped(self, case: Case, caller: Caller) -> dict[str, withheld.Stopped]:
        """By id: models that answer and may not speak, withheld by the committee or past a guideline's review."""
        stopped: dict[str, withheld.Stopped] = {**withheld.lapsed(case), **self.standings.withheld(caller.name)}
        return {id: why for id, why in stopped.items() if id in case.assessments}

    def _cards(
        self, case: Case, service: Service, caller: Caller, stopped: Mapping[str, withheld.Stopped], asking: Aside
    ) -> tuple[list[tuple[Card, CardDraft]], list[Suppressed], dict[str, Mapping[str, Any]]]:
        """(cards shown, what was held back, what decisions depended on). ``asking``: entered while the ledger is."""
        if not case.policy.service(service.id).enabled:
            return [], [Suppressed(service.id, "service-disabled")], {}
        said = findings(case, service, stopped)
        weighed = {f.topic: f.values for f in said if isinstance(f, Weighed)}
        drafts = in_order(f for f in said if isinstance(f, CardDraft))
        with asking() if drafts else nullcontext():
            awake, held = memory.sorted_out(drafts, case.policy, self.ledger, self._opening(case, caller))
        shown, left_out = within_limits(awake, case.policy, case.words)
        held += [Held(draft, OVER_CALL, None) for draft in left_out]
        suppressed = [f for f in said if isinstance(f, Suppressed)]
        suppressed += [self._held(one, case) for one in held]
        report = self._report(case, caller)
        return [self._made(d, case, service, report) for d in shown], suppressed, weighed

    def today(self) -> date:
        """Of the hospital."""
        return day_at(self.now(), self._zone)

    def edition(self, model_id: str, policy: Policy) -> Model:
        """The model with the rules that the policy has in force for it."""
        return self._editions.of(model_id, policy)

    def _opening(self, case: Case, caller: Caller) -> Opening:
        user, now = case.call.context.userId, case.record.now
        return Opening(
            patient=self.ledger.patient_key(caller.name, case.record.patient_id),
            user=self.ledger.patient_key(caller.name, user) if user else None,
            hook=case.call.hook,
            now=now,
            day_began=now.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0),
        )

    def _held(self, held: Held[CardDraft], case: Case) -> Suppressed:
        """What is not shown is kept word for word, so that the report can show it."""
        draft, card = held.draft, None
        try:
            card = compose(draft, case.policy, case.words, case.call.context, case.record.patient_id)
        except ConfigurationError as error:
            _log.error("card.failed topic=%s code=%s", draft.topic, error.code)
        until = held.until.astimezone(self._zone).date() if held.until is not None else None
        return Suppressed(draft.memory, held.reason, until, draft.models, card=card)

    def _report(self, case: Case, caller: Caller) -> Callable[[str], Link] | None:
        """Makes the link from a card to its report; None where there is none. What a patient may be reading gets none:
        a report shows survival."""
        if caller.client.smart is None or case.patient_facing:
            return None

        def link(card_id: str) -> Link:
            return Link(
                label=case.words("engine.report"),
                url=self.door.launch_url,
                type="smart",
                appContext=self.door.reference(caller.name, card_id),
            )

        return link

    def _made(
        self, draft: CardDraft, case: Case, service: Service, report: Callable[[str], Link] | None
    ) -> tuple[Card, CardDraft]:
        """The card; a modest one in its place when a word for it is missing."""
        try:
            return compose(draft, case.policy, case.words, case.call.context, case.record.patient_id, report), draft
        except ConfigurationError as error:
            # no message: it may quote what the card says of the patient
            _log.error("card.failed service=%s topic=%s code=%s", service.id, draft.topic, error.code)
            modest = failure_card(service.id, case.words)
            return compose(modest, case.policy, case.words, case.call.context, case.record.patient_id, report), modest

    def _snapshot(
        self, call_id: str, case: Case, service: Service, caller: Caller, stopped: Mapping[str, withheld.Stopped]
    ) -> str | None:
        if self.snapshots is None:
            return None
        report = self.door.launch_url if self._report(case, caller) is not None else None
        models = case.assessments.keys() | case.studies.keys()
        return self.snapshots.close(call_id, case, models, report, stopped)

    def _keep(self, row: CallEntry) -> bool:
        """Write one row. False: it is on the spool, or (with an alarm in the log) nowhere; the card goes out."""
        try:
            return self.ledger.record_call(row)
        except LedgerError as error:
            _log.critical("ledger.lost row=%s error=%s", row.id, error)
            return False
