"""The command tree. Errors of the service are one sentence and exit code 1 or 2, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cds import __version__
from cds.cli.later import Later
from cds.errors import CdsError
from cds.settings import Settings, load

_COMMANDS = {
    "audit": "cds.cli.audit:audit",
    "call": "cds.cli.call:call",
    "check": "cds.cli.check:check",
    "committee": "cds.cli.committee:committee",
    "guidelines": "cds.cli.guidelines:guidelines",
    "ledger": "cds.cli.ledger:ledger",
    "models": "cds.cli.models:models",
    "outcomes": "cds.cli.committee:outcomes",
    "policy": "cds.cli.policy:policy",
    "problems": "cds.cli.problems:problems",
    "replay": "cds.cli.replay:replay",
    "simulate-hospital": "cds.cli.simulate:simulate_hospital",
    "site": "cds.cli.site:site",
    "study": "cds.cli.studies:study",
    "validation": "cds.cli.validation:validation",
    "wording": "cds.cli.wording:wording",
    "worker": "cds.cli.studies:worker",
}


class _Sentences(click.Group):
    """Turns the service's own errors into a sentence on standard error."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CdsError as error:
            click.secho(f"{error.code}: {error}", fg="red", err=True)
            sys.exit(2)


@click.group(cls=_Sentences, commands=Later(_COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cds")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: $CDS_SETTINGS, else cds.toml in this folder, else built-in defaults.",
)
@click.pass_context
def main(ctx: click.Context, settings: Path | None) -> None:
    """Decision support for the EHR: CDS Hooks in, cards out.

    Try it in two minutes without an EHR:

    \b
      cds demo                 patients, cards and a small EHR page on this machine

    Put it in front of an EHR:

    \b
      cds site init FOLDER     a few questions, and the settings are written
      cds check                are settings, policy, models and connections right?
      cds site check           walk the whole site: servers, codes, scans, what models will say
      cds serve                run the service
      cds ledger upgrade       its database's schema, ahead of the service
      cds call URL --help      fire a hook at any CDS server and read the cards

    Imaging studies:

    \b
      cds worker               fetch and analyse studies, run beside the service
      cds study list           what waits, what runs, what came of it

    Look inside:

    \b
      cds models list          what runs, on what evidence
      cds models run --help    one model on one patient, explained
      cds models score --help  models on many patients, into a table
      cds policy check FILE    would this policy be accepted?
      cds problems list        what clinicians say is wrong
      cds wording list         every sentence, and when it is read

    Is it still right here?

    \b
      cds outcomes --help      what became of the patients the models spoke of
      cds committee --help     measure the models, reach verdicts, stop and resume them
      cds replay CALL          make a past card again, and see what has changed since
      cds audit verify         has anybody changed or removed what happened?
      cds guidelines list      which guidelines somebody has to look at again
      cds simulate-hospital    do the monitors see what goes wrong?
    """
    ctx.obj = settings


def settings_of(ctx: click.Context) -> Settings:
    return load(ctx.find_root().obj)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (setting: port).")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes (setting: workers).")
@click.pass_context
def serve(ctx: click.Context, port: int | None, workers: int | None) -> None:
    """Run the service under gunicorn until stopped.

    Settings come from cds.toml and CDS_* environment variables; see docs/settings.md. Database migrations run first.
    """
    from cds.serve import serve as run  # gunicorn and Flask only where they are needed

    overrides = {k: v for k, v in {"port": port, "workers": workers}.items() if v is not None}
    run(load(ctx.find_root().obj, **overrides))


@main.command()
@click.option(
    "--once", is_flag=True, help="Run the main job, print the cards, exit (0: every patient got what is due)."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port of the demo EHR.")
@click.option(
    "--language", type=click.Choice(["en", "nl"]), default="en", show_default=True, help="Of the cards printed."
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where the demo keeps its ledger. Default: a new temporary folder.",
)
@click.option("--research", is_flag=True, help="Models that are not for care yet speak, too; each says what it is.")
@click.option("--pacs", is_flag=True, help="Scans go to a real Orthanc on this machine, not to the embedded archive.")
def demo(once: bool, port: int, language: str, data_dir: Path | None, research: bool, pacs: bool) -> None:
    """Patients, cards and a small EHR page, all on this machine.

    Starts the service, a worker for scans and an embedded FHIR server with synthetic patients and generated scans,
    opens every patient's chart and signs their orders over HTTP as an EHR would, prints the cards, and then serves the
    demo EHR. Authentication is off for this machine's own address only; nothing listens to the outside.
    """
    from cds.cli.research import research_policy  # models are loaded only where they are asked about
    from cds.demo.run import run

    policy = research_policy() if research else ""
    sys.exit(run(once=once, port=port, language=language, data_dir=data_dir, policy=policy, pacs=pacs))
