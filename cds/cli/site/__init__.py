"""``cds site``: making this service fit one hospital."""

from cds.cli.site.group import site

__all__ = ["site"]
