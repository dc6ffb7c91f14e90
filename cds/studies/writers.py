"""Who puts results back where people look: the archive, the EHR; by the settings, and none by default.

Both stand behind the same guard: a result of a network that is not for clinical use leaves this service in a
demonstration only, and says so wherever it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds.cards.coded import Coded
from cds.cards.phrasebook import Catalogues
from cds.fhir import resources as fhir
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.conclusion import Naming
from cds.imaging.results.guard import permit
from cds.inference.manifest import Output
from cds.inference.volumes.legend import Code
from cds.settings import Settings
from cds.studies.about import order_of
from cds.studies.analysed import Analysed, Writer
from cds.studies.ehr import Ehrs, connected, signing_in


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
        may = permit(analysed.model.manifest, self._settings)
        # the writing library is large, and only writing needs it
        from cds.imaging.results.geometry import segments
        from cds.imaging.results.seg import segmentation
        from cds.imaging.results.source import headers, source
        from cds.imaging.results.sr import report
        from cds.imaging.results.store import store

        frames, legend, author = analysed.volume.frames, analysed.bundle.legend, analysed.author
        findings, at = analysed.findings, analysed.at
        instances = headers(analysed.web, analysed.study_uid, findings.series_uid)
        analysed.alive()
        images = source(instances, frames, analysed.study_uid, findings.series_uid)
        labelled = segments(analysed.found, analysed.volume, legend)
        label_map = self._settings.imaging.label_map
        seg = segmentation(labelled, findings, images, frames, legend, author, may, at, label_map=label_map)
        analysed.alive()
        sr = report(findings, labelled, seg, images, frames, legend, author, may, at, analysed.comparison)
        stored = store(analysed.web, may, [sr] if seg is None else [seg, sr], analysed.alive)
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
        self._ehrs = Ehrs(settings)

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        """Raises Unusable."""
        may = permit(analysed.model.manifest, self._settings)
        from cds.imaging.results.deliver import deliver  # as above
        from cds.imaging.results.fhir import About, transaction
        from cds.imaging.results.objects import names

        base = self._ehrs.base(analysed.client)
        if base is None:
            raise Unusable(Reason.RECORD_REFUSED, "(no studies.fhir_base is set for this client)")
        client, backend = self._settings.clients[analysed.client], self._ehrs.backends[analysed.client]
        study = self._ehrs.study(analysed.client, base, analysed.study_uid)
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
            analysed.at,
            analysed.comparison,
        )
        analysed.alive()
        with signing_in():
            server = connected(self._settings, analysed.client, backend, base)
        try:
            analysed.alive()
            return {"resources": len(deliver(server, may, made))}
        finally:
            server.close()
