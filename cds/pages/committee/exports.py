"""Each view of the console as a file: CSV for a spreadsheet, PDF for the minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Response

from cds.cards.phrasebook import Phrasebook
from cds.charts import as_png
from cds.committee.monthly import Monthly
from cds.ledger.incidents import Incident
from cds.pages.committee import tables
from cds.pages.committee.lists import CallRow
from cds.pages.committee.paper import Paper
from cds.pages.committee.view import ModelView, Overview
from cds.pages.committee.words import Line, gaps

Moment = Callable[[datetime], str]
_LINES = (34, 30, 18, 10, 10)


def csv(head: Sequence[str], rows: Iterable[Sequence[object]], name: str) -> Response:
    return _file(tables.as_csv(head, rows), "text/csv; charset=utf-8", f"{name}.csv")


def pdf(paper: Paper, name: str) -> Response:
    return _file(paper.content(), "application/pdf", f"{name}.pdf")


def png(content: bytes, name: str) -> Response:
    return _file(content, "image/png", f"{name}.png")


def fhir(content: bytes, name: str) -> Response:
    return _file(content, "application/fhir+json", f"{name}.json")


def _file(content: bytes, kind: str, name: str) -> Response:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "_" for c in name)[-90:]
    answer = Response(content, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    return answer


def overview_csv(found: Overview) -> Response:
    rows = [
        (r.model, r.version, r.site, r.level, r.at.isoformat(), "; ".join(x.named for x in r.raising))
        for r in found.rows
    ]
    return csv(("model", "version", "site", "verdict", "evaluated", "raised by"), rows, "overview")


def overview_pdf(found: Overview, group: str, words: Phrasebook, moment: Moment, made: datetime) -> Response:
    paper = _paper(words("committee.overview.title"), words, made)
    paper.text(words("committee.overview.lead"), *_about(group, found.groups, words))
    keys = ("verdict", "model", "site", "raised", "evaluated")
    rows = [
        (
            words(f"committee.level.{r.level}"),
            f"{r.title} {r.version}",
            r.site,
            "\n".join(f"{x.named}: {x.value}" for x in r.raising) or words("committee.overview.nothing_raised"),
            moment(r.at),
        )
        for r in found.rows
    ]
    paper.table([words(f"committee.overview.{key}") for key in keys], rows, (12, 30, 14, 40, 18))
    return pdf(paper, "overview")


def findings_csv(found: ModelView) -> Response:
    verdict = found.verdict
    about = (verdict.model, verdict.model_version, verdict.site, verdict.at.isoformat())
    rows = [
        (*about, *(f.get(name) for name in tables.OF_FINDING)) for f in found.findings if f["measure"] != "followed"
    ]
    return csv(tables.FINDINGS, rows, f"{found.model}-{found.site}")


def model_pdf(
    found: ModelView, group: str, rests: Sequence[str], words: Phrasebook, moment: Moment, made: datetime
) -> Response:
    verdict = found.verdict
    paper = _paper(f"{found.title}: {words(f'committee.level.{found.level}')}", words, made)
    paper.text(
        words("committee.model.lead", site=found.site, at=moment(verdict.at), version=verdict.model_version,
              charter=verdict.charter_version)
    )  # fmt: skip
    for plot in found.plots:
        paper.picture(plot.title, as_png(plot.draw), 0.55 if plot.name.startswith("calibration") else 0.9)
    paper.heading(words("committee.model.followed"))
    paper.text(*rests, *_about(group, found.groups, words))
    _sections(paper, words, found.sections)
    return pdf(paper, f"{found.model}-{found.site}")


def _about(group: str, groups: Mapping[str, str], words: Phrasebook) -> list[str]:
    """A paper of one group says so: without it, it would look like all there is."""
    return [f"{words('committee.overview.group')}: {groups.get(group, group)}"] if group else []


def calls_csv(rows: Iterable[CallRow], name: str) -> Response:
    told = [(r.call, r.at.isoformat(), r.pseudonym, r.outcome, r.answer, "yes" if r.carded else "no") for r in rows]
    return csv(("call", "at", "pseudonym", "outcome", "answer", "card"), told, name)


def incidents_csv(found: Iterable[Incident]) -> Response:
    rows = [
        (i.problem.id, i.problem.at.isoformat(), i.problem.client, i.state, i.severity, i.problem.kind, i.call_id)
        for i in found
    ]
    # not what people typed: they may name a patient in it, and a file travels
    return csv(("incident", "reported", "site", "state", "severity", "kind", "call"), rows, "incidents")


def incident_pdf(found: Incident, words: Phrasebook, moment: Moment, made: datetime) -> Response:
    """With what people typed, unlike the table of all: a paper of one incident is for those who deal with it."""
    problem = found.problem
    paper = _paper(words("committee.incidents.one", number=problem.id), words, made)
    paper.text(words("committee.incidents.notice"))
    told = {
        "at": moment(problem.at),
        "site": problem.client,
        "kind": words(f"committee.incidents.kinds.{problem.kind}"),
        "state": words(f"committee.incidents.states.{found.state}"),
        "severity": words(f"committee.incidents.severities.{found.severity}") if found.severity else "",
        "call": found.call_id or "",
        "text": problem.text,
    }
    keys = [key for key, value in told.items() if value]
    paper.text(*(f"{words(f'committee.incidents.{key}')}: {told[key]}" for key in keys))
    paper.heading(words("committee.incidents.since"))
    if found.events:
        rows = [
            (
                moment(event.at),
                event.person,
                words(f"committee.incidents.actions.{event.action}"),
                words(f"committee.incidents.severities.{event.severity}") if event.severity else "",
                "\n".join(filter(None, (event.text, event.call_id))),
            )
            for event in found.events
        ]
        head = [words(f"committee.incidents.{key}") for key in ("when", "person", "action", "severity", "text")]
        paper.table(head, rows, (16, 16, 14, 12, 42))
    else:
        paper.text(words("committee.incidents.nobody"))
    return pdf(paper, f"incident-{problem.id}")


def report_pdf(
    found: Monthly,
    parts: Sequence[tuple[Any, Sequence[tuple[str, Sequence[Line]]]]],
    titles: dict[str, str],
    words: Phrasebook,
    moment: Moment,
    made: datetime,
) -> Response:
    paper = _paper(words("committee.report.title", month=words.month(found.since)), words, made)
    first, last = words.day(found.since), words.day(found.last_day)
    paper.text(words("committee.report.lead", since=first, until=last, charter=found.charter))
    paper.heading(words("committee.report.summary"))
    if not parts:
        paper.text(words("committee.report.none"))
    paper.text(*(f"{words(f'committee.level.{v.level}')}: {titles[v.model]}, {v.site}" for v, _ in parts))
    paper.heading(words("committee.report.decisions"))
    decided = [decision(one, words, moment) for one in found.decisions]
    paper.text(*(decided or [words("committee.report.no_decision")]))
    paper.heading(words("committee.report.incidents"))
    closed = sum(found.closed.values())
    paper.text(words("committee.report.incidents_line", reported=found.reported, closed=closed, open=found.open))
    for verdict, sections in parts:
        paper.heading(f"{titles[verdict.model]}, {verdict.site}: {words(f'committee.level.{verdict.level}')}", 13)
        _sections(paper, words, sections)
    return pdf(paper, f"report-{found.month}")


def decision(one: Any, words: Phrasebook, moment: Moment) -> str:
    return words(
        "committee.report.decision",
        at=moment(one.at),
        action=words(f"committee.report.action.{one.action}"),
        model=one.model,
        site=words("committee.overview.everywhere") if one.site == "*" else one.site,
        person=f"{one.person}, {one.second}" if one.second else one.person,
        reason=one.reason,
    )


def _sections(paper: Paper, words: Phrasebook, sections: Sequence[tuple[str, Sequence[Line]]]) -> None:
    head = [words(f"committee.model.{key}") for key in ("measure", "value", "of", "limit", "verdict")]
    for name, lines in sections:
        paper.heading(words(f"committee.section.{name}"), 10)
        rows = [
            (x.named, x.value, x.n, x.limit, "" if x.level == "green" else x.level_name) for x in lines if x.measured
        ]
        if rows:
            paper.table(head, rows, _LINES)
        paper.text(*(f"{why}: {'; '.join(of)}" for why, of in gaps(lines).items()))


def _paper(title: str, words: Phrasebook, made: datetime) -> Paper:
    return Paper(title, words.language, made, words("committee.report.page", n="{n}"))
