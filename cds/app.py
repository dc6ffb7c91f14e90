"""``create_app(settings)``: the one place that wires the rooms together."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from flask import Flask, Response, g, request

from cds import charts, correlation, tracing
from cds import services as service_room
from cds.cards import site_wording
from cds.cards.phrasebook import Catalogues
from cds.clock import utc_now
from cds.committee.standing import Standings
from cds.engine import Engine
from cds.errors import LedgerError, ModelError, Overloaded, ServiceError, SettingsError
from cds.fhir.client import FhirClient
from cds.host_memory import place_for
from cds.inference import registry as model_room
from cds.inference.runtime import check_installation
from cds.jobs import Job, Jobs
from cds.ledger import Ledger
from cds.pages.report import pages as report
from cds.policy.book import PolicyBook
from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy
from cds.policy.store import PolicyStore
from cds.record.moments import day_at
from cds.record.vocabulary import read_concept_map
from cds.services.declaration import installed_packages
from cds.services.joined import join
from cds.services.known import known_here
from cds.settings import Settings
from cds.snapshot import Snapshots, fingerprints
from cds.steady import Steady
from cds.studies.desk import Desk
from cds.studies.intake import Intake
from cds.studies.lookup import Lookup
from cds.trust import Authenticator, KeyStore, ReplayGuard, init_cors
from cds.trust.own_keys import OwnKeys
from cds.trust.smart import Door, ReportSessions, certificates
from cds.web import calls, cds_hooks, launch, metrics, operations, studies
from cds.web.current import current
from cds.web.errors import init_errors

_log = logging.getLogger("cds.web")

# nothing that could pass for another field of the log line, or for a name
_REQUEST_ID = re.compile(r"\A[A-Za-z0-9._-]{1,64}\Z")
_UNLOGGED = frozenset({"operations.health", "operations.ready", "operations.prometheus"})
_NOTHING: dict[str, object] = {}
_WEB, _REPORT = Path(cds_hooks.__file__).parent, Path(report.__file__).parent
_CONSOLE = _REPORT.parent / "committee"


def create_engine(settings: Settings, now: Callable[[], datetime] = utc_now, archived: Sequence[Path] = ()) -> Engine:
    """Raises a ConfigurationError naming what is wrong; nothing is half-started. ``archived``: folders whose models
    stand in for those of the same name that are installed, to make a past card again."""
    check_installation()
    tracing.switch(settings.tracing, settings.ca_file)
    packages = installed_packages()
    services = service_room.load(settings.hook_dirs)
    models = model_room.load([*model_room.installed_folders(), *settings.model_dirs], archived)
    if settings.concept_map is not None:
        models.vocabulary.add_site_codes(read_concept_map(settings.concept_map))
    for service in services.services.values():
        if unknown := sorted(set(service.models) - set(models.models)):
            raise ServiceError(f"service '{service.id}' needs models that are not installed: {', '.join(unknown)}")
    services = join(services, models)
    catalogues = Catalogues(
        (
            p / "catalogue"
            for p in (_WEB, _REPORT, _CONSOLE, *packages, *settings.hook_dirs)
            if (p / "catalogue").is_dir()
        ),
        {name: concept.label for name, concept in models.vocabulary.concepts.items()},
        own=partial(site_wording.read, settings.wording_dir) if settings.wording_dir is not None else None,
    )
    check_languages(settings, catalogues)
    OwnKeys(settings.signing_keys).jwks()  # raises for a key that can't be used
    key = settings.load_ledger_key()
    ledger = Ledger(settings.ledger_url, key, settings.data_dir / "spool", now=now)
    known = known_here(models, services, two_people=settings.environment == "production")
    policies = policy_book(settings, packages, known, ledger, now)
    zone = ZoneInfo(settings.timezone)
    jobs = Jobs(settings.ledger_url, now=now, lease=timedelta(seconds=settings.imaging.lease_s))
    desk = Desk(
        Lookup(settings.imaging, settings.environment, ledger, jobs, lambda: now().astimezone(zone)),
        Intake(settings, models, policies, ledger, jobs, now, tell=_courier(settings)),
        jobs,
    )
    reports = ReportSessions(settings, ledger, key, now)
    book = (ledger.file.parent if ledger.file is not None else settings.data_dir) / "jti"
    replay = ReplayGuard(ledger.use_jti if ledger.file is None else None, book, now=Steady(now), spare=place_for(book))
    return Engine(
        settings=settings,
        authenticator=Authenticator(settings, KeyStore(settings), replay, now),
        services=services,
        models=models,
        policies=policies,
        catalogues=catalogues,
        fhir=FhirClient(settings.fhir, settings.ca_file, certificates(settings)),
        ledger=ledger,
        now=now,
        studies=desk,
        reports=reports,
        door=Door(settings, ledger, reports, key, now),
        standings=Standings(
            ledger.standings, settings.data_dir / "withheld.json", settings.committee.poll_s, zone=zone
        ),
        snapshots=Snapshots(key, fingerprints(models, catalogues, [*packages, *settings.hook_dirs]))
        if settings.committee.keep_snapshots
        else None,
    )


def policy_book(
    settings: Settings, packages: list[Path], known: Known, ledger: Ledger, now: Callable[[], datetime]
) -> PolicyBook:
    """The file and the layers over it, as every process of this deployment sees them."""

    def remember(policy: Policy, text: str) -> None:
        _remember(ledger, policy.version, text)

    path, poll_s = settings.policy_file or packaged_policy(packages), settings.policy_poll_s
    return PolicyBook(
        PolicyStore(path, known, poll_s=poll_s, on_change=remember),
        known,
        ledger,
        settings.data_dir / "policy-layers.json",
        today=lambda: day_at(now(), ZoneInfo(settings.timezone)),
        poll_s=poll_s,
        on_use=remember,
    )


def _courier(settings: Settings) -> Callable[[Job], None] | None:
    """What tells workers of a new job through a broker; None where they look for themselves."""
    if settings.imaging.broker_url is None:
        return None
    from cds.jobs.celery import Courier  # an extra

    return Courier(settings.imaging.broker_url.get_secret_value()).tell


def check_languages(settings: Settings, catalogues: Catalogues) -> None:
    """A language nobody wrote words for would fall back to English without a sign. Raises SettingsError."""
    wanted = {"language": settings.language} | {
        f"clients.{name}.language": client.language for name, client in settings.clients.items() if client.language
    }
    for key, language in wanted.items():
        if language.split("-")[0].lower() not in catalogues.languages:
            raise SettingsError(
                f"{key}: there are no words in '{language}'; there are: {', '.join(catalogues.languages)}"
            )


def _remember(ledger: Ledger, version: str, text: str) -> None:
    """Keep the policy's text, so that an old card can be read against it; spooled if the ledger is down."""
    try:
        ledger.remember_policy(version, text)
    except LedgerError as error:
        _log.critical("ledger.lost policy=%s error=%s", version, error)


