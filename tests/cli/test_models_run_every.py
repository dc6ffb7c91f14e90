"""``cds models run`` for every model: each input with its source and what hangs on it; and the usual mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import cds, serving
from flask import Flask
from service import NOW, TODAY

from cds.cli.models.account import Account, account_of
from cds.cli.models.patients import Source, made
from cds.demo.hospital import everybody
from cds.demo.model_patients import ModelPatient
from cds.fhir.decoding import decode
from cds.inference.registry import Registry, installed_folders, load
from cds.record.facts import Record
from cds.settings import Settings
from hooks.stories import STORIES, all_resources, draft_orders
from hooks.stories.concept_map import concept_map

LEGION = load(installed_folders())
MODELS = [id for id, m in LEGION.models.items() if m.manifest.runtime.kind != "volume"]
OF_SCANS = [id for id in LEGION.models if id not in MODELS]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """With the example hospital's own codes."""
    from cds.record.vocabulary import read_concept_map

    path = tmp_path_factory.mktemp("map") / "map.json"
    path.write_text(json.dumps(concept_map()), encoding="utf-8")
    found = load(installed_folders())
    found.vocabulary.add_site_codes(read_concept_map(path))
    return found


@pytest.fixture(scope="module")
def records(registry: Registry) -> list[Record]:
    """As out of a file that holds a patient's record and drafts."""
    every = all_resources(TODAY)
    found = []
    for story in everybody().STORIES:
        mine = [r for r in every if r["id"] == story.id or str(r["id"]).startswith(f"{story.id}-")]
        mine += story.resources(TODAY) if isinstance(story, ModelPatient) else []
        drafts = [e["resource"] for e in draft_orders(story, TODAY).get("entry", ())]
        found.append(read(registry, story.id, [*mine, *drafts]))
    return found


def read(registry: Registry, patient: str, resources: list[dict[str, Any]]) -> Record:
    decoded = [decode(orjson.dumps(r)) for r in resources]
    return made(Source(Settings(), registry.vocabulary, NOW), patient, [r for d in decoded for r in d.resources], 0)


@pytest.mark.parametrize("model_id", MODELS)
def test_each_input_is_told_with_source_and_what_hangs_on_it(
    registry: Registry, records: list[Record], model_id: str
) -> None:
    model = registry[model_id]
    accounts = [a for r in records if (a := account_of(model, r, "nl")).outcome == "predicted"]
    assert accounts, "no demo patient is answered about"
    for account in accounts:
        assert [r.name for r in account.read] == [i.name for i in model.manifest.inputs]
        for told, spec in zip(account.read, model.manifest.inputs, strict=True):
            assert told.label == spec.label["nl"]
            assert told.state == "found" or told.value is None
            assert all(sent.source == "Patient" or "/" in sent.source for sent in told.sent)
            if told.value is not None and spec.source == "record" and not spec.is_flag and spec.reduce is not None:
                assert told.sent or spec.reduce.value == "line", told.name
            assert len({s.source for s in told.sent}) == len(told.sent), "a resource is named once"
    telling = [r for account in accounts for r in account.read if r.contribution or r.decides]
    if model.manifest.runtime.rules and not any(account.rules for account in accounts):
        return  # no rule held for anybody, which is what the table says
    assert telling, "nothing is said of what any input contributed"
    assert any(r.sent for r in telling), "what contributed leads to no resource"


@pytest.mark.parametrize("model_id", [id for id in MODELS if LEGION[id].manifest.runtime.kind == "rules"])
def test_of_rules_each_input_names_the_rules_that_held_by_it(
    registry: Registry, records: list[Record], model_id: str
) -> None:
    for record in records:
        account = account_of(registry[model_id], record, "en")
        if account.outcome == "predicted":
            held = {told.partition(":")[0] for told in account.rules}
            named = {rule for r in account.read for rule in r.decides.removeprefix("in ").split(", ") if rule}
            assert named == held


def test_of_a_category_without_numbers_it_says_what_would_be_otherwise(
    registry: Registry, records: list[Record]
) -> None:
    (carrier,) = (r for r in records if r.patient_id == "dpyd-variant")
    decides = {r.name: r.decides for r in account_of(registry["dpyd-dosing"], carrier, "en").read if r.decides}
    assert set(decides.values()) == {"else 2"}


