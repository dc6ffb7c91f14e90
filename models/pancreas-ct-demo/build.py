"""Make the demonstration network anew: phantoms, training, gates, evaluation.

    pip install 'pancreas-cds[imaging,train-networks]'
    python models/pancreas-ct-demo/build.py

The detector's 6,500 steps took 14 minutes on two cores with nothing else running (7.6 steps a second). The locator with
its 900 phantoms took 15 minutes of CPU time in a busy hour, 12 of them by the clock; calibration takes 3 and evaluation
4 to 5. The same seed gives the same phantoms and the same order of training; bits may differ between versions of
PyTorch and kinds of processor, so the graphs are committed with their SHA-256.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    for script in ("train.py", "calibrate.py", "evaluate.py"):
        subprocess.run([sys.executable, str(FOLDER / script)], check=True)  # nosec B603


if __name__ == "__main__":
    main()
