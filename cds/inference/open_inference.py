"""A model server that speaks the Open Inference Protocol v2 (KServe, Triton and others), asked over HTTP.

Graphs lie there under names that hold the beginning of their SHA-256 (``name_of``): a server that was given another
version has no model of that name, so the wrong graph can't answer. Tensors travel as JSON, which every such server
reads, or as bytes after the JSON (the binary tensor extension), which Triton and KServe read and which is many times
smaller.

Protocol: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
Extension: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import requests
from numpy.typing import NDArray
from urllib3.exceptions import HTTPError, TimeoutError

from cds.errors import ModelServerError

_log = logging.getLogger("cds.inference")

_DATATYPES: dict[str, type[np.generic]] = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
_HEADER = "Inference-Header-Content-Length"
_CHUNK = 1 << 20

Tensor = NDArray[np.generic]


def name_of(folder: str, file: str, sha256: str) -> str:
    """A graph's name on a model server: ``metastatic-os-model-1a2b3c4d5e6f``."""
    return f"{folder}-{Path(file).stem}-{sha256[:12]}"


@dataclass(frozen=True)
class Address:
    """Where a model server is and how it is asked."""

    url: str
    """Base address; ``/v2/models/...`` is added."""
    timeout_s: float = 30.0
    """Of one request, from connecting to the last byte."""
    pause_s: float = 30.0
    """A server that failed is not asked again for so long."""
    token_file: Path | None = None
    """Bearer token; read again for each connection's first request."""
    ca_file: Path | None = None
    binary: bool = False
    """Tensors as bytes after the JSON."""
    fallback: bool = True
    """What it can't answer is computed here instead."""
    max_bytes: int = 2_000_000_000
    """Largest answer read."""


@dataclass(frozen=True)
class Signature:
    """What a graph takes and gives, as the server tells."""

    takes: str
    datatype: str
    shape: tuple[int, ...]
    """-1 where any number will do."""
    gives: tuple[str, ...]


