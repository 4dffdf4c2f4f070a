"""Rules of accounts without a database: places, waits, secrecy, names."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.model import LONGEST_WAIT, Tries, normal_login
from accounts.secrecy import Secrecy
from accounts.signing_in import AT_ONCE, SECONDS_A_TRY, Places
from runtime.errors import FailedPrecondition, ResourceExhausted

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_one_place_cannot_try_many_logins():
    now = [0.0]
    places = Places(lambda: now[0])
    for _ in range(AT_ONCE):
        places.check("10.9.9.9")
        places.count("10.9.9.9")
    with pytest.raises(ResourceExhausted) as caught:
        places.check("10.9.9.9")
    assert caught.value.reason == "TOO_MANY_TRIES"
    places.check("10.1.1.1")
    now[0] += SECONDS_A_TRY
    places.check("10.9.9.9")


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
