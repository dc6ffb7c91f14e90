"""The engine: CDS Hooks, FHIR and models, and no disease.

Nothing under this package names an organ or a cancer; that is what ``hooks`` and ``models`` are for. Imports
go one way: ``hooks`` imports ``cds``, never the reverse.
"""

import os

# ONNX Runtime from 1.29 sends telemetry by default on Linux, and its threads break forked workers. The switch
# is read at the first import of onnxruntime, so it is set here, at the package's door.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# numpy's linear algebra would start a thread a processor, which spin while they wait for each other: beside other work
# on two processors a scan's coarsening then took seconds instead of a tenth of one. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
