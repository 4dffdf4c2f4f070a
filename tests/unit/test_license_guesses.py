"""The one bound on what is tried in vain."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from licenses.guesses import AT_ALL, AT_ONE, FILE, OF_NODE, OF_ONE, WATCHED, Guesses
from runtime.errors import ResourceExhausted


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def guesses(time: Time) -> Guesses:
    return Guesses(time)


def refused(guesses: Guesses, who: str, at: str = "") -> str:
    try:
        guesses.check(who, at)
    except ResourceExhausted as error:
        return error.reason
    return ""


def tried(guesses: Guesses, who: str, at: str = "", *, times: float = 1) -> None:
    for _ in range(int(times)):
        guesses.check(who, at)
        guesses.count(who, at)


def test_tries_in_vain_are_bounded_for_each(guesses: Guesses, time: Time) -> None:
    tried(guesses, "one", times=OF_ONE.at_once)
    assert refused(guesses, "one") == "TOO_MANY_UNKNOWN_CODES"
    assert refused(guesses, "another") == ""
    time.now += OF_ONE.seconds
    assert refused(guesses, "one") == ""


def test_many_together_are_bounded_and_an_honest_one_is_served(guesses: Guesses) -> None:
    for number in range(int(OF_NODE.at_once)):
        tried(guesses, f"bot-{number}")
    assert refused(guesses, "bot-7") == "TOO_MANY_UNKNOWN_CODES"
    assert refused(guesses, "honest") == ""


def test_one_license_is_guessed_at_a_few_times_only(guesses: Guesses, time: Time) -> None:
    tried(guesses, "one", "1.2.156", times=AT_ONE.at_once)
    assert refused(guesses, "one", "1.2.156") == "TOO_MANY_GUESSES"
    assert refused(guesses, "one", "1.2.157") == ""
    assert refused(guesses, "another", "1.2.156") == ""
    time.now += AT_ONE.seconds
    assert refused(guesses, "one", "1.2.156") == ""
    # In a day one system has tried so many of the thousand.
    count = 0
    for _ in range(24 * 60):
        time.now += 60
        if not refused(guesses, "one", "1.2.156"):
            guesses.count("one", "1.2.156")
            count += 1
    assert count <= 30


def test_many_systems_share_the_guesses_at_one_license(guesses: Guesses, time: Time) -> None:
    for number in range(int(AT_ALL.at_once)):
        time.now += 1
        tried(guesses, f"bot-{number}", "1.2.156")
    assert refused(guesses, "bot-49", "1.2.156") == "TOO_MANY_GUESSES"
    assert refused(guesses, "honest", "1.2.156") == ""


def test_files_count_less(guesses: Guesses) -> None:
    for _ in range(96):
        guesses.check("one")
        guesses.count("one", weight=FILE)
    assert refused(guesses, "one") == "TOO_MANY_UNKNOWN_CODES"


def test_what_is_watched_is_bounded_and_holds_no_value(guesses: Guesses) -> None:
    for number in range(WATCHED + 10):
        guesses.count(f"system-{number}", f"license-{number}")
    for spent in (guesses._one, guesses._at_one, guesses._at_all):
        assert len(spent._held) == WATCHED
        assert all(len(key) == 16 for key in spent._held)


def test_tries_at_one_thing_at_once_are_no_more_than_one_after_the_other(guesses: Guesses) -> None:
    let_in = []

    def guess(number: int) -> None:
        with contextlib.suppress(ResourceExhausted), guesses.trying("one", "1.2.156"):
            let_in.append(number)
            sleep(0.002)  # as long as it takes to compare
            guesses.count("one", "1.2.156")

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(guess, range(20)))
    assert len(let_in) == AT_ONE.at_once
