"""Requests that a system signs with the key of its certificate, so that it cannot deny them later.

1. What is signed is a text of method, time and a digest; the digest is SHA-256 over a nonce of 16
   random bytes and the request in canonical JSON. So the signature can be shown to anybody: only
   who has the nonce can tell, or try out, what was asked.
2. The key is that of the certificate of the connection (ECDSA, P-256, SHA-256): who may call may
   sign, and nobody else may for them.
3. A signature is good for five minutes around its time, and for one answer: a request that comes
   again is refused, whoever sent it (`exchange.audit.answered`). That the same one stands in two
   records (an answer's and a refusal's) means that one request was made.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.errors import FailedPrecondition, PermissionDenied
from runtime.identity import Credentials
from runtime.records import commit, instant

NONCE_SIZE = 16
TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSignature:
    """A signature as it came, with the certificate that the connection was made with."""

    time: datetime
    nonce: bytes
    signature: bytes
    certificate: bytes

    def check(self, method: str, request: bytes, now: datetime) -> dict[str, str]:
        """What a record of the request says of its signature (`signed`).

        Raises PermissionDenied (BAD_SIGNATURE).
        """
        if len(self.nonce) != NONCE_SIZE or len(set(self.nonce)) < NONCE_SIZE // 4:
            raise _bad(f"its nonce is not {NONCE_SIZE} random bytes", "随机数不合要求")
        if abs(now - self.time) > TOLERANCE:
            raise _bad("it was signed more than five minutes ago", "签名时间与本节点相差超过五分钟")
        digest = digest_of(self.nonce, request)
        fingerprint, key = _key_of(self.certificate)
        time = instant(self.time)
        try:
            key.verify(self.signature, text_of(method, time, digest), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise _bad(
                "it is not the certificate's over this request", "不是本证书对该请求的签名"
            ) from None
        return {
            "method": method,
            "time": time,
            "digest": digest,
            "certificate": fingerprint,
            "signature": base64.b64encode(self.signature).decode(),
        }


class RequestSigner:
    """Signs as one system."""

    def __init__(self, credentials: Credentials) -> None:
        key = serialization.load_pem_private_key(credentials.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FailedPrecondition(
                "the system's key is not an EC key", message_zh="系统的密钥不是椭圆曲线密钥"
            )
        self._key = key
        self.certificate = credentials.certificate

    def sign(self, method: str, request: bytes, at: datetime) -> tuple[bytes, bytes]:
        """Nonce and signature over a request in canonical JSON."""
        nonce = os.urandom(NONCE_SIZE)
        text = text_of(method, instant(at), digest_of(nonce, request))
        return nonce, self._key.sign(text, ec.ECDSA(hashes.SHA256()))


def text_of(method: str, time: str, digest: str) -> bytes:
    """What is signed: four lines."""
    return f"tongban-request/v1\n{method}\n{time}\n{digest}\n".encode()


def digest_of(nonce: bytes, request: bytes) -> str:
    """SHA-256(nonce || "request" || 0x00 || canonical request), hex."""
    return commit(nonce, "request", request)


def signature_required() -> PermissionDenied:
    """The refusal of an unsigned request about a resource that asks for signed ones."""
    return PermissionDenied(
        "this resource answers signed requests only: sign with the key of your certificate "
        "(`--sign`, see the integrator's guide)",
        reason="SIGNATURE_REQUIRED",
        message_zh="该信息资源只接受签名请求：请用本系统证书的私钥签名（`--sign`，见对接指南）",
    )


def finer_than_signed() -> PermissionDenied:
    """The refusal of a time of signing with a part that the signed text does not have."""
    return _bad(
        "its time is finer than the microseconds that are signed: send it in whole microseconds",
        "签名时间须为整微秒（签名文本只到微秒）",
    )


def not_subscribed() -> PermissionDenied:
    """The refusal of a subscription where a resource asks for signed requests."""
    return PermissionDenied(
        "this resource answers signed requests only, and what a subscription delivers later "
        "answers no single request that could be signed: ask for a signed export as often as you "
        "need one, and query, verify or ask by place with a signature (`--sign`) in between",
        reason="SIGNATURE_REQUIRED",
        message_zh="该信息资源只接受签名请求，而订阅日后推送的内容不对应任何一次可签名的请求，故不能订阅："
        "请按需要定期作签名导出，其间用签名的查询、核查或按位置查询（`--sign`）",
    )


def signature_used() -> PermissionDenied:
    """The refusal of a signed request that was answered before."""
    return PermissionDenied(
        "this signed request was answered already, and one signature gets one answer: to ask "
        "again, sign anew with a fresh nonce",
        reason="SIGNATURE_USED",
        message_zh="该签名请求已获应答，一次签名只应答一次：如需再次查询，请用新的随机数重新签名",
    )


@lru_cache(maxsize=1024)
def _key_of(certificate_pem: bytes) -> tuple[str, ec.EllipticCurvePublicKey]:
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _bad("the certificate's key is not an EC key", "证书的密钥不是椭圆曲线密钥")
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest(), key


def _bad(why: str, why_zh: str) -> PermissionDenied:
    return PermissionDenied(
        f"the request's signature is not accepted: {why}",
        reason="BAD_SIGNATURE",
        message_zh=f"请求签名无效：{why_zh}",
    )
