"""How many keys one message may have."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.query.model import GREATEST_KEY
from runtime.errors import FieldViolation, InvalidArgument

GREATEST_KEYS = 1_000
GREATEST_FEW = 100


def check_few(key: str, keys: int) -> None:
    """Refuse a key beside keys, and more than a few. Raises InvalidArgument, BAD_KEYS."""
    if key or keys > GREATEST_FEW:
        raise _bad_keys(
            f"give either key, or 1 to {GREATEST_FEW} keys; for more, use BatchQuery",
            f"请只填 key，或填 1 至 {GREATEST_FEW} 个 keys；更多请用批量查询（BatchQuery）",
        )


def check_keys(keys: Sequence[str]) -> None:
    """Refuse no keys, too many, too long ones and one that stands twice.

    Raises InvalidArgument, BAD_KEYS.
    """
    if (
        not 0 < len(keys) <= GREATEST_KEYS
        or max(map(len, keys)) > GREATEST_KEY
        or len(set(keys)) < len(keys)
    ):
        raise _bad_keys(
            f"a message has 1 to {GREATEST_KEYS} keys, each once and of {GREATEST_KEY} characters "
            "at most",
            f"每条消息须有 1 至 {GREATEST_KEYS} 个 keys，不得重复，每个最多 {GREATEST_KEY} 个字符",
        )


def _bad_keys(message: str, message_zh: str) -> InvalidArgument:
    return InvalidArgument(
        message,
        reason="BAD_KEYS",
        message_zh=message_zh,
        violations=[FieldViolation("keys", "too many, none, one too long, or one of them twice")],
    )
