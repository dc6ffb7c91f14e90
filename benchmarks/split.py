"""Where the time of one call goes: CPU by part, in process, with clocks put around the parts from outside."""

from __future__ import annotations

import gc
import io
import logging
import secrets
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from patient_view import USER, WITH_CARD, WITHOUT_CARD, Ehr, body, holds
from results import Section
from rich.progress import Progress

from cds import app as application
from cds import audit, engine
from cds.inference import model
from cds.inference.runtime import OnnxGraph
from cds.ledger import Ledger
from cds.ledger.migrate import upgrade
from cds.settings import load
from cds.trust import Authenticator, ReplayGuard
from cds.web import cds_hooks, metrics

BASE = "http://127.0.0.1"
PATH = "/cds-services/pancreas-risk"

# (part, owner, attribute): a part's own time is its own less that of the parts inside it
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("JWT: signature and claims", Authenticator, "authenticate"),
    ("replay: the book of tokens", ReplayGuard, "__call__"),
    ("decode: the call", engine, "parse_call"),
    ("decode: prefetch to structs", engine, "gather"),
    ("features: record", engine, "read_chart"),
    ("features: inputs of the models", model, "extract"),
    ("models: eligibility, rules, rows", engine.Engine, "_assess"),
    ("ONNX Runtime", OnnxGraph, "run"),
    ("card: findings and words", engine, "findings"),
    ("card: identity, orders, limits", engine.Engine, "_cards"),
    ("ledger: snooze look-up", Ledger, "overrides"),
    ("ledger: shown before?", Ledger, "shown_cards"),
    ("ledger: the row's content", audit, "entry"),
    ("ledger: write", Ledger, "record_call"),
    ("metrics", metrics, "answered"),
    ("card: JSON", cds_hooks, "encode"),
    ("engine: the rest", engine.Engine, "answer"),
)


class Clocks:
    """CPU of this thread by part; a stack keeps inner parts out of outer ones."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.thread_time_ns()
            try:
                return work(*args, **kwargs)
            finally:
                took = (time.thread_time_ns() - start) / 1e6
                self.ms[part] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return timed


def run(folder: Path, progress: Progress, *, quick: bool) -> Section:
    rounds = 100 if quick else 2000
    clocks = Clocks()
    originals = [(owner, name, getattr(owner, name)) for _, owner, name in PARTS]
    try:
        for part, owner, name in PARTS:
            setattr(owner, name, clocks.around(part, getattr(owner, name)))
        return _measure(folder, progress, rounds, clocks)
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _measure(folder: Path, progress: Progress, rounds: int, clocks: Clocks) -> Section:
    ehr = Ehr()
    client = {"issuer": ehr.issuer, "jwks": ehr.jwks}
    settings = load(None, public_url=BASE, data_dir=folder, ledger_key=secrets.token_hex(32), clients={"bench": client})
    upgrade(settings.ledger_url)
    logging.getLogger("cds").addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("cds").setLevel(logging.INFO)
    logging.getLogger("cds").propagate = False
    wsgi = application.create_app(settings)
    application.warm(wsgi)
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)
    templates = next(
        s["prefetch"] for s in wsgi.test_client().get("/cds-services").json["services"] if PATH.endswith(s["id"])
    )
    section = Section(
        "split",
        "Where the time of one call goes",
        f"CPU of one thread, ms, median of {rounds} calls per story, another patient id each call, the Flask "
        "application called through its WSGI door, the garbage collector set as the server sets it (gunicorn and the "
        "kernel's sockets come on top: compare `cpu`). Each part without the parts inside it; the clocks themselves "
        "cost about 1 µs each.",
    )
    table: dict[str, dict[str, float]] = {}
    task = progress.add_task("split", total=2 * rounds)
    for story in (WITHOUT_CARD, WITH_CARD):
        sent = body(story, templates)
        section.raw.append(f"{story}: {holds(sent)}")
        samples: dict[str, list[float]] = defaultdict(list)
        for turn, token in enumerate(ehr.tokens(BASE + PATH, rounds + 50)):
            clocks.ms.clear()
            asked = sent.replace(story.encode(), b"%0*d" % (len(story), turn))
            whole = _call(wsgi, asked.replace(USER.encode(), b"%s%04d" % (USER[:-4].encode(), turn // 20)), token)
            if turn >= 50:
                for part, _, _ in PARTS:
                    samples[part].append(clocks.ms.get(part, 0.0))
                samples["Flask: routing, request, response, log"].append(whole - sum(clocks.ms.values()))
                samples["all"].append(whole)
                progress.advance(task)
        table[story] = {part: statistics.median(values) for part, values in samples.items()}
    section.raw.append("")
    section.raw.append(f"{'':42}{'no card':>9}{'card':>9}")
    for part in table[WITH_CARD]:
        section.raw.append(f"{part:42}{table[WITHOUT_CARD][part]:9.3f}{table[WITH_CARD][part]:9.3f}")
    for says, story in (("no card", WITHOUT_CARD), ("one card", WITH_CARD)):
        groups: dict[str, float] = defaultdict(float)
        for part, value in table[story].items():
            groups[part.partition(":")[0]] += value
        for group in (
            "Flask",
            "JWT",
            "replay",
            "decode",
            "features",
            "models",
            "ONNX Runtime",
            "card",
            "ledger",
            "all",
        ):
            section.add(f"{group}, {says}", groups[group], "ms")
    return section


def _call(wsgi: Any, sent: bytes, token: str) -> float:
    """CPU ms of one call through the WSGI door."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    statuses: list[str] = []
    start = time.thread_time_ns()
    answer = wsgi.wsgi_app(environ, lambda status, headers, exc_info=None: statuses.append(status))
    content = b"".join(answer)
    took = (time.thread_time_ns() - start) / 1e6
    answer.close()
    if statuses != ["200 OK"]:
        raise SystemExit(f"the service answered {statuses}: {content[:300]!r}")
    return took
