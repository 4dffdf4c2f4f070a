"""A thread for one act."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from pathlib import Path

import pytest

from runtime.threads import in_passing_thread
from seal.ofd.markup import parse_xml

_ASKED: ContextVar[str] = ContextVar("asked", default="nothing")


def test_it_returns_raises_and_sees_the_context() -> None:
    here = threading.get_ident()
    assert in_passing_thread(threading.get_ident) != here
    token = _ASKED.set("something")
    try:
        assert in_passing_thread(_ASKED.get) == "something"
    finally:
        _ASKED.reset(token)
    with pytest.raises(KeyError, match="why"):
        in_passing_thread(lambda: {}["why"])


def test_names_of_strangers_are_not_kept() -> None:
    def read(number: int) -> None:
        names = "".join(f"<n{number}_{each}_{'x' * 40}/>" for each in range(20_000))
        parse_xml(f"<a>{names}</a>".encode(), "OFD.xml")

    for number in range(5):
        in_passing_thread(lambda number=number: read(number))  # type: ignore[misc]
    before = _resident()
    for number in range(5, 45):
        in_passing_thread(lambda number=number: read(number))  # type: ignore[misc]
    assert _resident() - before < 20  # MiB; it was 60 of the 44 MB read, and grew on


def _resident() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
