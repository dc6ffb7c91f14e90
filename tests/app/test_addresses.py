"""What is said of an address that is refused holds no password and no token of it."""

from __future__ import annotations

import pytest

from cds.addresses import require_address, require_secure


@pytest.mark.parametrize("address", ["http://cds:hunter2@ehr.example/token", "http://ehr.example/keys?key=hunter2"])
def test_a_secret_in_an_address_is_not_repeated(address: str) -> None:
    for refuse in (lambda: require_secure("backend.token_url", address), lambda: require_address(address, "https://x")):
        with pytest.raises(ValueError, match="what was given") as refused:
            refuse()
        assert "hunter2" not in str(refused.value)


def test_one_without_is() -> None:
    with pytest.raises(ValueError, match=r"^fhir_servers: 'http://ehr\.example' must start with https://$"):
        require_secure("fhir_servers", "https://ehr.example", "http://127.0.0.1:8080", "http://ehr.example")
