"""docs/alert-rate.md: how often the service speaks of patients nobody wrote for it."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from math import sqrt
from pathlib import Path

import background
import sqlalchemy as sa
from background_calls import Answer
from flask import Flask

from cds.ledger import tables

PAGE = Path(__file__).parents[2] / "docs" / "alert-rate.md"
_Z = 1.959964


def page(app: Flask, answers: list[Answer], patients: int) -> str:
    """``app``: the one that gave the answers, under the packaged policy; its ledger says why it was silent."""
    asked = Counter((answer.hook, answer.service) for answer in answers)
    cards = Counter((a.hook, a.service, c["source"]["topic"]["code"], c["indicator"]) for a in answers for c in a.cards)
    speaking = Counter((answer.hook, answer.service) for answer in answers if answer.cards)
    lines = [
        "# How often the service speaks",
        "",
        f"Written by `scripts/alert-rate`: {patients} simulated patients (clinosim {version('clinosim')}, population",
        f"{background.POPULATION}, {background.COUNTRY}, seed {background.SEED}, to {background.END}), each asked",
        "about once by every service under the packaged policy. They say that the service is quiet where nothing is",
        "the matter; how often it speaks in a hospital is measured there. The interval is Wilson's, 95%.",
        "",
        "| hook | service | calls with a card, per 1,000 | 95% interval |",
        "|---|---|---|---|",
    ]
    for (hook, service), calls in sorted(asked.items()):
        given = speaking[hook, service]
        low, high = _wilson(given, calls)
        lines.append(f"| {hook} | {service} | {1000 * given / calls:.1f} | {1000 * low:.1f} to {1000 * high:.1f} |")
    lines += ["", "## Cards by topic", ""]
    if cards:
        lines += ["| hook | service | topic | indicator | per 1,000 calls |", "|---|---|---|---|---|"]
        for (hook, service, topic, indicator), count in sorted(cards.items()):
            rate = 1000 * count / asked[hook, service]
            lines.append(f"| {hook} | {service} | {topic} | {indicator} | {rate:.1f} |")
    else:
        lines.append("None was given.")
    lines += ["", "## Silent, and why", ""]
    held = _silent(app)
    if held:
        lines += ["| topic | reason | per 1,000 patients |", "|---|---|---|"]
        lines += [f"| {topic} | {why} | {1000 * n / patients:.1f} |" for (topic, why), n in sorted(held.items())]
    else:
        lines.append("No topic gave a reason.")
    return "\n".join(lines) + "\n"


def _silent(app: Flask) -> Counter[tuple[str, str]]:
    engine = sa.create_engine(app.extensions["cds"].settings.ledger_url)
    try:
        with engine.connect() as connection:
            of = tables.suppressions.c
            # models that share a topic each say why; it is one silence
            rows = connection.execute(sa.select(of.call_id, of.topic, of.reason).distinct())
            return Counter((topic, reason) for _, topic, reason in rows)
    finally:
        engine.dispose()


def _wilson(found: int, of: int) -> tuple[float, float]:
    """Unlike the plain interval, it does not claim that what was never seen can't happen."""
    share, z2 = found / of, _Z**2 / of
    middle, reach = share + z2 / 2, _Z * sqrt(share * (1 - share) / of + z2 / (4 * of))
    return max(0.0, (middle - reach) / (1 + z2)) if found else 0.0, min(1.0, (middle + reach) / (1 + z2))
