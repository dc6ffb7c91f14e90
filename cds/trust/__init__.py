"""Who calls us, and whom we may call."""

from cds.trust.allowlist import AllowList
from cds.trust.authenticate import Authenticator, Caller
from cds.trust.cors import init_cors
from cds.trust.keys import KeyStore
from cds.trust.replay import ReplayGuard

__all__ = ["AllowList", "Authenticator", "Caller", "KeyStore", "ReplayGuard", "init_cors"]
