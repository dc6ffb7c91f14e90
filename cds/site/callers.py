"""Who may call: each client's keys as a call's token would be checked with."""

from __future__ import annotations

from cds.errors import CdsError, SettingsError
from cds.settings import ClientSettings, Settings
from cds.site.asking import Asker
from cds.site.findings import Findings
from cds.trust.keyset import KeySet, parse_key_set, read_key_set


def look(name: str, client: ClientSettings, settings: Settings, findings: Findings) -> None:
    part = f"client {name}"
    if client.authentication == "loopback":
        findings.note(part, "authentication is off for this machine's own address (demo)", "keys")
        return
    try:
        keys = _keys(client, settings)
    except CdsError as error:
        findings.fault(part, f"{error}: every call of this client is refused", "keys")
        return
    usable = [key for key in keys.keys if key.algorithm_name in client.algorithms]
    for why in keys.rejected:
        findings.note(part, f"a key of its set can't be used: {why}", "keys")
    if not usable:
        findings.fault(
            part,
            f"none of its {len(keys.keys)} keys is for {' or '.join(client.algorithms)}: every call is refused",
            "keys",
        )
    else:
        kinds = ", ".join(sorted({str(key.algorithm_name) for key in usable}))
        findings.good(part, f"{len(usable)} usable ({kinds}); kid {', '.join(keys.kids)}", "keys")


def _keys(client: ClientSettings, settings: Settings) -> KeySet:
    """Raises CdsError."""
    if client.jwks is not None:
        return parse_key_set(client.jwks)
    if client.jwks_file is not None:
        try:
            return read_key_set(client.jwks_file.read_bytes())
        except OSError as error:
            raise SettingsError(f"jwks_file can't be read: {error}") from error
    assert client.jku is not None
    found, _ = Asker(settings.ca_file).object(client.jku, "application/json")
    return parse_key_set(found)
