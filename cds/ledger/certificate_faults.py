"""What is wrong with a certificate on the way to PostgreSQL, in words of our own: the driver's name hosts and users."""

from __future__ import annotations

import re

_ROOT = "name its authority in database_url: sslrootcert=FILE, which this process must be able to read"
_OWN = "give one in database_url: sslcert=FILE and sslkey=FILE, which this process must be able to read"

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
            r"valid client certificate|alert certificate required|alert handshake failure",
            f"the server wants a certificate of the client; {_OWN}",
        ),
        (
            r"alert (?:unknown ca|bad certificate|certificate expired|decrypt error)|certificate authentication failed",
            f"the server refuses the client's certificate; {_OWN}",
        ),
        (
            r"(?:certificate|private key) file",
            f"the client's certificate or its key can't be used: is it there, readable, and of no other key; {_OWN}",
        ),
        (
            r"does not support SSL",
            "the server speaks without TLS and sslmode in database_url asks for it; switch it on at the server",
        ),
    )
)


def certificate_fault(error: BaseException) -> str | None:
    """What a failed connection has to do with certificates and what to do; None when it is about something else."""
    said = str(getattr(error, "orig", None) or error)
    return next((meaning for pattern, meaning in _MEANINGS if pattern.search(said)), None)
