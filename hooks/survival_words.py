"""The survival card in words: range and milestones with intervals, trial beside real world, what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cds.cards import answers, nameless, wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.explain import spreads
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction, Value
from cds.record.facts import Fact
from cds.record.features import Feature
from cds.services import CardDraft, Case, Proposal
from cds.survival import Curve
from hooks import regimens, standing_in, trials
from hooks.line import Line
from hooks.regimens import Recognised, Regimen
from hooks.stage import Extent
from hooks.trials import Arm

MILESTONES = (6, 12, 24)
# of a number everything stays: 2.5 mg is not 25, 1:1000 and 10–20 mg are no thousands
_ODD = re.compile(r"[^\w/%+,() '.:–×-]|_|[.:](?!\d)|(?<=[^\W\d])[.:]")
_LONGEST, _NAMED = 40, 3


def curve_of(prediction: Prediction, outputs: Mapping[str, Value] | None = None) -> Curve:
    """The survival output with its declared bounds; a model without bounds gets a band of no width."""
    spec = next(o for o in prediction.manifest.outputs if o.kind == "survival")
    values = outputs if outputs is not None else prediction.outputs

    def series(name: str) -> tuple[float, ...]:
        found = values[name]
        return found if isinstance(found, tuple) else (found,)

    alive = series(spec.name)
    return Curve(spec.times, alive, series(spec.lower or spec.name), series(spec.upper or spec.name))


def estimate(
    case: Case, found: Recognised, full: Prediction, comparator: Prediction | None, reached: Line, topic: str
) -> CardDraft:
    words = case.words
    curve = curve_of(full)
    detail = wording.paragraphs(
        words("survival.lead", regimen=found.regimen.title),
        _section(case, "outlook", wording.bullets(_outlook(case, curve))),
        _section(case, "table", _table(case, full, curve, found.regimen)),
        _section(case, "trial", wording.bullets(_trial_lines(case, found))),
        _section(case, "why", wording.bullets(_why(case, full))),
        _section(case, "missing", wording.bullets(_missing(case, full))),
        _section(case, "sure", wording.bullets(_sure(case, full, comparator, reached))),
        _section(case, "gaps", wording.bullets(_gaps(case, found, reached))),
        wording.rests_on(words, [a for a in (full, comparator) if a is not None], case.policy, case.record),
    )
    return _draft(case, topic, words("survival.summary", regimen=found.regimen.title), detail, found)


def score_only(
    case: Case, found: Recognised, score: Prediction, full: Assessment | None, reached: Line, topic: str
) -> CardDraft:
    """The group's range when the full model lacks its inputs. Percentages are not published, so none are shown."""
    words = case.words
    points = round(score.number("group"))
    median = float(score.manifest.parameters["median_survival_months"]["groups"][str(points)])
    albumin, ratio = score.feature("albumin"), _ratio(score)
    group = words(
        "survival.fallback.group",
        score=points,
        albumin=wording.fact_text(words, albumin.facts[0]) if albumin.facts else "–",
        nlr=words.number(ratio, 1) if ratio is not None else "–",
        median=words.number(median, 1),
        worst=words.number(median / 4, 1),
        half=words.number(median / 2, 0),
        double=words.number(median * 2, 0),
        best=words.number(median * 3, 0),
    )
    missing = []
    if isinstance(full, NotAssessed) and full.lacking:
        items = words.join(wording.absence(words, f) for f in full.lacking)
        missing.append(wording.capital(words("survival.missing.lacking", items=items)))
        if assumable := _assumable(full):
            items = words.join(wording.absence(words, f) for f in assumable)
            missing.append(wording.capital(words("survival.missing.assumed", items=items)))
    elif isinstance(full, Failed):
        missing.append(words("survival.none.detail_failed"))
    title = words.pick(score.manifest.words.title)
    detail = wording.paragraphs(
        words("survival.lead", regimen=found.regimen.title),
        group,
        words("survival.fallback.percentages"),
        _section(case, "trial", wording.bullets(_trial_lines(case, found))),
        _section(case, "missing", wording.bullets(missing)),
        _section(
            case,
            "sure",
            wording.bullets(
                [words("survival.sure.performance", model=title, text=wording.performance(words, score.manifest))]
            ),
        ),
        _section(case, "gaps", wording.bullets(_gaps(case, found, reached))),
        wording.rests_on(words, [score], case.policy, case.record),
    )
    draft = _draft(case, topic, words("survival.fallback.summary", regimen=found.regimen.title), detail, found)
    # not on the comparator: it stands beside the full estimate, and must not lead the report in its place
    resting = (*standing_in.silent(case), score.manifest.id)
    return CardDraft(**{**draft.__dict__, "proposals": _proposals(case, full), "models": resting})


