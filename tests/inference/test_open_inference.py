"""A model server that fails, hangs, lies or drips: the worker computes by itself, or says that it can't.

The server here is a stand-in over real sockets, since a real one can't be made to misbehave; answers of a real one:
tests/model_server.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds.errors import ModelServerError
from cds.inference import registry
from cds.inference.open_inference import Address, ModelServer, name_of
from cds.inference.volumes import golden
from cds.inference.volumes.network import Device, Network

NETWORK = Path(__file__).parents[2] / "models" / "pancreas-ct-demo"
METADATA = {
    "name": "any",
    "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP64", "shape": [-1]}],
}
X = np.array([[1.0, 2.0], [3.0, 4.0]])

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    def __init__(self, answer: Answer) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(("GET", self.path, dict(self.headers)))
                reply(self, METADATA)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append(("POST", self.path, dict(self.headers)))
                answer(self, body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(handler: BaseHTTPRequestHandler, content: Any, status: int = 200, **headers: str) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


def told(values: list[float], shape: list[int]) -> dict[str, Any]:
    return {"model_name": "any", "outputs": [{"name": "y", "datatype": "FP64", "shape": shape, "data": values}]}


@pytest.fixture
def serving() -> Iterator[Callable[[Answer], Server]]:
    made: list[Server] = []

    def start(answer: Answer) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield start
    for server in made:
        server.close()


Serving = Callable[[Answer], Server]


def test_rows_go_out_as_the_server_says_it_takes_them(serving: Serving, tmp_path: Path) -> None:
    bodies: list[Any] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        bodies.append(json.loads(body))
        reply(handler, told([3.0, 7.0], [2]))

    server = serving(answer)
    secret = tmp_path / "token"
    secret.write_text("a-token\n", encoding="utf-8")
    found = ModelServer(Address(server.url, token_file=secret)).infer("any", X)
    assert found["y"].tolist() == [3.0, 7.0]
    assert bodies == [
        {
            "inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]}],
            "outputs": [{"name": "y"}],
        }
    ]
    assert [(method, path) for method, path, _ in server.asked] == [
        ("GET", "/v2/models/any"),
        ("POST", "/v2/models/any/infer"),
    ]
    assert {headers["Authorization"] for _, _, headers in server.asked} == {"Bearer a-token"}


def test_what_a_model_takes_is_asked_once(serving: Serving) -> None:
    server = serving(lambda handler, _: reply(handler, told([3.0, 7.0], [2])))
    asker = ModelServer(Address(server.url))
    for _ in range(3):
        asker.infer("any", X)
    assert [method for method, _, _ in server.asked] == ["GET", "POST", "POST", "POST"]


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"", 500, "answered 500"),
        (b"moved", 302, "answered 302"),
        (b"<html>", 200, "can't be read"),
        (b'{"outputs": []}', 200, "another number of rows"),
        (json.dumps(told([3.0], [1])).encode(), 200, "another number of rows"),
        (json.dumps(told([3.0, 7.0, 9.0], [2])).encode(), 200, "can't be read"),
        (b'{"outputs": [{"name": "y", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}]}', 200, "can't be read"),
    ],
    ids=["error", "redirect", "html", "nothing", "too few rows", "shape and data differ", "text"],
)
def test_an_answer_that_is_none_is_a_fault_and_the_server_then_rests(
    serving: Serving, content: bytes, status: int, says: str
) -> None:
    server = serving(lambda handler, _: reply(handler, content, status, Location="http://127.0.0.1:1/elsewhere"))
    asker = ModelServer(Address(server.url))
    with pytest.raises(ModelServerError, match=says):
        asker.infer("any", X)
    asked = len(server.asked)
    with pytest.raises(ModelServerError, match="not asked again yet"):
        asker.infer("any", X)
    assert len(server.asked) == asked


def test_a_server_that_rested_is_asked_again(serving: Serving) -> None:
    answers = iter([500, 200])
    server = serving(lambda handler, _: reply(handler, told([3.0, 7.0], [2]), next(answers)))
    asker = ModelServer(Address(server.url, pause_s=0.1))
    with pytest.raises(ModelServerError):
        asker.infer("any", X)
    time.sleep(0.15)
    assert asker.infer("any", X)["y"].tolist() == [3.0, 7.0]


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_a_server_that_hangs_is_left_after_its_time(serving: Serving, drips: bool) -> None:
    def hang(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 24))
        handler.end_headers()
        piece = b" " if drips else b""
        for _ in range(15):
            try:
                handler.wfile.write(piece)
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.2)

    server = serving(hang)
    began = time.monotonic()
    with pytest.raises(ModelServerError, match=r"did not answer within 0\.5 s"):
        ModelServer(Address(server.url, timeout_s=0.5)).infer("any", X)
    assert time.monotonic() - began < 2.0


def test_an_answer_without_end_is_not_read_to_it(serving: Serving) -> None:
    server = serving(lambda handler, _: reply(handler, b" " * 3_000_000))
    with pytest.raises(ModelServerError, match="larger than a result can be"):
        ModelServer(Address(server.url, max_bytes=1_000_000)).infer("any", X)


def test_a_server_that_is_not_there_leaves_the_work_to_this_machine() -> None:
    bundle = registry.read(NETWORK).manifest.runtime.volume
    assert bundle is not None
    stage = bundle.stages[0]
    device = Device(threads=1, provider="cpu")
    seen = golden.window(stage, 1)
    network = Network(stage, NETWORK, device, ModelServer(Address("http://127.0.0.1:1")))
    assert np.array_equal(network(seen)[0], Network(stage, NETWORK, device)(seen)[0])
    assert network.provider == "CPUExecutionProvider"
    strict = Network(stage, NETWORK, device, ModelServer(Address("http://127.0.0.1:1", fallback=False)))
    with pytest.raises(ModelServerError, match="can't be reached"):
        strict(seen)


def test_a_name_says_which_graph_it_is() -> None:
    assert name_of("metastatic-os", "model.onnx", "ab" * 32) == "metastatic-os-model-abababababab"