def create_app(settings: Settings, now: Callable[[], datetime] = utc_now) -> Flask:
    engine = create_engine(settings, now)
    app = Flask("cds", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.extensions["cds"] = engine
    metrics.begin(engine)
    init_errors(app)
    app.before_request(_start)  # first of all: what the others refuse is logged, too
    init_cors(app, settings)
    app.register_blueprint(cds_hooks.blueprint(engine))
    app.register_blueprint(calls.blueprint(engine))
    app.register_blueprint(operations.blueprint(engine))
    app.register_blueprint(studies.blueprint(engine))
    app.register_blueprint(launch.blueprint(engine, prepare=charts.prepare))
    app.register_blueprint(report.blueprint(engine))
    if settings.committee.console.on:
        from cds.pages import committee  # statistics and charts, for those who have the pages

        app.register_blueprint(committee.blueprint(engine))
    app.after_request(_finish)
    app.teardown_request(_end)
    return app


def warm(app: Flask) -> None:
    """Load what the first call would otherwise wait for: graphs, catalogues, validators. After the fork only.

    A model that can't be loaded keeps nobody from the others: its failure is in the log here and on every card later.
    """
    engine: Engine = app.extensions["cds"]
    for model in engine.models.models.values():
        try:
            model.warm()
        except ModelError as error:
            _log.error("model.failed model=%s error=%s", model.manifest.id, error)
    engine.policies.current()


def warm_pages(app: Flask) -> None:
    """Load what a report's first page would otherwise wait for, a second or so: what draws, and the templates."""
    charts.load()
    for name in app.jinja_env.list_templates(filter_func=lambda name: name.startswith("report/")):
        if name.endswith(".html"):
            app.jinja_env.get_template(name)


def _start() -> None:
    sent = request.headers.get("X-Request-ID", "")
    g.started, g.request_id = time.perf_counter(), sent if _REQUEST_ID.match(sent) else os.urandom(16).hex()
    correlation.begin(g.request_id)


def _finish(answer: Response) -> Response:
    # looked up once: each use of these names is a search through the contexts of this thread
    call, notes = current(request), current(g)
    headers = answer.headers
    headers.add("X-Request-ID", notes.get("request_id", ""))
    headers.add("X-Content-Type-Options", "nosniff")
    headers.add("Referrer-Policy", "no-referrer")
    if call.endpoint in _UNLOGGED:
        return answer
    if notes.get("error_code") == Overloaded.code:
        # and no line: there are thousands, and who refused them tells it once a second
        metrics.refused(Overloaded.code)
        return answer
    now = time.perf_counter()
    # the rule, not the address: an address may hold what a caller should not have put there
    rule = call.url_rule.rule if call.url_rule else "-"
    ms = (now - notes.get("started", now)) * 1000
    line = f"method={call.method} status={answer.status_code} route={rule} ms={ms:.1f}"
    if code := notes.get("error_code"):
        line += f" code={code}"
        metrics.refused(code)
    for name, value in notes.get("log", _NOTHING).items():
        line += f" {name}={value}"
    _log.info("call %s", line)
    return answer


def _end(error: BaseException | None) -> None:
    """What this thread does before its next request is no part of this one."""
    correlation.end()
