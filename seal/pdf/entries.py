"""Entries of a PDF's dictionaries, and what its objects are told by."""

from __future__ import annotations

from typing import Any

Key = tuple[int, int]
"""Number and generation of an object."""


def key_of(ref: Any) -> Key:
    """What an object is told by."""
    return int(ref.idnum), int(ref.generation)


def entry(held: Any, name: str, default: Any = None) -> Any:
    """What a dictionary has under a name, wherever it stands (`get` would not look there)."""
    try:
        return held[name]
    except KeyError:
        return default
