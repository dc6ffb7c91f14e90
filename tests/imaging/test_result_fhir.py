"""The result in the record: valid R4B, preliminary, labelled, and there once on a real FHIR server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import requests
from ct_findings import AT, AUTHOR, CLINICAL, DEMO, Scan, bundle, scan
from fhir.resources.R4B import get_fhir_model_class
from orthanc import _free_port as free_port
from servers import FhirServer, gives, hangs_up, status

from cds.cards.phrasebook import Catalogues
from cds.imaging.pacs import Connection, Limits, Pacs
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.comparison import compared
from cds.imaging.results.conclusion import LANGUAGES, _catalogue, conclusion
from cds.imaging.results.deliver import deliver
from cds.imaging.results.fhir import About, transaction
from cds.imaging.results.findings import Findings
from cds.imaging.results.guard import LABEL, Permit
from cds.imaging.results.measure import measured
from cds.imaging.results.objects import names
from cds.inference.manifest import Output
from cds.studies.writers import naming

Resource = dict[str, Any]
ABOUT = About("Patient/1", objects={"seg": "2.25.1", "sr": "2.25.2"})


def findings_of(one: Scan) -> Findings:
    uids = {"study_uid": one.study_uid, "series_uid": one.series_uid}
    return measured(one.assessed, one.volume, bundle(), AUTHOR, **uids, scanned="20260105")


def made(one: Scan, permit: Permit = DEMO, about: About = ABOUT, earlier: Scan | None = None) -> Resource:
    findings = findings_of(one)
    comparison = compared([findings_of(earlier)], findings, "low") if earlier is not None else None
    findings = comparison.findings if comparison is not None else findings
    uids = names(one.volume.frames, AUTHOR, permit)
    return transaction(findings, bundle().legend, AUTHOR, permit, uids, about, AT, comparison)


def of_kind(sent: Resource, kind: str) -> list[Resource]:
    return [e["resource"] for e in sent["entry"] if e["resource"]["resourceType"] == kind]


@pytest.fixture(scope="module")
def seen() -> Scan:
    return scan()


def test_every_resource_is_valid_by_itself(seen: Scan) -> None:
    for entry in made(seen, earlier=scan(radius=6.0))["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])


def test_a_result_is_of_the_scans_day_and_where_nobody_said_it_of_none(seen: Scan) -> None:
    def days(sent: Resource) -> set[str | None]:
        return {o.get("effectiveDateTime") for o in of_kind(sent, "Observation") + of_kind(sent, "DiagnosticReport")}

    assert days(made(seen)) == {"2026-01-05"}
    undated = replace(findings_of(seen), scanned="")
    uids = names(seen.volume.frames, AUTHOR, DEMO)
    assert days(transaction(undated, bundle().legend, AUTHOR, DEMO, uids, ABOUT, AT)) == {None}


def test_there_is_a_device_an_observation_a_finding_a_report_and_its_provenance(seen: Scan) -> None:
    sent = made(seen)
    kinds = [e["resource"]["resourceType"] for e in sent["entry"]]
    assert sorted(kinds) == ["Device", "DiagnosticReport", "Observation", "Observation", "Provenance"]
    (report,) = of_kind(sent, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert {o["status"] for o in of_kind(sent, "Observation")} == {"preliminary"}
    links = {entry["fullUrl"] for entry in sent["entry"]}
    assert len(links) == 5
    results = {r["reference"] for r in report["result"]}
    assert results < links
    (provenance,) = of_kind(sent, "Provenance")
    assert {t["reference"] for t in provenance["target"]} > results
    assert provenance["agent"][0]["who"]["reference"] in links


def test_figures_carry_their_units(seen: Scan) -> None:
    (lesion,) = findings_of(seen).lesions
    observation = next(o for o in of_kind(made(seen), "Observation") if len(o["identifier"]) == 2)
    parts = {c["code"]["text"]: c for c in observation["component"]}
    volume, longest = parts["Volume"]["valueQuantity"], parts["Long axis"]["valueQuantity"]
    assert (float(volume["value"]), volume["code"]) == (pytest.approx(lesion.volume_ml, abs=0.05), "mL")
    assert (float(longest["value"]), longest["code"]) == (pytest.approx(lesion.longest_mm, abs=0.05), "mm")
    assert {c["valueQuantity"]["system"] for c in parts.values() if "valueQuantity" in c} == {
        "http://unitsofmeasure.org"
    }
    assert observation["identifier"][1]["value"] == f"urn:oid:{lesion.tracking_uid}"
    assert "AI suspicion score, not a probability" in parts


def test_the_study_is_named_by_its_uid_and_by_reference_where_that_is_known(seen: Scan) -> None:
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{seen.study_uid}"}
    (report,) = of_kind(made(seen), "DiagnosticReport")
    assert report["imagingStudy"][0]["identifier"] == uid
    about = About("Patient/1", imaging_study="ImagingStudy/7", service_request="ServiceRequest/3")
    (report,) = of_kind(made(seen, about=about), "DiagnosticReport")
    assert report["imagingStudy"][0]["reference"] == "ImagingStudy/7"
    assert report["basedOn"] == [{"reference": "ServiceRequest/3"}]


def test_two_makings_are_the_same_and_every_entry_is_conditional(seen: Scan) -> None:
    assert made(seen) == made(seen)
    conditions = [e["request"]["ifNoneExist"] for e in made(seen)["entry"]]
    assert len(set(conditions)) == len(conditions)
    others = [e["request"]["ifNoneExist"] for e in made(seen, CLINICAL)["entry"]]
    assert set(conditions).isdisjoint(others), "a demonstration's result must not stand for one that counts"


def test_two_studies_share_the_device_and_nothing_else(seen: Scan) -> None:
    first, second = ({e["request"]["ifNoneExist"] for e in made(one)["entry"]} for one in (seen, scan()))
    assert len(first & second) == 1


def test_in_a_demonstration_every_resource_says_so(seen: Scan) -> None:
    for entry in made(seen)["entry"]:
        resource = entry["resource"]
        assert {"HTEST", "demonstration"} <= {tag["code"] for tag in resource["meta"]["tag"]}
        assert "TEST" in orjson.dumps(resource).decode().replace("HTEST", "")
    (report,) = of_kind(made(seen), "DiagnosticReport")
    assert report["conclusion"].startswith(f"TEST: {LABEL}.")
    assert "HTEST" not in orjson.dumps(made(seen, CLINICAL)).decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_conclusion_is_sober_and_never_reassures(language: str, seen: Scan) -> None:
    legend = bundle().legend
    said = conclusion(findings_of(seen), legend, CLINICAL, language=language)
    assert ("radiologist" if language == "en" else "radioloog") in said
    nothing = conclusion(findings_of(scan(None)), legend, CLINICAL, language=language)
    assert ("does not exclude" if language == "en" else "sluit er geen uit") in nothing
    for word in ("negative", "negatief", "normal", "normaal", "no cancer", "geen kanker", "0.9", "0,9"):
        assert word not in said + nothing


@pytest.mark.parametrize(("language", "vessel"), [("en", "artery"), ("nl", "slagader")])
def test_the_conclusion_names_a_vessel_in_the_readers_language(language: str, vessel: str, seen: Scan) -> None:
    about = replace(ABOUT, language=language, named=naming(Catalogues(()), ()))
    (report,) = of_kind(made(seen, about=about), "DiagnosticReport")
    assert f"Contact met {vessel}:" in report["conclusion"] or f"Contact with {vessel}:" in report["conclusion"]
    assert "Artery" not in report["conclusion"]


@pytest.mark.parametrize(("language", "said"), [("en", "Suspicion category: "), ("nl", "Verdenkingscategorie: ")])
def test_the_conclusion_names_the_category_in_the_readers_language(language: str, said: str, seen: Scan) -> None:
    """By the words that the model's manifest has for it, as its card does; by the bundle's own where it has none."""
    category = findings_of(seen).category
    words = {category: {"en": "as high as can be", "nl": "zo hoog als kan"}}
    output = Output(
        name="category", kind="category", label={"en": "suspicion"}, categories={"0": category}, category_labels=words
    )
    for outputs, named in (((output,), words[category][language]), ((), category)):
        about = replace(ABOUT, language=language, named=naming(Catalogues(()), outputs))
        (report,) = of_kind(made(seen, about=about), "DiagnosticReport")
        assert f"{said}{named}." in report["conclusion"]


def test_every_sentence_has_every_language() -> None:
    assert all(set(said) == set(LANGUAGES) for said in _catalogue().values())
    assert not [key for key, said in _catalogue().items() if said["en"] == said["nl"]]


def test_a_followed_lesion_tells_its_change_and_whose_measure_it_is() -> None:
    sent = made(scan(radius=12.0), earlier=scan())
    text = orjson.dumps(sent).decode()
    assert "Change of longest diameter, AI-measured" in text
    (report,) = of_kind(sent, "DiagnosticReport")
    assert "progression by the thresholds of RECIST 1.1, unconfirmed" in report["conclusion"]
    assert "2026-01-05" in report["conclusion"]


def test_a_scan_that_ends_inside_the_organ_says_so_in_the_report_and_is_compared_with_none() -> None:
    whole, now = scan(), scan(radius=12.0)
    cut = replace(now, assessed=replace(now.assessed, cut_off=True))
    sent = made(cut, earlier=whole)
    (report,) = of_kind(sent, "DiagnosticReport")
    assert "The scan ends inside the organ; the network has not seen what lies beyond" in report["conclusion"]
    assert "not comparable, one of the two scans ends inside the organ." in report["conclusion"]
    (overall,) = (o for o in of_kind(sent, "Observation") if o["code"]["text"] == "AI assessment of the scan")
    assert "The scan ends inside the organ" in overall["note"][0]["text"]
    text = orjson.dumps(sent).decode()
    assert "Change of longest diameter" not in text and "not-evaluable" in text
    assert "ends inside" not in orjson.dumps(made(now)).decode()


def connection(base: str) -> Connection:
    limits = Limits(connect_s=1.0, idle_s=20.0, total_s=40.0, attempts=2)
    return Connection(Pacs(base, (base,)), limits)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """sekmet, a FHIR server somebody else wrote, with one patient."""
    folder, port = tmp_path_factory.mktemp("sekmet"), free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    (folder / "settings.yaml").write_text(
        f"base_url: {base}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {folder / 'data'}\n"
        "simulator: {enabled: false}\nvalidation: {inbound: strict}\n"
    )
    environment = {**os.environ, "SEKMET_CONFIG": str(folder / "settings.yaml"), "HOME": str(folder)}
    command = [sys.executable, "-m", "sekmet.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if requests.get(f"{base}/metadata", timeout=5).ok:
                    break
            except requests.RequestException:
                pass
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            assert server.poll() is None, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        patient = {"resourceType": "Patient", "id": "1", "name": [{"family": "Generated"}]}
        answer = requests.put(
            f"{base}/Patient/1", json=patient, headers={"Content-Type": "application/fhir+json"}, timeout=20
        )
        assert answer.ok, answer.text
        yield base
    finally:
        server.terminate()
        server.wait(timeout=20)


def count(base: str, kind: str) -> int:
    return int(requests.get(f"{base}/{kind}", params={"_summary": "count"}, timeout=20).json()["total"])


@pytest.mark.system
def test_a_real_server_takes_it_and_a_retry_adds_nothing(record: str, seen: Scan) -> None:
    first = deliver(connection(record), DEMO, made(seen))
    counts = {kind: count(record, kind) for kind in ("Device", "Observation", "DiagnosticReport", "Provenance")}
    assert counts == {"Device": 1, "Observation": 2, "DiagnosticReport": 1, "Provenance": 1}
    again = deliver(connection(record), DEMO, made(seen))
    assert {kind: count(record, kind) for kind in counts} == counts
    assert len(first) == len(again) == 5
    report = requests.get(f"{record}/DiagnosticReport", timeout=20).json()["entry"][0]["resource"]
    assert all(reference["reference"].startswith("Observation/") for reference in report["result"])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (status(503), Reason.RECORD_FAILED),
        (status(507), Reason.RECORD_FAILED),
        (status(403), Reason.RECORD_REFUSED),
        (status(422), Reason.RECORD_REFUSED),
        (hangs_up(), Reason.RECORD_FAILED),
        (gives({"resourceType": "OperationOutcome"}), Reason.RECORD_FAILED),
        (gives({"resourceType": "Bundle", "entry": [{"response": {"status": "409"}}] * 5}), Reason.RECORD_REFUSED),
    ],
)
def test_a_record_that_fails_has_its_reason(behaviour: Any, reason: Reason, fhir: FhirServer, seen: Scan) -> None:
    fhir.on("*", behaviour)
    with pytest.raises(Unusable) as raised:
        deliver(connection(fhir.base), DEMO, made(seen))
    assert raised.value.reason is reason


def test_a_record_that_is_not_listed_is_not_called(fhir: FhirServer, seen: Scan) -> None:
    with pytest.raises(Unusable):
        Connection(Pacs(fhir.base, ("http://127.0.0.1:1/fhir",)), Limits())
    assert fhir.hits == []
