"""The page of a policy's preview: thresholds to move, the work against what is found, and a button that writes a file.

It is made from figures alone, knows no ledger and no patient, and can change nothing but a file of its own. May import
preview, charts and the phrasebook.
"""

from cds.pages.preview.page import create_preview

__all__ = ["create_preview"]
