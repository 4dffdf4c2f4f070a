"""Where the status lists of a node are fetched, by its settings."""

from __future__ import annotations

import pytest

from licenses.server import status_address
from runtime.config import Settings
from runtime.portal_settings import PortalSettings

URN = "urn:tongban:status:data-office"


@pytest.mark.parametrize(
    ("said", "origin", "address"),
    [
        ("", "", URN),
        ("", "https://pages.example:8443", "https://pages.example:8443/status"),
        ("https://lists.example/s", "https://pages.example", "https://lists.example/s"),
    ],
)
def test_lists_are_where_the_pages_serve_them(said: str, origin: str, address: str) -> None:
    settings = Settings(status_address=said, portal=PortalSettings(origin=origin))
    assert status_address(settings, "departments/data-office") == address
