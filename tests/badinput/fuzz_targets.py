"""Everything that reads bytes from outside, as a function of bytes that raises only when something is wrong.

A refusal the house knows (a MalformedRequest, an Unusable) is an answer. Any other exception, a 5xx, a guard of last
resort that had to act and an answer that takes too long are faults. The suite tries a few hundred inputs of each by
hypothesis; ``scripts/fuzz`` tries as many as it is given time for.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from chart_calls import ALARMING, NOW, SERVICE, SIGN, chart, order_sign, patient_view
from ct_series import compressed, phantom, slices_of, stored
from fuzzed_service import FuzzedService
from pydantic import BaseModel
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from servers import prefetch_of

from cds.errors import ManifestError, NotAuthenticated, PolicyError, RequestError, SourceForeign
from cds.fhir.decoding import decode
from cds.imaging import instance
from cds.imaging.multipart import Splitter, boundary_of
from cds.imaging.pixels import hounsfield
from cds.imaging.reasons import Unusable
from cds.inference import registry
from cds.policy import schema as policy_schema
from cds.protocol.request import parse_call, parse_feedback
from cds.record.reading import Reader
from cds.trust import token
from cds.trust.allowlist import AllowList
from hooks import stories

REPOSITORY = Path(__file__).resolve().parents[2]
Shape = Literal["json", "yaml", "dicom", "bytes"]


@dataclass(frozen=True)
class Target:
    shape: Shape
    """What a seed is made of, so that a mutation can keep most of it."""
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], None]


READS = {
    "call": "whole calls and feedback, through HTTP to the ledger",
    "request": "a call's or feedback's body",
    "fhir": "FHIR resources into facts",
    "dicom": "DICOM instances, pixels decoded",
    "multipart": "multipart bodies and their boundary",
    "policy": "policy files",
    "manifest": "model manifests",
    "token": "Authorization headers",
    "address": "addresses of FHIR servers and pages",
}
"""What each target reads, for the table."""


def targets(stack: ExitStack) -> dict[str, Callable[[], Target]]:
    """By name. ``stack`` closes what a target opened."""
    return {
        "call": partial(_call, stack),
        "request": _request,
        "fhir": _fhir,
        "dicom": _dicom,
        "multipart": _multipart,
        "policy": _policy,
        "manifest": partial(_manifest, stack),
        "token": _token,
        "address": _address,
    }


def _few(story: Any) -> dict[str, Any]:
    """A chart of three resources a kind: mutations should hit what is read."""
    kept: list[Any] = []
    for resource in reversed(chart(story)):
        if sum(r["resourceType"] == resource["resourceType"] for r in kept) < 3:
            kept.append(resource)
    return prefetch_of(kept)


def _calls() -> tuple[bytes, ...]:
    diseased = stories.story("folfirinox-falling")
    signed = order_sign(diseased, _few(diseased), stories.draft_orders(diseased, NOW.date()))
    feedback = {"feedback": [{"card": "c", "outcome": "overridden", "overrideReason": {"reason": {"code": "x"}}}]}
    return tuple(json.dumps(body).encode() for body in (patient_view(ALARMING, _few(ALARMING)), signed, feedback))


def _call(stack: ExitStack) -> Target:
    service = FuzzedService(stack, NOW)

    def run(raw: bytes) -> None:
        # the body says which service it is for as well as any address would
        service.post(SIGN if b"order-sign" in raw else SERVICE, raw)
        if b"feedback" in raw:
            service.post(f"{SERVICE}/feedback", raw)

    return Target("json", _calls(), run)


def _request() -> Target:
    def run(raw: bytes) -> None:
        for parse in (parse_call, parse_feedback):
            try:
                parse(raw)
            except RequestError as refusal:
                assert str(refusal)

    return Target("json", _calls(), run)


def _fhir() -> Target:
    vocabulary = registry.load(registry.installed_folders()).vocabulary
    seeds = tuple(
        json.dumps(value).encode()
        for story in (ALARMING, stories.story("brca2-carrier"), stories.story("folfirinox-falling"))
        for value in _few(story).values()
    )

    def run(raw: bytes) -> None:
        found = decode(raw)
        reader = Reader(vocabulary, ALARMING.id, NOW, UTC)
        reader.read(found.resources, attributed=True)
        reader.finish()

    return Target("json", seeds, run)


def _dicom() -> Target:
    (plain,) = slices_of(phantom(1, 16))
    seeds = [stored(plain)]
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian):
        (one,) = slices_of(phantom(1, 16))
        seeds.append(stored(compressed(one, syntax)))

    def run(raw: bytes) -> None:
        try:
            read = instance.read(raw)
            for frame, payload in read.payloads():
                if read.layout is not None:
                    hounsfield(payload, read.layout, frame.slope, frame.intercept, read.padding)
        except Unusable as refusal:
            assert refusal.reason

    return Target("dicom", tuple(seeds), run)


def _multipart() -> Target:
    part = b"--b0\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n"
    seeds = (part * 3 + b"--b0--\r\n", b"old readers\r\n" + part + b"--b0--", b'multipart/related; boundary="b0"')

    def run(raw: bytes) -> None:
        whole = _split(raw, len(raw) or 1)
        assert _split(raw, 1 + len(raw) % 7) == whole, "the parts depend on how the stream was cut"
        try:
            boundary_of(raw.decode("latin-1"))
        except Unusable as refusal:
            assert refusal.reason

    return Target("bytes", seeds, run)


def _split(raw: bytes, size: int) -> list[bytes] | None:
    """The parts; None for a body that is refused, which one cut may notice sooner than another."""
    splitter, found = Splitter(b"b0", 1 << 20), list[bytes]()
    try:
        for at in range(0, len(raw), size):
            found += splitter.feed(raw[at : at + size])
        splitter.finish()
    except Unusable as refusal:
        assert refusal.reason
        return None
    return found


class _Parameters(BaseModel):
    threshold: float = 0.03


def _policy() -> Target:
    text = (REPOSITORY / "hooks" / "policy.yaml").read_bytes()
    short = (
        b"name: T\nauthor: A\napprover: B\neffective: 2026-01-01\nreason: r\nmodels:\n  m: {enabled: true}\n"
        b"services:\n  s:\n    parameters: {threshold: 0.02}\n"
    )
    known = policy_schema.Known({"m": frozenset({"high"})}, {"s": _Parameters})

    def run(raw: bytes) -> None:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return
        try:
            policy_schema.parse(text, "policy.yaml", known)
        except PolicyError as refusal:
            assert "policy.yaml" in str(refusal)

    return Target("yaml", (short, text), run)


def _manifest(stack: ExitStack) -> Target:
    folders = [REPOSITORY / "models" / name for name in ("endpac", "pancreas-ct-demo", "urine-panel")]
    place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for folder in folders:
        (place / folder.name).mkdir()

    def run(raw: bytes) -> None:
        # the folder's name is the model's id
        folder = next((place / f.name for f in folders if f.name.encode() in raw), place / folders[0].name)
        (folder / "model.yaml").write_bytes(raw)
        try:
            registry.read(folder)
        except ManifestError as refusal:
            assert "model.yaml" in str(refusal)

    seeds = tuple((folder / "model.yaml").read_bytes() for folder in folders)
    return Target("yaml", seeds, run)


def _token() -> Target:
    seeds = (
        b"Bearer eyJhbGciOiJFUzM4NCIsImtpZCI6ImsifQ.eyJpc3MiOiJhIn0.c2lnbmF0dXJl",
        b"bearer eyJhbGciOiJub25lIn0.e30.AA",
    )

    def run(raw: bytes) -> None:
        try:
            found = token.read(raw.decode("latin-1"))
        except NotAuthenticated:
            return
        assert repr(found).isprintable()

    return Target("bytes", seeds, run)


def _address() -> Target:
    allowed = AllowList(["https://ehr.example.org/fhir", "https://[2001:db8::1]:8443/r4"])
    hosts = {"ehr.example.org", "2001:db8::1"}
    seeds = (
        b"https://ehr.example.org/fhir/Patient/1?_count=2",
        b"https://[2001:db8::1]:8443/r4/Observation",
        b"http://169.254.169.254/latest",
        b"https://ehr.example.org@evil.example/fhir/..%2f",
    )

    def run(raw: bytes) -> None:
        url = raw.decode("utf-8", "replace")
        try:
            base = allowed.base_of(url)
        except SourceForeign:
            return
        # whoever takes an accepted address apart finds the same server in it
        host = urlsplit(url).hostname or ""
        assert (str(IPv6Address(host)) if ":" in host else host) in hosts  # which may be written with zeros
        assert urlsplit(url).path.startswith(urlsplit(base).path)

    return Target("bytes", seeds, run)
