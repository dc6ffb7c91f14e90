"""``cds worker``: the process that reads studies."""

from __future__ import annotations

import os
import threading

import click

from cds.settings import load


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, then stop.")
@click.option("--slots", type=click.IntRange(1, 32), help="Studies in hand at a time. Default: by the devices.")
@click.pass_context
def worker(ctx: click.Context, once: bool, slots: int | None) -> None:
    """Read imaging studies until stopped: fetch, analyse, write back, store.

    Start as many as you like, on one machine or, with PostgreSQL, on several; a study is read once. A worker that is
    killed loses nothing: another takes its study over within two leases (setting: imaging.lease_s). SIGTERM ends it in
    good order.

    It also does the committee's rounds: it evaluates the models every committee.every_h hours and asks EHRs for
    outcomes every committee.outcomes_h.
    """
    from cds.app import create_engine  # models and networks only where they are needed
    from cds.committee.rounds import Rounds
    from cds.jobs import Jobs
    from cds.ledger.migrate import upgrade
    from cds.serve import configure_logging
    from cds.studies.poll import Poller
    from cds.studies.work import Crew

    settings = load(ctx.find_root().obj)
    configure_logging()
    # a scan takes every processor for seconds, and a card beside it should not wait for one
    os.nice(settings.imaging.nice)
    upgrade(settings.ledger_url)
    engine = create_engine(settings)
    poller = Poller(settings, engine.studies.intake, engine.now)
    crew = Crew(settings, engine.models, engine.catalogues, engine.policies, engine.ledger, poller, engine.now, slots)
    # a queue of its own: its thread must not wait for a connection that a study holds
    jobs = Jobs(settings.ledger_url, now=engine.now)
    rounds = Rounds(settings, engine.models, engine.policies, engine.ledger, jobs, engine.now)
    if once:
        if poller.wanted:
            poller.once()
        click.echo(f"{crew.until_done()} job(s) done or given back.")
        click.echo(f"{rounds.once()} round(s) of the committee done.")
    else:
        threading.Thread(target=rounds.run, name="committee", daemon=True).start()
        try:
            crew.run()
        finally:
            rounds.stop()
