"""Each connection asked once, for ``cds check``: the database, keys, FHIR servers, reports, archives."""

from __future__ import annotations

from contextlib import closing

from cds.errors import CdsError, LedgerError, SettingsError, SourceMalformed
from cds.ledger import migrate
from cds.ledger.tables import HEAD
from cds.sealing import require_own_key
from cds.settings import ClientSettings, Settings
from cds.site import callers
from cds.site.archive_faults import told
from cds.site.asking import Asker
from cds.site.findings import Findings
from cds.studies.archives import opened
from cds.trust.smart import certificate_of, rehearse


def ledger(settings: Settings, findings: Findings) -> None:
    try:
        key = settings.load_ledger_key()
    except SettingsError:
        return  # said on the key's own line
    with findings.of("ledger") as say:
        if migrate.current(settings.ledger_url) is None:  # raises for a database that can't be reached
            raise LedgerError(
                "there is no ledger in the database yet: `cds ledger upgrade` makes it, and so does `cds serve`"
            )
        migrate.check_writable(settings.ledger_url)
        say("answers, and can be written")
        if migrate.current(settings.ledger_url) == HEAD and require_own_key(settings.ledger_url, key):
            say("the key is its own")


def client(name: str, one: ClientSettings, settings: Settings, findings: Findings) -> None:
    part = f"client {name}"
    if one.authentication == "loopback":
        findings.note(part, "authentication is off for this machine's own address (demo)")
    if one.jku is not None:
        with findings.of(part, "keys") as say:
            keys = Asker(settings.ca_file).object(one.jku, "application/json")[0].get("keys")
            if not isinstance(keys, list) or not keys:
                raise SourceMalformed("no key set (JSON with a list of 'keys') is at its jku")
            say(f"{len(keys)} key(s) at its jku")
    elif one.authentication == "jwt":
        callers.look(name, one, settings, findings)
    asker = Asker(settings.ca_file, certificate_of(one.backend))
    for base in one.fhir_servers:
        with findings.of(part, base) as say:
            metadata, _ = asker.object(f"{base.rstrip('/')}/metadata", "application/fhir+json")
            version = str(metadata.get("fhirVersion", ""))
            if not version.startswith("4."):
                raise SourceMalformed(f"/metadata tells FHIR version '{version}'; this service reads R4 (4.0 or 4.3)")
            say(f"FHIR {version}")
    if one.smart is not None:
        with findings.of(part, "report") as say:
            say(rehearse(settings, name))


def archive(name: str, settings: Settings, findings: Findings) -> None:
    part = f"image archive {name}"
    try:
        with closing(opened(settings, name)) as web:
            # a study that nobody has: the address, the credentials and the kind of answer are what is asked
            web.studies(StudyInstanceUID="2.25.0")
    except CdsError as error:
        findings.fault(part, told(error, name, settings.pacs[name]))
    else:
        findings.good(part, "answers searches (QIDO-RS)")
