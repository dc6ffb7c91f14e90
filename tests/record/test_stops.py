"""Agreements to stop a drug, on record: which order they end, and from which day."""

from __future__ import annotations

from typing import Any

import profiled as sent
import pytest
from test_profiled import ATC, only, read

OLD = {"system": "urn:oid:1.2.3", "value": "MA-7"}


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_an_agreement_on_record_ends_the_order_it_names_by_a_number(found: bool, first: bool) -> None:
    stop, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=True)
    stop["priorPrescription"] = {"identifier": OLD}
    order, _ = sent.zib_medication_agreement((ATC, "L01BC05"))
    order |= {"id": "old", "identifier": [{"value": "MA-7"}, OLD] if found else [{"value": "MA-7"}]}
    record = read(*([stop, order] if first else [order, stop]), product)
    assert record.replaced == ({"MedicationRequest/old"} if found else set())
    # without that order on record, its drug is all there is to go by, until the day it was stopped
    told = {(fact.concept, fact.when.text if fact.when else "") for fact in record.stops}
    day = "2026-11-10"
    assert told == (set() if found else {("gemcitabine", day), ("antineoplastic", day)})
    assert {fact.status for fact in record.of("gemcitabine")} == {"active", "stopped"}


def test_an_agreement_to_stop_on_a_day_to_come_ends_nothing_yet() -> None:
    stop, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=True)
    stop |= {"status": "active"}
    stop["extension"][0]["valuePeriod"]["end"] = "2026-12-24"
    record = read(stop, product)
    assert not record.stops and only(record, "gemcitabine").status == "active"
    stop["extension"][0]["valuePeriod"]["end"] = "2026-11-20"
    record = read(stop, product)
    assert {fact.when.text for fact in record.stops if fact.when} == {"2026-11-20"}
    assert only(record, "gemcitabine").status == "stopped"


@pytest.mark.parametrize("garbage", ["old", [1], {"identifier": 7}])
def test_a_prior_prescription_that_cannot_be_read_costs_no_order_on_record(garbage: Any) -> None:
    order, product = sent.zib_medication_agreement((ATC, "L01BC05"))
    broken = order | {"priorPrescription": garbage, "identifier": garbage}
    assert only(read(broken, product), "gemcitabine")
    for drafts, stop in ((True, False), (False, True)):
        request, product = sent.zib_medication_agreement((ATC, "L01BC05"), stop=stop)
        record = read(request | {"priorPrescription": garbage}, product, drafts=drafts)
        assert not record.facts and record.malformed == 1
