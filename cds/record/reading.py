"""Resources -> record: statuses respected, codes matched, units converted, doubtful things refused with a reason.

Never count: entered-in-error, cancelled, refuted, inactive, not-done, stopped drafts. Statuses follow the FHIR R4
value sets of each resource.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from msgspec import structs

from cds.fhir import resources as fhir
from cds.record import agreements, medications, moments, quantities, routes
from cds.record.carried import Carried
from cds.record.concepts import Concept
from cds.record.derived import derive
from cds.record.facts import Fact, Record, Refused
from cds.record.family import Family
from cds.record.genomics import TOLERATED_AHEAD, Genomics
from cds.record.language import spoken
from cds.record.moments import Moment, years_between
from cds.record.onset import began
from cds.record.standing import INACTIVE, REFUTED, standing
from cds.record.stops import Stops
from cds.record.vocabulary import Vocabulary

_OBSERVED = frozenset({"final", "amended", "corrected", "preliminary", None})
_BEING_ORDERED = frozenset({"draft", "active", None})
_VOID = frozenset({"entered-in-error", "cancelled"})
_NOT_ORDERED = frozenset({"entered-in-error", "revoked", "cancelled"})
_NOT_IMAGED = frozenset({"entered-in-error", "cancelled"})
_OLDEST = 130.0  # years
_NOT_DONE = frozenset({"entered-in-error", "not-done", "preparation", "stopped"})


class Reader:
    """Reads resources of one patient into one record."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        patient_id: str,
        now: datetime,
        zone: tzinfo,
        *,
        drafts: bool = False,
        prescriptions: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """``drafts``: the resources are orders in the making, whose status ``draft`` does not disqualify them; what is
        signed to end an order does. ``prescriptions``: of the record's reader, which drafts may name by a number."""
        self._vocabulary = vocabulary
        self._zone = zone
        self._drafts = drafts
        self._seen: Counter[str] = Counter()
        self.record = Record(now=now, patient_id=patient_id, day=moments.day_at(now, zone))
        self._latest = now + TOLERATED_AHEAD
        self.prescriptions = list(prescriptions)
        self.products: dict[str, fhir.Medication] = {}
        """By ``Type/id``, or by a Bundle's own address; orders refer to them."""
        self._stops = Stops(self.record, self.prescriptions)
        self._carried = Carried(vocabulary.carried, lambda told: self._names(told, "answer")[0])
        self._genomics = Genomics(vocabulary)
        self._family = Family(vocabulary)

    def read(self, resources: Iterable[Any], *, attributed: bool = False) -> None:
        """Add resources. ``attributed``: they came in the hook's context, so a missing subject is no doubt."""
        self.products |= {f"Medication/{r.id}": r for r in resources if isinstance(r, fhir.Medication)}
        for resource in sorted(resources, key=lambda r: not isinstance(r, fhir.Patient)):  # ages count from birth
            reader = _READERS.get(type(resource))
            if reader is None:
                continue
            subject = fhir.subject_of(resource)
            if subject != self.record.patient_id and not (attributed and subject is None):
                self.record.foreign += 1
                continue
            reader(self, resource)

    def finish(self) -> Record:
        self._stops.finish()
        self._carried.into(self.record)
        self._genomics.into(self.record)
        self._family.into(self.record)
        self.record.arrange()
        derive(self.record, self._vocabulary)
        return self.record

    def _names(self, concept: fhir.CodeableConcept | None, kind: str) -> tuple[tuple[str, ...], tuple[str, str] | None]:
        """Concepts of one resource type that a CodeableConcept stands for, and the code that matched first."""
        names: tuple[str, ...] = ()
        matched: tuple[str, str] | None = None
        for coding in concept.coding if concept is not None else ():
            system, code = coding.system, coding.code
            if system and code and (found := self._vocabulary.named(system, code, kind)):
                # nearly always there is one code, and nothing to join
                names = tuple(dict.fromkeys((*names, *found))) if names else found
                matched = matched or (system, code)
        return names, matched

    def _moment(self, *texts: str | None) -> Moment | None:
        for text in texts:
            if text and (moment := moments.parse(text, self._zone)) is not None:
                return moment
        return None

    def _in_future(self, when: Moment | None) -> bool:
        return when is not None and when.earliest > self._latest

    def _refuse(self, concept: str, resource: Any, reason: str, detail: str = "", when: Moment | None = None) -> None:
        self.record.refused.append(Refused(concept, _reference(resource), reason, detail, when))

    def _patient(self, patient: fhir.Patient) -> None:
        birth = self._moment(patient.birthDate)
        self.record.birth = birth if birth is not None and self._can_be_born(birth) else None
        self.record.male = {"male": True, "female": False}.get(patient.gender or "")
        self.record.deceased = patient.dead is True
        self.record.language = spoken(bytes(patient.communication))

    def _can_be_born(self, birth: Moment) -> bool:
        """An age that nobody has is a slip of the pen: taken for true it would put the patient outside every range."""
        return birth.earliest <= self.record.now and years_between(birth, self.record.now) <= _OLDEST

    def _observation(self, observation: fhir.Observation) -> None:
        if observation.status not in _OBSERVED:
            return
        period = observation.effectivePeriod
        when = self._moment(
            observation.effectiveDateTime,
            observation.effectiveInstant,
            (period.start or period.end) if period else None,
            observation.issued,
        )
        genomic = self._genomics.take(observation, when)
        self._measured(observation, observation, when)
        for component in () if genomic else observation.component:
            self._measured(observation, component, when)

    def _measured(
        self, observation: fhir.Observation, part: fhir.Observation | fhir.Component, when: Moment | None
    ) -> None:
        names, matched = self._names(part.code, "Observation")
        for name in (n for n in names if n not in self._vocabulary.variants):
            concept = self._vocabulary.concepts[name]
            if self._in_future(when) and not concept.inborn:
                self._refuse(name, observation, "in-the-future", when.text if when else "")
            elif when is None and not concept.inborn:
                self._refuse(name, observation, "no-date")
            elif part.valueCodeableConcept is not None:
                answers, _ = self._names(part.valueCodeableConcept, "answer")
                day = None if self._in_future(when) else when
                if answers:
                    self.record.add(Fact(name, _reference(observation), day, answers=answers))
                else:
                    # of a measurement, a sample that was spoilt takes no earlier value its place
                    self._refuse(name, observation, "no-value", when=day if concept.unit is None else None)
            elif when is not None and (quantity := quantities.sent(part, concept)) is not None:
                self._quantity(observation, part, name, concept, quantity, when, matched)
            elif part is not observation or not observation.component:
                told = quantities.begins(part.valueString or "") if concept.unit is not None else ""
                said = told if concept.unit is not None else part.valueString
                self._refuse(name, observation, "no-value", told, when if said else None)

    def _quantity(
        self,
        observation: fhir.Observation,
        part: fhir.Observation | fhir.Component,
        name: str,
        concept: Concept,
        quantity: fhir.Quantity,
        when: Moment,
        matched: tuple[str, str] | None,
    ) -> None:
        spelt = self._vocabulary.spelling(name, quantity.unit, quantity.code, matched)
        found = quantities.read(quantity, spelt, concept.plausible)
        if found.value is None:
            refused = Refused(name, _reference(observation), found.refused, found.original, when, found.highest)
            self.record.refused.append(refused)
            return
        sent = bytes(part.referenceRange)
        usual = self._vocabulary.reference_range(sent, name, quantity.unit, quantity.code, matched) if sent else None
        self.record.add(
            Fact(
                name,
                _reference(observation),
                when,
                value=found.value,
                unit=concept.unit or "1",
                original=found.original,
                comparator=quantity.comparator,
                reference_range=usual,
            )
        )

    def _condition(self, condition: fhir.Condition) -> None:
        verification, clinical = standing(condition, self.record.now, self._zone)
        if verification in REFUTED:
            return
        if clinical not in INACTIVE:
            told = self._vocabulary.tells_problem(condition.code.coding if condition.code else ())
            self.record.problems += told
            self.record.uncoded += not told
        when = began(condition, self.record.birth, self.record.now, self._zone)
        names, _ = self._names(condition.code, "Condition")
        if clinical not in INACTIVE and not self._in_future(when):
            self._carried.take(names, _reference(condition), bytes(condition.stage), when)
        for name in names:
            if self._in_future(when):
                self._refuse(name, condition, "in-the-future", when.text if when else "")
                continue
            self.record.add(
                Fact(
                    name,
                    _reference(condition),
                    when,
                    status="inactive" if clinical in INACTIVE else "active",
                    remission=clinical == "remission",
                    verification=verification,
                    title=_display(condition.code),
                )
            )

    def _medication(self, resource: Any) -> None:
        stands = resource.status in _BEING_ORDERED if self._drafts else medications.on_record(resource)
        stands = stands and not getattr(resource, "doNotPerform", False)
        if not (stands or self._drafts):
            return
        period = getattr(resource, "effectivePeriod", None)
        authored = getattr(resource, "authoredOn", None)
        stopped, prior, until = False, agreements.NO_PRIOR, None
        if isinstance(resource, fhir.MedicationRequest):
            try:
                stopped = agreements.stops(resource)
                prior = agreements.prior(resource) if stopped or self._drafts else prior
                if stopped and not self._drafts:
                    first, last = agreements.use(resource)
                    authored, until = first, self._moment(last, authored)
            except ValueError:
                self.record.malformed += stands
                return
            if self._drafts:
                stands, stopped = self._ends(resource, prior, stands, stopped)
            else:
                self.prescriptions.append((_reference(resource), bytes(resource.identifier)))
        when = self._moment(authored, getattr(resource, "effectiveDateTime", None), period.start if period else None)
        product = medications.product(resource, self.products)
        code = medications.drug(resource, product)
        dosage = resource.dosageInstruction if isinstance(resource, fhir.MedicationRequest) else resource.dosage
        if routes.local(bytes(dosage), bytes(product.form) if product else b"", medications.texts(code)):
            return
        facts = self._drugs(resource, code, self._source(resource) if stands else _reference(resource), when)
        if stopped and not self._drafts:
            if not self._in_future(until):
                self._stops.on_record(prior, facts, until)
                facts = [structs.replace(fact, status="stopped") for fact in facts]
            if when is None:  # what was taken until then, the one it ends says
                return
        for fact in facts:
            if fact.concept and self._in_future(when) and not self._drafts:  # what is signed is, whatever its day
                self.record.ahead.append(fact)
                continue
            if stands:
                self._ordered(fact, code, medications.at_hand(resource, product))
            else:
                self.record.ended.append(fact)
                self.record.stops.extend([fact] if stopped else [])

    def _drugs(self, resource: Any, code: fhir.CodeableConcept, source: str, when: Moment | None) -> list[Fact]:
        codes = tuple((c.system or "", c.code) for c in code.coding if c.code)
        texts, title = medications.texts(code), _display(code)
        return [
            Fact(name, source, when, status=resource.status, title=title, texts=texts, codes=codes)
            for name in self._names(code, "Medication")[0] or ("",)
        ]

    def _ends(
        self, request: fhir.MedicationRequest, prior: agreements.Prior, stands: bool, stopped: bool
    ) -> tuple[bool, bool]:
        """Whether it is being ordered itself, and whether it stops whatever there is of its drug: an agreement to stop
        is a resource of its own. What it says that it replaces is all that it ends."""
        if request.status in _VOID or request.doNotPerform or not (stands or stopped):
            return False, False
        known = self._stops.signed(prior)
        return stands and not stopped, stopped and not known

    def _source(self, resource: Any) -> str:
        """Two orders in the making under one id, such as ``new``, are still two."""
        reference = _reference(resource)
        if not self._drafts:
            return reference
        self._seen[reference] += 1
        return reference if self._seen[reference] == 1 else f"{reference}#{self._seen[reference]}"

    def _ordered(self, fact: Fact, code: fhir.CodeableConcept, at_hand: bool) -> None:
        if fact.concept:
            self.record.add(fact)
        elif not at_hand or not (fact.codes or fact.texts) or not self._vocabulary.tells_drug(code.coding):
            self.record.unrecognised.append(fact)
        elif self._vocabulary.tells_it_is_another(code.coding):
            pass
        elif self._vocabulary.leaves_out(code.coding):
            self.record.supposed.append(fact)
        else:
            self.record.untold.append(fact)

    def _procedure(self, procedure: fhir.Procedure) -> None:
        if procedure.status in _NOT_DONE:
            return
        period = procedure.performedPeriod
        when = self._moment(procedure.performedDateTime, period.start if period else None)
        for name in self._names(procedure.code, "Procedure")[0]:
            self.record.add(Fact(name, _reference(procedure), when, status=procedure.status))

    def _order(self, order: fhir.ServiceRequest) -> None:
        if order.status in _NOT_ORDERED or order.doNotPerform:
            return
        when = self._moment(order.authoredOn, order.occurrenceDateTime)
        codes = tuple((c.system, c.code) for c in (order.code.coding if order.code else ()) if c.system and c.code)
        names = self._names(order.code, "ServiceRequest")[0]
        made = [
            Fact(name, _reference(order), when, status=order.status, title=_display(order.code), codes=codes)
            for name in names or ("",)
        ]
        self.record.orders.append(made[0])
        for fact in made[: len(names)]:
            self.record.add(fact)

    def _imaging(self, study: fhir.ImagingStudy) -> None:
        if study.status in _NOT_IMAGED:
            return
        when = self._moment(study.started)
        if self._in_future(when):
            return
        taken: dict[str, set[str]] = {}
        studied = {m.code for m in study.modality if m.code}
        of_all = studied | {s.modality.code for s in study.series if s.modality is not None and s.modality.code}
        for name in self._names(_joined(study.procedureCode), "ImagingStudy")[0]:
            taken[name] = set(of_all)
        for series in study.series:  # a CT of the head beside an ultrasound of the abdomen is no CT of the abdomen
            if series.bodySite is None:
                continue
            own = {series.modality.code} if series.modality is not None and series.modality.code else set()
            alone = studied if len(studied) == 1 else set()
            for name in self._names(fhir.CodeableConcept(coding=[series.bodySite]), "ImagingStudy")[0]:
                taken.setdefault(name, set()).update(own or alone)
        reference, title = _reference(study), _display(study.procedureCode[0]) if study.procedureCode else ""
        for name, modalities in taken.items():
            shown = tuple(sorted(modalities))
            self.record.add(Fact(name, reference, when, status=study.status, modalities=shown, title=title))
        left = of_all.difference(*taken.values())
        if left or not of_all:
            told = (s.description or (s.bodySite.display if s.bodySite else "") for s in study.series)
            title = study.description or title or next(filter(None, told), "")
            left_out = Fact("", reference, when, status=study.status, modalities=tuple(sorted(left)), title=title)
            self.record.unplaced.append(left_out)

    def _relative(self, history: fhir.FamilyMemberHistory) -> None:
        self._family.take(history, self._moment(history.date))


_READERS: dict[type, Any] = {
    fhir.Patient: Reader._patient,
    fhir.Observation: Reader._observation,
    fhir.Condition: Reader._condition,
    fhir.MedicationRequest: Reader._medication,
    fhir.MedicationStatement: Reader._medication,
    fhir.MedicationAdministration: Reader._medication,
    fhir.Procedure: Reader._procedure,
    fhir.ServiceRequest: Reader._order,
    fhir.ImagingStudy: Reader._imaging,
    fhir.FamilyMemberHistory: Reader._relative,
}


def _reference(resource: Any) -> str:
    return f"{type(resource).__name__}/{resource.id or ''}"


def _joined(concepts: Iterable[fhir.CodeableConcept]) -> fhir.CodeableConcept:
    return fhir.CodeableConcept(coding=[c for concept in concepts for c in concept.coding])


def _display(concept: fhir.CodeableConcept | None) -> str:
    if concept is None:
        return ""
    return concept.text or next((c.display for c in concept.coding if c.display), "")
