"""Who puts results back where people look: the archive, the EHR; by the settings, and none by default.

Both stand behind the same guard: a result of a network that is not for clinical use leaves this service in a
demonstration only, and says so wherever it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cds.cards.coded import Coded
from cds.cards.phrasebook import Catalogues
from cds.clock import utc_now
from cds.errors import SourceError
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import Query
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.conclusion import Naming
from cds.imaging.results.guard import permit
from cds.inference.manifest import Output
from cds.inference.volumes.legend import Code
from cds.settings import Settings
from cds.studies.about import order_of, uid_of
from cds.studies.analysed import Analysed, Writer
from cds.studies.ehr import connected, target_of
from cds.trust.allowlist import AllowList
from cds.trust.smart import Backend, certificates

_DEADLINE_S = 30.0


@contextmanager
def _signing_in() -> Iterator[None]:
    """An authorization server that gives no token may give one later. Raises Unusable."""
    try:
        yield
    except SourceError as error:
        raise Unusable(Reason.RECORD_FAILED, f"({error.code})") from error


def writers(settings: Settings, catalogues: Catalogues) -> list[Writer]:
    """In this order: the EHR's resources name the archive's objects."""
    found: list[Writer] = []
    if settings.imaging.write_pacs:
        found.append(ToArchive(settings))
    if settings.imaging.write_fhir:
        found.append(ToRecord(settings, catalogues))
    return found


def naming(catalogues: Catalogues, outputs: Sequence[Output]) -> Naming:
    """What a structure and a category are called in a sentence; as the bundle has it where no catalogue knows the code,
    and where none of the model's ``outputs`` has a word for the category."""
    labels = next((o.category_labels for o in outputs if o.kind == "category"), {})

    def coded(code: Code, language: str) -> str:
        return Coded(code.scheme, code.value, code.meaning).named(catalogues.book(language))[0]

    def category(name: str, language: str) -> str:
        return catalogues.book(language).pick(labels.get(name, {})) or name

    return Naming(coded, category)


class ToArchive:
    """SEG and SR, beside the images they are of."""

    name = "pacs"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        """Raises Unusable."""
        may = permit(analysed.bundle, self._settings)
        # the writing library is large, and only writing needs it
        from cds.imaging.results.geometry import segments
        from cds.imaging.results.seg import segmentation
        from cds.imaging.results.source import headers, source
        from cds.imaging.results.sr import report
        from cds.imaging.results.store import store

        frames, legend, author = analysed.volume.frames, analysed.bundle.legend, analysed.author
        findings, at = analysed.findings, analysed.job.created_at
        instances = headers(analysed.web, analysed.study_uid, findings.series_uid)
        images = source(instances, frames, analysed.study_uid, findings.series_uid)
        labelled = segments(analysed.found, analysed.volume, legend)
        label_map = self._settings.imaging.label_map
        seg = segmentation(labelled, findings, images, frames, legend, author, may, at, label_map=label_map)
        sr = report(findings, labelled, seg, images, frames, legend, author, may, at, analysed.comparison)
        stored = store(analysed.web, may, [sr] if seg is None else [seg, sr])
        made = (
            {"sr": str(sr.SOPInstanceUID)}
            if seg is None
            else {
                "seg": str(seg.SOPInstanceUID),
                "sr": str(sr.SOPInstanceUID),
            }
        )
        return {"objects": made, "sent": stored.sent}


class ToRecord:
    """Device, Observations, a preliminary DiagnosticReport and Provenance on the client's FHIR server."""

    name = "fhir"

    def __init__(self, settings: Settings, catalogues: Catalogues) -> None:
        self._settings, self._catalogues = settings, catalogues
        self._fhir = FhirClient(settings.fhir, settings.ca_file, certificates(settings))
        self._backends = {name: Backend(settings, name, utc_now) for name in settings.clients}

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        """Raises Unusable."""
        may = permit(analysed.bundle, self._settings)
        from cds.imaging.results.deliver import deliver  # as above
        from cds.imaging.results.fhir import About, transaction
        from cds.imaging.results.objects import names

        client = self._settings.clients.get(analysed.client)
        if client is None or client.studies.fhir_base is None:
            raise Unusable(Reason.RECORD_REFUSED, "(no studies.fhir_base is set for this client)")
        base, backend = client.studies.fhir_base, self._backends[analysed.client]
        with _signing_in():
            target = target_of(backend, base, AllowList(client.fhir_servers))
        study = self._study(target, analysed.study_uid)
        patient = fhir.subject_of(study)
        if patient is None:
            raise Unusable(Reason.RECORD_REFUSED, "(the ImagingStudy names no Patient)")
        subject = analysed.job.subject
        if subject is not None and subject != analysed.patient_key(patient):
            # the study was asked for as another patient's: whose it is, is in doubt
            raise Unusable(Reason.SEVERAL_PATIENTS)
        about = About(
            f"Patient/{patient}",
            imaging_study=f"ImagingStudy/{study.id}" if study.id else None,
            service_request=order_of(study, base),
            language=client.language or self._settings.language,
            named=naming(self._catalogues, analysed.model.manifest.outputs),
            objects=analysed.written.get(ToArchive.name, {}).get("objects"),
        )
        uids = names(analysed.volume.frames, analysed.author, may)
        made = transaction(
            analysed.findings,
            analysed.bundle.legend,
            analysed.author,
            may,
            uids,
            about,
            analysed.job.created_at,
            analysed.comparison,
        )
        with _signing_in():
            server = connected(self._settings, analysed.client, backend, base)
        try:
            return {"resources": len(deliver(server, may, made))}
        finally:
            server.close()

    def _study(self, target: Target, uid: str) -> fhir.ImagingStudy:
        """The EHR's own resource of the study: it says whose it is. Raises Unusable."""
        query = Query("imaging", "ImagingStudy", f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid}&_count=10")
        [answer] = self._fhir.fetch((query,), "", target, time.monotonic() + _DEADLINE_S)
        if answer.fault is not None:
            raise Unusable(Reason.RECORD_FAILED, f"({answer.fault.code})")
        found = [r for page in answer.pages for r in page.resources if isinstance(r, fhir.ImagingStudy)]
        found = [study for study in found if uid_of(study) == uid]
        if not found:
            raise Unusable(Reason.RECORD_REFUSED, "(the EHR has no ImagingStudy of it)")
        if len({fhir.subject_of(study) for study in found}) > 1:
            raise Unusable(Reason.SEVERAL_PATIENTS)
        return found[0]
