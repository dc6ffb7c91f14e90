"""The command line in this process, and servers for it to talk to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result
from flask import Flask
from werkzeug.serving import make_server

from cds.cli import main


def cds(*arguments: str | Path, settings: Path | None = None) -> Result:
    """Run ``cds`` with these arguments, without this machine's CDS_* variables. ``result.stderr`` has the sentences."""
    chosen = ["--settings", str(settings)] if settings else []
    away = {name: None for name in os.environ if name.startswith("CDS_")}
    return CliRunner().invoke(main, [*chosen, *map(str, arguments)], env={**away, "COLUMNS": "200"}, prog_name="cds")


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The app on a real socket of this machine; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
