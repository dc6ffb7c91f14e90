"""Documents made from manifests: model cards for people, committees, regulators and registries. Nothing is typed twice.

May import errors, record and inference only.
"""

from cds.modelcards.formats import FORMATS, write

__all__ = ["FORMATS", "write"]
