"""Lint of a model folder: what the schema can't see. May import errors, record, inference and modelcards only."""

from cds.modelcheck.folder import Report, check_folder
from cds.modelcheck.subject import LANGUAGES, MARK, Finding

__all__ = ["LANGUAGES", "MARK", "Finding", "Report", "check_folder"]