def test_points_add_up_to_the_score(registry: Registry, records: list[Record]) -> None:
    (known,) = (r for r in records if r.patient_id == "two-labs")
    account = account_of(registry["msk-prognostic-score"], known, "en")
    assert {r.name: r.contribution for r in account.read if r.contribution} == {"albumin": 1.0, "neutrophils": 1.0}


@pytest.mark.parametrize("model_id", LEGION.models)
def test_of_a_patient_without_data_every_model_says_in_a_sentence_what_it_lacks(
    registry: Registry, model_id: str
) -> None:
    bare = read(registry, "bare", [{"resourceType": "Patient", "id": "bare"}])
    account: Account = account_of(registry[model_id], bare, "en")
    if account.outcome == "predicted":
        assert registry[model_id].manifest.runtime.rules, "rules may be decided by what is read as absent"
        assert account.rules == ()
        return
    assert account.outcome in ("not-eligible", "input-absent", "no-study")
    assert len(account.why.split()) >= 3
    assert not account.why.rstrip().endswith(":")


# ---- the usual mistakes, each one sentence


def fails(*arguments: str | Path) -> str:
    """The sentence it ends with."""
    result = cds("models", "run", *arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.output
    error = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1, result.stderr
    return error[0].removeprefix("Error: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert fails("endpac", "--patient", tmp_path / "none.json").endswith(
        "none.json can't be read: No such file or directory"
    )
    assert fails("endpac", "--patient", tmp_path).endswith("can't be read: Is a directory")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"patient;age\n1;70\n", "is neither a FHIR Bundle nor NDJSON, a resource a line"),
        (b"%PDF-1.7\x00\xff", "is neither a FHIR Bundle nor NDJSON, a resource a line"),
        (b'{"name": "Jansen"}', "is neither a FHIR Bundle nor NDJSON, a resource a line"),
        (b"[1, 2]", "is neither a FHIR Bundle nor NDJSON, a resource a line"),
        (b"", "is neither a FHIR Bundle nor NDJSON, a resource a line"),
        (b'{"resourceType": "Observation", "id": "o"}', "holds no Patient"),
    ],
)
def test_a_file_that_is_no_fhir_or_of_nobody(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    assert fails("endpac", "--patient", path).endswith(told)


def test_a_model_that_is_not_there_is_guessed_or_all_are_named(tmp_path: Path) -> None:
    assert fails("endpak", "--patient", "x.json") == "there is no model 'endpak'; did you mean 'endpac'?"
    told = fails("zzz", "--patient", "x.json")
    assert told.startswith("there is no model 'zzz'; known are: breast-triage, ")


def test_a_server_that_does_not_answer_or_is_no_fhir_server() -> None:
    told = fails("endpac", "--patient", "http://127.0.0.1:9/fhir/Patient/x")
    assert told.startswith("http://127.0.0.1:9/fhir/Patient/x can't be read: no connection to the FHIR server")
    other = Flask("no fhir")
    other.add_url_rule("/<path:path>", view_func=lambda path: "<html>Welcome</html>")
    with serving(other) as url:
        told = fails("endpac", "--patient", f"{url}/fhir/Patient/x")
    assert told.startswith(f"{url}/fhir/Patient/x can't be read: ")
    assert len(told.split()) > 5


def test_a_patient_without_data_is_no_error_and_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "bare.json"
    path.write_text('{"resourceType": "Patient", "id": "b", "birthDate": "1956-01-01"}', encoding="utf-8")
    result = cds("models", "run", "endpac", "--patient", path, "--now", TODAY.isoformat())
    assert result.exit_code == 0
    assert "No answer (input-absent): it needs: " in result.stdout
    assert "(missing)" in result.stdout


@pytest.mark.parametrize("model_id", OF_SCANS)
def test_a_network_that_reads_scans_says_where_its_answers_come_from(tmp_path: Path, model_id: str) -> None:
    path = tmp_path / "bare.json"
    path.write_text('{"resourceType": "Patient", "id": "b"}', encoding="utf-8")
    result = cds("models", "run", model_id, "--patient", path)
    assert "it reads scans, not records" in result.stdout


def test_every_story_is_among_those_asked() -> None:
    assert len(everybody().STORIES) > len(STORIES)
