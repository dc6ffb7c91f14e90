"""Make the demonstration network anew: phantoms, training, gates, evaluation. On two CPU cores some 25 minutes.

    pip install 'pancreas-cds[imaging,train-networks]'
    python models/pancreas-ct-demo/build.py

The committed graphs were trained on noisier phantoms with fainter lesions than ``phantom.py`` now draws, and are
evaluated on those it draws now. The same seed gives the same phantoms and the same order of training; bits may differ
between versions of PyTorch and kinds of processor, so the graphs are committed with their SHA-256.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    for script in ("train.py", "calibrate.py", "evaluate.py"):
        subprocess.run([sys.executable, str(FOLDER / script)], check=True)


if __name__ == "__main__":
    main()
