"""``cds ledger``: its schema, how long rows are kept, one person's rows, and the key of the hash."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import Progress

from cds.cli.ledger import handover
from cds.errors import AuditFailed, LedgerError, SettingsError
from cds.ledger import erased, migrate, privacy, rekeying, retention
from cds.ledger.book import Book
from cds.ledger.chain import Chain
from cds.ledger.chain_changes import Chained
from cds.ledger.patient_hash import person
from cds.ledger.spool import Entry, Spool, Spooled
from cds.ledger_key import chain, whole, with_one_more
from cds.sealing import chain_keys, chain_of, require_no_other_key, require_own_key
from cds.settings import Settings, load
from cds.snapshot import readable, resealed

_EACH = (
    "run it once with each key that was in use (as CDS_LEDGER_KEY of that one command), the service's own last, and "
    "each time with --despite-key"
)
_despite_key = click.option(
    "--despite-key",
    is_flag=True,
    help="Go on although other keys than this one were in use: for the rows that this one finds. Ends with status 1.",
)


@click.group()
def ledger() -> None:
    """The database of calls, predictions, cards and feedback."""


@ledger.command()
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Bring the database's schema to what this version needs; nothing happens where it already is.

    `cds serve` does the same at its start. By itself it is for deployments where the service's own database user may
    not change tables, and to have a migration fail before a new version answers calls.
    """
    url = load(ctx.find_root().obj).ledger_url
    before = migrate.current(url)
    after = migrate.upgrade(url)
    click.echo(
        f"The ledger is at {after}." if before == after else f"The ledger went from {before or 'nothing'} to {after}."
    )


