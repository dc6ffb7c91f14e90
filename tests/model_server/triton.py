"""A real Triton server over a model repository. Run by the environment of ``make test-model-server``, not by the tests.

PyTriton brings Triton's own front end (HTTP, gRPC, the binary extension, batching) and only its Python backend, so each
graph is computed by ONNX Runtime inside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def tensor(told: object) -> Tensor:
    # a graph that gives one number a row says [n]; the server counts the rows itself
    return Tensor(name=told.name, dtype=TYPES[told.type], shape=tuple(told.shape[1:]) or (1,))


def main(repository: Path, http: int, grpc: int, metrics: int) -> None:
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_address="127.0.0.1",
        metrics_port=metrics,
    )
    with Triton(config=config) as server:
        for place in sorted(repository.iterdir()):
            session = onnxruntime.InferenceSession(str(place / "1" / "model.onnx"), providers=["CPUExecutionProvider"])

            @batch
            def run(session=session, **fed):
                names = [o.name for o in session.get_outputs()]
                found = session.run(names, fed)
                return {n: v[:, None] if v.ndim == 1 else v for n, v in zip(names, found, strict=True)}

            server.bind(
                model_name=place.name,
                infer_func=run,
                inputs=[tensor(i) for i in session.get_inputs()],
                outputs=[tensor(o) for o in session.get_outputs()],
                config=ModelConfig(max_batch_size=8),
            )
        server.serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(port) for port in sys.argv[2:5]))
