"""An exchange in a folder with records of made-up people, behind a port with mTLS or without."""

from __future__ import annotations

from runtime.idcodes import citizen_check_character


def citizen_number(serial: int) -> str:
    """A made-up citizen number of region 990101 with a valid check character."""
    body = (
        f"9901011990{serial // 28_000 % 12 + 1:02d}{serial // 1000 % 28 + 1:02d}{serial % 1000:03d}"
    )
    return body + citizen_check_character(body)
