"""The result as FHIR R4B: Device, an Observation a finding, preliminary DiagnosticReport, Provenance; a transaction.

After the HL7 guide "DICOM SR to FHIR" as far as R4 goes: it has no ImagingSelection, so findings point to the
ImagingStudy and name segmentation and report by their UIDs. A server knows a result again by its identifier
(conditional create), Provenance, which has none, by a tag; a transaction sent twice is there once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from cds.coding_schemes import SYSTEMS
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.author import IDENTIFIERS, SYSTEM, Author
from cds.imaging.results.comparison import Comparison
from cds.imaging.results.conclusion import AS_SENT, Naming, conclusion, sentence
from cds.imaging.results.findings import Findings, Lesion
from cds.imaging.results.guard import LABEL, Permit
from cds.imaging.results.uids import Uids
from cds.inference.volumes.legend import Code, Legend

Resource = dict[str, Any]
_UCUM, _DICOM_UID = "http://unitsofmeasure.org", "urn:dicom:uid"
_TEST_TAG = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


@dataclass(frozen=True)
class About:
    """Whose result it is, and where on the client's server."""

    patient: str
    """Such as ``Patient/123``."""
    imaging_study: str | None = None
    """Such as ``ImagingStudy/7``; None: named by its Study Instance UID."""
    service_request: str | None = None
    """The order that the scan was made for."""
    language: str = "en"
    named: Naming = AS_SENT
    """How sentences name the structures of the legend, and categories."""
    objects: Mapping[str, str] | None = None
    """SOP Instance UIDs in the PACS, by ``seg`` and ``sr``."""


def transaction(
    findings: Findings,
    legend: Legend,
    author: Author,
    permit: Permit,
    uids: Uids,
    about: About,
    at: datetime,
    comparison: Comparison | None = None,
) -> Resource:
    """A validated Bundle. ``uids``: as of the DICOM objects (``objects.names``).

    Raises Unusable (result-not-written).
    """
    making = _Making(findings, legend, author, permit, uids, about, at, comparison)
    bundle = making.bundle()
    from fhir.resources.R4B.bundle import Bundle as FhirBundle  # slow to import, and only writing needs it

    try:
        checked: Resource = FhirBundle.model_validate(bundle).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        where = sorted({".".join(map(str, fault["loc"])) for fault in error.errors()})
        raise Unusable(Reason.NOT_WRITTEN, f"(FHIR: {', '.join(where)[:200]})") from error
    return checked


