"""gunicorn with sensible defaults: threads for calls that wait on a FHIR server, one process a core.

Migrations run once, before the workers start. The app is built before the fork (its memory is shared); sessions,
connections and threads are made after it. The garbage collector is told that what exists at start will stay, so that
no collection walks it again.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import random
import resource
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn import arbiter
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.util import write_nonblock

from cds.admission import threads_for
from cds.arrival import SILENCE_S, Worker
from cds.correlation import Lines
from cds.counters import prepare_metrics, remove_metrics
from cds.errors import LedgerError
from cds.leaving import leaving
from cds.ledger.migrate import upgrade
from cds.listening import require_address, written
from cds.sealing import Sealer
from cds.settings import Settings
from cds.sharing import Held
from cds.web.unread import answer_to


def configure_logging(level: int = logging.INFO) -> None:
    """One line an event, to standard error: event name, then key=value. No patient data is ever a value."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cds").setLevel(level)
    # what no line of ours shows need not be found out for each (Python's logging HOWTO, "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = ""


KEPT_S = 30
"""That a connection is kept which says nothing, between requests or within one; more than `longest_arrival_s` may be,
or a request would be dropped before its time is over."""
_CONNECTIONS = 1000
"""Of a worker at a time; gunicorn's own."""
_FILES = 4096
"""That a worker may have open: a connection it has no file left for would end it."""

PAGES_AFTER_S = 5.0
"""From a worker's start until it loads what pages of reports need: what was waited for at the start are cards."""

TIDY_S = 60.0
"""Between two whole collections, of 1 to 2 ms each. One that comes upon what the first calls have loaded takes some 10,
upon what the first chart has, some 40."""

_M_ARENA_MAX, _ARENAS = -8, 2
"""mallopt's parameter (glibc's malloc.h), and how many pools of memory the threads of a process share. glibc's own is
eight a processor, and what lies free in one serves no other; threads that share one interpreter seldom meet there."""

_held = Held()
"""Before the fork, so that all workers see it."""


