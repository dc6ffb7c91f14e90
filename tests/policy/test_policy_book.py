"""What holds in a worker: it follows the ledger without a restart, and keeps what it knows when the ledger is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from layered import BASE, KNOWN, TODAY, house, layer, opened, person

from cds.ledger import Ledger, PolicyLedger, migrate
from cds.policy import acts
from cds.policy.book import PolicyBook
from cds.policy.schema import Policy
from cds.policy.store import PolicyStore

KEY = b"a key of thirty-two bytes or more"


class Worker:
    """One process's view, on a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "base.yaml").write_text(BASE, encoding="utf-8")
        self.clock, self.day = 0.0, TODAY
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", KEY, folder / "spool")
        self.used: list[str] = []
        self.book = PolicyBook(
            PolicyStore(folder / "base.yaml", KNOWN, poll_s=2, clock=lambda: self.clock),
            KNOWN,
            self.ledger,
            folder / "layers.json",
            today=lambda: self.day,
            poll_s=2,
            on_use=lambda policy, text: self.used.append(policy.version),
            clock=lambda: self.clock,
        )

    def threshold(self, client: str = "north", service: str = "my-service", user: str = "P/1") -> float:
        found: float = self.policy(client, service, user).service("my-service").parameters["threshold"]
        return found

    def policy(self, client: str = "north", service: str = "my-service", user: str = "P/1") -> Policy:
        return self.book.current(client, service, user)

    def later(self, seconds: float = 3) -> None:
        self.clock += seconds

    def settled(self) -> None:
        """The file was looked at twice, as a changed one has to be."""
        self.later()
        self.policy()
        self.later()


@pytest.fixture
def versions(tmp_path: Path) -> Iterator[PolicyLedger]:
    migrate.upgrade(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger = opened(tmp_path)
    yield ledger
    ledger.close()


Start = Callable[[], Worker]


@pytest.fixture
def start(tmp_path: Path, versions: PolicyLedger) -> Iterator[Start]:
    made: list[Worker] = []

    def begin() -> Worker:
        made.append(Worker(tmp_path))
        return made[-1]

    yield begin
    for worker in made:
        worker.ledger.close()


def set_in_force(versions: PolicyLedger, text: str, **canary: tuple[str, ...]) -> str:
    version = versions.do(acts.propose(house(), person(), text, "change.yaml")).version or ""
    versions.do(acts.approve(house(), person("B. Second"), version))
    versions.do(acts.activate(house(), person(), version, canary))
    return version


def test_what_is_activated_holds_in_every_worker_and_what_is_rolled_back_does_not(
    start: Start, versions: PolicyLedger
) -> None:
    workers = [start(), start()]
    assert [w.threshold() for w in workers] == [0.02, 0.02]
    set_in_force(versions, layer(0.03))
    assert [w.threshold() for w in workers] == [0.02, 0.02]
    for worker in workers:
        worker.later()
    assert [w.threshold() for w in workers] == [0.03, 0.03]
    versions.do(acts.roll_back(person(), "site"))
    for worker in workers:
        worker.later()
    assert [w.threshold() for w in workers] == [0.02, 0.02]


def test_site_service_and_department_lie_over_each_other_in_that_order(start: Start, versions: PolicyLedger) -> None:
    set_in_force(versions, layer(0.06, layer="department/clinic", applies_to={"users": ["P/9"]}))
    set_in_force(versions, layer(0.04))
    set_in_force(versions, layer(0.05, layer="service/my-service"))
    worker = start()
    assert worker.threshold(service="other-service") == 0.04
    assert worker.threshold() == 0.05
    assert worker.threshold(user="P/9") == 0.06


def test_a_canary_is_for_its_client_alone(start: Start, versions: PolicyLedger) -> None:
    set_in_force(versions, layer(0.05), clients=("south",))
    worker = start()
    assert (worker.threshold("north"), worker.threshold("south")) == (0.02, 0.05)


def test_a_date_comes_without_anybodys_doing(start: Start, versions: PolicyLedger) -> None:
    set_in_force(versions, layer(0.05, effective="2026-12-01", until="2026-12-02"))
    worker = start()
    assert worker.threshold() == 0.02
    for day, expected in ((date(2026, 12, 1), 0.05), (date(2026, 12, 3), 0.02)):
        worker.day = day
        worker.later()
        assert worker.threshold() == expected


def test_a_policy_that_was_made_is_remembered_before_it_is_used(start: Start, versions: PolicyLedger) -> None:
    set_in_force(versions, layer(0.05))
    worker = start()
    assert worker.used == []
    version = worker.policy().version
    worker.policy()
    assert worker.used == [version]


def test_a_changed_file_comes_through_under_the_layers(start: Start, versions: PolicyLedger, tmp_path: Path) -> None:
    set_in_force(versions, layer(0.05))
    worker = start()
    assert worker.policy().orders["scan"].code == "1"
    (tmp_path / "base.yaml").write_text(BASE.replace('code: "1"', 'code: "7"'), encoding="utf-8")
    worker.settled()
    assert worker.policy().orders["scan"].code == "7"
    assert worker.threshold() == 0.05


def test_a_layer_that_no_longer_fits_is_told_and_the_last_good_policy_stays(
    start: Start, versions: PolicyLedger, tmp_path: Path
) -> None:
    set_in_force(versions, layer(None, orders={"scan": {"code": "9"}}))
    worker = start()
    assert worker.policy().orders["scan"].code == "9"
    (tmp_path / "base.yaml").write_text(BASE.replace('  scan: {system: "urn:x", code: "1", display: Scan}\n', ""))
    worker.settled()
    assert worker.policy().orders["scan"].code == "9"
    assert "orders.scan.system: this key is required" in (worker.book.fault or "")
    (tmp_path / "base.yaml").write_text(BASE)
    worker.settled()
    assert worker.policy().orders["scan"].code == "9"
    assert worker.book.fault is None


def test_while_the_ledger_is_away_what_is_known_holds_and_a_new_worker_knows_it_too(
    start: Start, versions: PolicyLedger, tmp_path: Path
) -> None:
    set_in_force(versions, layer(0.05))
    worker = start()
    assert worker.threshold() == 0.05
    away = tmp_path / "away"
    away.mkdir()
    worker.ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.rename(away / file.name)
    (tmp_path / "ledger.db").mkdir()  # nothing can be opened there
    worker.later()
    assert worker.threshold() == 0.05
    assert start().threshold() == 0.05
    (tmp_path / "layers.json").unlink()
    assert start().threshold() == 0.02


@pytest.mark.parametrize("content", [b"", b"{", b'{"versions": 1}'])
@pytest.mark.threat("tampered-model")
def test_a_spoilt_copy_is_not_believed(start: Start, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "layers.json").write_bytes(content)
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "ledger.db").mkdir()
    assert start().threshold() == 0.02


def test_a_shadow_is_another_policy_beside_the_one_in_force(start: Start, versions: PolicyLedger) -> None:
    worker = start()
    assert worker.book.shadow("north", "my-service", "P/1") is None
    version = versions.do(acts.propose(house(), person(), layer(0.05), "change.yaml")).version or ""
    versions.do(acts.shadow(house(), person(), version))
    worker.later()
    shadow = worker.book.shadow("north", "my-service", "P/1")
    assert shadow is not None
    assert shadow.versions == version
    assert shadow.policy.service("my-service").parameters["threshold"] == 0.05
    assert worker.threshold() == 0.02
