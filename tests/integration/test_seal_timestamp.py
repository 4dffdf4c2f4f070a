"""The time-stamp client against a real authority (OpenSSL), and against one that misbehaves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from runtime.clock import FixedClock
from runtime.errors import DataLoss, DomainError, InvalidArgument, Unavailable
from seal import der
from seal.keys.signers import generate_signer
from seal.pki.timestamp import TimestampClient, check_token, read_token
from seal.pki.timestamp_token import time_store
from seal.trust import issue_certificate
from tests.builders.tsa import Authority, authority

MESSAGE = b"a document"
TYPE = "application/timestamp-reply"


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority() as here:
        yield here


@pytest.fixture(autouse=True)
def _honest(tsa: Authority) -> None:
    tsa.answer = None


def _client(tsa: Authority, **changes: object) -> TimestampClient:
    return TimestampClient(tsa.url, **{"anchors": [tsa.root], **changes})  # type: ignore[arg-type]


def _refused(act: Callable[[], object], kind: type[DomainError] = DataLoss) -> str:
    with pytest.raises(kind) as caught:
        act()
    expected = "TIMESTAMP_NOT_GOOD" if kind is DataLoss else "TIMESTAMP_UNAVAILABLE"
    assert caught.value.reason == expected
    return caught.value.message


@pytest.mark.parametrize("digest", ["sm3", "sha256", "sha384", "sha512"])
def test_stamp(tsa: Authority, digest: str) -> None:
    token = _client(tsa, digest=digest).stamp(MESSAGE)
    said = check_token(token, MESSAGE, store=time_store([tsa.root]), at=datetime.now(UTC))
    assert said == read_token(token)
    assert said.digest == digest
    assert abs(said.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert said.certificate == tsa.certificate
    assert said.policy == "1.3.6.1.4.1.99999.1"


@pytest.mark.parametrize(
    ("key", "ess", "signer_digest"),
    [("rsa", "sha256", "sha256"), ("rsa", "sha1", "sha512"), ("ec384", "sha384", "sha384")],
)
def test_authorities_of_all_kinds(key: str, ess: str, signer_digest: str) -> None:
    with authority(key, ess=ess, signer_digest=signer_digest) as other:
        token = _client(other, crls=[other.crl]).stamp(MESSAGE)
        check_token(token, MESSAGE, store=time_store([other.root], crls=[other.crl]))


def test_own_certificate_as_anchor(tsa: Authority) -> None:
    _client(tsa, anchors=[tsa.certificate]).stamp(MESSAGE)


def test_authority_nobody_knows(tsa: Authority) -> None:
    with authority() as other:
        assert "not trusted" in _refused(lambda: _client(tsa, anchors=[other.root]).stamp(MESSAGE))
    assert "not trusted" in _refused(lambda: _client(tsa, anchors=[]).stamp(MESSAGE))


def test_signer_that_is_no_authority() -> None:
    # OpenSSL stamps with no other certificate; so a good token is given a bad certificate's name.
    with authority(profile="stamping") as here:
        token = _client(here).stamp(MESSAGE)
    signer = generate_signer("ecdsa-p256-sha256")
    lying = issue_certificate(
        issuer=signer,
        issuer_certificate=None,
        subject_key=signer.public_key,
        subject={"CN": "示范他人"},
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        not_after=datetime(2036, 1, 1, tzinfo=UTC),
    )
    _refused(lambda: check_token(token, MESSAGE, store=time_store([lying])))


def test_token_of_other_bytes(tsa: Authority) -> None:
    token = _client(tsa).stamp(MESSAGE)
    assert "other bytes" in _refused(
        lambda: check_token(token, MESSAGE + b".", store=time_store([tsa.root]))
    )


def test_token_from_the_future(tsa: Authority) -> None:
    token = _client(tsa).stamp(MESSAGE)
    before = datetime.now(UTC) - timedelta(hours=1)
    _refused(lambda: check_token(token, MESSAGE, store=time_store([tsa.root]), at=before))


def test_every_changed_byte_of_a_token_is_noticed(tsa: Authority) -> None:
    token = _client(tsa).stamp(MESSAGE)
    good = read_token(token)
    for at in range(len(token)):
        forged = bytearray(token)
        forged[at] ^= 0x01
        try:
            said = check_token(bytes(forged), MESSAGE, store=time_store([tsa.root]))
        except DataLoss:
            continue
        # What is not signed may change: versions, and the outer list of digests.
        assert (said.time, said.serial, said.certificate) == (
            good.time,
            good.serial,
            good.certificate,
        )


def test_answers_another_question(tsa: Authority) -> None:
    replay: list[bytes] = []

    def keep(query: bytes) -> tuple[int, str, bytes]:
        if not replay:
            replay.append(tsa.reply(query))
        return 200, TYPE, replay[0]

    tsa.answer = keep
    client = _client(tsa)
    client.stamp(MESSAGE)
    assert "another question" in _refused(lambda: client.stamp(MESSAGE))


def test_digest_that_the_authority_refuses(tsa: Authority) -> None:
    def refuse(_: bytes) -> tuple[int, str, bytes]:
        status = der.sequence(der.integer(2), der.tlv(der.BIT_STRING, b"\x07\x80"))  # badAlg
        return 200, TYPE, der.sequence(status)

    tsa.answer = refuse
    assert "refused" in _refused(lambda: _client(tsa).stamp(MESSAGE))


def test_authority_without_a_clock_now(tsa: Authority) -> None:
    def later(_: bytes) -> tuple[int, str, bytes]:
        bits = (1 << 31 >> 14).to_bytes(4, "big")  # timeNotAvailable
        return 200, TYPE, der.sequence(der.sequence(der.integer(2), der.bits(bits)))

    tsa.answer = later
    _refused(lambda: _client(tsa).stamp(MESSAGE), Unavailable)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((503, "text/plain", b"busy"), Unavailable),
        ((429, "text/plain", b"slow down"), Unavailable),
        ((404, "text/plain", b"where?"), DataLoss),
        ((302, "text/plain", b"elsewhere"), DataLoss),
        ((200, "text/html", b"<html>"), DataLoss),
        ((200, TYPE, b""), DataLoss),
        ((200, TYPE, b"\x30\x03\x30\x01\x02"), DataLoss),
        ((200, TYPE, der.sequence(der.sequence(der.integer(0)))), DataLoss),
        ((200, TYPE, bytes(70_000)), DataLoss),
    ],
)
def test_bad_answers(
    tsa: Authority, answer: tuple[int, str, bytes], kind: type[DomainError]
) -> None:
    tsa.answer = lambda _: answer
    _refused(lambda: _client(tsa).stamp(MESSAGE), kind)


def test_clock_that_differs(tsa: Authority) -> None:
    yesterday = FixedClock(datetime.now(UTC) - timedelta(days=1))
    assert "clock" in _refused(lambda: _client(tsa, clock=yesterday).stamp(MESSAGE))


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    _refused(lambda: TimestampClient(url, anchors=[]).stamp(MESSAGE), Unavailable)


def test_one_that_answers_a_drop_at_a_time_is_hung_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            accepted, _ = listening.accept()
            with accepted:
                try:
                    for octet in b"HTTP/1.1 200 OK\r\n" * 100:
                        accepted.sendall(bytes((octet,)))
                        time.sleep(0.05)
                except OSError:
                    pass  # hung up on

        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        client = TimestampClient(url, anchors=[], timeout=0.5)
        assert "too long" in _refused(lambda: client.stamp(MESSAGE), Unavailable)
        dripping.join()


@pytest.mark.parametrize("url", ["ftp://tsa.example/", "http://me:secret@tsa.example/", "tsa"])
def test_address(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        TimestampClient(url, anchors=[])
    assert caught.value.reason == "TIMESTAMP_URL"
    assert "secret" not in caught.value.message
