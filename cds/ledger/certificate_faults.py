"""What is wrong with certificates and TLS on the way to PostgreSQL, in words of our own: the driver's name hosts and
users."""

from __future__ import annotations

import re

_ROOT = "name its authority in database_url: sslrootcert=FILE, which this process must be able to read"
_OWN = "give one in database_url: sslcert=FILE and sslkey=FILE, which this process must be able to read"
# a server that was tried with TLS and without says something each time, of which the other may be what is wrong
_NOTHING_ELSE = r"\A(?![\s\S]*FATAL: +(?!.*pg_hba\.conf))[\s\S]*"

# what libpq says -> what that means and what to do; the first that fits counts
_MEANINGS = tuple(
    (re.compile(said), meaning)
    for said, meaning in (
        (
            r"root certificate file .* does not exist|locate root certificate file",
            f"the server's certificate can't be checked, no root certificate is there; {_ROOT}",
        ),
        (
            r"could not read root certificate file",
            f"the server's certificate can't be checked, the root certificate can't be read; {_ROOT}",
        ),
        (
            # the second: an authority of the same name and another key, as after a renewal
            r"certificate verify failed|signature failure",
            f"the server's certificate has expired or comes from another authority; {_ROOT}",
        ),
        (
            r"server certificate for .* does not match host name",
            "the server's certificate is for another host; write the host in database_url as its certificate has it",
        ),
        (
            r"valid client certificate|alert certificate required",
            f"the server wants a certificate of the client; {_OWN}",
        ),
        (
            # of TLS 1.2 and older this alert may mean either (RFC 5246, sections 7.2.2 and 7.4.6)
            r"alert handshake failure",
            "the server broke off the TLS handshake: it speaks no version of TLS or no cipher that this machine takes "
            "(ssl_min_protocol_version, ssl_max_protocol_version and ssl_ciphers at the server), or it wants a "
            f"certificate of the client; {_OWN}",
        ),
        (
            r"alert protocol version|unsupported protocol|no protocols available",
            "the server and this machine have no version of TLS in common; let the server speak TLS 1.2 or later "
            "(ssl_max_protocol_version)",
        ),
        (
            r"alert (?:unknown ca|bad certificate|certificate expired|decrypt error)|certificate authentication failed",
            f"the server refuses the client's certificate; {_OWN}",
        ),
        (
            r"has group or world access",
            "others than its owner may read the client's key, so it is not used; give the file of sslkey mode 0600, "
            "or 0640 where root owns it (in a Secret: defaultMode)",
        ),
        (
            r"must be owned by the current user or root",
            "the client's key is another user's, so it is not used; let the file of sslkey belong to the user of this "
            "process or to root",
        ),
        (
            r"(?:certificate|private key) file",
            f"the client's certificate or its key can't be used: is it there, readable, and of no other key; {_OWN}",
        ),
        (
            r"does not support SSL",
            "the server speaks without TLS and sslmode in database_url asks for it; switch it on at the server",
        ),
        (
            r"invalid sslmode value",
            "sslmode in database_url is none that there is; write verify-full (others are verify-ca, require, prefer, "
            "allow and disable)",
        ),
        (
            r"weak sslmode",
            "sslrootcert=system in database_url goes with sslmode=verify-full only; write that, or "
            "sslrootcert=FILE with another",
        ),
        (
            # where both ways were tried both are told, and the one with TLS counts
            _NOTHING_ELSE + r"pg_hba\.conf (?:entry|rejects connection) for .*(?:SSL encryption|SSL on)",
            "the server's pg_hba.conf lets this user, from here and into this database, not in with TLS either; it "
            "needs a line for them",
        ),
        (
            _NOTHING_ELSE + r"pg_hba\.conf (?:entry|rejects connection) for .*(?:no encryption|SSL off)",
            "the server's pg_hba.conf lets this user, from here and into this database, not in without TLS; write "
            "sslmode=verify-full in database_url where it has a line for them with TLS, else it needs one",
        ),
    )
)


def certificate_fault(error: BaseException) -> str | None:
    """What a failed connection has to do with certificates and what to do; None when it is about something else."""
    said = str(getattr(error, "orig", None) or error)
    return next((meaning for pattern, meaning in _MEANINGS if pattern.search(said)), None)
