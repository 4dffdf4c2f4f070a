"""Pages of a list (AIP-158): key-set paging, so a page costs the same at any depth.

A token is the last name shown, in base64url; it is opaque to callers and holds no personal data
because names hold none.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from runtime.errors import FieldViolation, InvalidArgument

Entry = TypeVar("Entry")
DEFAULT_SIZE = 100
GREATEST_SIZE = 1000


def page_size(asked: int, *, default: int = DEFAULT_SIZE, greatest: int = GREATEST_SIZE) -> int:
    """How many entries a page has. Raises InvalidArgument where fewer than none are asked for."""
    if asked < 0:
        raise InvalidArgument(
            "page_size must not be negative",
            message_zh="page_size 不能为负",
            violations=[FieldViolation("page_size", "negative")],
        )
    return min(asked or default, greatest)


def token_after(last: str) -> str:
    """The token of the page that begins after `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def last_of(token: str) -> str:
    """What the page begins after; empty at the beginning. Raises InvalidArgument."""
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.urlsafe_b64decode(padded.encode("ascii")).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise bad_token() from None


def last_number_of(token: str) -> int:
    """`last_of` in a list that is in order of numbers; 0 at the beginning. Raises likewise."""
    text = last_of(token)
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise bad_token()
    return int(text or 0)


def token_after_moment(at: datetime, last: str) -> str:
    """The token of the page that begins after `last` of a moment, in a list by time."""
    return token_after(f"{at.isoformat()} {last}")


def moment_of(token: str) -> tuple[datetime, str] | None:
    """What the page begins after in a list by time; None at the beginning. Raises likewise."""
    if not token:
        return None
    text, _, last = last_of(token).partition(" ")
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise bad_token()
        return at.astimezone(UTC), last
    except (ValueError, OverflowError):  # a day before the first one, seen from Greenwich
        raise bad_token() from None


def bad_token() -> InvalidArgument:
    """The refusal of a token that no list gave."""
    return InvalidArgument(
        "page_token is not one that this list gave: begin again without it",
        reason="BAD_PAGE_TOKEN",
        message_zh="page_token 无效：请不带它从头开始",
        violations=[FieldViolation("page_token", "unknown token")],
    )


def cut(
    rows: Sequence[Entry], size: int, name_of: Callable[[Entry], str]
) -> tuple[list[Entry], str]:
    """The page and the next token of rows read with a limit of `size` + 1."""
    page = list(rows[:size])
    return page, token_after(name_of(page[-1])) if len(rows) > size else ""


def cut_by_time(
    rows: Sequence[Entry], size: int, place_of: Callable[[Entry], tuple[datetime, str]]
) -> tuple[list[Entry], str]:
    """`cut` of a list by time: each entry's place is its moment and its name."""
    page = list(rows[:size])
    return page, token_after_moment(*place_of(page[-1])) if len(rows) > size else ""
