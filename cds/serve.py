"""gunicorn with sensible defaults: threads for calls that wait on a FHIR server, one process a core.

Migrations run once, before the workers start. The app is built before the fork (its memory is shared); sessions,
connections and threads are made after it. The garbage collector is told that what exists at start will stay, so that
no collection walks it again.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from cds.admission import threads_for
from cds.errors import LedgerError
from cds.host_memory import make_ours, place_for
from cds.ledger.migrate import upgrade
from cds.sealing import Sealer
from cds.settings import Settings
from cds.sharing import Held


def configure_logging(level: int = logging.INFO) -> None:
    """One line an event, to standard error: event name, then key=value. No patient data is ever a value."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cds").setLevel(level)
    # what no line of ours shows need not be found out for each (Python's logging HOWTO, "Optimization")
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = ""


def prepare_metrics(data_dir: Path) -> Path:
    """Counters shared by all workers; stale files of a former run would be counted again, so they go.

    In memory where there is such a place: the counters' files are mapped, and a page of one that a full disk has no
    room for kills the process that counts (SIGBUS).
    """
    folder = metrics_folder(data_dir)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        make_ours(folder)
    except OSError:
        folder = data_dir / "metrics"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


def metrics_folder(data_dir: Path) -> Path:
    return place_for(data_dir / "metrics") or data_dir / "metrics"


_SILENCE_S = 5
"""Seconds of silence within a request. A thread is free again after twice that: gunicorn also waits for the rest."""


_LINGER_S = 2.0
"""For the other side to hang up, so that the end of an answer is not lost (RFC 9112, 9.6); gunicorn's own."""


_held = Held()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn waits in its main loop for the other side to hang up, and takes no connection meanwhile: ten that send
    half a request and stay silenced a worker for twenty seconds. Here the thread waits that had the request.

    New connections are shared with the other workers (cds/sharing.py)."""

    def notify(self) -> None:
        """At each turn of the main loop."""
        super().notify()
        _held.say(self.age, self.nr_conns)

    def accept(self, listener: Any) -> None:
        _held.give_way(self.age)
        super().accept(listener)
        _held.say(self.age, self.nr_conns)

    def handle(self, conn: Any) -> Any:
        goes_on = super().handle(conn)
        if goes_on is False:
            _hang_up(conn.sock)
        return goes_on


def _hang_up(connection: socket.socket) -> None:
    """Say that no more comes, wait until the other side has hung up, and leave nothing to wait for."""
    until = time.monotonic() + _LINGER_S
    with contextlib.suppress(OSError):  # it is closed, or the other side would not say anything
        connection.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(4096):
                break
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {
            "bind": f"[{settings.host}]:{settings.port}"
            if ":" in settings.host
            else f"{settings.host}:{settings.port}",
            "workers": settings.workers,
            "threads": threads_for(settings.threads),
            "worker_class": Worker,
            "preload_app": True,
            "timeout": 60,
            "graceful_timeout": 20,
            "keepalive": 30,
            "max_requests": 0,
            "limit_request_line": 8190,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # nosec B108 # gunicorn names its own file
            "control_socket_disable": True,
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

        app = create_app(self._settings)
        gc.collect()
        gc.freeze()
        return app


def _when_ready(server: Any) -> None:
    """A connection that sends half a request and then nothing must not hold a thread for ever. The kernel's receive
    timeout is handed on to every accepted connection, so it bounds headers and bodies alike; between two requests
    gunicorn waits without a thread."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SILENCE_S, 0))


def _after_start(worker: Any) -> None:
    from cds.app import warm  # as in load()

    app = worker.app.callable or worker.wsgi
    warm(app)
    engine = app.extensions["cds"]
    Sealer(engine.settings, engine.now).start()
    gc.set_threshold(50_000, 20, 50)
    # a short question gets past a call that computes (cds/turns.py) several times, and each time waits this long
    sys.setswitchinterval(0.001)


def _at_the_end(server: Any, worker: Any) -> None:
    """In the worker, its calls answered: rows that still wait in its memory are written if they can be."""
    app = worker.app.callable or getattr(worker, "wsgi", None)
    if app is not None and "cds" in app.extensions:
        app.extensions["cds"].ledger.close()


def _after_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess  # as in load()

    multiprocess.mark_process_dead(worker.pid)
    _held.gone(worker.age)


def serve(settings: Settings) -> None:
    """Blocks until stopped. Raises a ConfigurationError before anything listens."""
    configure_logging()
    settings.load_ledger_key()  # refuses before the database is touched
    try:
        upgrade(settings.ledger_url)
    except LedgerError as error:
        # cards go out without a ledger; rows are spooled, and it is migrated when it is back
        logging.getLogger("cds.serve").critical("ledger.unreachable at=start error=%s", error)
    counters, master = prepare_metrics(settings.data_dir), os.getpid()
    try:
        Server(settings).run()
    finally:
        if os.getpid() == master:  # workers end here, too
            shutil.rmtree(counters, ignore_errors=True)
