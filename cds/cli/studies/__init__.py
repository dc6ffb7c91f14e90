"""``cds study`` and ``cds worker``: imaging studies from a terminal."""

from cds.cli.studies.commands import study
from cds.cli.studies.worker import worker

__all__ = ["study", "worker"]
