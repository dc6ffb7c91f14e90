"""An image archive that can't be used: one fault that names what is wrong and what to do, in both checks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from orthanc import Orthanc
from servers import FhirServer, gives, sends, status
from small_site import settings_for
from test_site_ground import served

from cds.settings import PacsSettings, Settings
from cds.site import quick
from cds.site.archive import Archive
from cds.site.findings import Finding, Findings
from cds.site.walk import Walk

__all__ = ["served"]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def with_archive(folder: Path, url: str, **pacs: Any) -> Settings:
    settings = settings_for(folder, "http://127.0.0.1:9/fhir")
    one = PacsSettings.model_validate({"url": url, "attempts": 1, "idle_s": 0.3, **pacs})
    imaging = settings.imaging.model_copy(update={"write_pacs": True})
    return settings.model_copy(update={"pacs": {"main": one}, "imaging": imaging, "clients": {}})


def faults(settings: Settings) -> tuple[list[Finding], list[Finding]]:
    """Of `cds check` and of `cds site check`."""
    found = Findings()
    quick.archive("main", settings, found)
    walk = Walk(settings, {}, None, lambda: NOW)
    walk._reached()
    walk._archive("main")
    looked = [row for row in walk.site.findings.rows if row.verdict == "fault"]
    return [row for row in found.rows if row.verdict == "fault"], looked


def told(settings: Settings) -> str:
    """What both say; each says it once."""
    [quickly], [at_length] = faults(settings)
    assert quickly.part == at_length.part == "image archive main"
    return f"{quickly.why}\n{at_length.why}"


@pytest.fixture
def password(tmp_path: Path, orthanc: Orthanc) -> Path:
    (tmp_path / "password").write_text(orthanc.password)
    return tmp_path / "password"


@pytest.mark.system
def test_a_wrong_password_names_the_user(orthanc: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not it")
    pacs = {"user": orthanc.user, "password_file": tmp_path / "wrong"}
    said = told(with_archive(tmp_path, orthanc.base, **pacs))
    assert said.count("it refuses user 'cds' with this password (HTTP 401): compare user and password_file") == 2


@pytest.mark.system
def test_no_password_and_a_token_it_does_not_know_are_told_apart(orthanc: Orthanc, tmp_path: Path) -> None:
    assert told(with_archive(tmp_path, orthanc.base)).count("it asks who calls (HTTP 401): give user and") == 2
    (tmp_path / "token").write_text("stale")
    said = told(with_archive(tmp_path, orthanc.base, token_file=tmp_path / "token"))
    assert said.count(f"it refuses the token in {tmp_path / 'token'} (HTTP 401)") == 2


@pytest.mark.system
@pytest.mark.parametrize("path", ["/dicomweb", "", "/app/explorer.html"])
def test_a_wrong_path_is_told_as_that_and_storing_is_not_tried(
    orthanc: Orthanc, tmp_path: Path, password: Path, path: str
) -> None:
    url = orthanc.base.removesuffix("/dicom-web") + path
    said = told(with_archive(tmp_path, url, user=orthanc.user, password_file=password))
    assert said.count(f"no DICOMweb at {url} (HTTP 40") == 2
    assert said.count("is the path right? Orthanc's ends in /dicom-web") == 2


@pytest.mark.system
def test_one_that_answers_nothing_is_told_from_one_that_is_off(
    orthanc: Orthanc, tmp_path: Path, password: Path
) -> None:
    settings = with_archive(tmp_path, orthanc.base, user=orthanc.user, password_file=password)
    orthanc.freeze()
    found = Findings()
    Archive("main", settings, found).look(None, NOW.date())
    orthanc.thaw()
    assert "no answer from 127.0.0.1, port" in found.rows[-1].why and "idle_s 0.3" in found.rows[-1].why
    off = told(with_archive(tmp_path, "http://127.0.0.1:9/dicom-web"))
    assert off.count("is it on, is the port right, does a firewall let this machine through?") == 2


def test_a_name_that_nobody_has_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> Iterator[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a resolver that is away may take seconds to say so
    settings = with_archive(tmp_path, "https://pacs.invalid/rs")
    assert told(settings).count("and known to this machine's DNS?") == 2


@pytest.mark.parametrize("served", [(365, 0)], indirect=True)
def test_an_authority_nobody_named_and_files_that_are_none(served: tuple[str, Path], tmp_path: Path) -> None:
    base, authority = served
    assert told(with_archive(tmp_path, base)).count("its certificate is not believed (self-signed certificate): ") == 2
    (tmp_path / "none.pem").write_text("no certificate")
    said = told(with_archive(tmp_path, base, ca_file=tmp_path / "none.pem"))
    assert said.count("none.pem) can't be used: no PEM certificate") == 2
    said = told(with_archive(tmp_path, base, ca_file=tmp_path / "absent.pem"))
    assert said.count("absent.pem) can't be used: No such file") == 2
    # with the right one there is a connection, and the next thing is told
    assert told(with_archive(tmp_path, base, ca_file=authority)).count("no DICOMweb at") == 2


def test_a_secret_that_is_missing_or_empty_names_its_file(tmp_path: Path, fhir: FhirServer) -> None:
    fhir.on("*", gives({}))
    settings = with_archive(tmp_path, fhir.base, user="cds", password_file=tmp_path / "absent")
    assert told(settings).count(f"{tmp_path / 'absent'}: No such file or directory") == 2
    (tmp_path / "absent").touch()
    assert told(settings).count(f"is empty: put the secret into {tmp_path / 'absent'}") == 2


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        (403, "fault", "these credentials may not store; its team has to allow STOW-RS"),
        (405, "fault", "it, or a proxy before it, takes no STOW-RS"),
        (503, "fault", "HTTP 503 where something that is no DICOM should be refused"),
        (500, "note", "whether it would take results is not known"),
        (409, "good", "would take results"),
    ],
)
def test_storing_is_judged_by_how_it_is_refused(
    tmp_path: Path, fhir: FhirServer, answer: int, verdict: str, said: str
) -> None:
    stored, nothing = status(answer), sends(b"[]", content_type="application/dicom+json")
    fhir.on("studies", lambda exchange: (stored if exchange.hit.body else nothing)(exchange))
    found = Findings()
    Archive("main", with_archive(tmp_path, fhir.base), found).look(None, NOW.date())
    [searched, row] = found.rows
    assert "it answers, and has no CT since" in searched.why
    assert (row.verdict, said in row.why) == (verdict, True), row


@pytest.mark.parametrize(("zone", "hour", "day"), [("Asia/Tokyo", 20, 24), ("America/New_York", 3, 22)])
def test_a_walk_looks_back_from_the_hospital_s_day(
    tmp_path: Path, fhir: FhirServer, zone: str, hour: int, day: int
) -> None:
    fhir.on("studies", sends(b"[]", content_type="application/dicom+json"))
    settings = with_archive(tmp_path, fhir.base).model_copy(update={"timezone": zone})
    walk = Walk(settings, {}, None, lambda: datetime(2026, 11, 23, hour, tzinfo=UTC))
    walk._archive("main")
    since = date(2026, 11, day) - timedelta(days=settings.imaging.lookback_days)
    assert f"has no CT since {since}" in walk.site.findings.rows[0].why