class ModelServer:
    """Safe for threads; made after the fork. Every failure raises ModelServerError and opens the breaker."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._base = address.url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc
        if address.ca_file is not None:
            self._session.verify = str(address.ca_file)
        self._known: dict[str, Signature] = {}
        self._lock = threading.Lock()
        self._not_before = 0.0

    @property
    def resting(self) -> bool:
        """It failed a moment ago and is left alone."""
        return time.monotonic() < self._not_before

    def infer(self, model: str, x: Tensor) -> dict[str, Tensor]:
        """All outputs by name, for ``x``: [n, ...] as the graph takes it. Raises ModelServerError."""
        if self.resting:
            raise ModelServerError("the model server failed a moment ago and is not asked again yet")
        try:
            signature = self.signature(model)
            fed = np.ascontiguousarray(x, dtype=_DATATYPES[signature.datatype])
            body, headers = self._request(signature, fed)
            answer, content = self._send("POST", f"/v2/models/{quote(model)}/infer", body, headers)
            return _outputs(answer, content, len(x))
        except ModelServerError as error:
            self._not_before = time.monotonic() + self.address.pause_s
            _log.error("server.failed model=%s error=%s", model, error)
            raise

    def signature(self, model: str) -> Signature:
        """Asked once a model. Raises ModelServerError, also for a graph that takes anything but one float tensor."""
        with self._lock:
            known = self._known.get(model)
        if known is None:
            _, content = self._send("GET", f"/v2/models/{quote(model)}", None, {})
            known = _signature(content)
            with self._lock:
                self._known[model] = known
        return known

    def ready(self, model: str) -> bool:
        """Is the model loaded there? Raises ModelServerError for a server that does not answer."""
        try:
            self._send("GET", f"/v2/models/{quote(model)}/ready", None, {})
        except ModelServerError as error:
            if error.answered in (400, 404, 503):
                return False
            raise
        return True

    def _request(self, signature: Signature, x: Tensor) -> tuple[bytes, dict[str, str]]:
        tensor: dict[str, Any] = {
            "name": signature.takes,
            "datatype": signature.datatype,
            "shape": list(x.shape),
        }
        wanted: list[dict[str, Any]] = [{"name": name} for name in signature.gives]
        if not self.address.binary:
            tensor["data"] = x.ravel().astype(np.float64 if x.dtype == np.float64 else np.float32)
            asked = {"inputs": [tensor], "outputs": wanted}
            return orjson.dumps(asked, option=orjson.OPT_SERIALIZE_NUMPY), {"Content-Type": "application/json"}
        raw = x.tobytes()
        tensor["parameters"] = {"binary_data_size": len(raw)}
        for output in wanted:
            output["parameters"] = {"binary_data": True}
        head = orjson.dumps({"inputs": [tensor], "outputs": wanted})
        return head + raw, {_HEADER: str(len(head)), "Content-Type": "application/octet-stream"}

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[requests.Response, bytes]:
        until = time.monotonic() + self.address.timeout_s
        try:
            with self._session.request(
                method,
                self._base + path,
                data=body,
                headers={**headers, **self._credentials()},
                timeout=(min(5.0, self.address.timeout_s), self.address.timeout_s),
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = self._content(answer, until)
        except (requests.Timeout, TimeoutError) as error:
            raise ModelServerError(f"the model server did not answer within {self.address.timeout_s:g} s") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise ModelServerError(f"the model server can't be reached: {type(error).__name__}") from error
        if answer.status_code != 200:
            raise ModelServerError(f"the model server answered {answer.status_code}", answer.status_code)
        return answer, content

    def _credentials(self) -> dict[str, str]:
        if self.address.token_file is None:
            return {}
        try:
            token = self.address.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelServerError("inference.token_file can't be read") from error
        return {"Authorization": f"Bearer {token}"}

    def _content(self, answer: requests.Response, until: float) -> bytes:
        """Read in pieces: neither an endless nor a dripping answer holds the worker."""
        pieces, size = [], 0
        # read1 hands over what has arrived; a plain read would wait until a whole piece has
        while piece := answer.raw.read1(_CHUNK, decode_content=True):
            size += len(piece)
            if size > self.address.max_bytes:
                raise ModelServerError("the model server's answer is larger than a result can be")
            if time.monotonic() > until:
                raise ModelServerError(f"the model server did not answer within {self.address.timeout_s:g} s")
            pieces.append(piece)
        return b"".join(pieces)


def _signature(content: bytes) -> Signature:
    try:
        told = orjson.loads(content)
        (taken,) = told["inputs"]
        shape = tuple(int(n) for n in taken["shape"])
        found = Signature(
            str(taken["name"]), str(taken["datatype"]), shape, tuple(str(o["name"]) for o in told["outputs"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelServerError("the model server's description of the model is not one of a graph of ours") from error
    if found.datatype not in _DATATYPES or not found.gives:
        raise ModelServerError(f"the model there takes {found.datatype}, not floating point numbers")
    return found


def _outputs(answer: requests.Response, content: bytes, rows: int) -> dict[str, Tensor]:
    try:
        length = int(answer.headers.get(_HEADER, len(content)))
        told = orjson.loads(content[:length])
        at, found = length, {}
        for output in told["outputs"]:
            kind, shape = np.dtype(_DATATYPES[output["datatype"]]), [int(n) for n in output["shape"]]
            size = (output.get("parameters") or {}).get("binary_data_size")
            if size is None:
                values = np.asarray(output["data"], dtype=kind)
            else:
                values = np.frombuffer(content[at : at + int(size)], dtype=kind)
                at += int(size)
            found[str(output["name"])] = values.reshape(shape)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelServerError("the model server's answer can't be read") from error
    if not found or any(not values.shape or values.shape[0] != rows for values in found.values()):
        raise ModelServerError("the model server answered for another number of rows than it was asked about")
    return found
