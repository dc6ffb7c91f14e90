"""The imaging story of the demonstration: scans sent to an archive, read by the worker, told by cards, checked.

The scanner is played here: it stores each study over STOW-RS and the hospital's Subscription tells the service. What
the patients are and what must come of their scans is the stories' own (``studies`` of their package).
"""

from __future__ import annotations

import importlib.util
import io
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
import requests
import yaml
from rich.console import Console
from rich.progress import Progress

from cds import yaml_lines
from cds.demo.hospital import ARCHIVE, stories
from cds.errors import CdsError, SourceRefused
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.reasons import Reason, Unusable
from cds.settings import Settings
from cds.studies import archives

_EXTRA = ("highdicom", "imagecodecs", "scipy")
_PER_POST = 25
_PATIENCE_S = 120.0
_LOOK_S = 0.4
_BOUNDARY = "scanner-of-the-demonstration"
Cards = list[dict[str, Any]]
Ask = Callable[[Any, str], Cards]
"""(story, language): all cards on opening the patient's chart."""


def told_by_images() -> ModuleType | None:
    """The stories' studies; None where there are none or the extra that reads images is not installed."""
    name = f"{stories().__name__}.studies"
    if any(importlib.util.find_spec(needed) is None for needed in _EXTRA) or importlib.util.find_spec(name) is None:
        return None
    return import_module(name)


def resources(told: ModuleType, today: date) -> list[dict[str, Any]]:
    """The records of all whose story is in the images, without the scans that are still to be made."""
    found: list[dict[str, Any]] = []
    for imaged in told.IMAGED:
        record = told.record(imaged, today)
        later = told.study_of(record, imaged.scans[-1], today) if imaged.later else None
        found += [resource for resource in record if resource is not later]
    return found


@dataclass(frozen=True)
class Place:
    """The archive of this demonstration."""

    url: str
    user: str = ""
    password: str = ""

    def settings(self, folder: Path) -> str:
        """Lines of cds.toml: this archive, news without a wait, results stored in it. Writes the secrets' files."""
        notify = folder / "notify-secret"
        _private(notify, secrets.token_urlsafe(32))
        lines = [
            "[clients.demo.studies]",
            f'notify_secret_file = "{notify}"',
            "[imaging]",
            "quiet_period_s = 0",
            # a worker tells how far it is as often as it renews its lease: here people watch, and wait for the scan
            "lease_s = 3",
            "nice = 0",
            "write_pacs = true",
            f"[pacs.{ARCHIVE}]",
            f'url = "{self.url}"',
        ]
        if self.user:
            password = folder / "archive-password"
            _private(password, self.password)
            lines += [f'user = "{self.user}"', f'password_file = "{password}"']
        return "\n".join(lines) + "\n"