def none(
    case: Case,
    found: Recognised | None,
    why: str,
    extent: Extent,
    whose: Assessment | None,
    begun: Fact | None = None,
) -> CardDraft:
    """Quietly: what stands in the way of an estimate. ``whose``: the model whose reason it is, where it is one's;
    ``begun``: the drug that tells of an earlier line."""
    words = case.words
    lacking = whose.lacking if isinstance(whose, NotAssessed) else ()
    drugs = words.join(dict.fromkeys(words.concept(f.concept) for f in case.drafts.of(*regimens.DRUGS)))
    reason = words(
        f"survival.none.detail_{why}",
        items=words.join(wording.absence(words, f) for f in lacking),
        stage=wording.fact_text(words, extent.facts[-1]) if extent.facts else "",
        says=words.pick(whose.says) if isinstance(whose, NotAssessed) else "",
        count=regimens.unread(case.record, case.drafts),
        drugs=drugs,
        read=words("survival.none.read", drugs=drugs) if drugs else words("survival.none.read_nothing"),
        begun=called(words, begun) if begun is not None else "–",
        day=words.day(begun.when if begun is not None else None),
    )
    if why == "unreadable" and (named := regimens.written(case.drafts)):
        texts = words.join(dict.fromkeys(words.concept(concept) for concept in named))
        reason = f"{reason} {words('survival.none.by_text', drugs=texts)}"
    if why == "unreadable" and (codes := nameless.codes(nameless.drafted(case.drafts))):
        reason = f"{reason} {words('survival.none.by_code', codes=words.join(codes))}"
    if why == "unreadable" and regimens.of_either_kind(case.record, case.drafts):
        reason = f"{reason} {words('survival.none.either_kind')}"
    if why == "unreadable" and regimens.not_albumin_bound(case.record, case.drafts):
        reason = f"{reason} {words('survival.none.other_paclitaxel')}"
    if found is None and (awaited := regimens.awaited(case.record, case.drafts)):
        told = words.counted("survival.none.awaited", len(awaited), drugs=_first(case, awaited))
        reason = f"{reason} {told}"
    resting = standing_in.silent(case)
    return CardDraft(
        topic="pancreas-survival-none",
        rank="information",
        indicator="info",
        summary=words(
            "survival.none.summary_regimen" if found is not None else "survival.none.summary",
            why=words(f"survival.none.{why}"),
            regimen=found.regimen.title if found is not None else "",
        ),
        detail=wording.paragraphs(
            f"{words('survival.none.lead')} {reason}",
            wording.bullets(wording.gaps(words, case.evidence, case.record)),
            wording.rests_on(words, [case.assessments[id] for id in resting], case.policy, case.record),
        ),
        source_label=words("survival.source"),
        proposals=_proposals(case, whose),
        models=resting,
        about={"regimen": found.regimen.value} if found is not None else {},
    )


def _draft(case: Case, topic: str, summary: str, detail: str, found: Recognised) -> CardDraft:
    arms = trials.arms_of(found.regimen)
    return CardDraft(
        topic=topic,
        rank="information",
        indicator="info",
        summary=summary,
        detail=detail,
        source_label=case.words("survival.source"),
        source_url=arms[0].source if arms else None,
        links=tuple((f"{arm.trial} ({arm.year})", arm.source) for arm in arms),
        models=tuple(case.assessments),
        about={"regimen": found.regimen.value},
    )


def _section(case: Case, name: str, body: str) -> str:
    # a table needs a blank line before it, a list doesn't mind one
    return f"**{case.words(f'survival.heading.{name}')}**\n\n{body}" if body else ""


def _outlook(case: Case, curve: Curve) -> list[str]:
    words, scenario, end = case.words, curve.scenario, words_months(case, curve.times[-1])
    lines = []
    if scenario.typical_from is not None:
        late = words("survival.outlook.more_than", months=end)
        high = words_months(case, scenario.typical_to) if scenario.typical_to is not None else late
        lines.append(words("survival.outlook.typical", low=words_months(case, scenario.typical_from), high=high))
    if scenario.best is not None:
        lines.append(words("survival.outlook.best", months=words_months(case, scenario.best)))
    else:
        lines.append(words("survival.outlook.best_open", months=end))
    if scenario.worst is not None:
        lines.append(words("survival.outlook.worst", months=words_months(case, scenario.worst)))
    return lines


def words_months(case: Case, months: float) -> str:
    """Whole months from three on: the data know no finer."""
    return case.words.number(months, 0) if months >= 3 else case.words.number(months, 1)


