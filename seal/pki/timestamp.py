"""Time-stamps (RFC 3161): asking an authority for one, and reading what it gave.

1. What is sent is a digest and a random number, nothing of the document.
2. No answer is handed on before it is judged (`seal.pki.timestamp_token`): status, number, digest,
   signature, certificate, chain, and a time that this machine's clock agrees with.
3. An authority can keep nobody waiting nor fill the memory: one deadline for the whole exchange,
   and a largest answer. No redirect is followed.
"""

from __future__ import annotations

import http.client
import secrets
import ssl
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

from runtime.clock import SYSTEM, Clock
from runtime.errors import DomainError, InvalidArgument, Unavailable
from seal import der
from seal.pki.exchanging import ExchangeFailed, exchange, web_address
from seal.pki.timestamp_token import (
    CLOCK_SKEW,
    DIGESTS,
    TimestampInfo,
    check_imprint,
    check_token,
    digest,
    not_good,
    read_token,
    time_store,
)

__all__ = ["TimestampClient", "TimestampInfo", "Timestamper", "check_token", "read_token"]

_GRANTED: Final = (0, 1)  # granted, granted with modifications
_PASSING: Final = frozenset({14, 17, 25})  # timeNotAvailable, addInfoNotAvailable, systemFailure
_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"
_BUSY: Final = frozenset({408, 425, 429})


class Timestamper(Protocol):
    """A time-stamp authority, wherever it is."""

    @property
    def digest(self) -> str:
        """The digest it stamps: sm3, sha256, sha384 or sha512."""
        ...

    def stamp(self, message: bytes) -> bytes:
        """DER TimeStampToken (a CMS ContentInfo) over the message; its digest is the stamper's.

        Raises Unavailable (TIMESTAMP_UNAVAILABLE) and DataLoss (TIMESTAMP_NOT_GOOD) when the
        answer is not over these bytes, not by a trusted authority or not in time.
        """
        ...

    def stamp_digest(self, imprint: bytes) -> bytes:
        """`stamp` for one who has the message's digest, by `digest`."""
        ...


class TimestampClient:
    """Asks an authority over HTTP(S). Usable by several threads at once.

    `anchors` (DER) are the roots, or the authority's own certificate, that its tokens must lead to;
    `intermediates` what it leaves out, `crls` its revocation lists. `timeout` is in seconds and for
    all of an exchange; a clock that differs by more than `skew` is no proof. Raises InvalidArgument
    (`TIMESTAMP_URL`, `UNKNOWN_SUITE`, `MALFORMED_CERTIFICATE`): it is configuration.
    """

    def __init__(
        self,
        url: str,
        *,
        anchors: Sequence[bytes],
        intermediates: Sequence[bytes] = (),
        crls: Sequence[bytes] = (),
        digest: str = "sha256",
        timeout: float = 10.0,
        largest_answer: int = 64 * 1024,
        skew: timedelta = CLOCK_SKEW,
        tls: ssl.SSLContext | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        parts = web_address(url)
        if parts is None:
            raise InvalidArgument(
                "the time-stamp authority's address must be http:// or https:// without a password",
                reason="TIMESTAMP_URL",
                message_zh="时间戳服务地址须为不含口令的 http:// 或 https:// 地址",
            )
        if digest not in DIGESTS:
            raise InvalidArgument(
                f"time-stamps are over one of {', '.join(DIGESTS)}", reason="UNKNOWN_SUITE",
                message_zh=f"时间戳的杂凑算法须为 {'、'.join(DIGESTS)} 之一",
            )  # fmt: skip
        self._address = parts
        self._store = time_store(anchors, intermediates=intermediates, crls=crls)
        self._digest = digest
        self._timeout, self._largest, self._skew = timeout, largest_answer, skew
        self._tls, self._clock = tls, clock

    @property
    def digest(self) -> str:
        """The digest it asks for."""
        return self._digest

    def stamp(self, message: bytes) -> bytes:
        """A good token over the message; see `Timestamper`."""
        return self.stamp_digest(digest(self._digest, message))

    def stamp_digest(self, imprint: bytes) -> bytes:
        """A good token over what has that digest."""
        nonce = secrets.randbits(63) | 1 << 63
        began = self._clock.now()
        answer = self._post(_request(self._digest, imprint, nonce))
        token = _granted(answer)
        try:
            said = read_token(token)
        except InvalidArgument as error:
            raise not_good(error.message, error.message_zh) from error
        if said.nonce != nonce or said.digest != self._digest:
            raise not_good("it answers another question", "时间戳与请求不符")
        if not began - self._skew <= said.time <= self._clock.now() + self._skew:
            raise not_good(
                "its clock and this machine's differ: check both", "时间戳服务与本机时钟不一致"
            )
        check_imprint(token, imprint, store=self._store)
        return token

    def _post(self, query: bytes) -> bytes:
        """The body of the answer. Raises Unavailable or DataLoss."""
        try:
            answer = exchange(
                self._address,
                body=query,
                content_type=_QUERY,
                timeout=self._timeout,
                largest=self._largest,
                tls=self._tls,
            )
        except ExchangeFailed as error:
            raise _unavailable(error.what, error.what_zh) from error
        if answer.status != http.client.OK:
            raise _refused(answer.status)
        if answer.content_type != _REPLY:
            raise not_good("the answer is no time-stamp", "返回的不是时间戳")
        if answer.body is None:
            raise not_good("the answer is too large", "返回的时间戳过大")
        return answer.body


def _request(word: str, imprint: bytes, nonce: int) -> bytes:
    """TimeStampReq ::= SEQ{1, SEQ{algorithm, imprint}, nonce, certReq TRUE} (RFC 3161 §2.4.1)."""
    algorithm = der.sequence(der.oid(DIGESTS[word]), der.tlv(der.NULL, b""))
    return der.sequence(
        der.integer(1),
        der.sequence(algorithm, der.octets(imprint)),
        der.integer(nonce),
        der.tlv(der.BOOLEAN, b"\xff"),
    )


def _granted(answer: bytes) -> bytes:
    """TimeStampResp ::= SEQ{SEQ{status, texts?, failInfo?}, token?}: the token."""
    try:
        parts = der.children(answer)
        status = parts[0].expect(der.SEQUENCE).members() if parts else []
        if status and status[0].integer() in _GRANTED and len(parts) == 2:
            return parts[1].raw
        failure = next((one.content for one in status if one.tag == der.BIT_STRING), b"")
    except DomainError as error:
        raise not_good(error.message, error.message_zh) from error
    bits = {
        at * 8 + bit for at, octet in enumerate(failure[1:9]) for bit in range(8)
        if octet & 0x80 >> bit
    }  # fmt: skip
    if bits & _PASSING:
        raise _unavailable("it cannot stamp now", "时间戳服务暂不可用")
    told = f" (failure {min(bits)}, RFC 3161 §2.4.2)" if bits else ""
    raise not_good(f"the authority refused{told}", f"时间戳服务拒绝了请求{told}")


def _refused(status: int) -> DomainError:
    if status >= 500 or status in _BUSY:
        return _unavailable(f"it answered HTTP {status}", f"返回 HTTP {status}")
    return not_good(
        f"the authority answered HTTP {status}: check its address", f"时间戳服务返回 HTTP {status}"
    )


def _unavailable(why: str, why_zh: str) -> Unavailable:
    return Unavailable(
        f"the time-stamp authority is not available, try again: {why}",
        reason="TIMESTAMP_UNAVAILABLE",
        message_zh=f"时间戳服务不可用，请稍后重试：{why_zh}",
    )
