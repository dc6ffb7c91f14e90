"""Every card of every demo patient is made again to the letter from what the ledger kept; else the part is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from ledger_reading import rows
from service import MakeApp, StoryCalls, loopback, prefetcher

from cds.errors import ReplayFailed
from cds.ids import new_id
from cds.ledger import tables
from cds.ledger.book import Book
from cds.ledger.committee_tables import call_snapshots, standings
from cds.ledger.standings import Standing
from cds.replay import Replay, Replayed
from cds.snapshot import fingerprints
from hooks.stories import STORIES

HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start")


def services(app: Flask) -> list[tuple[str, str]]:
    return [(s["id"], s["hook"]) for s in app.test_client().get("/cds-services").get_json()["services"]]


def replayed(app: Flask) -> Iterator[Replayed]:
    """Every call of the application's ledger, made again."""
    engine = app.extensions["cds"]
    assert engine.snapshots is not None
    again = Replay(engine, engine.snapshots)
    for row in rows(app, tables.calls):
        yield again.of(row["id"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def told(request: pytest.FixtureRequest, make_app: MakeApp) -> Iterator[Flask]:
    """An application that every story called at every service, half of them in Dutch."""
    more: dict[str, Any] = {}
    server = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        more["database_url"] = server.create_database(f"replay{datetime.now().timestamp():.0f}")
    app = make_app(**loopback(), **more)
    fire = StoryCalls(app.test_client(), prefetcher(app))
    for n, story in enumerate(STORIES):
        for service, hook in services(app):
            if hook not in HOOKS or (
                hook.startswith("order-")
                and not fire.body(story.id, service, hook)["context"].get("draftOrders", {}).get("entry")
            ):
                continue
            language = "nl" if n % 2 else "en"
            assert fire(story.id, service, hook, headers={"Accept-Language": language}).status_code == 200
    yield app
    app.extensions["cds"].ledger.close()


def test_every_card_of_every_story_is_made_again_to_the_letter(told: Flask) -> None:
    cards, calls, languages, topics = 0, 0, set(), set()
    for found in replayed(told):
        calls += 1
        assert found.same, (found.call.service, found.call.hook, [p.told for p in found.changed], found)
        assert found.changed == ()
        assert found.kept is bool(found.call.cards)
        cards += len(found.cards)
        languages.add(found.call.language)
        topics |= {card.stored.topic for card in found.cards}
    assert calls >= 60 and cards >= 20
    assert languages == {"en", "nl"} and len(topics) >= 5


def test_no_name_number_or_day_of_birth_can_be_read_without_the_key(told: Flask) -> None:
    stored = b"".join(row["sealed"] for row in rows(told, call_snapshots))
    assert len(stored) > 10_000
    for story in STORIES:
        for secret in (story.id, story.name, story.name.split()[-1]):
            assert secret.encode() not in stored


# one call, and what may have changed since

RISK = ("new-diabetes", "pancreas-risk", "patient-view")
PACKAGED_RISK = "risk_at_least: 0.02"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(**loopback())


def call(app: Flask, story: tuple[str, str, str] = RISK, **changed: Any) -> str:
    fire = StoryCalls(app.test_client(), prefetcher(app))
    assert fire(*story, **changed).status_code == 200
    return str(rows(app, tables.calls)[-1]["id"])


def again(app: Flask, call_id: str) -> Replayed:
    engine = app.extensions["cds"]
    return Replay(engine, engine.snapshots).of(call_id)


def execute(app: Flask, *statements: str) -> None:
    with Book(app.extensions["cds"].settings.ledger_url) as book:
        for statement in statements:
            book.write(lambda c, statement=statement: c.execute(sa.text(statement)))  # type: ignore[misc]


def test_a_policy_that_has_gone_from_the_ledger_is_named(app: Flask) -> None:
    id = call(app)
    execute(app, "DELETE FROM policies")
    found = again(app, id)
    assert not found.same and found.cards[0].body is None
    [part] = found.changed
    assert (part.name, part.now) == ("policy", "") and part.told.endswith("is gone")


def test_another_version_of_a_model_is_named_though_the_card_may_be_the_same(app: Flask) -> None:
    id = call(app)
    engine = app.extensions["cds"]
    here = engine.snapshots.here
    engine.snapshots.here = replace(here, models={**here.models, "endpac": "0123456789abcdef"})
    found = again(app, id)
    [part] = found.changed
    assert part.name.startswith("model endpac") and part.now == "0123456789abcdef"
    assert found.same  # the card comes out as it was all the same


def test_another_edition_of_rules_under_one_version_number_is_named(app: Flask) -> None:
    id = call(app)
    manifest = app.extensions["cds"].models["nice-ng12"].manifest
    assert again(app, id).changed == ()
    execute(app, f"UPDATE predictions SET model_sha256 = '{'0' * 64}' WHERE model = 'nice-ng12'")
    [part] = again(app, id).changed
    assert part.name == f"what decides in nice-ng12 {manifest.version}"
    assert (part.then, part.now) == ("0" * 64, manifest.fingerprint)
    # as earlier versions of the product kept them
    execute(app, "UPDATE predictions SET model_sha256 = '' WHERE model = 'nice-ng12'")
    assert again(app, id).changed == ()


def test_a_changed_sentence_is_named_and_shown(app: Flask) -> None:
    id = call(app)
    engine = app.extensions["cds"]
    book = engine.catalogues.book("en")
    book.texts["risk.recommend.ct_urgent"] = "Consider a CT some day"
    engine.snapshots.here = fingerprints(engine.models, engine.catalogues, ())
    found = again(app, id)
    assert not found.cards[0].same and found.cards[0].body is not None
    assert "sentences (en)" in [part.name for part in found.changed]


def test_a_card_that_was_touched_in_the_database_is_found(app: Flask) -> None:
    id = call(app)
    execute(app, "UPDATE cards SET body = json_set(body, '$.summary', 'All is well')")
    found = again(app, id)
    assert not found.same and found.changed == ()
    assert found.cards[0].stored.body["summary"] == "All is well"


def test_a_prediction_that_was_touched_is_found_with_its_distance(app: Flask) -> None:
    id = call(app)
    execute(app, "UPDATE predictions SET outputs = json_set(outputs, '$.risk', 0.5) WHERE model LIKE 'qcancer-2013%'")
    found = again(app, id)
    [wrong] = [p for p in found.predictions if not p.same]
    assert wrong.stored.model == "qcancer-2013-pancreas" and wrong.difference is not None and wrong.difference > 0.4


def test_another_call_s_snapshot_or_a_changed_one_is_refused(app: Flask) -> None:
    first, second = call(app), call(app)
    execute(app, f"UPDATE call_snapshots SET sealed = (SELECT sealed FROM call_snapshots WHERE call_id = '{first}')")
    with pytest.raises(ReplayFailed, match="was changed, or sealed with another ledger key"):
        again(app, second)


def test_what_was_held_back_stays_held_back(app: Flask) -> None:
    """A clinician's override since then must not change what the card was."""
    client = app.test_client()
    id = call(app)
    card = rows(app, tables.cards)[-1]["id"]
    reasons = rows(app, tables.cards)[-1]["body"]["overrideReasons"]
    told = {"card": card, "outcome": "overridden", "overrideReason": {"reason": reasons[0]}}
    assert client.post("/cds-services/pancreas-risk/feedback", json={"feedback": [told]}).status_code == 200
    silent = call(app)
    assert again(app, id).same
    assert again(app, silent).same and again(app, silent).cards == ()


def test_a_withheld_card_is_made_again_after_the_model_speaks_again(make_app: MakeApp) -> None:
    import time

    app = make_app(**loopback(), committee={"poll_s": 0.05})
    url = app.extensions["cds"].settings.ledger_url
    when = datetime(2026, 11, 20, tzinfo=UTC)
    with Book(url) as book:
        for action in ("stop", "resume"):
            row = Standing(new_id(), when, "qcancer-2013-pancreas", "*", action, "manual", "r", "A", "B", None)  # type: ignore[arg-type]
            book.put_all(standings, [dict(row.__dict__)])
            time.sleep(0.1)
            if action == "stop":
                id = call(app, ("chronic-pancreatitis", "pancreas-risk", "patient-view"))
    found = again(app, id)
    assert found.same
    assert found.cards[0].stored.body["summary"].endswith("withheld by the committee")


def test_a_link_to_the_report_is_part_of_the_card(make_app: MakeApp, make_house: Callable[..., Any]) -> None:
    del make_house
    smart = {"client_id": "report"}
    app = make_app(**loopback(smart=smart))
    id = call(app)
    found = again(app, id)
    assert found.same
    assert found.cards[0].stored.body["links"][0]["type"] == "smart"
    assert "appContext" not in json.dumps(found.cards[0].body)


def test_without_snapshots_predictions_alone_are_checked_and_that_is_said(make_app: MakeApp) -> None:
    app = make_app(**loopback(), committee={"keep_snapshots": False})
    id = call(app)
    engine = app.extensions["cds"]
    assert engine.snapshots is None and rows(app, call_snapshots) == []
    found = Replay(engine, None).of(id)  # type: ignore[arg-type]
    assert not found.kept and not found.same
    assert found.predictions and all(p.same for p in found.predictions)


def test_what_was_refused_or_never_was_can_t_be_made_again(app: Flask) -> None:
    client = app.test_client()
    client.post("/cds-services/pancreas-risk", json={"hook": "patient-view"})
    [refused] = [r["id"] for r in rows(app, tables.calls)]
    with pytest.raises(ReplayFailed, match=r"the call was refused \(CDS-400\)"):
        again(app, refused)
    with pytest.raises(ReplayFailed, match="no such call"):
        again(app, "0190")


def test_a_snapshot_survives_the_spool(make_app: MakeApp, tmp_path: Path) -> None:
    """The database is away when the call comes: what its card was made from waits on disk like the rest."""
    app = make_app(**loopback())
    engine = app.extensions["cds"]
    ledger = engine.ledger
    database = Path(engine.settings.ledger_url.removeprefix("sqlite:///"))
    ledger.close()
    away = database.with_suffix(".away")
    database.rename(away)
    database.mkdir()  # nothing can be opened there
    fire = StoryCalls(app.test_client(), prefetcher(app))
    assert fire(*RISK).status_code == 200
    assert ledger.spooled() >= 1
    ledger.close()
    database.rmdir()
    away.rename(database)
    ledger.drain()
    [found] = list(replayed(app))
    assert found.kept and found.same