def _table(case: Case, full: Prediction, curve: Curve, regimen: Regimen) -> str:
    words = case.words
    rows = [words("survival.table.head"), words("survival.table.rule")]
    assumed = words("survival.table.assumed") if any(f.input.name == "ecog" for f in full.absent) else ""
    name = words("survival.table.estimate", assumed=assumed)
    rows.append(_row(case, name, {m: _cell(case, curve, m) for m in MILESTONES}))
    rows.append(_row(case, words("survival.table.dead"), {m: _dead(case, curve, m) for m in MILESTONES}))
    if full.ordinary is not None:
        name = words(f"survival.table.ordinary.{answers.likeness(full)}")
        like = curve_of(full, full.ordinary)
        rows.append(_row(case, name, {m: _alive(case, like, m) for m in MILESTONES}))
    cohort = full.manifest.parameters["cohort"]["alive"]
    observed = {m: _percent(case, 100 * float(cohort[str(m)])) for m in MILESTONES}
    rows.append(_row(case, words("survival.table.real_world"), observed))
    for arm in trials.arms_of(regimen):
        name = words("survival.table.trial", trial=arm.trial, arm=arm.arm)
        rows.append(_row(case, name, {m: _percent(case, p) for m, p in arm.alive.items()}))
    return "\n".join(rows)


def _row(case: Case, name: str, cells: Mapping[int, str]) -> str:
    empty = case.words("survival.table.empty")
    six, twelve, twentyfour = (cells.get(m, empty) for m in MILESTONES)
    return case.words("survival.table.row", name=name, six=six, twelve=twelve, twentyfour=twentyfour)


def _cell(case: Case, curve: Curve, months: int) -> str:
    point = curve.at(months)
    if point is None:
        return case.words("survival.table.empty")
    share, low, high = (case.words.number(100 * v, 0) for v in (point.alive, point.lower, point.upper))
    return case.words("survival.table.cell", value=share, low=low, high=high)


def _alive(case: Case, curve: Curve, months: int) -> str:
    point = curve.at(months)
    return case.words("survival.table.empty") if point is None else _percent(case, 100 * point.alive)


def _dead(case: Case, curve: Curve, months: int) -> str:
    """Both frames: of the same 100, those who have died."""
    point = curve.at(months)
    if point is None:
        return case.words("survival.table.empty")
    return _percent(case, 100 - round(100 * point.alive))


def _percent(case: Case, percent: float) -> str:
    return case.words("survival.table.percent", value=case.words.number(percent, 0))


def _trial_lines(case: Case, found: Recognised) -> list[str]:
    words = case.words
    arms = trials.arms_of(found.regimen)
    lines = [_trial_line(case, arm) for arm in arms] or [words("survival.trial.none")]
    lines.append(words("survival.trial.caution"))
    if found.regimen is Regimen.gemcitabine_nab_paclitaxel and any(f.concept == "paclitaxel" for f in found.drugs):
        lines.append(words("survival.regimen_assumed"))
    return lines


def _trial_line(case: Case, arm: Arm) -> str:
    words = case.words
    return words(
        "survival.trial.line",
        trial=arm.trial,
        setting=arm.year,
        arm=arm.arm,
        n=arm.n,
        median=words.number(arm.median, 1),
        other_median=words.number(arm.other_median, 1),
        other=arm.other,
        hr=words.number(arm.hazard_ratio.value, 2),
        low=words.number(arm.hazard_ratio.low, 2),
        high=words.number(arm.hazard_ratio.high, 2),
        favoured=arm.arm if arm.hazard_ratio.favours == "arm" else arm.other,
    )


def _gaps(case: Case, found: Recognised, reached: Line) -> list[str]:
    """Drugs that could not be told too, since the regimen and the line hang on what is ordered and was given."""
    lines = wording.gaps(case.words, case.evidence, case.record)
    if untold := regimens.untold(case.record, case.drafts):
        lines.append(case.words.counted("survival.gaps.orders", untold))
    if reached.untold:
        lines.append(case.words.counted("survival.gaps.given", len(reached.untold), drugs=_first(case, reached.untold)))
    if beside := regimens.beside(case.record, case.drafts):
        lines.append(case.words.counted("survival.gaps.beside", len(beside), drugs=_first(case, beside)))
    if unplaced := regimens.unplaced(case.record, case.drafts, found):
        lines.append(case.words.counted("survival.gaps.unplaced", len(unplaced), drugs=_first(case, unplaced)))
    if stopped := regimens.stopped_since(case.record, case.drafts, found):
        lines.append(case.words.counted("survival.gaps.stopped", len(stopped), drugs=_first(case, stopped)))
    if undated := reached.undated:
        lines.append(case.words.counted("survival.gaps.undated", len(undated), drugs=_first(case, undated)))
    if other := reached.elsewhere:
        lines.append(case.words.counted("survival.gaps.elsewhere", len(other), drugs=_first(case, other)))
    return lines


