"""What each finding contributed to an answer, in words and as bars.

On the answer's own scale where there is one: percentage points, points of a score. Where a model's own terms are
logarithms of a factor, that factor. Else only the direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.charts import Bar, BarWords, Svg, available, contributions
from cds.inference.manifest import Output
from cds.pages.report import words as say
from cds.pages.report.stored import Told
from cds.record.inputs import Input

_MOST_BARS = 9
_NOTHING = 0.005
"""A factor's logarithm below which two decimals would say 1."""


def of(told: Told) -> Mapping[str, float]:
    """By input name; empty where nothing is explained."""
    explained = told.explanation
    return {s.feature.input.name: s.value for s in explained.shares} if explained is not None else {}


def method(words: Phrasebook, told: Told) -> str:
    """How the shares were had and what they mean; empty where there are none."""
    explained = told.explanation
    if explained is None:
        return ""
    own = _own(told)
    return words(f"report.method.{own.log_of if own is not None and own.log_of else explained.method}")


def text(words: Phrasebook, told: Told, output: Output | None, share: float) -> str:
    """``output``: the answer that is explained."""
    explained, own = told.explanation, _own(told)
    if own is not None and own.log_of is not None:
        return words("report.share.factor", factor=_factor(words, math.exp(share)))
    direction = "raises" if share > 0 else "lowers"
    if explained is not None and output is not None and explained.scale == output.name:
        if output.kind == "probability":
            return words(f"report.share.{direction}.chance", points=words.significant(abs(share) * 100, 2))
        return words(f"report.share.{direction}.score", points=words.significant(abs(share), 2))
    if explained is not None and explained.method == "model" and output is not None and output.kind == "score":
        # the points of a score add up to it
        return words(f"report.share.{direction}.score", points=words.significant(abs(share), 2))
    return words(f"report.share.{direction}.plain")


def _factor(words: Phrasebook, factor: float) -> str:
    """Two figures; near 1, where they would say "× 1" of a factor that is none, two decimals."""
    return words.number(factor, 2) if 0.9 < factor < 1.1 else words.significant(factor, 2)


def beside(words: Phrasebook, told: Told, spec: Input, output: Output | None) -> str:
    """What stands beside one finding in a table; empty where it contributed nothing, or that is not known."""
    share = of(told).get(spec.name)
    if not share:
        return ""
    said, several = text(words, told, output, share), _several(words, told, spec)
    return words("report.share.together", share=said, inputs=several) if several else said


def chart(words: Phrasebook, told: Told, output: Output | None, key: str, title: str) -> tuple[Svg, Svg] | None:
    """Bars, for a page and for a phone. ``key``: where the catalogue has ``described``, ``lower`` and ``higher``."""
    own = _own(told)
    least = _NOTHING if own is not None and own.log_of is not None else 0.0
    shares = [s for s in (told.explanation.shares if told.explanation is not None else ()) if abs(s.value) >= least]
    if not shares or not available():
        return None
    bars = tuple(
        Bar(_label(words, told, share.feature.input), share.value, text(words, told, output, share.value))
        for share in shares[:_MOST_BARS]
    )
    named = BarWords(lower=words(f"{key}.lower"), higher=words(f"{key}.higher"), figure=words.figure)
    described = words(f"{key}.described")
    wide, narrow = (contributions(bars, named, title, described, narrow=small) for small in (False, True))
    return wide, narrow


def _own(told: Told) -> Output | None:
    """The model's own contributions, where they are what is shown."""
    explained = told.explanation
    if explained is None or explained.method != "model":
        return None
    return next((o for o in told.manifest.outputs if o.name == explained.scale), None)


def _several(words: Phrasebook, told: Told, spec: Input) -> str:
    """The inputs whose share stands under this one, if it stands for several."""
    own = _own(told)
    return words.pick(own.input_labels.get(spec.name, {})) if own is not None else ""


def _label(words: Phrasebook, told: Told, spec: Input) -> str:
    """With its value: a finding that is absent contributes, too."""
    several = _several(words, told, spec)
    if several:
        return wording.capital(several)
    given = next((i for i in told.inputs if i.spec.name == spec.name), None)
    name = say.label(words, spec)
    if given is None or not given.found:
        return words("report.share.assumed", input=name)
    return words("report.share.valued", input=name, value=say.read(words, given))
