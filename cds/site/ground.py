"""What the service stands on here: its files and disk, the database, the queue and the broker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from cds.errors import LedgerError, SettingsError
from cds.jobs import Jobs
from cds.ledger import Ledger, migrate
from cds.sealing import require_own_key
from cds.settings import Settings
from cds.site.findings import Findings
from cds.studies.plan import KIND

_LEAST_FREE = 1_000_000_000
"""Bytes: a day of rows on the spool, should the database be away."""
_SECRET = ("key", "secret", "token", "password", "authorization")
_LONGEST_BLANK = 4096
"""Bytes that are read of a file: one that begins with so many blanks holds no secret."""
_FOLDERS = ("data_dir", "model_dirs", "hook_dirs", "wording_dir")


def files(settings: Settings, findings: Findings) -> None:
    """Every file the settings name can be read, and no secret by everybody; a secret is more than an empty file."""
    missing, empty, open_to_all, count = [], [], [], 0
    for key, path in _named(settings):
        if any(part in _FOLDERS for part in key.split(".")):
            continue
        count += 1
        secret = any(word in key.rsplit(".", 1)[-1] for word in _SECRET) and "jwks" not in key
        try:
            mode = path.stat().st_mode
            with path.open("rb") as opened:
                begin = opened.read(_LONGEST_BLANK)
        except OSError as error:
            missing.append(f"{key} ({path}: {error.strerror})")
            continue
        if secret and not begin.strip():
            empty.append(f"{key} ({path})")
        if secret and mode & 0o004:
            open_to_all.append(f"{key} ({path})")
    if missing:
        findings.fault("files", f"can't be read: {'; '.join(missing)}")
    if empty:
        findings.fault("files", f"empty, and a secret has to be in them: {'; '.join(empty)}")
    if open_to_all:
        findings.note("files", f"secrets that every user of this machine can read: {'; '.join(open_to_all)}; chmod 640")
    if not missing and not empty:
        findings.good("files", f"{count} named, all can be read")


def _named(block: BaseModel, path: str = "") -> Iterator[tuple[str, Path]]:
    """(key, file) of every file and folder in the settings, however deep."""
    for name, value in block:
        key = f"{path}.{name}" if path else name
        if isinstance(value, Path):
            yield key, value
        elif isinstance(value, BaseModel):
            yield from _named(value, key)
        elif isinstance(value, dict):
            for one, below in value.items():
                if isinstance(below, BaseModel):
                    yield from _named(below, f"{key}.{one}")
        elif isinstance(value, tuple):
            yield from ((key, one) for one in value if isinstance(one, Path))


def data_dir(settings: Settings, findings: Findings) -> None:
    with findings.of("data_dir") as say:
        there = _writable(settings.data_dir)
        say(f"{settings.data_dir} can be {_done(there, settings.data_dir.absolute())}")


def _writable(folder: Path) -> Path:
    """The folder, or the one that it is to be made in. Makes nothing: what root makes, who serves could not write."""
    at = folder.absolute()
    there = next(one for one in (at, *at.parents) if os.path.exists(one))
    if not there.is_dir():
        why = "is a file" if there == at else f"can't be made: {there} is a file"
        raise SettingsError(f"data_dir {folder} {why}; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(f"data_dir {folder} can't be {_done(there, at)} by this user")
    return there


def _done(there: Path, folder: Path) -> str:
    return "written" if there == folder else f"made in {there}"


def disk(settings: Settings, findings: Findings) -> None:
    with findings.of("disk") as say:
        folder = _writable(settings.data_dir)
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise SettingsError(f"of data_dir {folder} it can't be told how full it is: {error.strerror}") from error
        if free < _LEAST_FREE:
            raise SettingsError(f"data_dir {folder} has {free / 1e9:.1f} GB left; rows would be lost in an outage")
        say(f"{free / 1e9:.0f} GB free in {folder}")


def database(settings: Settings, findings: Findings) -> None:
    try:
        key = settings.load_ledger_key()
    except SettingsError:
        return  # said on the key's own line
    with findings.of("database") as say:
        differs = migrate.check(settings.ledger_url)
        if differs:
            raise LedgerError("; ".join(differs))
        migrate.check_writable(settings.ledger_url)
        ledger = Ledger(settings.ledger_url, key, settings.data_dir / "spool")
        try:
            waiting = ledger.spooled()
        finally:
            ledger.close()
        kind = settings.ledger_url.partition("://")[0].partition("+")[0]
        say(f"{kind}, its schema is this version's")
        if require_own_key(settings.ledger_url, key):
            say("the ledger key is its own")
        if kind == "sqlite":
            say("of one machine only: more than one needs PostgreSQL")
        if waiting:
            say(f"{waiting} rows on this machine's spool wait for it")


def queue(settings: Settings, findings: Findings) -> None:
    """Only where studies are read."""
    if not settings.pacs:
        findings.note("queue", "no [pacs.NAME] is set: no scans are read")
        return
    with findings.of("queue") as say:
        jobs = Jobs(settings.ledger_url)
        try:
            depth, due = jobs.depth(KIND), len(jobs.due(1000))
        finally:
            jobs.close()
        say(", ".join(f"{state} {count}" for state, count in depth.items()) + f"; {due} could be read now")
    if settings.imaging.broker_url is not None:
        _broker(settings.imaging.broker_url.get_secret_value(), findings)


def _broker(url: str, findings: Findings) -> None:
    """One that is away is no fault: it only tells workers sooner what they find by looking."""
    try:
        from kombu.connection import Connection  # with the extra `celery`
        from kombu.exceptions import OperationalError
    except ImportError:
        findings.fault("broker", "imaging.broker_url is set, and Celery is not installed: pip install '.[celery]'")
        return
    connection = Connection(url, connect_timeout=5)  # type: ignore[no-untyped-call]
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=5)  # type: ignore[no-untyped-call]
    except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
        # the address holds a password
        why = f"does not let us in ({type(error.__cause__ or error).__name__}); workers look for themselves"
        findings.note("broker", f"{why}, a scan waits a few seconds longer")
    else:
        findings.good("broker", "answers")
