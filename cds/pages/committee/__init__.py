"""The committee's console under ``/committee/``: verdicts, plots, calls, incidents; for people who are signed in.

Rendered from what evaluations stored, so no page waits for statistics. Without ``[committee.console]`` there is none.
"""

from cds.pages.committee.pages import blueprint

__all__ = ["blueprint"]
