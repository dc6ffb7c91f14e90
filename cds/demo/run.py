"""The main job, for real over HTTP: start service and hospital, open every chart, sign every order, print the cards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
import yaml
from rich.console import Console
from rich.progress import Progress

from cds import yaml_lines
from cds.cli import call, show
from cds.demo.authorization import REPORT_APP
from cds.demo.hospital import everybody, stories
from cds.demo.model_patients import ModelPatient
from cds.demo.port import DemoFailed, Port, free_port
from cds.errors import SettingsError
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages
from cds.settings import load

if TYPE_CHECKING:
    from cds.demo.imaging import Place

_PATIENCE_S = 60.0
_LEAVING_S = 10.0
HOOKS = ("patient-view", "order-sign")


class Command(NamedTuple):
    line: list[str]
    port: Port | None = None
    """That it is handed to serve."""


def run(*, once: bool, port: int, language: str, data_dir: Path | None, policy: str = "", pacs: bool = False) -> int:
    """Exit code: 0 only if every patient got the cards expected of them, and every scan was dealt with as it must be.

    ``policy``: text of another policy than the packaged one; nothing is expected of the patients' records then.
    ``pacs``: scans go to a real Orthanc on this machine, not to the embedded archive. Raises SettingsError without one.
    """
    console = Console()
    # everything here is on this machine: a proxy of the environment must not be asked for it
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    folder = data_dir or Path(tempfile.mkdtemp(prefix="cds-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    with contextlib.ExitStack() as stack:
        at_service, at_hospital = stack.enter_context(Port(8080)), stack.enter_context(Port(port))
        service, hospital = f"http://127.0.0.1:{at_service.number}", f"http://127.0.0.1:{at_hospital.number}"
        images, place = _images(console, required=pacs), None
        commands: list[Command] = []
        if images is not None:
            place, commands = _archive(folder, hospital, real=pacs)
        settings = write_settings(folder, at_service.number, hospital, policy, place)
        with_scans = ["--settings", str(settings)] if place is not None else []
        record = ["-m", "cds.demo.hospital", "--port", str(at_hospital.number), "--service", service, *with_scans]
        commands += [
            Command([sys.executable, *record], at_hospital),
            Command([sys.executable, "-m", "cds", "--settings", str(settings), "serve"], at_service),
        ]
        processes = stack.enter_context(_running(*commands, log=folder / "demo.log"))
        at_service.socket.close()  # theirs alone now: one that ends is refused, not waited for
        at_hospital.socket.close()
        _wait(f"{hospital}/fhir/metadata", processes, folder)
        _wait(f"{service}/health", processes, folder)
        if place is not None:
            _wait(f"{place.url}/studies", processes, folder, (place.user, place.password))
            # after the service, which has brought the database up to date
            worker = [sys.executable, "-m", "cds", "--settings", str(settings), "worker"]
            processes += stack.enter_context(_running(Command(worker), log=folder / "worker.log"))
        console.print(
            "Authentication is [bold]off[/] in this demo, for calls from this machine only. "
            "A hospital's clients always sign their calls (README.md, step 2).",
        )
        if policy:
            console.print("Every research model is [bold]on[/], each labelled; the packaged policy runs few of them.")
        faults = main_job(console, service, f"{hospital}/fhir", language, judge=not policy)
        console.rule()
        for fault in faults:
            console.print(f"not as expected: {fault}", style="red")
        console.print(
            f"{len(everybody().STORIES)} patients, " + _verdict(faults, judged=not policy),
            style="green" if not faults else "red",
        )
        if images is not None:
            faults += _scans(console, settings, images, service, f"{hospital}/fhir", language, everyone=once)
        if not once:
            console.print(
                f"\nThe demo EHR is at [bold]{hospital}/[/]  (service {service}/cds-services). Ctrl-C stops it."
            )
            with contextlib.suppress(KeyboardInterrupt):
                while all(p.poll() is None for p in processes):
                    time.sleep(0.5)
    return 1 if faults else 0


def _images(console: Console, *, required: bool) -> ModuleType | None:
    """The patients told by their images. Raises SettingsError where they are ``required`` and can't be shown."""
    from cds.demo import imaging

    found = imaging.told_by_images()
    if found is None:
        how = "scans need this package's extra 'imaging' (pip install -e '.[imaging]')"
        if required:
            raise SettingsError(f"--pacs: {how}")
        console.print(f"Patients told by their scans are left out: {how}.", style="yellow")
    return found


def _archive(folder: Path, hospital: str, *, real: bool) -> tuple[Place, list[Command]]:
    """(where scans go, what must be started for it)"""
    from cds.demo.imaging import Place

    if not real:
        return Place(f"{hospital}/dicom-web"), []
    from cds.demo import imaging_orthanc

    command, url, user, password = imaging_orthanc.command(folder, free_port(8042))
    return Place(url, user, password), [Command(command)]


def _scans(
    console: Console, path: Path, images: ModuleType, service: str, fhir_base: str, language: str, *, everyone: bool
) -> list[str]:
    from cds.demo.imaging import imaging_job

    told = stories()

    def ask(story: Any, spoken: str) -> list[dict[str, Any]]:
        answers = fire(service, fhir_base, told, story, "patient-view", spoken)
        return [card for answer in answers for card in answer.get("cards", ())]

    def shown(cards: list[dict[str, Any]]) -> None:
        show.cards(console, {"cards": cards})

    faults = imaging_job(
        console, load(path), images, ask, shown, language, fhir_base=fhir_base, everyone=everyone
    )  # fmt: skip
    console.rule()
    for fault in faults:
        console.print(f"not as expected: {fault}", style="red")
    count = sum(everyone or not imaged.later for imaged in images.IMAGED)
    console.print(
        f"{count} patients with scans, "
        + (f"{len(faults)} finding(s) not as expected." if faults else "every scan was dealt with as expected."),
        style="green" if not faults else "red",
    )
    return faults


