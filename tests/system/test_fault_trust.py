"""Keys and clocks change under a running service: no call is refused that should not be, and no token is good twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import story_calls
from faults import Seen
from ledger_rows import kept_once, sqlite_of
from running_service import Ehr, running
from servers import FhirServer, gives, hangs, status
from traffic import Traffic

pytestmark = pytest.mark.system
CLOCKED = Path(__file__).with_name("clocked_service.py")


@pytest.mark.fault("keys and clock", "the EHR's keys rotated under traffic")
@pytest.mark.fault("keys and clock", "the address of the EHR's keys fails")
def test_no_call_is_refused_while_keys_change_or_their_address_fails(
    tmp_path: Path, fhir: FhirServer, seen: Seen
) -> None:
    """``fhir`` serves the keys; it is the server at hand."""
    ehr = Ehr()
    fhir.on("keys", gives(ehr.jwks()))
    with running(tmp_path, ehr, jku=f"{fhir.base}/keys") as service:

        def under_traffic(what: str, change: Callable[[Traffic], None], case: str = "") -> None:
            with Traffic(service) as traffic:
                traffic.until(8)
                change(traffic)
                traffic.until(25)
            assert traffic.cut == 0
            assert {a.status_code for a in traffic.answers} == {200}
            seen(
                "keys and clock",
                what,
                during=traffic.answers,
                of="calls in the ledger",
                owed=len(traffic.sent),
                kept=kept_once(sqlite_of(service), traffic.sent),
                recovery_s=None,
                case=case,
            )

        def rotate(traffic: Traffic) -> None:
            ehr.new_key()
            fhir.on("keys", gives(ehr.jwks()))
            ehr.signs_with = 2
            traffic.settled()  # a key is withdrawn when no call signed with it is on its way
            fhir.on("keys", gives(ehr.jwks(withdrawn=1)))

        under_traffic("the EHR's keys rotated under traffic", rotate)
        under_traffic("the address of the EHR's keys fails", lambda _: fhir.on("keys", status(500)), "500")
        under_traffic("the address of the EHR's keys fails", lambda _: fhir.on("keys", hangs()), "hangs")


class WallClock:
    """Of the service; the EHR's own stays right."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.ahead(0)

    def ahead(self, hours: int) -> None:
        aside = self.file.with_suffix(".new")
        aside.write_text(str(hours * 3600))
        aside.replace(self.file)


@pytest.mark.fault("keys and clock", "the service's clock jumps two hours")
def test_while_the_clock_is_wrong_nobody_is_let_in_and_afterwards_no_token_twice(tmp_path: Path, seen: Seen) -> None:
    ehr, clock = Ehr(), WallClock(tmp_path)
    with running(tmp_path, ehr, serves=(str(CLOCKED), str(clock.file)), workers=1) as service:
        address = f"{service.url}/cds-services/pancreas-risk"
        for hours, case in ((2, "ahead"), (-2, "back")):
            sent: list[str] = []

            def ask(sent: list[str] = sent, **token: int) -> requests.Response:
                body = story_calls.patient_view()
                body["context"]["userId"] = f"Practitioner/{uuid.uuid4()}"  # who has not been shown the card today
                answer = service.call(body, token=ehr.token(address, **token))
                if answer.ok:
                    sent.append(body["hookInstance"])
                return answer

            stolen = ehr.token(address)
            assert service.call(story_calls.patient_view(), token=stolen).status_code == 200
            clock.ahead(hours)
            during = [ask(), ask()]
            assert [a.status_code for a in during] == [401, 401]
            assert "compare the clocks" in service.log or "expired" in service.log
            # an EHR whose clock is as wrong gets in, and with it what has expired is thrown away
            assert [ask(ahead_s=3600 * hours).status_code for _ in range(3)] == [200] * 3
            clock.ahead(0)
            begun = time.monotonic()
            after = ask()
            recovery = time.monotonic() - begun
            assert after.status_code == 200
            assert service.call(story_calls.patient_view(), token=stolen).status_code == 401
            seen(
                "keys and clock",
                "the service's clock jumps two hours",
                during=during,
                after=[after],
                of="answered calls in the ledger",
                owed=len(sent),
                kept=kept_once(sqlite_of(service), sent),
                recovery_s=recovery,
                case=case,
            )
