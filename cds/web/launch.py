"""The door of the report page."""

from cds.web.report_cookie import session_of

__all__ = ["session_of"]
