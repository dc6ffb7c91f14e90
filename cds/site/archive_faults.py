"""What an archive did instead of answering, as whoever set it up needs it: what is wrong, and what to do."""

from __future__ import annotations

from urllib.parse import urlsplit

from cds.errors import CdsError
from cds.imaging.pacs import NO_SUCH_NAME
from cds.imaging.reasons import Reason, Unusable
from cds.settings import PacsSettings

_NO_SUCH_PLACE = ("(HTTP 400)", "(HTTP 405)", "(HTTP 501)")
"""What servers say of a search at an address that is another thing's."""


def told(error: CdsError, name: str, one: PacsSettings) -> str:
    """Of a search, or of any first question to archive ``name``."""
    if not isinstance(error, Unusable):
        return f"{error.code}: {error}"
    said = _of_the_connection(error, name, one) or _of_the_answer(error, one)
    return f"{error.code}: {said or error}"


def _of_the_connection(error: Unusable, name: str, one: PacsSettings) -> str:
    parts = urlsplit(one.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    where = f"{parts.hostname}, port {port}"
    if error.reason is Reason.PACS_UNREACHABLE and error.detail == NO_SUCH_NAME:
        return f"no server is called {parts.hostname}: is the name in url right, and known to this machine's DNS?"
    if error.reason is Reason.PACS_UNREACHABLE and error.detail:
        return f"the connection to {where} was lost before an answer came {error.detail}: is it http or https there?"
    if error.reason is Reason.PACS_UNREACHABLE:
        return f"nothing answers at {where}: is it on, is the port right, does a firewall let this machine through?"
    if error.reason is Reason.PACS_TIMEOUT:
        return (
            f"no answer from {where} in time (connect_s {one.connect_s:g}, idle_s {one.idle_s:g}): is it busy, "
            "or does a firewall swallow what is sent?"
        )
    if error.reason is Reason.PACS_UNTRUSTED:
        return (
            f"its certificate is not believed {error.detail}: name the authority it comes from in "
            f"ca_file of [pacs.{name}], or have it renewed"
        )
    if error.reason is Reason.PACS_REFUSED and "TLS" in error.detail:
        return f"no TLS with {where}: is that its port for https, and does it ask for a certificate of ours?"
    return ""


def _of_the_answer(error: Unusable, one: PacsSettings) -> str:
    if error.detail == "(HTTP 401)":
        if one.user is not None:
            return (
                f"it refuses user '{one.user}' with this password (HTTP 401): compare user and password_file with "
                "what its team gave"
            )
        if one.token_file is not None:
            return (
                f"it refuses the token in {one.token_file} (HTTP 401): ask its team for a new one, or give user and "
                "password_file in its place"
            )
        return "it asks who calls (HTTP 401): give user and password_file, or token_file"
    if error.detail == "(HTTP 403)":
        return "it knows who calls and forbids searching (HTTP 403): its team has to allow DICOMweb (QIDO-RS, WADO-RS)"
    if error.reason in (Reason.NOT_FOUND, Reason.PACS_MALFORMED) or error.detail in _NO_SUCH_PLACE:
        why = error.detail or "(HTTP 404)"
        return f"no DICOMweb at {one.url} {why}: is the path right? Orthanc's ends in /dicom-web, dcm4chee's in /rs"
    if error.reason is Reason.PACS_REDIRECTED:
        return "it points to another address, which is not followed: write the one it means into url"
    if error.reason is Reason.PACS_FAILED:
        return f"it answers with an error of its own {error.detail}: ask its team what its log says"
    return ""