def _first(case: Case, drugs: Sequence[Fact]) -> str:
    """What the first of them are called."""
    named = case.words.join([called(case.words, f) for f in drugs[:_NAMED]])
    return named if len(drugs) <= _NAMED else case.words("survival.gaps.first", drugs=named)


def called(words: Phrasebook, drug: Fact) -> str:
    """As the chart has it, else the name it has here, else its code. Cards are Markdown: without brackets, and dots and
    colons outside numbers, a text from the chart can't become a link, an image or a tag in the EHR."""
    own = words.concept(drug.concept) if drug.concept in regimens.DRUGS else ""
    name = drug.title or own or next((code for _, code in drug.codes), "")
    plain = _ODD.sub("", name).strip()
    if len(plain) > _LONGEST:  # never within a number: of 1000 ml a 1 would be left
        plain = f"{plain[: _LONGEST + 1].rpartition(' ')[0] or plain[:_LONGEST]} …"
    return plain or "–"


def _why(case: Case, full: Prediction) -> list[str]:
    words, record = case.words, case.record
    sex = {True: "male", False: "female", None: "other"}[record.male]
    read = (f for f in full.features if f.found and f.facts and f.value is not None and f.input.graph)
    found = [wording.reason(words, f) for f in read]
    return [words(f"survival.person.{sex}", age=record.age), *found][:9]


def _missing(case: Case, full: Prediction) -> list[str]:
    """For each absent input: 12-month survival over the values it might have had; the one that could change it most
    first. What could not be read and is only assumed comes last."""
    words, lines = case.words, []
    spread = spreads(full.what_if, "alive_12", full.number("alive_12"))
    for name, (_, *bounds) in spread.items():
        low, high = (words.number(100 * v, 0) for v in bounds)
        item = wording.capital(wording.absence(words, full.feature(name)))
        lines.append(words("survival.missing.spread", item=item, low=low, high=high))
    plain = [wording.capital(wording.absence(words, f)) for f in full.absent if f.input.name not in spread]
    return [*lines, *(words("survival.missing.plain", item=item) for item in plain)]


def _assumable(full: NotAssessed) -> list[Feature]:
    """Absent inputs that would not stop the full model: it would go by all the values they might have."""
    needed = {feature.input.name for feature in full.lacking}
    return [f for f in full.features if f.wanting and f.input.name not in needed]


def _sure(case: Case, full: Prediction, comparator: Prediction | None, reached: Line) -> list[str]:
    words = case.words
    title = words.pick(full.manifest.words.title)
    lines = [words("survival.sure.performance", model=title, text=wording.performance(words, full.manifest))]
    lines += filter(None, [answers.spoke(case, full)])
    if reached.kind == "later-cycle" and reached.begun is not None:
        lines.append(words("survival.sure.started", day=words.day(reached.begun.when)))
    lines.append(words("survival.sure.no_regimen"))
    lines += full.manifest.words.limits.get(words.language, full.manifest.words.limits.get("en", ()))[:2]
    if comparator is not None:
        lines.append(_compared(case, comparator))
    return lines


def _compared(case: Case, comparator: Prediction) -> str:
    """One line beside the estimate, with its evidence: a research model, kept out of the table."""
    words, curve = case.words, curve_of(comparator)
    shares = [words.number(100 * point.alive, 0) for m in MILESTONES if (point := curve.at(m)) is not None]
    return words(
        "survival.sure.comparator",
        model=words.pick(comparator.manifest.words.title),
        shares=words.join(shares),
        text=wording.performance(words, comparator.manifest),
    )


def _ratio(score: Prediction) -> float | None:
    neutrophils, lymphocytes = score.feature("neutrophils").value, score.feature("lymphocytes").value
    return neutrophils / lymphocytes if neutrophils is not None and lymphocytes else None


def _proposals(case: Case, full: Assessment | None) -> tuple[Proposal, ...]:
    """Tests that would make the estimate possible."""
    words = case.words
    lacking = {f.input.name for f in full.lacking} if isinstance(full, NotAssessed) else set()
    if lacking & {"neutrophils", "lymphocytes", "monocytes"} and "blood-count-differential" in case.policy.orders:
        return (
            Proposal(
                "blood-count-differential",
                words("survival.order.differential"),
                "routine",
                words("order_reason_first_line"),
            ),
        )
    return ()