class Log(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn's own events as lines among ours. Its own form wants the number of the process, which nobody finds out
    here: a worker that was killed would be told as an error of the log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class SharingWorker(Worker):
    """New connections are shared with the other workers (cds/sharing.py)."""

    def notify(self) -> None:
        """At each turn of the main loop."""
        super().notify()
        _held.say(self.age, self.nr_conns)
        if leaving.begun:
            self.max_keepalived = 0  # answers say "Connection: close": callers move to another service in good order

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """gunicorn's, for what it could not read or answer."""
        with contextlib.suppress(OSError):  # the other side is gone
            write_nonblock(client, answer_to(exc))

    def accept(self, listener: Any) -> None:
        _held.give_way(self.age)
        super().accept(listener)
        _held.say(self.age, self.nr_conns)


class Arbiter(arbiter.Arbiter):  # type: ignore[misc]  # gunicorn ships no types
    def handle_term(self) -> None:
        """SIGTERM. What ends it is a second one: our own, when it is time, or that of somebody who won't wait."""
        leaving_s: float = self.app.settings.leaving_s
        if leaving.begun or not leaving_s:
            raise StopIteration
        leaving.begin()
        logging.getLogger("cds.serve").info("serve.leaving seconds=%g", leaving_s)
        # a timer, since gunicorn may still have to fork a worker, and threads don't go well with that
        signal.signal(signal.SIGALRM, lambda number, frame: self.signal(signal.SIGTERM, frame))
        signal.setitimer(signal.ITIMER_REAL, leaving_s)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def run(self) -> None:
        Arbiter(self).run()

    def load_config(self) -> None:
        settings = self.settings
        options: dict[str, Any] = {
            "bind": written(settings.host, settings.port),
            "workers": settings.workers,
            "threads": threads_for(settings.threads),
            "worker_class": SharingWorker,
            "worker_connections": _connections(threads_for(settings.threads)),
            "preload_app": True,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": KEPT_S,
            "max_requests": 0,
            "limit_request_line": 8190,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # nosec B108 # gunicorn names its own file
            "control_socket_disable": True,
            "logger_class": Log,
            "loglevel": "warning",
            "when_ready": _when_ready,
            "post_worker_init": _after_start,
            "worker_exit": _at_the_end,
            "child_exit": _after_exit,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        from cds.app import create_app  # after prepare_metrics: the counters read the environment

        app = create_app(self.settings)
        gc.collect()
        gc.freeze()
        return app


def _when_ready(server: Any) -> None:
    """Who neither sends nor reads any more must not hold a thread for ever. The kernel's timeouts are handed on to
    every accepted connection."""
    for listener in server.LISTENERS:
        for way in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", SILENCE_S, 0))


def _connections(threads: int) -> int:
    """As many as there are files for, with as many again for FHIR servers, the ledger and what else is open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        soft = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(threads + 1, _CONNECTIONS if soft == resource.RLIM_INFINITY else min(_CONNECTIONS, soft // 2))


def _after_start(worker: Any) -> None:
    from cds.app import warm  # as in load()

    app = worker.app.callable or worker.wsgi
    warm(app)
    engine = app.extensions["cds"]
    Sealer(engine.settings, engine.now).start()
    warm_pages_later(app)
    gc.set_threshold(5_000, 20, 50)
    threading.Thread(target=tidy, args=(threading.Event(),), name="tidy", daemon=True).start()
    # a short question gets past a call that computes (cds/turns.py) several times, and each time waits this long
    sys.setswitchinterval(0.001)


def tidy(stop: threading.Event) -> None:
    """A whole collection gives back what the interpreter keeps of tuples that were dropped, up to 2,000 of each length:
    5 MB in time. By itself it makes none while calls leave no garbage in cycles. Then the C library gives back the
    pages that lie free between larger blocks, which it otherwise keeps and adds to: half a megabyte in ten minutes.

    What was loaded since the last one, by first calls or a first page with a chart, stays and is walked this once.
    Workers start at the same moment, and would all stand still at the same later on.
    """
    walked = 0
    pause = random.uniform(0.0, TIDY_S)  # nosec B311
    while not stop.wait(pause):
        pause = TIDY_S
        loaded = len(sys.modules)
        gc.collect()
        if loaded > walked:
            walked = loaded
            gc.freeze()
        trim()


def warm_pages_later(app: Flask) -> threading.Thread | None:
    """In the background, once the worker has been at work for a while; None where no client opens reports."""
    if not any(client.smart for client in app.extensions["cds"].settings.clients.values()):
        return None
    pages = threading.Timer(PAGES_AFTER_S, _warm_pages, (app,))
    pages.daemon = True
    pages.start()
    return pages


def _warm_pages(app: Flask) -> None:
    from cds.app import warm_pages  # as in load()

    warm_pages(app)
    gc.freeze()  # this stays, too


def _at_the_end(server: Any, worker: Any) -> None:
    """In the worker, its calls answered: rows that still wait in its memory are written if they can be."""
    app = worker.app.callable or getattr(worker, "wsgi", None)
    if app is not None and "cds" in app.extensions:
        app.extensions["cds"].ledger.close()


def _after_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess  # as in load()

    multiprocess.mark_process_dead(worker.pid)
    _held.gone(worker.age)


def share_arenas() -> None:
    """Before there are threads; workers inherit it. Other C libraries have nothing to set, and who runs the service may
    have set a number of their own."""
    if os.environ.get("MALLOC_ARENA_MAX") or "arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Free pages to the system, by glibc (malloc_trim(3)); calls that ask for memory wait meanwhile: some ms
    the first time, then less than one."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def serve(settings: Settings) -> None:
    """Blocks until stopped. Raises a ConfigurationError before anything listens."""
    configure_logging()
    share_arenas()
    settings.load_ledger_key()  # refuses before the database is touched
    require_address(settings.host, settings.port)
    try:
        upgrade(settings.ledger_url)
    except LedgerError as error:
        # cards go out without a ledger; rows are spooled, and it is migrated when it is back
        logging.getLogger("cds.serve").critical("ledger.unreachable at=start error=%s", error)
    counters = prepare_metrics(settings.data_dir)
    try:
        Server(settings).run()
    finally:
        remove_metrics(counters)
