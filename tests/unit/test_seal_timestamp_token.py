"""Tokens of authorities that OpenSSL would not be: SM2 ones, and those that may not stamp."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from runtime.errors import DataLoss, InvalidArgument
from seal.pki.timestamp_token import UntrustedTimestamp, check_token, read_token, time_store
from seal.suites import P256, SM2
from seal.trust import (
    Purpose,
    Revocation,
    RevocationPolicy,
    TrustStore,
    kept_chains,
)
from tests.builders.ocsp import DAY, answer
from tests.builders.seal_pki import Holder, issue
from tests.builders.tokens import stamping, token

MESSAGE = b"a document"
AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)


def _token(holder: Holder, *, word: str, named: bytes | None = None, at: datetime = AT) -> bytes:
    return token(holder, MESSAGE, at=at, word=word, named=named)


def _root(name: str) -> Holder:
    return issue("示范时间戳根", None, suite=name, is_ca=True)


KINDS = pytest.mark.parametrize(("name", "word"), [(SM2, "sm3"), (P256, "sha256")])


@KINDS
def test_good(name: str, word: str) -> None:
    root = _root(name)
    said = check_token(
        _token(stamping(root), word=word), MESSAGE, store=time_store([root.certificate])
    )
    assert (said.time, said.serial, said.digest, said.nonce) == (AT, 7, word, None)


def _refused(token: bytes, root: Holder, message: bytes = MESSAGE) -> str:
    with pytest.raises(DataLoss) as caught:
        check_token(token, message, store=time_store([root.certificate]))
    assert caught.value.reason == "TIMESTAMP_NOT_GOOD"
    return caught.value.message


@KINDS
@pytest.mark.parametrize(
    ("critical", "purposes"),
    [
        (False, ["time_stamping"]),
        (True, ["time_stamping", "code_signing"]),
        (True, ["code_signing"]),
        (True, []),
    ],
)
def test_signer_that_may_not_stamp(
    name: str, word: str, critical: bool, purposes: list[str]
) -> None:
    root = _root(name)
    holder = stamping(root, critical=critical, purposes=purposes)
    assert "no time-stamp authority" in _refused(_token(holder, word=word), root)


@KINDS
def test_signer_nobody_knows_and_signature_of_another(name: str, word: str) -> None:
    root, other = _root(name), _root(name)
    holder = stamping(root)
    assert "not trusted" in _refused(_token(holder, word=word), other)
    forged = Holder(signer=other.signer, certificate=holder.certificate)
    assert "signature is wrong" in _refused(_token(forged, word=word), root)


@KINDS
def test_certificate_that_had_ended(name: str, word: str) -> None:
    root = _root(name)
    holder = stamping(root)
    late = datetime(2040, 1, 1, tzinfo=UTC)
    assert "not trusted" in _refused(_token(holder, word=word, at=late), root)


@KINDS
def test_another_certificate_in_its_place(name: str, word: str) -> None:
    root = _root(name)
    holder = stamping(root)
    assert "name its signer" in _refused(_token(holder, word=word, named=root.certificate), root)


def test_unreadable() -> None:
    root = _root(P256)
    for data in (b"", b"\x30\x00", b"\x30\x80\x00\x00", bytes(200_000), root.certificate):
        with pytest.raises(InvalidArgument) as caught:
            read_token(data)
        assert caught.value.reason == "MALFORMED_TIMESTAMP"
        _refused(data, root)


# --- the one notion of trust -----------------------------------------------------------------


def _why(made: bytes, store: TrustStore) -> str:
    with pytest.raises(UntrustedTimestamp) as caught:
        check_token(made, MESSAGE, store=store)
    return caught.value.message


@KINDS
def test_an_authority_is_judged_as_signers_are(name: str, word: str) -> None:
    root = _root(name)
    stamper = stamping(root)
    made = _token(stamper, word=word)
    store = time_store([root.certificate])
    (anchor,) = store.anchors

    def limited(**changes: object) -> TrustStore:
        return replace(store, anchors=(replace(anchor, **changes),))

    assert "purpose" in _why(made, limited(purposes=frozenset({Purpose.SIGNER})))
    assert "keys of this kind" in _why(made, limited(suites=frozenset({"ed25519"})))
    assert "withdrawn" in _why(made, limited(valid_to=AT - DAY))
    strict = limited(policy=RevocationPolicy(required=True))
    assert "no revocation data" in _why(made, strict)
    good = answer(root, stamper.certificate, root.certificate, this_update=AT)
    assert check_token(made, MESSAGE, store=replace(strict, ocsp=(good,))).time == AT
    revoked = Revocation(serial=0, at=AT - DAY, reason="key_compromise")
    gone = answer(root, stamper.certificate, root.certificate, status=revoked, this_update=AT)
    assert "revoked" in _why(made, replace(store, ocsp=(gone,)))


@KINDS
def test_the_chain_of_a_time_stamp_is_kept_for_fetching_and_evidence(name: str, word: str) -> None:
    root = _root(name)
    stamper = stamping(root)
    with kept_chains() as chains:
        check_token(_token(stamper, word=word), MESSAGE, store=time_store([root.certificate]))
    assert [one.path[0].raw for one in chains] == [stamper.certificate]
