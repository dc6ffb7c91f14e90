"""CUDA libraries that come as wheels are loaded before the first session; what is missing is logged, not printed."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, logging, sys
logging.basicConfig(stream=sys.stderr)
from cds.inference.runtime import load_cuda_libraries
print(json.dumps(load_cuda_libraries()))
"""


def test_what_cannot_be_loaded_is_logged_and_standard_output_stays_clean() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    missing = json.loads(done.stdout)
    assert ("cuda.libraries" in done.stderr) is bool(missing)