@ledger.command()
@click.option("--older-than", "days", type=click.IntRange(1), required=True, help="Days; younger rows stay.")
@click.option("--dry-run", is_flag=True, help="Count, and remove nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_context
def purge(ctx: click.Context, days: int, dry_run: bool, yes: bool) -> None:
    """Remove calls older than so many days, with their predictions, cards and feedback; ended work and problems too,
    and what was rejected on this machine's spool.

    Policies stay: nobody is in them. Calls go on meanwhile. A backup keeps what it has until it is overwritten.
    """
    settings = load(ctx.find_root().obj)
    before = datetime.now(UTC) - timedelta(days=days)
    found, spool = retention.count(settings.ledger_url, before), Spool(settings.data_dir / "spool")
    rejected = spool.outlived(before)
    told = ", ".join(f"{count} {name}" for name, count in found.items())
    click.echo(f"Before {before:%Y-%m-%d}: {told}; {len(rejected)} rejected on this machine's spool")
    if dry_run or not (any(found.values()) or rejected):
        return
    # the chain is told of what goes
    require_own_key(settings.ledger_url, settings.load_ledger_key(), for_persons=False)
    if not yes:
        click.confirm("Remove them for ever?", abort=True)
    with _audit(settings) as chained, Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("calls", total=found["calls"])
        removed = retention.purge(settings.ledger_url, before, chained, lambda count: progress.advance(bar, count))
    click.echo("Removed: " + _told(removed))
    spool.drop(rejected)
    if rejected:
        click.echo(f"Removed: {len(rejected)} rejected from this machine's spool")


@ledger.command()
@click.option("--client", help="EHR that the id is of. Default: the only one.")
@click.option(
    "--patient", prompt="Id of the Patient", help="Asked for if not given, which keeps it out of the history."
)
@click.option("--dry-run", is_flag=True, help="Count, and remove nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_despite_key
@click.pass_context
def erase(ctx: click.Context, client: str | None, patient: str, dry_run: bool, yes: bool, despite_key: bool) -> None:
    """Remove everything of one patient: calls, predictions, cards, feedback, problems, work, and what waits on this
    machine's spool.

    They are found by the keyed hash of their id. That it was done is kept, and not to whom. Run it first on every
    machine whose spool is not empty (cds_ledger_waiting and cds_ledger_rejected in /metrics), then once more on any:
    what speaks of erased cards and still waits elsewhere is dropped there. Results in the PACS and the EHR are theirs
    to remove; backups keep what they have until they are overwritten.
    """
    settings = load(ctx.find_root().obj)
    keys, whole_ledger = _hashes(settings, client, patient, despite_key)
    _erase(settings, keys, dry_run, yes)
    if not whole_ledger:
        if not dry_run:
            _take_up(settings)
        _own_up()


def _erase(settings: Settings, keys: frozenset[str], dry_run: bool, yes: bool) -> None:
    spool = Spool(settings.data_dir / "spool")
    with spool.still():  # a row that moves meanwhile would be in neither
        count, spooled, remains = privacy.in_one_transaction(settings.ledger_url, lambda c: _counted(c, keys, spool))
    if not count and not spooled and not remains:
        click.echo("The ledger has nothing of this patient.")
        return
    beside = f"; {spooled} on this machine's spool" if spooled else ""
    beside += f"; {remains} on this machine's spool speak of cards that were erased before" if remains else ""
    click.echo(f"Of this patient: {_told(count)}{beside}")
    if dry_run:
        return
    if not yes:
        click.confirm("Remove it for ever?", abort=True)

    def work(connection: Any) -> tuple[dict[str, int], list[Path]]:
        theirs = _whose(connection, keys, spool)
        ours, before = _found(spool, theirs, erased.remains(connection))
        waiting = [one.path for one in (*ours, *before)]
        chained.let_go(connection, "erase", lambda: privacy.linked(connection, theirs))
        removed = privacy.erase(connection, theirs)
        gone = erased.kept(theirs.calls | theirs.cards, (one.entry for one in ours))
        done = {"rows": removed, "spool": len(waiting), **gone}
        privacy.record(connection, erased.KIND, f"erase:{uuid.uuid4()}", done)
        return removed, waiting

    # until the last file is gone nothing is stored from the spool: a row moved meanwhile would be back
    with spool.still(), _audit(settings) as chained:
        removed, waiting = privacy.in_one_transaction(settings.ledger_url, work)
        click.echo(f"Removed: {_told(removed)}")
        spool.drop(waiting)
    if waiting:
        click.echo(f"Removed: {len(waiting)} from this machine's spool")


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--client", help="EHR that the id is of. Default: the only one.")
@click.option(
    "--patient", prompt="Id of the Patient", help="Asked for if not given, which keeps it out of the history."
)
@_despite_key
@click.pass_context
def export(ctx: click.Context, file: Path, client: str | None, patient: str, despite_key: bool) -> None:
    """Write everything the ledger has of one patient to FILE (JSON), readable by its owner alone: to answer a person
    who asks for their data.

    What cards were made from is opened, and what waits on this machine's spool or was rejected is there as well. Run it
    on every machine whose spool is not empty (cds_ledger_waiting and cds_ledger_rejected in /metrics).
    """
    settings = load(ctx.find_root().obj)
    keys, whole_ledger = _hashes(settings, client, patient, despite_key)
    opened, spool = readable(settings.load_ledger_key()), Spool(settings.data_dir / "spool")
    found: dict[str, list[dict[str, Any]]] = {}
    waiting: list[dict[str, Any]] = []

    def work(connection: Any) -> None:
        theirs = _whose(connection, keys, spool)
        for table, row in privacy.rows(connection, theirs):
            found.setdefault(table, []).append(handover.row(table, row, opened))
        waiting.extend(handover.spooled(one, opened) for one in _found(spool, theirs)[0])

    with spool.still():  # a row that moves meanwhile would be in neither
        privacy.in_one_transaction(settings.ledger_url, work)
    content = {
        "about": f"{'All' if whole_ledger else 'Some of the'} rows that this decision support service keeps of one "
        "patient. Persons are keyed hashes.",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "service": settings.public_url,
        "rows": found,
        "spool": waiting,
    }
    _write_once(file, (json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n").encode())
    count = {table: len(rows) for table, rows in found.items()}
    beside = f"; {len(waiting)} from this machine's spool" if waiting else ""
    click.echo(f"{sum(count.values())} rows written to {file}: {_told(count)}{beside}")
    if not whole_ledger:
        _own_up()


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Don't ask whether the service and its workers are stopped.")
@click.option("--despite-faults", is_flag=True, help="Go on although the audit has faults; they go on being named.")
@click.pass_context
def rekey(ctx: click.Context, file: Path, yes: bool, despite_faults: bool) -> None:
    """Replace the key of the hash: FILE becomes the new key file, and every hash in the database is moved under it.

    FILE holds the keys so far and a new one: the old alone, with the database, then finds nobody. Stop the service and
    its workers first, with empty spools; then put FILE in the place of the old key, as is told at the end, and start
    them. Open reports and links of cards end. When it was broken off, run it again with the same FILE.

    The audit is verified first, and each of its rows is linked again under the new key: the chain says so, and what is
    kept for replays is sealed again.
    """
    settings = load(ctx.find_root().obj)
    before = settings.load_ledger_key()
    waiting = Spool(settings.data_dir / "spool").waiting()
    if waiting:
        raise LedgerError(
            f"{len(waiting)} rows on this machine's spool are under the old key: let them be stored first"
        )
    if not yes:
        click.confirm("Are the service and all workers stopped, and all spools empty?", abort=True)
    there = file.exists()
    after = whole(file.read_bytes().strip()) if there else with_one_more(before, os.urandom(32).hex().encode())
    rekeying.require_one_more(before, after)
    with Book(settings.ledger_url) as book:
        checked = chain_of(book, before).verify(most_faults=1_000_000)
        if checked.faults and not despite_faults and not rekeying.done(book, after):
            raise AuditFailed(
                f"the audit has {len(checked.faults)} fault(s), and a new key would make it harder to look into them: "
                "see `cds audit verify` first, or go on with --despite-faults"
            )
        if not there:
            book.read(rekeying.require_rest)
            # before the database is under it: without the file nobody of the ledger is found
            _write_once(file, after + b"\n")
        audit = rekeying.Audit(Chained(Chain(book, *chain_keys(after)), datetime.now(UTC)), checked)
        count = privacy.in_one_transaction(
            settings.ledger_url, lambda c: rekeying.rekey(c, before, after, audit, resealed(before, after))
        )
    if count is None:
        click.echo(f"The database is under {file} already.")
    else:
        click.echo(f"{count} hashes are now under {file}.")
    click.echo(
        "Put it in place for the service, its workers and all commands, and start them: name it in ledger_key_file, or "
        "put its content, all lines of it, into the Secret. A line end after the last line counts for nothing."
    )
    if settings.ledger_key is not None:
        click.echo("CDS_LEDGER_KEY is set and goes before ledger_key_file: give it the content, or take it away.")


@contextmanager
def _audit(settings: Settings) -> Iterator[Chained]:
    """The chain, which is told of what goes."""
    with Book(settings.ledger_url) as book:
        yield Chained(Chain(book, *chain_keys(settings.load_ledger_key())), datetime.now(UTC))


def _take_up(settings: Settings) -> None:
    """Until the newest link is of the service's own key, purge and check refuse it."""
    with Book(settings.ledger_url) as book:
        Chained(Chain(book, *chain_keys(settings.load_ledger_key())), datetime.now(UTC)).take_up(book)


def _hashes(settings: Settings, client: str | None, patient: str, despite_key: bool) -> tuple[frozenset[str], bool]:
    """And whether all of the ledger is under this key. Raises SettingsError where it is not, unless ``despite_key``:
    nothing found would then mean nothing."""
    if client is None:
        if len(settings.clients) != 1:
            raise SettingsError("--client: there is not just one; name the EHR that the id is of")
        client = next(iter(settings.clients))
    if not patient.strip():
        raise SettingsError("--patient: an id is needed")
    key = settings.load_ledger_key()
    whole_ledger = True
    try:
        if not require_no_other_key(settings.ledger_url, key):
            click.echo(
                "No row of this ledger is linked in its audit yet, so the key could not be tried on it.", err=True
            )
    except SettingsError as error:
        if not despite_key:
            raise SettingsError(f"{error}. With --despite-key the command goes on with this key: {_EACH}") from error
        click.echo(f"{error.code}: {error}", err=True)
        whole_ledger = False
    # a client that is no longer in the settings may still have rows
    return frozenset({person(chain(key), client, patient.strip().removeprefix("Patient/"))}), whole_ledger


def _own_up() -> NoReturn:
    click.echo(
        f"This may not be all: rows that were kept under another key are not found under this one; {_EACH}", err=True
    )
    raise click.exceptions.Exit(1)


def _whose(connection: Any, keys: frozenset[str], spool: Spool) -> privacy.Whose:
    return privacy.whose(connection, keys, (one.entry for one in spool.all()))


def _counted(connection: Any, keys: frozenset[str], spool: Spool) -> tuple[dict[str, int], int, int]:
    """Rows by table, and on the spool: the person's, and what remains of others who were erased."""
    theirs, count = _whose(connection, keys, spool), dict[str, int]()
    for table, _ in privacy.rows(connection, theirs):
        count[table] = count.get(table, 0) + 1
    ours, before = _found(spool, theirs, erased.remains(connection))
    return count, len(ours), len(before)


def _found(
    spool: Spool, theirs: privacy.Whose, remains: Callable[[Entry], bool] = lambda entry: False
) -> tuple[list[Spooled], list[Spooled]]:
    """The person's rows on this machine's spool, and those that remain of an erasure; a file that can't be read may be
    anybody's, and is named."""
    of = privacy.spooled_of(theirs)
    ours, before = list[Spooled](), list[Spooled]()
    for one in spool.all():
        if one.entry is None:
            click.echo(f"{one.path} can't be read: whose it is has to be looked up by hand.", err=True)
        elif of(one.entry):
            ours.append(one)
        elif remains(one.entry):
            before.append(one)
    return ours, before


def _told(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(rows.items())) or "nothing"


def _write_once(path: Path, content: bytes) -> None:
    """Raises SettingsError; replaces no file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"{path} can't be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
