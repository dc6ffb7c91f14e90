"""A round from the coordinator's desk to three hospitals and back, by the command line alone."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from committee_room import KEY, Room, Said
from fhir.resources.R4B.measurereport import MeasureReport
from hospitals import hospital
from validation_network import DRAFT, Desk, Network

from cds.inference.registry import installed_folders, load
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.ledger.migrate import upgrade


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


def test_three_hospitals_complete_a_round(network: Network, tmp_path: Path) -> None:
    results = []
    for number, (name, people) in enumerate((("north", 5000), ("south", 4000), ("west", 3000))):
        desk = network.joins(tmp_path, name)
        hospital(people, number).write(desk.folder / "cases.csv")
        told = network.run(desk, name)
        assert told.exit_code == 0, told.stderr
        assert f"{people} people counted" in told.output
        reviewed = desk.done("review", desk.folder / "draft.json", "--page", desk.folder / "draft.html")
        code = reviewed.split("Code of this review: ")[1].strip()
        page = (desk.folder / "draft.html").read_text()
        assert code in page and "These tables are all of it" in page
        assert "p17" not in (desk.folder / "draft.json").read_text(), "no row of a person"
        assert network.signs(desk, name, code).exit_code == 0
        report = MeasureReport.model_validate_json((desk.folder / "report.json").read_text())
        assert report.type == "summary" and report.group[0].population[0].count == people
        assert "Dr A. Reader" not in (desk.folder / "result.json").read_text()
        assert "reviewed by Dr A. Reader" in desk.done("answered")
        results.append(desk.folder / "result.json")
    at = network.coordinator.folder
    options = ("--coordinator", network.public, "--hospitals", network.keys)
    told_text = network.coordinator.done("pool", network.round, *results, *options, "--page", at / "pooled.html")
    assert "12000 people in 3 hospitals: north, south, west" in told_text
    assert "the next hospital" in told_text
    assert "<svg" in (at / "pooled.html").read_text()
    as_json = json.loads(network.coordinator.done("pool", network.round, *results, *options, "--json"))
    assert as_json["people"] == 12000


def test_what_was_not_reviewed_is_not_signed(network: Network, tmp_path: Path) -> None:
    desk = network.joins(tmp_path, "north")
    hospital(3000, 1).write(desk.folder / "cases.csv")
    assert network.run(desk, "north").exit_code == 0
    refused = network.signs(desk, "north", "000000000000")
    assert refused.exit_code == 2 and "is not what was reviewed" in refused.stderr
    assert not (desk.folder / "result.json").exists()
    assert "No round was answered" in desk.done("answered")


def answered(network: Network, tmp_path: Path) -> Desk:
    desk = network.joins(tmp_path, "north")
    hospital(3000, 1).write(desk.folder / "cases.csv")
    assert network.run(desk, "north").exit_code == 0
    code = desk.done("review", desk.folder / "draft.json").split("review: ")[1].strip()
    assert network.signs(desk, "north", code).exit_code == 0
    return desk


def test_a_question_about_overlapping_days_or_the_same_people_again_is_refused(
    network: Network, tmp_path: Path
) -> None:
    desk = answered(network, tmp_path)
    later = network.asked(
        DRAFT.replace("id: autumn", "id: winter").replace("begins: 2023-01-01", "begins: 2023-01-02"), "b"
    )
    refused = network.run(desk, "north", later)
    assert refused.exit_code == 2 and "days that overlap" in refused.stderr
    again = network.asked(DRAFT.replace("id: autumn", "id: again").replace("low: 0.0005", "low: 0.001"), "c")
    refused = network.run(desk, "north", again)
    assert refused.exit_code == 2 and "one answer is enough" in refused.stderr
    other_days = DRAFT.replace("id: autumn", "id: next").replace("2023-", "2024-")
    hospital(3000, 1).write(desk.folder / "cases.csv")
    text = (desk.folder / "cases.csv").read_text().replace("2023-05-01", "2024-05-01")
    (desk.folder / "cases.csv").write_text(text)
    assert network.run(desk, "north", network.asked(other_days, "d")).exit_code == 0


def test_the_same_round_is_answered_again_only_with_the_same_counts(network: Network, tmp_path: Path) -> None:
    desk = answered(network, tmp_path)
    code = desk.done("review", desk.folder / "draft.json").split("review: ")[1].strip()
    assert network.signs(desk, "north", code).exit_code == 0
    hospital(3001, 1).write(desk.folder / "cases.csv")
    assert network.run(desk, "north").exit_code == 0
    code = desk.done("review", desk.folder / "draft.json").split("review: ")[1].strip()
    refused = network.signs(desk, "north", code)
    assert refused.exit_code == 2 and "with other counts than these" in refused.stderr


def test_a_changed_round_or_result_and_a_foreign_key_are_found(network: Network, tmp_path: Path) -> None:
    desk = answered(network, tmp_path)
    signed = json.loads((desk.folder / "result.json").read_text())
    signed["payload"] = signed["payload"][:-8] + "AAAA" + signed["payload"][-4:]
    (desk.folder / "changed.json").write_text(json.dumps(signed))
    options = ("--coordinator", network.public, "--hospitals", network.keys)
    refused = network.coordinator.does("pool", network.round, desk.folder / "changed.json", *options)
    assert refused.exit_code == 2 and "the signature does not fit" in refused.stderr
    refused = network.coordinator.does("pool", network.round, network.round, *options)
    assert refused.exit_code == 2 and "signed by nobody whose public key is at hand" in refused.stderr
    stranger = network.joins(tmp_path, "stranger")
    refused = desk.does("run", network.round, "--coordinator", stranger.folder / "stranger.pub.json", "--cases",
                        desk.folder / "cases.csv", "--site", "north", "--out", desk.folder / "x.json")  # fmt: skip
    assert refused.exit_code == 2 and "the signature does not fit" in refused.stderr
    # a signed result is not a round, whoever signed it
    refused = desk.does("run", desk.folder / "result.json", "--coordinator", desk.folder / "north.pub.json", "--cases",
                        desk.folder / "cases.csv", "--site", "north", "--out", desk.folder / "x.json")  # fmt: skip
    assert refused.exit_code == 2 and "not a cds-validation-round" in refused.stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("expires: 2099-01-01", "expires: 2026-11-02"), "round autumn expired on 2026-11-02"),
        (("begins: 2023-01-01", "begins: 2024-01-01"), "the cohort ends before it begins"),
        (("low: 0.0005", "low: 2"), "write low and high between 0 and 1"),
        (("model: {id: endpac}", "model: {id: endpac, sha256: aa}"), "version and hash are the installed model's"),
        (("title:", "tilte:"), "tilte"),
        (("id: autumn", "id: [autumn"), "this is not YAML"),
        (("{id: endpac}", "{id: nonesuch}"), "there is no model 'nonesuch'"),
        (("[female, male]", "[female]"), "at least two different levels"),
    ],
)
def test_a_wrong_round_is_told_in_a_sentence(
    network: Network, tmp_path: Path, change: tuple[str, str], sentence: str
) -> None:
    at = network.coordinator.folder
    (at / "wrong.yaml").write_text(DRAFT.replace(*change))
    told = network.coordinator.does(
        "new", at / "wrong.yaml", "--key", at / "coordinator.key.json", "--out", at / "w.json"
    )
    if told.exit_code == 0:
        desk = network.joins(tmp_path, "north")
        hospital(100, 1).write(desk.folder / "cases.csv")
        told = network.run(desk, "north", at / "w.json")
    assert told.exit_code == 2
    assert sentence in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("patient,entered,score,event\np1,2023-05-01,0.1,1\n", "lacks the column sex"),
        ("patient,entered,score,event,sex\np1,2023-05-01,10,1,male\n", "line 2: the score is outside 0 to 1"),
        ("patient,entered,score,event,sex\np1,2023-05-01,nan,1,male\n", "line 2: the score is no number"),
        ("patient,entered,score,event,sex\np1,01-05-2023,0.1,1,male\n", "line 2: entered is no day"),
        ("patient,entered,score,event,sex\np1,2023-05-01,0.1,yes,male\n", "line 2: event is 1"),
        (
            "patient,entered,score,event,sex\n" + "p1,2023-05-01,0.1,1,male\n" * 2,
            "line 3: this patient has a row already",
        ),
        ("patient,entered,score,event,sex\np1,2023-05-01,0.1\n", "line 2: not as many values"),
        ("patient,entered,score,event,sex\n,2023-05-01,0.1,1,male\n", "line 2: patient is empty"),
        ("patient,entered,score,event,sex\np1,2020-05-01,0.1,1,male\n", "not enough data: 0 people"),
        ("", "lacks the columns patient"),
        ("patient,entered,score,event,sex\np1,2023-05-01,\xff", "not a CSV file in UTF-8"),
    ],
)
def test_a_wrong_table_is_told_with_its_line(network: Network, tmp_path: Path, rows: str, sentence: str) -> None:
    desk = network.joins(tmp_path, "north")
    (desk.folder / "cases.csv").write_bytes(rows.encode("latin-1"))
    told = network.run(desk, "north")
    assert told.exit_code == 2 and sentence in told.stderr
    assert not (desk.folder / "draft.json").exists()


def test_keys_are_never_overwritten_and_the_private_one_is_private(network: Network) -> None:
    at = network.coordinator.folder
    assert (at / "coordinator.key.json").stat().st_mode & 0o077 == 0
    assert '"d"' not in network.public.read_text()
    refused = network.coordinator.does("keys", at / "coordinator")
    assert refused.exit_code == 2 and "is there already" in refused.stderr


def test_a_table_from_the_ledger_needs_a_client_groups_it_knows_and_somebody_it_spoke_of(
    network: Network, tmp_path: Path
) -> None:
    desk = network.joins(tmp_path, "north")
    with (desk.folder / "cds.toml").open("a") as settings:
        settings.write('\n[clients.main]\nissuer = "https://ehr.example"\njku = "https://ehr.example/jwks.json"\n')
    options = ("--coordinator", network.public, "--out", desk.folder / "cases.csv", "--client")
    (desk.folder / "ledger.key").write_text(secrets.token_hex(32))
    told = desk.does("cases", network.round, *options, "nobody")
    assert told.exit_code != 0 and "the settings have: main" in told.output + told.stderr
    told = desk.does("cases", network.round, *options, "main")
    assert told.exit_code != 0
    assert "the ledger can't tell sex: neither the inputs of endpac nor its calls do" in told.output + told.stderr
    whole = network.asked(DRAFT.replace("subgroups: {sex: [female, male]}\n", ""), "whole")
    told = desk.does("cases", whole, *options, "main")
    assert told.exit_code != 0
    assert "endpac spoke of nobody from 2023-01-01 to 2023-12-31 in calls of main" in told.output + told.stderr
    assert not (desk.folder / "cases.csv").exists()


def test_answers_of_another_model_file_are_left_out_of_the_table_with_their_number_and_why(
    network: Network, tmp_path: Path
) -> None:
    desk = network.joins(tmp_path, "north")
    with (desk.folder / "cds.toml").open("a") as settings:
        settings.write('\n[clients.main]\nissuer = "https://ehr.example"\njku = "https://ehr.example/jwks.json"\n')
    whole = network.asked(DRAFT.replace("subgroups: {sex: [female, male]}\n", ""), "whole")
    url = f"sqlite:///{desk.folder / 'ledger.db'}"
    upgrade(url)
    (desk.folder / "ledger.key").write_bytes(KEY)
    ledger = Ledger(url, KEY, desk.folder / "spool")
    version, may = load(installed_folders())["endpac"].manifest.version, datetime(2023, 5, 1, 12, tzinfo=UTC)

    def tell(who: str, version: str, at: datetime = may, sha256: str = "") -> None:
        room.tell([Said(who, at, {"score": 3.0}, sha256=sha256)], "endpac", version, "main")

    with Book(url) as book:
        room = Room(url, ledger, book, desk.folder)
        tell("a", "0.0.9")
        tell("a", "0.0.9", may + timedelta(days=1))
        tell("b", "0.0.9", datetime(2024, 5, 1, tzinfo=UTC))  # not in the cohort's days
        tell("c", version, sha256="f" * 64)
        options = ("--coordinator", network.public, "--client", "main", "--out", desk.folder / "cases.csv")
        told = desk.does("cases", whole, *options)
        assert told.exit_code == 2 and "spoke of nobody" in told.stderr
        others = (
            f"left out, given by version 0.0.9, the round's is {version}: 2 answers about 1 of the people",
            f"left out, given by another file under version {version}, whose answers may differ from the round's: "
            "1 answer about 1 of the people",
        )
        assert all(line in " ".join(told.stderr.split()) for line in others)
        tell("d", version)
        output = " ".join(desk.done("cases", whole, *options).split())
        assert "1 people; outcome in the charter" in output
        assert all(line in output for line in others)
    ledger.close()
