"""The service's own disk is full, ledger, spool and all: cards go out, and what can't be written waits until it can."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import story_calls
from faults import Seen
from ledger_rows import kept_once, seconds_until_drained
from running_service import Ehr, running
from small_disk import small_disk
from traffic import Traffic

from cds.host_memory import place_for

pytestmark = pytest.mark.system


@pytest.mark.fault("disk", "full, with the ledger and the spool on it")
def test_without_room_for_a_row_the_cards_go_out_and_the_rows_wait(tmp_path: Path, ehr: Ehr, seen: Seen) -> None:
    with (
        small_disk(tmp_path / "data", megabytes=64) as disk,
        running(tmp_path, ehr, data_dir=str(disk.folder)) as service,
    ):
        workers, others = service.workers(), list[str]()
        with Traffic(service) as traffic:
            traffic.until(10)
            disk.fill()
            first = len(traffic.answers) + traffic.clinicians
            traffic.until(60)
            during = traffic.answers[first:]
            # a token whose use has to be written in a file that is not there yet, and counts that were never counted
            address = f"{service.url}/cds-services/pancreas-risk"
            new = [ehr.token(address, good_for_s=60 * minutes) for minutes in (1, 2, 3)]
            extra = [story_calls.patient_view() for _ in new]
            during += [service.call(body, token=token) for body, token in zip(extra, new, strict=True)]
            replayed = service.call(story_calls.patient_view(), token=new[0])
            assert replayed.status_code == 401  # full or not, a token is good for one call
            for id, hook in service.services():
                other = story_calls.body(hook, story_calls.ALARMING.id, prefetch=story_calls.patient_view()["prefetch"])
                assert service.call(other, id).status_code == 200
                others.append(other["hookInstance"])
            assert service.ready()["ledger"]["spooled"] > 0  # operators see that rows wait
            disk.free()
            recovery = seconds_until_drained(service)
            traffic.until(10)
        seconds_until_drained(service)
        assert traffic.cut == 0
        assert service.workers() == workers  # none of them died of it
        assert {a.status_code for a in traffic.answers} == {200}
        assert all(answer.json()["cards"] for answer in during)
        sent = [*traffic.sent, *(body["hookInstance"] for body in extra), *others]
        spare = place_for(disk.folder / "jti")
        assert spare is not None and list(spare.iterdir())  # used, and gone when what is in there has expired
        shutil.rmtree(spare)
        seen(
            "disk",
            "full, with the ledger and the spool on it",
            during=during,
            of="calls in the ledger",
            owed=len(sent),
            kept=kept_once(f"sqlite:///{disk.folder / 'ledger.db'}", sent),
            recovery_s=recovery,
            slowest_s=traffic.slowest,
        )
