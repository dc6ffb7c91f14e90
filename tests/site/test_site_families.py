"""Families of EHRs: their settings load, and requests as they make them get cards from the service so set up."""

from __future__ import annotations

import json
import tomllib
import uuid
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result
from hook_context import hook_context
from service import NOW, PUBLIC_URL, TODAY, Keys, MakeApp, prefetcher

from cds.cli import main
from cds.errors import SettingsError
from cds.protocol.hooks import HOOKS
from cds.settings import load
from cds.site import families
from cds.site.families import golden, offered, profile, profiles
from cds.site.first_settings import Choices, make, text
from hooks.stories import draft_orders, story
from hooks.stories.concept_map import concept_map

CASES = [(name, file) for name, found in profiles().items() for file in found.golden]
# whose chart is opened, or whose order is chosen or signed, so that there is something to say
CALLS = {
    "patient-view": ("pancreas-risk", "new-diabetes"),
    "order-select": ("pancreas-first-line", "msi-high"),
    "order-sign": ("pancreas-first-line", "folfirinox-falling"),
    "encounter-start": ("pancreas-risk", "new-diabetes"),
    "appointment-book": ("pancreas-imaging", "new-diabetes"),
}
AHEAD = ("encounter-start", "appointment-book")
"""Work is done for the chart that will be opened, and nothing said yet."""
LOCAL = "dutch-new-diabetes"
DUTCH = {"patient-view": ("HbA1c", "mmol/mol", "Overweeg"), "order-sign": ("Prognose-informatie",)}
"""A result under the laboratory's own code, in Dutch words."""


def choices(name: str, **changed: Any) -> Choices:
    found = profile(name)
    fhir = found.questions.fhir
    usual = Choices(
        profile=found,
        public_url=PUBLIC_URL,
        client="ehr",
        fhir=fhir,
        issuer=offered(found.questions.issuer, fhir),
        jku=offered(found.questions.jku, fhir),
        timezone="Europe/Amsterdam",
        language=str(found.settings.get("language", "en")),
        postgres=False,
    )
    return replace(usual, **changed)


@pytest.mark.parametrize(("name", "file"), CASES, ids=[file for _, file in CASES])
def test_a_request_as_that_family_makes_it_gets_its_cards(
    make_app: MakeApp, client_keys: Keys, tmp_path: Path, name: str, file: str
) -> None:
    asked = golden(file)
    hook = asked.body["hook"]
    local = name.startswith("local")
    service, patient = CALLS[hook]
    if local and hook == "patient-view":
        patient = LOCAL
    settings = tomllib.loads(text(choices(name), tmp_path))
    client = settings["clients"]["ehr"]
    # its keys are ours here; all else is what the profile says
    client.pop("jku", None)
    client.pop("jwks_file", None)
    (tmp_path / "codes.json").write_text(json.dumps(concept_map()), encoding="utf-8")
    app = make_app(
        clients={"ehr": {**client, "jwks": client_keys.public_set(), "fhir_access": False}},
        ledger_key="0123456789abcdef-of-the-families",
        concept_map=tmp_path / "codes.json",
        **{key: settings[key] for key in ("timezone", "language")},
    )
    path = f"/cds-services/{service}"
    sent = prefetcher(app)(patient, service, hook)
    algorithm = asked.token.header["alg"]
    now = int(NOW.timestamp())
    context = hook_context(hook, patient, draft_orders(story(patient), TODAY))
    values: dict[str, Any] = {
        "kid": client_keys.kids[algorithm],
        "jku": "https://ehr.hospital.example/jwks.json",
        "issuer": client["issuer"],
        "endpoint": PUBLIC_URL + path,
        "jti": str(uuid.uuid4()),
        "now": now,
        "tenant": "a-tenant",
        "instance": str(uuid.uuid4()),
        "fhir": client["fhir_servers"][0],
        "token": "opaque",
        "patient": patient,
        "drafts": context.get("draftOrders"),
        "selections": context.get("selections"),
        "appointments": context.get("appointments"),
    }
    renamed = asked.prefetch == "renamed"
    body = asked.filled(values)
    body["prefetch"] = {f"-SITE {n}": v for n, v in enumerate(sent.values())} if renamed else sent
    token = jwt.encode(asked.claims(values), client_keys.private(algorithm), algorithm, headers=asked.header(values))
    answer = app.test_client().post(path, json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    assert bool(answer.get_json()["cards"]) is (hook not in AHEAD), answer.text
    assert [word for word in (DUTCH[hook] if local else ()) if word not in answer.text] == []


@pytest.mark.parametrize("name", profiles())
def test_its_settings_are_ones_the_service_takes(tmp_path: Path, name: str) -> None:
    for changed in ({}, {"sign_in": "key", "client_id": "cds"}, {"sign_in": "token"}, {"jku": ""}, {"postgres": True}):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        [target, *_] = make(choices(name, pacs="https://pacs.hospital.example/dicom-web", **changed), folder)
        settings = load(target)
        assert settings.load_ledger_key()
        assert set(settings.clients) == {"ehr"} and set(settings.pacs) == {"main"}


@pytest.mark.parametrize("name", profiles())
def test_a_profile_says_what_it_was_written_from_and_names_hooks_that_exist(name: str) -> None:
    found = profile(name)
    assert set(found.hooks) <= set(HOOKS)
    assert len(found.source) > 30
    assert found.register_
    assert sorted(golden(file).body["hook"] for file in found.golden) == sorted(found.hooks)


def test_every_request_kept_is_a_family_s() -> None:
    kept = {path.name for path in (Path(families.__file__).parent / "profiles" / "golden").iterdir()}
    assert kept == {file for _, file in CASES}


def test_what_is_made_is_for_its_owner_alone_and_nothing_is_overwritten(tmp_path: Path) -> None:
    made = make(choices("smart-generic", sign_in="key", client_id="cds"), tmp_path)
    secrets = [path for path in made if path.parent.name == "secrets"]
    assert {path.name for path in secrets} == {"ledger.key", "signing-key.pem"}
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    with pytest.raises(SettingsError, match="is there already"):
        make(choices("smart-generic"), tmp_path)


def test_a_key_of_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ledger.key").write_text("0123456789abcdef-of-an-earlier-ledger")
    make(choices("smart-generic"), tmp_path)
    assert "earlier" in (tmp_path / "secrets" / "ledger.key").read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client": "Main EHR"}, "should be a short name"),
        ({"sign_in": "magic"}, "is none of none, key, token, password"),
        ({"sign_in": "key"}, "client_id: is needed"),
        ({"fhir": "ehr.example"}, "is not an address"),
        ({"jku": "http://ehr.example/jwks"}, "must start with https://"),
        ({"timezone": "Amsterdam"}, "is not a time zone"),
    ],
)
def test_answers_that_the_service_would_refuse_write_nothing(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        make(choices("smart-generic", **changed), tmp_path)
    assert not (tmp_path / "cds.toml").exists()


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, ["site", *arguments], input=input, env={"COLUMNS": "200"}, prog_name="cds")


