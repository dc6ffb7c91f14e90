"""Is the address to listen on to be had? Found out before anything else of a start is done, so that a service started
twice leaves the first one as it was. Who is handed a socket that listens already has it."""

from __future__ import annotations

import errno
import os
import socket
import time

from cds.errors import SettingsError

_TRIES, _PAUSE_S = 5, 1.0
"""A service that is being replaced holds its port for a moment longer."""


def written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_address(host: str, port: int, *, tries: int = _TRIES) -> None:
    """Raises SettingsError saying what is in the way. ``port`` 0: of the host alone."""
    if _handed():
        return  # gunicorn takes it, whatever the settings say
    for left in reversed(range(tries)):
        try:
            _bind(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and left:
                time.sleep(_PAUSE_S)
                continue
            where = written(host, port) if port else host
            raise SettingsError(f"{where} can't be listened on: {_why(error)}") from error
        return


def _handed() -> bool:
    """By who started this process (sd_listen_fds(3); the demonstration does it, too), or by the service that it
    replaces (gunicorn, at SIGUSR2)."""
    started = os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"
    return started or "GUNICORN_FD" in os.environ


def _bind(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind((host, port))


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there; is this service running already? Stop it, or set another 'port'"
    if error.errno == errno.EACCES:
        return "this user may not have that port (below 1024 it takes a privilege); set another 'port'"
    if error.errno == errno.EADDRNOTAVAIL:
        return "no address of this machine; set 'host' to one of its own, or to 0.0.0.0 for all of them"
    if isinstance(error, socket.gaierror):
        return "the name is not known here; set 'host' to an address of this machine"
    return error.strerror or type(error).__name__