@dataclass(frozen=True)
class _Making:
    findings: Findings
    legend: Legend
    author: Author
    permit: Permit
    uids: Uids
    about: About
    at: datetime
    comparison: Comparison | None

    def bundle(self) -> Resource:
        device = self._device()
        findings = {f"lesion-{one.number}": self._lesion(one) for one in self.findings.lesions}
        findings["scan"] = self._scan()
        report = self._report(list(findings))
        entries = [self._entry("device", device, _by_identifier(device))]
        entries += [self._entry(role, one, _by_identifier(one)) for role, one in findings.items()]
        entries.append(self._entry("report", report, _by_identifier(report)))
        tag = f"{IDENTIFIERS}|{self.uids.id('provenance')}"
        provenance = self._provenance(["report", *findings])
        entries.append(self._entry("provenance", provenance, f"_tag={tag}"))
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    def _entry(self, role: str, resource: Resource, condition: str) -> Resource:
        request = {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition}
        return {"fullUrl": self._url(role), "resource": resource, "request": request}

    def _url(self, role: str) -> str:
        raw = self.uids.id(role)
        return f"urn:uuid:{raw[:8]}-{raw[8:12]}-5{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"

    def _reference(self, role: str) -> Resource:
        return {"reference": self._url(role)}

    def _head(self, kind: str, role: str, identified: bool = True) -> Resource:
        tags = [{"system": IDENTIFIERS, "code": self.uids.id(role)}]
        if self.permit.test:
            tags += [_TEST_TAG, {"system": SYSTEM, "code": "demonstration", "display": LABEL}]
        found: Resource = {"resourceType": kind, "meta": {"tag": tags}}
        if identified:
            found["identifier"] = [{"system": IDENTIFIERS, "value": self.uids.id(role)}]
        return found

    @property
    def _study(self) -> Resource:
        uid = {"system": _DICOM_UID, "value": f"urn:oid:{self.findings.study_uid}"}
        found: Resource = {"type": "ImagingStudy", "identifier": uid}
        return {"reference": self.about.imaging_study, **found} if self.about.imaging_study else found

    @property
    def _scanned(self) -> Resource:
        """The day it is about; a scan whose day nobody said is not of the day on which it was read."""
        day = self.findings.scanned
        return {"effectiveDateTime": f"{day[:4]}-{day[4:6]}-{day[6:]}"} if len(day) == 8 else {}

    def _device(self) -> Resource:
        # the model's, not the study's: the same for all results of a version
        key = Uids.of([self.author.model], self.author.sha256, self.author.version).id(
            "device-test" if self.permit.test else "device"
        )
        found = self._head("Device", "device")
        found["identifier"] = [{"system": IDENTIFIERS, "value": key}]
        found["meta"]["tag"][0] = {"system": IDENTIFIERS, "code": key}
        return (
            found
            | {
                "status": "active",
                "manufacturer": self.author.manufacturer,
                "deviceName": [{"name": self.permit.titled(self.author.name), "type": "model-name"}],
                "modelNumber": self.author.model,
                "type": {"text": "Image analysis software"},
                "version": [
                    {"type": {"text": "model"}, "value": self.author.version},
                    {"type": {"text": "model sha256"}, "value": self.author.sha256},
                    {"type": {"text": "software"}, "value": self.author.software},
                ],
            }
            | ({"note": [{"text": self.permit.noted("")}]} if self.permit.test else {})
        )

    def _observation(self, role: str, code: Resource, components: list[Resource], note: str = "") -> Resource:
        found = self._head("Observation", role) | {
            "status": "preliminary",
            "category": [
                _coded("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging", text=False)
            ],
            "code": code,
            "subject": {"reference": self.about.patient},
            **self._scanned,
            "issued": self.at.isoformat(),
            "device": self._reference("device"),
            "derivedFrom": [self._study],
            "partOf": [self._study],
            "component": components,
        }
        if self.legend.organ is not None:
            found["bodySite"] = _code(self.legend.organ)
        if text := self.permit.noted(note, self.about.language):
            found["note"] = [{"text": text}]
        return found

    def _lesion(self, lesion: Lesion) -> Resource:
        parts = [
            _quantity(_sct("118565006", "Volume"), lesion.volume_ml, "mL"),
            _quantity(_sct("103339001", "Long axis"), lesion.longest_mm, "mm"),
            _quantity(_own("suspicion-score", "AI suspicion score, not a probability"), lesion.likelihood, "1", 2),
            _said(_own("suspicion", "AI suspicion category"), lesion.category),
        ]
        for axis, at in zip("xyz", lesion.position, strict=True):
            parts.append(_quantity(_own(f"centre-{axis}", f"Centre of mass, DICOM patient {axis}"), at, "mm"))
        for contact in lesion.contacts:
            vessel = self.legend.structures[contact.structure].code.meaning
            parts.append(_quantity(_own("vessel-contact", f"Contact with {vessel}"), float(contact.degrees), "deg", 0))
        if self.comparison is not None:
            for change in (one for one in self.comparison.changes if one.number == lesion.number):
                longer = _own("longest-change", "Change of longest diameter, AI-measured")
                larger = _own("volume-change", "Change of volume, AI-measured")
                parts += [_quantity(longer, change.longest_mm, "mm"), _quantity(larger, change.volume_ml, "mL")]
        found = self._observation(f"lesion-{lesion.number}", _code(self.legend.lesion), parts)
        # the same in every scan in which it is found again
        found["identifier"].append({"system": _DICOM_UID, "value": f"urn:oid:{lesion.tracking_uid}"})
        return found

    def _scan(self) -> Resource:
        parts = [_said(_own("suspicion", "AI suspicion category"), self.findings.category)]
        if self.findings.organ_ml is not None:
            parts.append(_quantity(_sct("118565006", "Volume"), self.findings.organ_ml, "mL"))
        if self.findings.duct_mm:  # one that is nowhere has no width
            parts.append(_quantity(_own("duct-width", "Duct, widest inner diameter"), self.findings.duct_mm, "mm"))
        if self.comparison is not None:
            response = _own("response", "AI-measured response, thresholds of RECIST 1.1, unconfirmed")
            parts.append(_said(response, self.comparison.response.value))
        for kind, uid in sorted((self.about.objects or {}).items()):
            name = _own(f"dicom-{kind}", f"DICOM {kind.upper()}, SOP Instance UID")
            parts.append({"code": name, "valueString": uid})
        ends = sentence("ends-inside", self.about.language) if self.findings.cut_off else ""
        return self._observation("scan", _own("scan", "AI assessment of the scan"), parts, ends)

    def _report(self, roles: list[str]) -> Resource:
        found = self._head("DiagnosticReport", "report") | {
            "status": "preliminary",
            "category": [_coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology", text=False)],
            "code": _coded(SYSTEMS["LN"], "18748-4", "Diagnostic imaging study", text=False)
            | {"text": self.permit.titled(f"AI findings {self.author.name}", 200)},
            "subject": {"reference": self.about.patient},
            **self._scanned,
            "issued": self.at.isoformat(),
            "result": [self._reference(role) for role in roles],
            "imagingStudy": [self._study],
            "conclusion": conclusion(
                self.findings, self.legend, self.permit, self.comparison, self.about.language, self.about.named
            ),
        }
        if self.about.service_request:
            found["basedOn"] = [{"reference": self.about.service_request}]
        return found

    def _provenance(self, roles: list[str]) -> Resource:
        assembler = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
        return self._head("Provenance", "provenance", identified=False) | {
            "target": [self._reference(role) for role in roles],
            "recorded": self.at.isoformat(),
            "activity": {"text": self.permit.titled("Automated image analysis")},
            "agent": [
                {
                    "type": _coded(assembler, "assembler", "Assembler", text=False),
                    "who": self._reference("device"),
                }
            ],
            "entity": [{"role": "source", "what": self._study}],
        }


def _by_identifier(resource: Resource) -> str:
    first = resource["identifier"][0]
    return f"identifier={first['system']}|{first['value']}"


def _coded(system: str, code: str, display: str, *, text: bool = True) -> Resource:
    found: Resource = {"coding": [{"system": system, "code": code, "display": display}]}
    return {**found, "text": display} if text else found


def _code(code: Code) -> Resource:
    system = SYSTEMS.get(code.scheme)
    return _coded(system, code.value, code.meaning) if system else {"text": code.meaning}


def _sct(code: str, display: str) -> Resource:
    return _coded(SYSTEMS["SCT"], code, display)


def _own(code: str, display: str) -> Resource:
    return _coded(SYSTEM, code, display)


def _quantity(code: Resource, value: float, unit: str, digits: int = 1) -> Resource:
    return {
        "code": code,
        "valueQuantity": {"value": round(value, digits), "unit": unit, "system": _UCUM, "code": unit},
    }


def _said(code: Resource, value: str) -> Resource:
    return {"code": code, "valueCodeableConcept": _own(value, value)}
