"""The tally is counted beside other work: on and on while there is more, also after a failure."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from exchange.oversight import counting
from exchange.oversight.counting import Counting


class Overseeing:
    """Counts three portions, of which the second fails."""

    def __init__(self) -> None:
        self.asked = 0
        self.done = threading.Event()

    def catch_up(self) -> SimpleNamespace:
        self.asked += 1
        if self.asked == 2:
            raise OSError("the disk is full")
        if self.asked == 3:
            self.done.set()
        return SimpleNamespace(complete=self.asked >= 3)


def test_it_counts_on_until_all_is_counted(monkeypatch):
    monkeypatch.setattr(counting, "PAUSE", 0.01)
    overseeing = Overseeing()
    counter = Counting(overseeing)
    counter.start()
    assert overseeing.done.wait(5)
    counter.stop()
    assert not counter._thread.is_alive()
