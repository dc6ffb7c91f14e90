"""``cds committee``: what people type, and what they are told when it can't be done."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from command_line import cds
from committee_room import CHARTER, Room, Said, WriteSettings, ago

from cds.inference.registry import Registry
from cds.ledger.standings import EVERYWHERE, every, stops

pytestmark = pytest.mark.usefixtures("_elsewhere")

MODEL = "qcancer-2013-pancreas"
NORTH = '[clients.north]\nauthentication = "loopback"\nfhir_servers = ["https://fhir.example/r4"]\n'
WHY = ("--reason", "calibration is off since the new analyser")
TWO = (*WHY, "--person", "A. Bee", "--second", "C. Dee")


@pytest.fixture
def settings(committee_settings: WriteSettings) -> Path:
    return committee_settings(NORTH, CHARTER)


def test_a_model_is_suspended_and_resumed_by_two_people(room: Room, settings: Path) -> None:
    done = cds("committee", "suspend", MODEL, *TWO, settings=settings)
    assert done.exit_code == 0, done.output
    assert "its cards say so within 5 seconds" in done.stdout
    assert set(stops(room.book.read(every))) == {(MODEL, EVERYWHERE)}
    told = cds("committee", "status", settings=settings).stdout
    assert f"withheld: {MODEL} everywhere since" in told and "A. Bee and C. Dee: calibration is off" in told
    assert cds("committee", "resume", MODEL, *TWO, settings=settings).exit_code == 0
    assert stops(room.book.read(every)) == {}


def test_the_committee_sees_a_drifted_input_and_stops_the_model(room: Room, settings: Path, models: Registry) -> None:
    """The patients of the last ten days are older than those of the months before; `docs/monitors.md` says how soon
    that is seen, and tests/system how soon a stop is in every worker."""
    random, now = np.random.default_rng(4), datetime.now(UTC)

    def asked(n: int, first: float, last: float, youngest: int) -> list[Said]:
        ages = random.integers(youngest, youngest + 15, n)
        days = sorted(random.uniform(last, first, n), reverse=True)
        return [
            Said(
                f"p{first}-{k}",
                now - timedelta(days=day),
                {"risk": 0.01},
                {"age": {"state": "found", "value": float(age)}},
            )
            for k, (day, age) in enumerate(zip(days, ages, strict=True))
        ]

    room.tell(asked(900, 200, 31, 50) + asked(300, 10, 0.1, 75), version=models[MODEL].manifest.version)
    evaluated = cds("committee", "evaluate", "--model", MODEL, settings=settings)
    assert evaluated.exit_code == 0 and "drift age" in evaluated.stdout, evaluated.output
    [line] = [one for one in cds("committee", "status", settings=settings).stdout.splitlines() if "drift age" in one]
    assert "watch" in line and "north" in line
    assert cds("committee", "suspend", MODEL, "--site", "north", *TWO, settings=settings).exit_code == 0
    assert f"withheld: {MODEL}" in cds("committee", "status", settings=settings).stdout


def test_status_tells_every_moment_by_the_hospitals_clock_and_names_it_once(
    room: Room, committee_settings: WriteSettings, models: Registry
) -> None:
    settings = committee_settings('timezone = "Asia/Kathmandu"\n' + NORTH, CHARTER)
    at = datetime.now(UTC)
    room.tell([Said("p", ago(1), {"risk": 0.01})], version=models[MODEL].manifest.version)
    assert cds("committee", "evaluate", settings=settings).exit_code == 0
    assert cds("committee", "suspend", MODEL, *TWO, settings=settings).exit_code == 0
    told = cds("committee", "status", settings=settings).stdout
    [verdict] = [line for line in told.splitlines() if "north" in line]
    [stop] = [line for line in told.splitlines() if line.startswith("withheld")]
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    for line in (verdict, stop):
        moment = datetime.strptime(re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", line)[0], "%Y-%m-%d %H:%M")  # type: ignore[index]
        assert abs(moment.replace(tzinfo=kathmandu) - at) < timedelta(minutes=5), line
    assert told.count("Asia/Kathmandu") == 1 and "UTC" not in told


def test_in_an_emergency_one_is_enough_and_status_asks_for_the_other(room: Room, settings: Path) -> None:
    alone = (*WHY, "--person", "A. Bee", "--site", "north")
    refused = cds("committee", "suspend", MODEL, *alone, settings=settings)
    assert refused.exit_code == 2 and "a second person has to agree: name them with --second" in refused.stderr
    assert cds("committee", "suspend", MODEL, *alone, "--emergency", settings=settings).exit_code == 0
    assert "nobody has confirmed this yet" in cds("committee", "status", settings=settings).stdout
    confirmed = cds("committee", "confirm", MODEL, *WHY, "--person", "C. Dee", "--site", "north", settings=settings)
    assert confirmed.exit_code == 0
    assert "nobody has confirmed" not in cds("committee", "status", settings=settings).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("suspend", "qcancer-prognosis", *TWO), "did you mean 'qcancer-prognostic'?"),
        (("suspend", MODEL, *TWO, "--site", "nort"), "did you mean 'north'?"),
        (("suspend", MODEL, *WHY, "--person", "A. Bee", "--second", "A Bee"), "two different people"),
        (("suspend", MODEL, "--reason", "no", "--person", "A. Bee", "--second", "C. Dee"), "say why in a sentence"),
        (("resume", MODEL, *TWO), "is not stopped everywhere"),
        (("confirm", MODEL, *WHY, "--person", "A. Bee"), "is not stopped everywhere"),
        (("suspend", MODEL, "--person", "A. Bee"), "Missing option '--reason'"),
        (("evaluate", "--model", "nothing"), "there is no model 'nothing'"),
    ],
)
def test_what_can_t_be_done_is_a_sentence_and_changes_nothing(
    room: Room, settings: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = cds("committee", *arguments, settings=settings)
    assert result.exit_code == 2
    assert told in result.stderr and "Traceback" not in result.output
    assert room.book.read(every) == ()


def test_a_charter_that_can_t_be_read_keeps_nobody_from_stopping_a_model(
    room: Room, committee_settings: WriteSettings
) -> None:
    broken = committee_settings(NORTH, CHARTER.replace("name: test", "nam: test"))
    assert cds("committee", "evaluate", settings=broken).exit_code == 2
    done = cds("committee", "suspend", MODEL, *TWO, settings=broken)
    assert done.exit_code == 0
    assert "CDS-107" in done.stderr and "going on without it" in done.stderr
    assert set(stops(room.book.read(every))) == {(MODEL, EVERYWHERE)}


def test_before_anything_was_asked_there_is_nothing_to_evaluate(room: Room, settings: Path) -> None:
    assert "No model was ever asked here" in cds("committee", "evaluate", settings=settings).stdout
    assert "No verdict yet" in cds("committee", "status", settings=settings).stdout


def test_an_evaluation_tells_what_is_wrong_and_status_remembers_it(
    room: Room, settings: Path, models: Registry
) -> None:
    now, version = datetime.now(UTC), models[MODEL].manifest.version  # the command has a clock of its own
    usual, broken = {"age": {"state": "found", "value": 66.0}}, {"age": {"state": "unit-unknown"}}
    before = [Said(f"p{n}", now - timedelta(days=40 + n / 10), {"risk": 0.01}, usual) for n in range(100)]
    room.tell([*before, *(Said(f"q{n}", now, {"risk": 0.01}, broken) for n in range(50))], version=version)
    dry = cds("committee", "evaluate", "--dry-run", "--all-findings", settings=settings)
    assert dry.exit_code == 0 and f"{MODEL} {version} at north: stopped" in dry.stdout
    assert "auc: not enough data: 0 events, 100 needed" in dry.stdout
    assert "No verdict yet" in cds("committee", "status", settings=settings).stdout
    result = cds("committee", "evaluate", settings=settings)
    assert result.exit_code == 3
    assert "unusable age: 1 (95% interval" in result.stdout and "stopped now by the service" in result.stdout
    found = json.loads(cds("committee", "status", "--json", settings=settings).stdout)
    assert found["stops"][0]["cause"] == "input-failure"
    assert [v["standing"] for v in found["verdicts"]] == ["stopped"]


# incidents


def numbers(settings: Path, *more: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        cds("committee", "incidents", "list", "--json", *more, settings=settings).stdout
    )
    return found


def test_an_incident_from_report_to_end(room: Room, settings: Path) -> None:
    [call] = room.tell([Said("p", ago(1), {"risk": 0.01}, carded=True)])
    made = cds(
        "committee", "incidents", "report", "--client", "north", "--kind", "wrong-advice", "--text",
        "the card contradicted the scan of that morning", settings=settings,
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    [row] = numbers(settings)
    number = str(row["number"])[:13]
    assert (row["state"], row["text"], row["typed"]) == ("open", None, True)
    early = cds(
        "committee", "incidents", "close", number, "--text", "nothing was found", "--person", "A", settings=settings
    )
    assert early.exit_code == 2
    who = ("--person", "A. Bee")
    for arguments in (
        ("triage", number, *who, "--severity", "serious"),
        ("link", number, *who, "--call", call),
        ("note", number, *who, "--text", "the scan was filed under another day"),
        ("close", number, *who, "--text", "the interface was mended on Tuesday"),
    ):
        done = cds("committee", "incidents", *arguments, settings=settings)
        assert done.exit_code == 0, done.output
    assert numbers(settings) == []
    [row] = numbers(settings, "--all")
    assert (row["state"], row["severity"], row["call"]) == ("closed", "serious", call)
    assert "No problem is open." in cds("problems", "list", settings=settings).stdout
    again = cds(
        "committee", "incidents", "reopen", number, *who, "--text", "it happened again today", settings=settings
    )
    assert again.exit_code == 0
    assert [r["state"] for r in numbers(settings)] == ["open"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("triage", "0190", "--person", "A. Bee", "--severity", "minor"), "at least 8 characters"),
        (("triage", "0190ffff-0000", "--person", "A. Bee", "--severity", "minor"), "no incident has a number"),
        (("report", "--client", "north", "--kind", "other", "--text", "short"), "say in a sentence"),
        (("report", "--client", "x", "--kind", "other", "--text", "something went wrong"), "there is no client 'x'"),
        (
            ("report", "--client", "north", "--kind", "other", "--text", "something went wrong", "--call", "nope"),
            "the ledger holds no such call",
        ),
    ],
)
def test_an_incident_that_is_told_wrongly_is_a_sentence(
    room: Room, settings: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = cds("committee", "incidents", *arguments, settings=settings)
    assert result.exit_code == 2
    assert told in result.stderr and "Traceback" not in result.output


def test_the_month_s_report_is_a_file(room: Room, settings: Path, tmp_path: Path) -> None:
    assert cds("committee", "suspend", MODEL, *TWO, settings=settings).exit_code == 0
    month = f"{datetime.now(UTC):%Y-%m}"
    for name, begins in (("month.pdf", b"%PDF-"), ("month.json", b"{")):
        done = cds("committee", "report", tmp_path / name, "--month", month, "--language", "nl", settings=settings)
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).read_bytes().startswith(begins)
    folder = tmp_path / "minutes"
    folder.mkdir()
    assert cds("committee", "report", folder, "--month", month, settings=settings).exit_code == 0
    assert {f.name for f in folder.iterdir()} == {f"committee-{month}.pdf", f"committee-{month}.json"}
    wrong = cds("committee", "report", tmp_path / "month.doc", settings=settings)
    assert wrong.exit_code == 2 and "end in .pdf or .json" in wrong.stderr
    ahead = cds("committee", "report", tmp_path / "x.pdf", "--month", "2999-01", settings=settings)
    assert ahead.exit_code == 2 and "a month that has begun" in ahead.stderr
