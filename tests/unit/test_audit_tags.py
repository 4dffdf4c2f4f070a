"""Tags of keys: HMAC-SHA-256 as everybody computes it, cut."""

import hmac

import pytest

from exchange.audit.accesses.model import TAG_SIZE, cut, joined, rows_of, tagging


@pytest.mark.parametrize("secret", [b"", b"k", bytes(range(32)), b"x" * 64])
@pytest.mark.parametrize("key", ["", "990101200001010018", "汉字", "x" * 1000])
def test_a_tag_is_an_hmac_cut(secret, key):
    whole = hmac.digest(secret, key.encode(), "sha256")
    make = tagging(secret)
    assert [make(key), make(key)] == [whole[:TAG_SIZE]] * 2


def test_a_longer_secret_is_refused():
    with pytest.raises(ValueError, match="64 bytes"):
        tagging(b"x" * 65)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5, 9])
def test_tags_are_moved_a_few_at_a_time(limit):
    two = b"a" * 16 + b"b" * 16
    several = joined([(0, two), (3, b"c" * 16), (7, two + b"d" * 16)])
    first, rest = cut(several, limit)
    assert len(rows_of(0, first)) == min(limit, 6)
    assert sorted(rows_of(0, first) + rows_of(0, rest)) == rows_of(0, several)
    assert bool(rest) == (limit < 6)
