"""Every model at every site, from the ledger's rows to a stored verdict and, where it must be, a stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cds.committee import actions
from cds.committee.burden import answered, burdened, looked_within
from cds.committee.charter import Charter
from cds.committee.cohort import Cohort, Target, cohort, groups, service_of, target
from cds.committee.findings import Finding
from cds.committee.follow import Ascertainment, FollowUp, follow
from cds.committee.steadiness import Reached, reached
from cds.committee.watch_arrival import arrivals
from cds.committee.watch_files import answering, of_file, other_file
from cds.committee.watch_inputs import Seen, drifting, failing, seen
from cds.committee.watch_outcomes import judged, last_month
from cds.committee.watch_studies import study_failures
from cds.ids import new_id
from cds.inference.guideline import under
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.ledger.book import Book
from cds.ledger.cohort import PredictedRow, last_contacts, predicted, sites
from cds.ledger.committee_tables import charters, verdicts
from cds.ledger.outcomes import Sweep, events, sweeps
from cds.ledger.outcomes import arrivals as arrivals_of
from cds.ledger.response import given
from cds.ledger.standings import EVERYWHERE, Standing, every, stops
from cds.ledger.verdicts import Verdict, history
from cds.measures.estimate import Flags, NotEstimable
from cds.policy.schema import Policy
from cds.record.inputs import DAYS, days

_log = logging.getLogger("cds.committee")
_EVER = timedelta(days=3653)


def keep_charter(book: Book, charter: Charter, text: str, now: datetime) -> None:
    """So that a verdict can be read against the charter it was reached under."""
    book.put_all(charters, [{"version": charter.version, "content": text, "first_used_at": now}])


@dataclass(frozen=True)
class Evaluation:
    verdict: Verdict
    ascertainment: Ascertainment | None
    """How outcomes are known; None where none is compared with."""
    stop: Standing | None
    """The service stopped the model for this verdict."""


def followed(told: Ascertainment) -> Finding:
    """How outcomes came to be known, kept beside the numbers that rest on it."""
    detail = {
        "outcome": told.outcome,
        "sources": list(told.sources),
        "through": told.through.isoformat() if told.through is not None else None,
        "maturity": told.maturity,
        "follow": told.follow,
        "earlier": told.earlier,
        "faults": list(told.faults),
    }
    return Finding("followed", "", NotEstimable("no number: what follow-up rests on"), detail=detail)


@dataclass(frozen=True)
class Following:
    """People a model spoke of, and what became of them."""

    target: Target
    people: Cohort
    found: FollowUp
    asked: Sequence[Sweep]
    """When each source of outcomes was asked."""
    groups: Mapping[str, Mapping[str, Flags]]
    """Subgroup, group, who is in it; in the order of ``people``."""
    now: datetime


@dataclass(frozen=True)
class Evaluator:
    book: Book
    models: Registry
    policy: Callable[[str, str], Policy]
    """In force for calls of a client to a service: layers of the policy may hold for one site alone."""
    charter: Charter
    now: datetime
    """Days are told in its time zone, the hospital's."""

    def all(self, only: str | None = None, site: str | None = None, *, keep: bool = True) -> Iterator[Evaluation]:
        """Each model that was ever asked, at each site where it was. ``keep``: store verdicts, and stop what must be
        stopped. Raises LedgerError."""
        for id, model in sorted(self.models.models.items()):
            if model.refused or (only is not None and id != only):
                continue
            for client in self.book.read(lambda c, id=id: sites(c, id)):  # type: ignore[misc]
                if site is not None and client != site:
                    continue
                try:
                    yield self.one(self.in_force(model, client), client, keep=keep)
                except (ArithmeticError, ValueError) as error:  # one model's numbers cost no other its verdict
                    _log.error("committee.failed model=%s site=%s error=%s", id, client, type(error).__name__)

    def in_force(self, model: Model, site: str) -> Manifest:
        """With the rules of the edition that the site's policy has in force, where it is a guideline."""
        watch = self.charter.watch(model.manifest.id)
        return under(model, self.policy(site, service_of(watch)).guidelines.editions).manifest

    def one(self, manifest: Manifest, site: str, *, keep: bool = True) -> Evaluation:
        until, period = self.now, timedelta(days=days(self.charter.period))
        whole = self._of_version(manifest, site)
        own = [row for row in whole if of_file(row, manifest)]
        findings = [
            *other_file(whole, manifest, until - period),
            *self._inputs(manifest, own, answering(whole, manifest), until - period),
        ]
        outcome_findings, told = self._outcomes(manifest, site, own)
        findings += outcome_findings
        findings += self._burden(manifest, site, own, until - period)
        if manifest.runtime.kind == "volume":
            findings += self.book.read(
                lambda c: study_failures(c, manifest.id, site, until - period, until, self.charter)
            )
        return self._conclude(manifest, site, until - period, findings, told, keep=keep)

    def answers(self, manifest: Manifest, site: str) -> list[PredictedRow]:
        """Of the newest version alone, and of the installed file of it: another's say nothing of this one."""
        return [row for row in self._of_version(manifest, site) if of_file(row, manifest)]

    def set_aside(self, manifest: Manifest, site: str) -> list[PredictedRow]:
        """Answers that are not among ``answers``: of another version, or of another file under the same number."""
        rows = [row for row in self._rows(manifest, site) if row.outcome == "predicted"]
        return [row for row in rows if row.model_version != manifest.version or not of_file(row, manifest)]

    def _of_version(self, manifest: Manifest, site: str) -> list[PredictedRow]:
        return [row for row in self._rows(manifest, site) if row.model_version == manifest.version]

    def _rows(self, manifest: Manifest, site: str) -> list[PredictedRow]:
        return self.book.read(lambda c: list(predicted(c, manifest.id, site, self.now - _EVER, self.now)))

    def _inputs(
        self, manifest: Manifest, own: list[PredictedRow], live: list[PredictedRow], start: datetime
    ) -> list[Finding]:
        """``own``: the installed file's. ``live``: of the file that answers."""
        quick = [row for row in live if row.at >= max(start, self.now - timedelta(days=days(self.charter.quick)))]
        few = 3 * self.charter.minimum.share
        if len(quick) < few:  # a quiet site: its newest calls, however old they are in this period
            quick = [row for row in live if row.at >= start][-few:]
        found = failing(seen(quick, manifest), self._before(live, manifest, start), manifest, self.charter)
        recent = [row for row in own if row.at >= start]
        return found + drifting(seen(recent, manifest), self._before(own, manifest, start), manifest, self.charter)

    def _before(self, rows: list[PredictedRow], manifest: Manifest, start: datetime) -> Seen:
        return seen(self._between(rows, start - timedelta(days=days(self.charter.baseline)), start), manifest)

    @staticmethod
    def _between(rows: Iterable[PredictedRow], since: datetime, until: datetime) -> list[PredictedRow]:
        return [row for row in rows if since <= row.at < until]

    def followed_up(self, manifest: Manifest, site: str, rows: Iterable[PredictedRow]) -> Following | None:
        """What became of the people of these rows; None where nothing of the model foretells what the charter names."""
        watch = self.charter.watch(manifest.id)
        compared = target(manifest, watch, self.policy(site, service_of(watch)))
        if compared is None or watch.outcome is None:
            return None
        people = cohort(rows, compared.output.name)
        wanted = [watch.outcome, *(name for name, o in self.charter.outcomes.items() if o.death)]
        happened = self.book.read(lambda c: events(c, site, wanted))
        asked = self.book.read(lambda c: sweeps(c, site))
        contacts = self.book.read(lambda c: last_contacts(c, site))
        found = follow(people.who, watch.outcome, self.charter, happened, asked, contacts, self.now)
        return Following(compared, people, found, asked, groups(self.charter, manifest, people.rows), self.now)

    def _outcomes(
        self, manifest: Manifest, site: str, rows: list[PredictedRow]
    ) -> tuple[list[Finding], Ascertainment | None]:
        following = self.followed_up(manifest, site, rows)
        if following is None:
            return [], None
        compared, people, found = following.target, following.people, following.found
        told = judged(manifest.id, people, found, compared, self.charter, following.groups)
        outcome = found.ascertainment.outcome
        known = self.book.read(lambda c: arrivals_of(c, site, outcome))
        horizon = last_month(compared) * DAYS["m"]
        told += arrivals(manifest.id, people.who, known, following.asked, outcome, horizon, self.charter, self.now)
        return [followed(found.ascertainment), *told], found.ascertainment

    def _burden(self, manifest: Manifest, site: str, rows: list[PredictedRow], start: datetime) -> list[Finding]:
        since = start - timedelta(days=days(self.charter.baseline))
        told = self.book.read(
            lambda c: given(c, manifest.id, site, since, self.now, manifest.version, manifest.fingerprint)
        )
        every_card = [replace(card, at=card.at.astimezone(self.now.tzinfo)) for card in told]
        cards, before = [c for c in every_card if c.at >= start], [c for c in every_card if c.at < start]
        asked = sum(1 for row in rows if row.at >= start)
        found = [*burdened(manifest.id, asked, cards, self.charter), answered(manifest.id, cards, before, self.charter)]
        outcome = self.charter.watch(manifest.id).outcome
        if outcome is not None and self.charter.outcomes[outcome].looked:
            happened = self.book.read(lambda c: events(c, site, [outcome]))
            found.append(looked_within(cards, happened, outcome, self.now.date(), self.charter))
        return found

    def _conclude(
        self,
        manifest: Manifest,
        site: str,
        since: datetime,
        findings: list[Finding],
        told: Ascertainment | None,
        *,
        keep: bool,
    ) -> Evaluation:
        decisions = self.book.read(every)
        past = [
            v
            for v in self.book.read(lambda c: history(c, manifest.id, site))
            if v.model_version == manifest.version and v.charter_version == self.charter.version
        ]
        mine = [d for d in decisions if d.model == manifest.id and d.site in (site, EVERYWHERE)]
        # of whichever file of this version: one that is changed must not wipe out what was found
        resumed = max((d.at for d in mine if d.action == "resume"), default=None)
        held = stops(decisions)
        is_stopped = (manifest.id, site) in held or (manifest.id, EVERYWHERE) in held
        found = reached(findings, past, self.charter.steadiness, self.now, stopped=is_stopped, since=resumed)
        verdict = self._verdict(manifest, site, since, findings, found)
        if not keep:
            return Evaluation(verdict, told, None)
        self.book.put_all(verdicts, [verdict.row])
        stop = self._stop(verdict, found) if found.stop is not None else None
        _log.info(
            "committee.verdict model=%s site=%s level=%s raised=%s", manifest.id, site, verdict.level, verdict.raised
        )
        return Evaluation(verdict, told, stop)

    def _verdict(
        self, manifest: Manifest, site: str, since: datetime, findings: list[Finding], found: Reached
    ) -> Verdict:
        return Verdict(
            id=new_id(),
            at=self.now,
            model=manifest.id,
            site=site,
            model_version=manifest.version,
            charter_version=self.charter.version,
            since=since,
            until=self.now,
            level=found.level,
            raised=found.raised,
            streak=found.streak,
            findings=tuple(f.plain for f in findings),
            model_sha256=manifest.fingerprint,
        )

    def _stop(self, verdict: Verdict, found: Reached) -> Standing | None:
        assert found.stop is not None
        why = "; ".join(f"{f['measure']} {f['about']}".strip() for f in verdict.raising if f["level"] == "stop")
        stop = actions.stop_by_service(
            self.book, verdict.model, verdict.site, found.stop, f"{found.stop}: {why}", verdict.id, self.now
        )
        if stop is not None:
            _log.error("committee.stopped model=%s site=%s cause=%s", verdict.model, verdict.site, found.stop)
        return stop
