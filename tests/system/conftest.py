from __future__ import annotations

import pytest
from running_service import Ehr


@pytest.fixture(scope="session")
def ehr() -> Ehr:
    """Made once: a key takes a tenth of a second."""
    return Ehr()
