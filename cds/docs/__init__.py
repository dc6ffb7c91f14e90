"""Reference pages and the schemas of manifest and policy, written from the code and the models they describe.

May import errors, settings, policy, services, record, inference, modelcards, the committee, its
simulation and the phrasebook.
"""

from cds.docs.abstentions import abstentions_page
from cds.docs.charter_page import charter_page
from cds.docs.manifest_schema import manifest_schema
from cds.docs.models_page import models_page
from cds.docs.monitors_page import monitors_page
from cds.docs.policy_page import policy_page
from cds.docs.policy_schema import policy_schema
from cds.docs.reference import errors_page, settings_page
from cds.docs.wording_page import wording_page

__all__ = [
    "abstentions_page",
    "charter_page",
    "errors_page",
    "manifest_schema",
    "models_page",
    "monitors_page",
    "policy_page",
    "policy_schema",
    "settings_page",
    "wording_page",
]
