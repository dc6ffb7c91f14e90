"""A label that says its time, in whatever unit and language, is not told it again."""

from __future__ import annotations

import pytest

from cds.cards.phrasebook import Catalogues
from cds.inference.horizon import unsaid


@pytest.mark.parametrize(
    ("language", "label", "horizon", "behind"),
    [
        ("en", "risk", "24m", "2 years"),
        ("en", "risk", "18m", "18 months"),
        ("en", "risk within 24 months", "24m", None),
        ("en", "risk within 2 years", "24m", None),
        ("en", "risk within 12 years", "24m", "2 years"),
        ("nl", "kans binnen 2 jaar", "24m", None),
        ("nl", "kans binnen 24 maanden", "24m", None),
        ("nl", "kans", "24m", "2 jaar"),
        ("nl", "kans", "90d", "90 dagen"),
        ("en", "risk", "1y", "1 year"),
        ("en", "risk within 1 year", "1y", None),
        ("en", "risk within 12 months", "1y", None),
        ("nl", "kans binnen 12 maanden", "1y", None),
        ("en", "risk within 24 months", "1y", "1 year"),
        ("en", "2-year risk", "2y", None),
        ("en", "2-year risk", "24m", None),
        ("en", "24-month risk", "2y", None),
        ("nl", "2-jaarsoverleving", "2y", None),
        ("en", "12-year risk", "2y", "2 years"),
        ("en", "risk at 1.5 years", "5y", "5 years"),
        ("nl", "kans na 1,5 jaar", "5y", "5 jaar"),
    ],
)
def test_only_a_time_that_a_label_does_not_say_is_put_behind_it(
    language: str, label: str, horizon: str, behind: str | None
) -> None:
    assert unsaid(label, horizon, Catalogues([]).book(language).length) == behind