def _verdict(faults: list[str], *, judged: bool) -> str:
    if not judged:
        return "under a policy for which nothing is expected of them."
    return f"{len(faults)} finding(s) not as expected." if faults else "every one got the cards expected."


def write_settings(folder: Path, port: int, hospital: str, policy: str = "", place: Place | None = None) -> Path:
    """Settings of a demonstration: SQLite in ``folder``, one client on this machine, the example hospital's codes, and
    the archive of its scans."""
    from importlib import import_module  # the stories' own package knows its hospital's codes

    concept_map = import_module(f"{stories().__name__}.concept_map").concept_map()
    (folder / "concept_map.json").write_text(json.dumps(concept_map), encoding="utf-8")
    if place is not None:
        from cds.demo.imaging import policy_with

        model = import_module(f"{stories().__name__}.studies").MODEL
        policy = policy_with(policy or packaged_policy(installed_packages()).read_text(encoding="utf-8"), model)
    policy = _for_one_clinician(policy or packaged_policy(installed_packages()).read_text(encoding="utf-8"))
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    path = folder / "cds.toml"
    path.write_text(
        f"""\
environment = "demo"
policy_file = {json.dumps(str(folder / "policy.yaml"))}
public_url = "http://127.0.0.1:{port}"
port = {port}
workers = 1
leaving_s = 0
data_dir = {json.dumps(str(folder))}
concept_map = {json.dumps(str(folder / "concept_map.json"))}
timezone = "Europe/Amsterdam"

[clients.demo]
authentication = "loopback"
fhir_servers = ["{hospital}/fhir"]

[clients.demo.smart]
client_id = "{REPORT_APP}"

{place.settings(folder) if place is not None else ""}
""",
        encoding="utf-8",
    )
    return path


def _for_one_clinician(policy: str) -> str:
    """Whoever evaluates opens every patient's chart within minutes, as one clinician: a day's budget would end that,
    and is left out. What was shown is not repeated after the visit, as in a hospital."""
    content = yaml_lines.plain(policy)
    content["budget"] = {**content.get("budget", {}), "per_clinician_day": None}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def main_job(console: Console, service: str, fhir_base: str, language: str, *, judge: bool = True) -> list[str]:
    """Every story, every hook it has something to say of. Returns what was not as expected, when asked to ``judge``."""
    from importlib import import_module

    package, told = stories(), everybody()
    verdict = import_module(f"{package.__name__}.verdict")
    found: list[str] = []
    for story in told.STORIES:
        console.rule(f"[bold]{story.name}[/], {story.age}, {story.sex} · {story.id}", align="left")
        console.print(story.tells, style="italic")
        for hook in HOOKS:
            answers = fire(service, fhir_base, told, story, hook, language)
            if not answers:
                continue
            console.print(f"{hook}:", style="dim")
            show.cards(console, {"cards": [card for answer in answers for card in answer.get("cards", ())]})
            if not judge:
                continue
            english = fire(service, fhir_base, told, story, hook, "en") if language != "en" else answers
            # an EHR asks every service registered for the hook: what one does not say, another may
            cards = [card for answer in english for card in answer.get("cards", ())]
            if isinstance(story, ModelPatient):
                found += story.faults(hook, cards)
                continue
            expect = story.expected(hook)
            if expect is None:
                continue
            found += [f"{story.id}: {fault}" for fault in verdict.faults(expect, {"cards": cards})]
            if not cards and expect.reason:
                console.print(f"  ({package.REASONS[expect.reason]})", style="dim")
    return found


def fire(service: str, fhir_base: str, told: Any, story: Any, hook: str, language: str) -> list[dict[str, Any]]:
    """The responses of every service that answers ``hook``, called as an EHR calls: with prefetch."""
    context: dict[str, Any] = {"userId": "Practitioner/gp", "patientId": story.id}
    if hook == "order-sign":
        if not story.drafts:
            return []
        context["draftOrders"] = told.draft_orders(story, date.today())
    answers = []
    for found in call.discover(service, hook, None, None):
        body = call.build(hook, context, fhir_base, found.get("prefetch", {}))
        answer = requests.post(
            f"{service}/cds-services/{found['id']}", json=body, headers={"Accept-Language": language}, timeout=30
        )
        if not answer.ok:
            raise DemoFailed(f"{found['id']} answered {answer.status_code} for {story.id}: {call.fault(answer)}")
        answers.append(answer.json())
    return answers


def _stop(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _running(*commands: Command, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Child processes of this one, stopped with it, whatever happens."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment = {k: v for k, v in environment.items() if not k.startswith("CDS_")}
    signal.signal(signal.SIGTERM, _stop)  # so that the children are stopped on a plain kill, too
    with log.open("ab") as output:
        processes = [
            subprocess.Popen(  # nosec B603 # our own commands
                line if port is None else port.handed(line),
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=() if port is None else (port.socket.fileno(),),
            )
            for line, port in commands
        ]
        try:
            yield processes
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + _LEAVING_S  # of all together: they leave at the same time
            for process in processes:
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()


def _wait(
    url: str, processes: list[subprocess.Popen[bytes]], folder: Path, credentials: tuple[str, str] | None = None
) -> None:
    with Progress(transient=True) as progress:
        progress.add_task(f"starting {url.split('/')[2]}", total=None)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if any(p.poll() is not None for p in processes):
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=2, auth=credentials if credentials and credentials[0] else None).ok:
                    return
            time.sleep(0.1)
    tail = (folder / "demo.log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    raise DemoFailed("the demo did not start; its log ends with:\n" + "\n".join(tail))
