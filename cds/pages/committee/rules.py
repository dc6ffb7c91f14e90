"""How the charter comes to a verdict, in sentences for whoever sits on the committee."""

from __future__ import annotations

from cds.cards.phrasebook import Phrasebook
from cds.committee.charter import Charter


def rules(words: Phrasebook, charter: Charter) -> list[str]:
    least, steady = charter.minimum, charter.steadiness
    levels = {name: words(f"committee.level.{name}") for name in ("watch", "act", "stop")}
    counts = {name: words.number(getattr(least, name), 0) for name in ("events", "others", "share", "drift")}
    return [
        words("committee.charter.levels", **levels),
        words("committee.charter.beyond"),
        words("committee.charter.enough", **counts),
        words(
            "committee.charter.periods", period=words.length(charter.period), baseline=words.length(charter.baseline)
        ),
        words("committee.charter.newest", newest=words.number(charter.newest, 0)),
        words(
            "committee.charter.steady",
            watch=steady.watch,
            act=steady.act,
            stop=steady.stop,
            better=steady.better,
            **{f"{name}_name": said for name, said in levels.items()},
        ),
    ]
