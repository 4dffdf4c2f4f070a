"""Rules of accounts without a database: places, waits, secrecy, names."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from argon2 import PasswordHasher

from accounts.keyfile import open_key
from accounts.lanes import Lane
from accounts.model import LONGEST_WAIT, Tries, normal_login
from accounts.places import AT_ONCE, SECONDS_A_TRY, Places, place_of
from accounts.secrecy import Secrecy
from runtime.errors import DomainError, FailedPrecondition, Unavailable

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_one_place_cannot_try_many_logins():
    now = [0.0]
    places = Places(lambda: now[0])
    for _ in range(AT_ONCE):
        places.take("10.9.9.9", b"somebody")
    assert told(places.take, "10.9.9.9", b"somebody") == "TOO_MANY_TRIES"
    places.take("10.1.1.1")
    now[0] += SECONDS_A_TRY
    places.take("10.9.9.9")


def test_tries_are_taken_before_they_are_judged_and_given_back_when_right():
    places = Places(lambda: 0.0)
    for _ in range(3 * AT_ONCE):
        places.take("10.9.9.9", b"somebody")
        places.give_back("10.9.9.9", b"somebody")
    for _ in range(AT_ONCE):
        places.take("10.9.9.9", b"other")  # none of them has come back
    assert told(places.take, "10.9.9.9", b"other") == "TOO_MANY_TRIES"


def test_who_signed_in_from_a_place_is_not_stopped_by_others_there():
    places = Places(lambda: 0.0)
    places.take("10.9.9.9", b"clerk")
    places.give_back("10.9.9.9", b"clerk")
    for _ in range(AT_ONCE):
        places.take("10.9.9.9", b"stranger")
    assert told(places.take, "10.9.9.9", b"stranger") == "TOO_MANY_TRIES"
    places.take("10.9.9.9", b"clerk")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no address", ""),
    ],
)
def test_a_line_of_ipv6_is_one_place(address, place):
    assert place_of(address) == place


def told(act, *given):
    with pytest.raises(DomainError) as caught:
        act(*given)
    return caught.value.reason


async def test_what_takes_long_has_threads_of_its_own_and_a_short_queue():
    lane, hold = Lane("test", threads=2, waiting=3), threading.Event()
    waiting = [asyncio.create_task(lane.run(hold.wait, 10)) for _ in range(5)]
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable) as caught:
        await lane.run(hold.wait, 10)
    assert caught.value.reason == "SIGN_IN_BUSY"
    waiting[4].cancel()  # whose caller is gone leaves its place
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(lane.run(hold.wait, 10)))
    hold.set()
    assert [await one for one in waiting if one is not waiting[4]] == [True] * 5
    lane.close()


def test_the_key_is_random_and_its_file_opens_with_the_passphrase(tmp_path):
    key = open_key(tmp_path, b"long enough", in_use=False)
    assert len(key) == 32
    assert open_key(tmp_path, b"long enough", in_use=True) == key
    assert (tmp_path / "accounts.key").stat().st_mode & 0o777 == 0o600
    assert key not in (tmp_path / "accounts.key").read_bytes()
    assert told(partial(open_key, in_use=True), tmp_path, b"another") == "ACCOUNTS_KEY_UNREADABLE"


def test_accounts_of_before_there_was_a_key_go_on_with_theirs(tmp_path):
    assert open_key(tmp_path, b"long enough", in_use=True) == b"long enough"
    assert open_key(tmp_path, b"long enough", in_use=False) == b"long enough"


def test_a_hash_of_less_is_kept_anew():
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("words in a row")
    secrecy = Secrecy(b"k" * 32)
    renewed = secrecy.renewed(weak, "words in a row")
    assert secrecy.is_password(renewed, "words in a row")
    assert secrecy.renewed(renewed, "words in a row") == ""


def test_waits_double_up_to_an_hour():
    held, waits = Tries(), []
    for _ in range(14):
        held = held.one_more(NOW)
        waits.append(held.locked(NOW))
    assert waits[:4] == [None] * 4
    assert waits[4:8] == [timedelta(minutes=one) for one in (1, 2, 4, 8)]
    assert waits[-1] == LONGEST_WAIT
    assert held.locked(NOW + LONGEST_WAIT) is None


def test_a_password_is_kept_as_argon2id_of_64_mib():
    secrecy = Secrecy(b"long enough")
    held = secrecy.hash_password("words in a row")
    assert held.startswith("$argon2id$v=19$m=65536,t=3,")
    assert secrecy.is_password(held, "words in a row")
    assert not secrecy.is_password(held, "words in a raw")
    assert not secrecy.is_password("", "words in a row")


def test_what_is_sealed_opens_in_its_row_and_with_its_passphrase_only():
    secrecy = Secrecy(b"long enough")
    sealed = secrecy.close("赵示例", row="name1")
    assert secrecy.open(sealed, row="name1") == "赵示例"
    for other, row, held in (
        (secrecy, "name2", sealed),
        (Secrecy(b"another"), "name1", sealed),
        (secrecy, "name1", sealed[:-1]),
        (secrecy, "name1", b""),
    ):
        with pytest.raises(FailedPrecondition) as caught:
            other.open(held, row=row)
        assert caught.value.reason == "SECRET_UNREADABLE"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (" Li.Shifan ", "li.shifan"),
        ("11010519491231002x", "11010519491231002X"),
        ("x" * 500, "x" * 65),
    ],
)
def test_a_login_is_looked_up_however_it_is_written(given, found):
    assert normal_login(given) == found