def _private(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.write_text(secret, encoding="utf-8")


def policy_with(text: str, model: str) -> str:
    """A policy that names the network as well, so that it may speak here."""
    content = yaml_lines.plain(text)
    content.setdefault("models", {})[model] = {"enabled": True}
    content["name"] = f"{content['name']}, with the demonstration's network for scans"
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


class Scanner:
    """Makes a patient's scans and sends them where a scanner does; tells the service as the EHR's Subscription does."""

    def __init__(self, settings: Settings, told: ModuleType, today: date) -> None:
        self._settings, self._told, self._today = settings, told, today
        self._place = settings.pacs[ARCHIVE]
        self._session = requests.Session()
        if self._place.user is not None and self._place.password_file is not None:
            self._session.auth = (self._place.user, self._place.password_file.read_text(encoding="utf-8").strip())

    def send(self, imaged: Any, scan: Any) -> None:
        """Raises SourceRefused for an archive that does not take every image."""
        made = self._told.instances(imaged, scan, self._today)
        for batch in _batches(made, _PER_POST):
            answer = self._session.post(
                f"{self._place.url}/studies",
                data=_multipart(batch),
                headers={
                    "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
                    "Accept": "application/dicom+json",
                },
                timeout=60,
            )
            stored = answer.json().get("00081199", {}).get("Value", []) if answer.ok else []
            if len(stored) != len(batch):
                raise SourceRefused(
                    f"the image archive took {len(stored)} of {len(batch)} images ({answer.status_code})"
                )

    def tell(self, study: dict[str, Any]) -> str:
        """The ImagingStudy, as a Subscription sends it; its opaque id at the service. Raises SourceRefused."""
        secret = self._settings.clients["demo"].studies.notify_secret_file
        assert secret is not None
        answer = requests.post(
            f"{self._settings.public_url}/studies/notifications",
            json=study,
            headers={"Authorization": f"Bearer {secret.read_text(encoding='utf-8').strip()}"},
            timeout=30,
        )
        if not answer.ok:
            raise SourceRefused(f"the service did not take the news of a study: HTTP {answer.status_code}")
        return next(iter(answer.json().get("studies", ())), "")

    def study(self, imaged: Any, scan: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._told.study_of(self._told.record(imaged, self._today), scan, self._today)
        return found


def imaging_job(
    console: Console, settings: Settings, told: ModuleType, ask: Ask, show: Callable[[Cards], None], language: str,
    *, fhir_base: str, everyone: bool,
) -> list[str]:  # fmt: skip
    """Every patient whose story is in the images. Returns what was not as expected. ``everyone``: also those whose
    scan is otherwise left to be sent by hand from the demo EHR."""
    scanner, faults = Scanner(settings, told, date.today()), []
    with closing(archives.opened(settings, ARCHIVE)) as web:
        for imaged in told.IMAGED:
            if imaged.later and not everyone:
                continue
            story = imaged.story
            console.rule(f"[bold]{story.name}[/], {story.age}, {story.sex} · {story.id}", align="left")
            console.print(story.tells, style="italic")
            if imaged.later:
                create(fhir_base, scanner.study(imaged, imaged.scans[-1]))
            try:
                faults += _told_of(console, scanner, told, web, imaged, ask, show, language)
            except (CdsError, Unusable) as error:
                faults.append(f"{story.id}: {error}")
    return faults


def create(fhir_base: str, resource: dict[str, Any]) -> None:
    answer = requests.post(
        f"{fhir_base}/{resource['resourceType']}",
        json=resource,
        headers={"Content-Type": "application/fhir+json"},
        timeout=30,
    )
    if not answer.ok:
        raise SourceRefused(f"the record did not take an {resource['resourceType']}: HTTP {answer.status_code}")


def _told_of(
    console: Console, scanner: Scanner, told: ModuleType, web: DicomWeb, imaged: Any, ask: Ask,
    show: Callable[[Cards], None], language: str,
) -> list[str]:  # fmt: skip
    *before, newest = imaged.scans
    for scan in before:
        study = scanner.study(imaged, scan)
        scanner.send(imaged, scan)
        scanner.tell(study)
        if not _until(console, "reading the earlier scan", lambda s=study: bool(results(web, told.study_uid(s)))):  # type: ignore[misc]
            return [f"{imaged.story.id}: the earlier scan was not read within {_PATIENCE_S:.0f} s"]
    study = scanner.study(imaged, newest)
    scanner.send(imaged, newest)
    scanner.tell(study)
    first = _of_scans(ask(imaged.story, language), told)
    console.print("patient-view, the moment the scan is in the archive:", style="dim")
    show(first)
    last: Cards = []
    day = date.fromisoformat(study["started"][:10])
    wanted = [words.format(day=f"{day.day} {day:%b %Y}") for words in imaged.tells]

    def told_now() -> bool:
        last[:] = _of_scans(ask(imaged.story, "en"), told)
        return bool(last) and all(words in _text(last) for words in wanted)

    done = _until(console, "the worker reads the scan", told_now)
    console.print("patient-view, a few seconds later:", style="dim")
    show(_of_scans(ask(imaged.story, language), told))
    missing = [words for words in wanted if words not in _text(last)]
    faults = [] if done else [f"{imaged.story.id}: the card does not say: {', '.join(missing) or 'anything'}"]
    return faults + _stored(console, web, told, imaged, told.study_uid(study))


def _stored(console: Console, web: DicomWeb, told: ModuleType, imaged: Any, study_uid: str) -> list[str]:
    """What came to lie beside the scan, against what must."""
    found = results(web, study_uid)
    console.print(
        "in the archive beside the scan: "
        + (", ".join(f"{r.modality} ({r.description})" for r in found) if found else "nothing, since nothing was read"),
        style="dim",
        highlight=False,
    )
    kinds = sorted(r.modality for r in found)
    if kinds != (["SEG", "SR"] if imaged.stored else []):
        return [f"{imaged.story.id}: beside the scan lies {', '.join(kinds) or 'nothing'}"]
    faults = [f"{imaged.story.id}: '{r.description}' lacks the mark of a demonstration" for r in found
              if not r.description.startswith("TEST")]  # fmt: skip
    for series in (r for r in found if r.modality == "SR"):
        codes = codes_of(next(iter(raw_of(web, study_uid, series.uid))))
        faults += [f"{imaged.story.id}: the report lacks {code}" for code in imaged.report if code not in codes]
    return faults


def results(web: DicomWeb, study_uid: str) -> list[Any]:
    """The study's series that hold results: outlines and reports."""
    return [row for row in web.series(study_uid) if row.modality in ("SEG", "SR")]


def raw_of(web: DicomWeb, study_uid: str, series_uid: str) -> list[bytes]:
    """The series' instances as stored. Raises Unusable."""
    with web.series_parts(study_uid, series_uid, web.connection.deadline()) as parts:
        found = list(parts)
    if not found:
        raise Unusable(Reason.NOT_FOUND)
    return found


def codes_of(raw: bytes) -> set[str]:
    """Every code value in a structured report."""
    report = pydicom.dcmread(io.BytesIO(raw))
    return {str(element.value) for element in report.iterall() if element.keyword == "CodeValue"}


def _of_scans(cards: Cards, told: ModuleType) -> Cards:
    return [c for c in cards if str(c["source"].get("topic", {}).get("code", "")).startswith(told.MODEL)]


def _text(cards: Cards) -> str:
    return "\n".join(f"{card['summary']}\n{card.get('detail', '')}" for card in cards)


def _until(console: Console, what: str, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    with Progress(console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        while time.monotonic() < deadline:
            if done():
                return True
            time.sleep(_LOOK_S)
    return False


def _batches(made: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    waiting = iter(made)
    while batch := list(islice(waiting, size)):
        yield batch


def _multipart(parts: Iterable[bytes]) -> bytes:
    edge = f"--{_BOUNDARY}".encode()
    body = b"".join(edge + b"\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts)
    return body + edge + b"--\r\n"
