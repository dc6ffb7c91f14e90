"""``cds committee`` and ``cds outcomes``: is each model still right here, and what is done when it is not."""

from cds.cli.committee.outcomes import outcomes

__all__ = ["outcomes"]
