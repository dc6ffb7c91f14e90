"""The EHRs, as a process of their own: clients that each keep one connection and call again when answered.

    python benchmarks/load.py SPEC.json

SPEC: ``port``, ``path``, ``body`` (a file; empty: GET), ``tokens`` (a file, one a line; empty: none), ``clients``, and
``calls`` in all or ``seconds``. ``pause``: seconds before each of a client's calls, drawn about that mean (exponential)
since clinicians do not call in step. ``rate``: calls a second in all, each
due at its time whether others were answered or not; its milliseconds count from then, so that what waits for a free
client is not left out. ``ports``: of several servers, among which the clients are shared out. ``goes_on``: an answer
other than 200 is counted and does not end the run. ``patient``: the id in the body that is replaced by a new one of the
same length in each call, since a hospital's calls are not all about one patient; ``user`` (its last four characters) by
another after every twenty calls, since they are not all one clinician's either: what both have been shown is asked of
the ledger.
Prints ``{"ms": [...], "wall_s": ..., "shed_ms": [...], "faults": [...]}``: of answers 200, of 503 with Retry-After, and
what else there was.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spec:
    port: int
    path: str
    body: str = ""
    tokens: str = ""
    clients: int = 4
    calls: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    patient: str = ""
    user: str = ""
    rate: float = 0.0
    ports: tuple[int, ...] = ()
    goes_on: bool = False


def run(spec: Spec) -> dict[str, object]:
    payload = Path(spec.body).read_bytes() if spec.body else None
    tokens = iter(Path(spec.tokens).read_text().split()) if spec.tokens else itertools.repeat("")
    turns = iter(range(spec.calls)) if spec.calls else itertools.count()
    first = time.time_ns() // 1000 % 10 ** len(spec.patient)  # another run's patients are others
    begin = time.perf_counter()
    end = begin + spec.seconds if spec.seconds else float("inf")
    found: list[float] = []
    shed: list[float] = []
    faults: list[str] = []
    lock = threading.Lock()

    def client(number: int, port: int) -> None:
        drawn = random.Random(number)  # nosec B311
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        while time.perf_counter() < end and (spec.goes_on or not faults):
            if spec.pause:
                time.sleep(drawn.expovariate(1 / spec.pause))
            with lock:
                turn = next(turns, None)
                due = begin + turn / spec.rate if spec.rate and turn is not None else 0.0
                if turn is None or due >= end:
                    break
                token = next(tokens, None)
            if token is None:
                faults.append("more calls than tokens: the load was given too few")
                break
            sent = payload
            if payload and spec.patient:
                number = (first + turn) % 10 ** len(spec.patient)
                sent = payload.replace(spec.patient.encode(), b"%0*d" % (len(spec.patient), number))
                if spec.user:
                    other = b"%s%04d" % (spec.user[:-4].encode(), number // 20 % 10_000)
                    sent = sent.replace(spec.user.encode(), other)
            headers = {"Content-Type": "application/json", "Accept-Language": "en"}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            start = time.perf_counter()
            if spec.rate:
                start = due
                time.sleep(max(0.0, due - time.perf_counter()))
            try:
                connection.request("POST" if sent else "GET", spec.path, sent, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                faults.append(f"{spec.path}: {type(error).__name__}")
                connection.close()
                continue
            taken = (time.perf_counter() - start) * 1000
            if answer.status == 200:
                found.append(taken)
            elif answer.status == 503 and answer.getheader("Retry-After") and spec.goes_on:
                shed.append(taken)
            else:
                faults.append(f"{spec.path} answered {answer.status}: {content[:300]!r}")
        connection.close()

    ports = spec.ports or (spec.port,)
    threads = [threading.Thread(target=client, args=(n, ports[n % len(ports)])) for n in range(spec.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begin
    if faults and not spec.goes_on:
        raise SystemExit(faults[0])
    return {"ms": found, "wall_s": wall, "shed_ms": shed, "faults": faults}


if __name__ == "__main__":
    print(json.dumps(run(Spec(**json.loads(Path(sys.argv[1]).read_text())))))