def test_init_asks_offers_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    typed = "epic\n\n\nhttps://epic.example/api/FHIR/R4\n\n\n\n\n\nkey\nabc-123\n\n"
    result = run("init", str(tmp_path), input=typed)
    assert result.exit_code == 0, result.output
    settings = tomllib.loads((tmp_path / "cds.toml").read_text(encoding="utf-8"))
    assert settings["clients"]["main-ehr"]["issuer"] == "https://epic.example/api/FHIR/R4"
    assert settings["clients"]["main-ehr"]["algorithms"] == ["RS384"]
    assert settings["clients"]["main-ehr"]["backend"] == {"client_id": "abc-123"}
    assert "put the EHR's public keys (a JWK Set) into" in result.output
    assert "Prefetch is typed in by hand" in result.output


def test_init_asks_nothing_when_told_everything(tmp_path: Path) -> None:
    result = run("init", str(tmp_path), "--profile", "smart-generic", "--yes", "--answer", "client=north")
    assert result.exit_code == 0, result.output
    assert "[clients.north]" in (tmp_path / "cds.toml").read_text(encoding="utf-8")
    refused = run("init", str(tmp_path / "b"), "--profile", "smart-generic", "--yes", "--answer", "colour=blue")
    assert refused.exit_code == 1 and "no such question: colour" in refused.output


def test_every_line_of_the_settings_is_explained(tmp_path: Path) -> None:
    lines = text(choices("smart-generic", pacs="https://pacs.example/dicom-web"), tmp_path).splitlines()
    for before, line in pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert before.startswith("# "), line


def test_profiles_are_listed_and_shown_with_their_requests() -> None:
    listed = run("profiles")
    for name in profiles():
        assert name in listed.output
    shown = run("profiles", "epic")
    assert "com.epic.cdshooks.request.bpa-trigger-action" in shown.output
    assert "Not tried against an Epic instance" in shown.output.replace("\n", " ")
    assert run("profiles", "nobody").exit_code == 2


def test_a_place_with_no_value_is_an_error_of_the_test_that_forgot_it() -> None:
    with pytest.raises(KeyError, match="fhir"):
        golden("smart-generic-patient-view.json").filled({"instance": "x", "patient": "p", "token": "t"})
