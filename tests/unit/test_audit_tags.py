"""Tags of keys: HMAC-SHA-256 as everybody computes it, cut."""

import hmac

import pytest

from exchange.audit.accesses.model import TAG_SIZE, tagging


@pytest.mark.parametrize("secret", [b"", b"k", bytes(range(32)), b"x" * 64])
@pytest.mark.parametrize("key", ["", "990101200001010018", "汉字", "x" * 1000])
def test_a_tag_is_an_hmac_cut(secret, key):
    whole = hmac.digest(secret, key.encode(), "sha256")
    make = tagging(secret)
    assert [make(key), make(key)] == [whole[:TAG_SIZE]] * 2


def test_a_longer_secret_is_refused():
    with pytest.raises(ValueError, match="64 bytes"):
        tagging(b"x" * 65)
