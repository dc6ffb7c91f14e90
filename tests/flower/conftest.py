"""`make test-flower` has an environment of its own: elsewhere there is nothing to collect."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("flwr") is None:
    collect_ignore_glob = ["test_*.py"]
