"""Trust: who calls us (JWT, keys, used tokens, browser origins) and whom we may call (FHIR servers).

May import ``cds.errors`` and ``cds.settings`` only.
"""

from cds.trust.allowlist import AllowList
from cds.trust.authenticate import Authenticator, Caller, sender
from cds.trust.cors import init_cors
from cds.trust.jku import Limits
from cds.trust.keys import KeyStore
from cds.trust.keyset import KeySet
from cds.trust.replay import ReplayGuard

__all__ = ["AllowList", "Authenticator", "Caller", "KeySet", "KeyStore", "Limits", "ReplayGuard", "init_cors", "sender"]
