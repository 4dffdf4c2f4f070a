"""Tokens of authorities that OpenSSL would not be: SM2 ones, and those that may not stamp."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime.errors import DataLoss, InvalidArgument
from seal import der
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
from tests.builders.tokens import (
    accuracy,
    bent,
    critical_extension,
    stamping,
    token,
    unsigned,
)

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


# --- what it says besides the time --------------------------------------------------------------


def _with(*more: bytes) -> tuple[bytes, TrustStore]:
    root = _root(P256)
    made = token(stamping(root), MESSAGE, at=AT, word="sha256", more=more)
    return made, time_store([root.certificate])


def test_what_is_proved_is_the_latest_time_it_stands_for() -> None:
    second = timedelta(seconds=1)
    parts = der.integer(2) + der.tlv(0x80, b"\x05") + der.tlv(0x81, b"\x07")
    for more, inexact in [
        ([], timedelta(0)),
        ([accuracy(90)], 90 * second),
        ([der.sequence(parts)], timedelta(seconds=2, milliseconds=5, microseconds=7)),
        ([accuracy(1), b"\x01\x01\xff", der.integer(5), der.tlv(0xA0, b"\x86\x01a")], second),
    ]:
        made, store = _with(*more)
        said = check_token(made, MESSAGE, store=store)
        assert (said.time, said.proves) == (AT, AT + inexact)
    made, store = _with(accuracy(10**8))
    said = check_token(made, MESSAGE, store=store, at=AT + 5 * second)
    assert said.proves == AT + 5 * second, "it is here now"


@pytest.mark.parametrize(
    "more",
    [
        [der.integer(1), accuracy(1)],
        [accuracy(1), accuracy(1)],
        [accuracy(-1)],
        [accuracy(10**12)],
        [der.sequence(der.tlv(0x80, b"\x05"), der.integer(1))],
        [der.sequence(der.tlv(0x80, b"\x07\xd0"))],
        [der.octets(b"VOID" * 1000)],
        [der.tlv(0xA2, b"")],
    ],
)
def test_more_than_a_time_is_malformed(more: list[bytes]) -> None:
    made, store = _with(*more)
    with pytest.raises(InvalidArgument):
        read_token(made)
    with pytest.raises(DataLoss):
        check_token(made, MESSAGE, store=store)


def test_a_critical_extension_leaves_it_open() -> None:
    made, store = _with(critical_extension())
    with pytest.raises(UntrustedTimestamp, match="critical extension"):
        check_token(made, MESSAGE, store=store)
    plain = der.sequence(der.oid("1.3.6.1.4.1.99999.7"), der.octets(b"\x05\x00"))
    made, store = _with(der.tlv(0xA1, plain))
    assert check_token(made, MESSAGE, store=store).proves == AT


def test_what_nobody_signed_is_refused_or_told() -> None:
    made, store = _with()
    strange = issue("示范", _root(P256), suite=P256).certificate
    told = check_token(bent(made, certificates=[strange]), MESSAGE, store=store).remarks
    assert ["on no path" in english for english, _ in told] == [True]
    assert check_token(made, MESSAGE, store=store).remarks == ()
    junk = der.octets(b"VOID" * 1000)
    for changed in (
        bent(made, attribute=unsigned("1.3.6.1.4.1.99999.9", junk)),
        bent(made, lists=[junk]),
        bent(made, lists=[der.sequence(junk)]),
        bent(made, certificates=[der.sequence(junk)]),
        bent(made, version=99),
    ):
        with pytest.raises(DataLoss, match="cannot be read"):
            check_token(changed, MESSAGE, store=store)
