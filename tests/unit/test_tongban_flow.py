"""Running a flow in this process."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tongban.commands import flow


def test_ctrl_c_ends_a_flow_that_waits_at_once():
    reached = []

    async def waits() -> None:
        signal.raise_signal(signal.SIGINT)
        reached.append("what it waited for")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), flow._interrupted_at_once():
        asyncio.run(waits())
    assert not reached
    assert signal.getsignal(signal.SIGINT) is before
