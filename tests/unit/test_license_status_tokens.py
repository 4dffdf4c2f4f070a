"""Status lists without any node: both forms by their standards, each refusal, where places lie."""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from datetime import timedelta

import cwt
import pytest
from jwcrypto import jwk, jws

from licenses.statuslist import model as lists
from licenses.statuslist.model import Status
from licenses.statuslist.reading import read_list
from licenses.tokens import TokenError, encode, read_cwt, read_jwt
from tests.builders.licenses import NOW
from tests.builders.presenting_keys import URI, Signer, public_pem, status_tokens


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("other") / "ca")


def test_the_vectors_of_the_draft() -> None:
    """draft-ietf-oauth-status-list §4.1 and §4.2: one bit and two bits a place, least first."""
    one = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    two = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    for bits, values, lst in ((1, one, "eNrbuRgAAhcBXQ"), (2, two, "eNo76fITAAPfAgc")):
        claims = {
            "sub": "https://example.com/statuslists/1",
            "iat": 1686920170,
            "exp": 2291720170,
            "ttl": 43200,
            "status_list": {"bits": bits, "lst": lst},
        }
        found = lists.list_of(
            claims["sub"], claims["iat"], claims["exp"], claims["ttl"], claims["status_list"],
            lst=_raw(lst),
        )  # fmt: skip
        assert [found.status(index) for index in range(len(values))] == values


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_list_is_read_in_both_forms_and_by_foreign_libraries(signer: Signer) -> None:
    entries = {0: Status.INVALID, 5: Status.SUSPENDED, lists.PLACES - 1: Status.INVALID}
    as_jwt, as_cwt = status_tokens(signer, entries)
    for token in (as_jwt, as_cwt):
        found = read_list(token, signer.keys.trusted())
        assert (found.uri, found.good_until) == (URI, NOW + timedelta(days=1))
        assert {n: found.status(n) for n in (0, 1, 5, lists.PLACES - 1)} == {**entries, 1: 0}
        assert len(token) < 2500  # of 262,144 bytes of places
    own = signer.keys.own()
    reading = jws.JWS()
    reading.deserialize(as_jwt.decode())
    reading.verify(jwk.JWK.from_pem(public_pem(own).encode()))
    claims = json.loads(reading.payload)
    assert zlib.decompress(_raw(claims["status_list"]["lst"]))[1] == Status.SUSPENDED << 2
    assert json.loads(reading.objects["protected"])["typ"] == "statuslist+jwt"
    key = cwt.COSEKey.from_pem(public_pem(own), kid=own.kid)
    told = cwt.CWT(expires_in=3600, leeway=10**9).decode(as_cwt, key)
    assert told[65533]["bits"] == 2


def test_a_list_of_a_foreign_key_or_kind_is_refused(signer: Signer, stranger: Signer) -> None:
    for token in status_tokens(stranger, {}):
        with pytest.raises(TokenError, match="FOREIGN_KEY"):
            read_list(token, signer.keys.trusted())
    trusted = signer.keys.trusted()
    as_jwt, as_cwt = status_tokens(signer, {})
    with pytest.raises(TokenError, match="UNREADABLE"):
        read_cwt(as_cwt, trusted)  # a list is no code
    with pytest.raises(TokenError, match="UNREADABLE"):
        read_jwt(as_jwt, trusted, kind="dc+sd-jwt")
    head, payload, signature = as_jwt.split(b".")
    for wrong in (
        b".".join((head, payload, signature[:-4] + b"AAAA")),
        b".".join((head, encode(b'{"sub":"x"}'), signature)),
    ):
        with pytest.raises(TokenError, match="SIGNATURE_WRONG"):
            read_list(wrong, trusted)
    with pytest.raises(TokenError):
        lists.expand(zlib.compress(bytes(64 << 20)))


def test_places_are_strewn_and_no_two_are_one() -> None:
    key = lists.places_key(b"long enough")
    found = [lists.place_of(key, n) for n in range(5000)]
    assert len(set(found)) == 5000
    assert {of_list for of_list, _ in found} == {0}
    neighbours = [abs(a[1] - b[1]) for a, b in itertools.pairwise(found)]
    assert sum(one < 100 for one in neighbours) < 50
    assert lists.place_of(key, lists.PLACES)[0] == 1
