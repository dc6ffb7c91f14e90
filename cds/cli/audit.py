"""``cds audit``: the chain over everything the ledger holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from cds.cli.days import day
from cds.errors import AuditFailed
from cds.ledger.audited import happened
from cds.ledger.book import Book
from cds.ledger.chain import BEGIN, Chain, Head
from cds.ledger.chained import KINDS
from cds.ledger.migrate import upgrade
from cds.record.inputs import days
from cds.sealing import chain_of
from cds.settings import Settings, load


@click.group()
def audit() -> None:
    """Has anybody changed or removed what happened?

    Every row of the ledger (calls, feedback, verdicts, decisions) gets a link in a chain, made with a key that the
    database does not hold. `cds serve` does that by itself every audit.seal_s seconds.

    \b
      cds audit verify     go over all of it; a changed or removed row is named
      cds audit head       the end of the chain, to be written down elsewhere
      cds audit export     what happened, as FHIR AuditEvent resources
      cds audit purge      remove what is older than audit.keep, and leave the chain whole
    """


@contextmanager
def _chain(ctx: click.Context) -> Iterator[tuple[Settings, Book, Chain]]:
    settings = load(ctx.find_root().obj)
    material = settings.load_ledger_key()
    upgrade(settings.ledger_url)
    with Book(settings.ledger_url) as book:
        yield settings, book, chain_of(book, material)


def _head(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Head | None:
    if value is None:
        return None
    seq, _, link = value.partition(":")
    if not seq.isdigit():
        raise click.BadParameter("write it as `cds audit head` printed it: a number, a colon and the link")
    return Head(int(seq), link) if int(seq) else BEGIN


@audit.command()
@click.option("--head", callback=_head, help="A head that was written down earlier; the chain must hold it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def verify(ctx: click.Context, head: Head | None, as_json: bool) -> None:
    """Go over every link and row. A row that was changed or removed is named, and so is a link that was.

    Exit code 0: everything is as it was linked; 1: it is not. Rows that have no link yet are counted: for those nothing
    is proven. Without --head it can't be seen that the chain's end was cut off.
    """
    with _chain(ctx) as (_, _, chain):
        found = chain.verify(head)
    good = not found.faults and found.head_known is not False
    if as_json:
        told = {
            "good": good,
            "links": found.links,
            "head": found.head.told,
            "headKnown": found.head_known,
            "purged": found.purged,
            "erased": found.erased,
            "renewed": found.renewed,
            "partly": found.partly,
            "segments": found.segments,
            "unlinked": found.unchained,
            "faults": [f.__dict__ for f in found.faults],
        }
        click.echo(json.dumps(told, indent=1))
        sys.exit(0 if good else 1)
    for fault in found.faults:
        click.secho(f"link {fault.seq}: {fault.kind} {fault.row_id}: {_WORDS[fault.what]}", fg="red")
    if found.head_known is False:
        click.secho("the head that was written down is not in the chain: links were cut off or made anew", fg="red")
    gone = f", {found.purged} of rows that were removed for their age" if found.purged else ""
    gone += f", {found.erased} of rows that were erased for a person" if found.erased else ""
    if found.renewed:
        click.echo(
            f"The ledger's key was replaced: {found.renewed} older links prove that they were not changed themselves, "
            "and no longer what their rows said; the rows were checked and linked again that day."
        )
    if found.partly:
        columns = ", ".join(sorted(f"{kind.name}'s {name}" for kind in KINDS for name in kind.later))
        click.secho(
            f"{found.partly} links are from workers of the version before, at work beside this one while it was rolled "
            f"out: of what they did not know yet ({columns}) they prove nothing. If there are more than those minutes "
            "can have had, somebody filled it in afterwards.",
            fg="yellow",
        )
    click.secho(f"{found.links} links{gone}; head {found.head.told}", fg="green" if good else "red")
    if found.unchained:
        waiting = ", ".join(f"{count} {kind}" for kind, count in found.unchained.items())
        click.echo(f"not linked yet, so nothing is proven of them: {waiting} (`cds audit seal`)")
    sys.exit(0 if good else 1)


_WORDS = {
    "changed": "the row was changed after it was linked",
    "removed": "the row is gone",
    "chain": "the link itself was changed, or made with another key",
    "gap": "links before this one are gone",
}


@audit.command()
@click.pass_context
def seal(ctx: click.Context) -> None:
    """Link every row that has no link yet, however old, now."""
    with _chain(ctx) as (_, _, chain):
        made = chain.seal(datetime.now(UTC), thorough=True)
        click.echo(f"{made} new link(s); head {chain.head().told}")


@audit.command()
@click.pass_context
def head(ctx: click.Context) -> None:
    """Print the chain's end. Write it down where the database's administrators can't reach, and give it to verify."""
    with _chain(ctx) as (_, _, chain):
        click.echo(chain.head().told)


@audit.command()
@click.option("--since", callback=day, required=True, help="First day, as 2026-03-01; days are the hospital's.")
@click.option("--until", callback=day, help="Last day. Default: today.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, one resource a line (NDJSON). Default: standard output.",
)  # fmt: skip
@click.pass_context
def export(ctx: click.Context, since: date, until: date | None, out: Path | None) -> None:
    """What happened, as FHIR R4 AuditEvent resources: calls, feedback, opened reports, decisions on models.

    Patients and users are named by the ledger's keyed hash alone.
    """
    from cds.auditing import audit_event  # slow to import

    with _chain(ctx) as (settings, book, _):
        zone = ZoneInfo(settings.timezone)  # days are the hospital's
        first = datetime.combine(since, datetime.min.time(), zone)
        after = (until or datetime.now(zone).date()) + timedelta(days=1)
        last = datetime.combine(after, datetime.min.time(), zone)
        lines: list[str] = book.read(
            lambda c: [json.dumps(audit_event(h, settings.public_url)) for h in happened(c, first, last)]
        )
    count = len(lines)
    if out is None:
        for line in lines:
            click.echo(line)
    else:
        try:
            out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        except OSError as error:
            raise AuditFailed(f"{out} can't be written: {error.strerror}") from error
        click.echo(f"{count} AuditEvent(s) written to {out}.")


@audit.command()
@click.option("--yes", is_flag=True, help="Do it. Without this it is only told what would go.")
@click.pass_context
def purge(ctx: click.Context, yes: bool) -> None:
    """Remove rows about people that are older than audit.keep. Their links stay, with a note in the chain.

    The chain is verified first: what is missing already must not be covered up.
    """
    with _chain(ctx) as (settings, _, chain):
        now = datetime.now(UTC)
        before = now - timedelta(days=days(settings.audit.keep))
        click.echo(f"audit.keep is {settings.audit.keep}: rows linked before {before:%Y-%m-%d} go.")
        if not yes:
            click.echo("Nothing was removed; add --yes to do it.")
            return
        found = chain.verify()
        if found.faults:
            raise AuditFailed(
                f"the chain has {len(found.faults)} fault(s): look into them first (`cds audit verify`), since "
                "removing rows would cover them up"
            )
        removed = chain.purge(before, now)
        told = ", ".join(f"{count} {kind}" for kind, count in removed.items()) or "nothing was so old"
        click.secho(f"Removed: {told}.", fg="green")
