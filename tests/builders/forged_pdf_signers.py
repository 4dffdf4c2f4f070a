"""Forged PDFs by who signed, with what, and when."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from seal import der
from seal.pdf.signing import Level
from seal.trust import parse_certificate
from tests.builders.forging_pdf import JUDGED, SEALED, PdfBench, Stamper, forgery
from tests.builders.seal_pki import BEGIN, Holder, issue
from tests.builders.tokens import stamping

_SHA1, _MD5 = "1.3.14.3.2.26", "1.2.840.113549.2.5"
_ECDSA_SHA1, _RSA_MD5 = "1.2.840.10045.4.1", "1.2.840.113549.1.1.4"
_RSA_SHA256, _SHA256 = "1.2.840.113549.1.1.11", "2.16.840.1.101.3.4.2.1"


# --- the signature --------------------------------------------------------------------------------


@forgery(
    "wrong_signature", "document_signature",
    "it is by a stranger's key, with the department's certificate", "以他人密钥签名并附部门证书",
)  # fmt: skip
def strangers_key(bench: PdfBench) -> bytes:
    stranger = Holder(signer=bench.second.signer, certificate=bench.signer.certificate)
    return bench.with_value(bench.cms(bench.digest(), stranger))


@forgery(
    "wrong_signature", "document_signature",
    "a bit of the signature value was turned", "签名值被改动一位",
)  # fmt: skip
def turned_bit(bench: PdfBench) -> bytes:
    value = bytearray(bench.value().rstrip(b"\x00"))
    value[-1] ^= 1
    return bench.with_value(bytes(value))


@forgery(
    "swapped_certificate", "document_signature",
    "the certificate was swapped for another of the same key", "证书被替换为同一密钥的另一证书",
    reason="CERTIFICATE_SWAPPED",
)  # fmt: skip
def swapped_certificate(bench: PdfBench) -> bytes:
    serial = parse_certificate(bench.signer.certificate).serial
    twin = _reissued(bench, serial)
    return bench.with_value(_replaced(bench, twin))


def _reissued(bench: PdfBench, serial: int) -> bytes:
    """Another certificate of that key and number, say of a former office."""
    from seal.trust import issue_certificate

    return issue_certificate(
        issuer=bench.intermediate.signer,
        issuer_certificate=bench.intermediate.certificate,
        subject_key=bench.signer.signer.public_key,
        subject={"C": "CN", "O": "示范县", "CN": "示范县人民政府办公室"},
        not_before=BEGIN,
        not_after=JUDGED + timedelta(days=400),
        serial=serial,
    )


def _replaced(bench: PdfBench, certificate: bytes) -> bytes:
    """The value with that certificate for the signer's, its lengths made right."""
    kind, wrapped = der.children(next(der.elements(bench.value())).raw)
    (inner,) = wrapped.members()
    parts = [
        der.tlv(
            0xA0,
            b"".join(
                sorted(
                    certificate if held.raw == bench.signer.certificate else held.raw
                    for held in one.members()
                )
            ),
        )
        if one.tag == 0xA0
        else one.raw
        for one in inner.members()
    ]
    return der.sequence(kind.raw, der.tlv(0xA0, der.sequence(*parts)))


@forgery(
    "swapped_certificate", "document_signature",
    "the signer's certificate was taken out", "签名者证书被移除",
    indication="INDETERMINATE", reason="NO_SIGNER_CERTIFICATE",
)  # fmt: skip
def certificate_taken_out(bench: PdfBench) -> bytes:
    return bench.with_value(_replaced(bench, bench.second.certificate))


# --- weak -----------------------------------------------------------------------------------------


def _holder_of(bench: PdfBench, public: object) -> bytes:
    from seal.trust import issue_certificate

    encoded = public.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return issue_certificate(
        issuer=bench.intermediate.signer,
        issuer_certificate=bench.intermediate.certificate,
        subject_key=encoded,
        subject={"C": "CN", "O": "示范县", "CN": "示范县行政审批局"},
        not_before=BEGIN,
        not_after=JUDGED + timedelta(days=400),
    )


def _value(
    bench: PdfBench, certificate: bytes, digest: tuple[str, str], algorithm: str, sign: object
) -> bytes:
    """A CMS value with whatever algorithms; `sign` signs the attributes."""
    info = parse_certificate(certificate)
    word, oid = digest
    attributes = sorted(
        (
            _attribute("1.2.840.113549.1.9.3", der.oid("1.2.840.113549.1.7.1")),
            _attribute("1.2.840.113549.1.9.4", der.octets(bench.digest(word, bench.roomy))),
        )
    )
    signed = der.tlv(der.SET, b"".join(attributes))
    hashed = der.sequence(der.oid(oid), der.tlv(der.NULL, b""))
    signer = der.sequence(
        der.integer(1),
        der.sequence(info.issuer_name, der.integer(info.serial)),
        hashed,
        der.tlv(0xA0, b"".join(attributes)),
        der.sequence(der.oid(algorithm), der.tlv(der.NULL, b"")),
        der.octets(sign(signed)),  # type: ignore[operator]
    )
    content = der.sequence(
        der.integer(1),
        der.tlv(der.SET, hashed),
        der.sequence(der.oid("1.2.840.113549.1.7.1")),
        der.tlv(0xA0, b"".join(sorted((certificate, bench.intermediate.certificate)))),
        der.tlv(der.SET, signer),
    )
    return der.sequence(der.oid("1.2.840.113549.1.7.2"), der.tlv(0xA0, content))


def _attribute(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.tlv(der.SET, value))


@forgery(
    "weak_digest", "document_signature",
    "the signature rests on SHA-1", "签名使用 SHA-1", reason="DIGEST_WEAK",
)  # fmt: skip
def signed_by_sha1(bench: PdfBench) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _holder_of(bench, key.public_key())
    value = _value(
        bench, certificate, ("sha1", _SHA1), _ECDSA_SHA1,
        lambda data: key.sign(data, ec.ECDSA(hashes.SHA1())),  # noqa: S303
    )  # fmt: skip
    return bench.with_value(value, bench.roomy)


@forgery(
    "weak_digest", "document_signature",
    "the signature rests on MD5", "签名使用 MD5", reason="DIGEST_WEAK",
)  # fmt: skip
def signed_by_md5(bench: PdfBench) -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    certificate = _holder_of(bench, key.public_key())
    value = _value(
        bench, certificate, ("md5", _MD5), _RSA_MD5,
        lambda data: key.sign(data, padding.PKCS1v15(), hashes.MD5()),  # noqa: S303
    )  # fmt: skip
    return bench.with_value(value, bench.roomy)


@forgery(
    "weak_digest", "document_signature",
    "the signer's key is of 1024 bits", "签名者密钥只有 1024 位",
)  # fmt: skip
def short_key(bench: PdfBench) -> bytes:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    certificate = _holder_of(bench, key.public_key())
    value = _value(
        bench, certificate, ("sha256", _SHA256), _RSA_SHA256,
        lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    )  # fmt: skip
    return bench.with_value(value, bench.roomy)


# --- the signer -----------------------------------------------------------------------------------


@forgery(
    "signer_not_good", "signer_certificate",
    "the certificate was revoked before", "签名时证书已被吊销", reason="CERTIFICATE_REVOKED",
)  # fmt: skip
def revoked_signer(bench: PdfBench) -> bytes:
    return bench.sealed(by=bench.revoked)


@forgery(
    "signer_not_good", "signer_certificate",
    "the certificate had ended", "签名时证书已过期", reason="CERTIFICATE_EXPIRED",
)  # fmt: skip
def expired_signer(bench: PdfBench) -> bytes:
    ended = SEALED - timedelta(days=1)
    return bench.sealed(by=bench.issued("示范县行政审批局", not_after=ended))


@forgery(
    "signer_not_good", "signer_certificate",
    "the certificate had not begun", "签名时证书尚未生效", reason="CERTIFICATE_NOT_YET_VALID",
)  # fmt: skip
def signer_not_yet_valid(bench: PdfBench) -> bytes:
    begins = SEALED + timedelta(days=1)
    return bench.sealed(by=bench.issued("示范县行政审批局", not_before=begins))


@forgery(
    "signer_not_good", "signer_certificate",
    "the key is for keeping secrets, not for signing", "密钥用途不允许签名", reason="KEY_USAGE",
)  # fmt: skip
def key_may_not_sign(bench: PdfBench) -> bytes:
    return bench.sealed(by=bench.issued("示范县行政审批局", key_usage=("key_encipherment",)))


@forgery(
    "stranger", "signer_certificate",
    "a stranger signed", "签名者不受信任",
    indication="INDETERMINATE", reason="NO_TRUST_ANCHOR",
)  # fmt: skip
def stranger(bench: PdfBench) -> bytes:
    root = issue("他人根", None, suite="ecdsa-p256-sha256", is_ca=True)
    return bench.sealed(by=bench.issued("示范县行政审批局", root), chain=(root,))


@forgery(
    "look_alike", "signer_certificate",
    "all names are those of ours, and no key is", "证书链名称相同而密钥不同",
    indication="INDETERMINATE", reason="ISSUER_KEY_DIFFERS",
)  # fmt: skip
def look_alike(bench: PdfBench) -> bytes:
    other = bench.issued("示范县行政审批局", bench.other_intermediate)
    return bench.sealed(by=other, chain=(bench.other_intermediate, bench.other_root))


# --- when -----------------------------------------------------------------------------------------


@forgery("signing_time", "signing_time", "it is from the future", "签名时间晚于当前")
def from_the_future(bench: PdfBench) -> bytes:
    return bench.sealed(at=JUDGED + timedelta(days=1))


@forgery(
    "signing_time", "signing_time",
    "it says it is from before its certificate, and a time-stamp is from after that",
    "自述时间早于证书生效，时间戳晚于证书生效",
    reason="SIGNED_BEFORE_CERTIFICATE",
)  # fmt: skip
def before_certificate(bench: PdfBench) -> bytes:
    late = bench.issued("示范县行政审批局", not_before=SEALED - timedelta(days=30))
    return bench.sealed(by=late, at=SEALED - timedelta(days=90), stamper=bench.stamper)


@forgery(
    "signing_time", "signing_time",
    "a second seal says it is from before the first, which it covers",
    "后加盖的印章自述时间早于其所覆盖的印章",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)  # fmt: skip
def second_before_first(bench: PdfBench) -> bytes:
    early = SEALED - timedelta(days=60)
    return bench.sealed(bench.sound, by=bench.second, at=early, x_mm=20)


@forgery(
    "signing_time", "signing_time",
    "a second seal says it is from before the time-stamp of the first",
    "后加盖的印章自述时间早于在先签名的时间戳",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)  # fmt: skip
def second_before_the_time_stamp(bench: PdfBench) -> bytes:
    late = Stamper(holder=bench.stamper.holder, at=SEALED + timedelta(days=30))
    first = bench.sealed(stamper=late)
    return bench.sealed(first, by=bench.second, at=SEALED + timedelta(days=1), x_mm=20)


@forgery(
    "signing_time", "signing_time",
    "nothing says when it was made", "签名没有签署时间",
    indication="INDETERMINATE", reason="NO_SIGNING_TIME",
)  # fmt: skip
def of_no_time(bench: PdfBench) -> bytes:
    at = bench.sound.index(b"/M (D")
    end = bench.sound.index(b")", at) + 1
    data = bench.sound[:at] + b" " * (end - at) + bench.sound[end:]
    _, size, second, rest = bench.spans(data)
    signed = data[:size] + data[second : second + rest]
    return bench.with_value(bench.cms(hashlib.sha256(signed).digest()), data)


@forgery(
    "time_stamp", "time_stamp",
    "the time-stamp is of other bytes", "时间戳属于其他内容",
)  # fmt: skip
def stamp_of_other_bytes(bench: PdfBench) -> bytes:
    return bench.sealed(stamper=Stamper(holder=bench.stamper.holder, instead=b"other"))


@forgery(
    "time_stamp", "time_stamp",
    "the signature says it is later than its time-stamp", "签名时间晚于时间戳",
    reason="TIME_STAMP_TOO_EARLY",
)  # fmt: skip
def stamp_before_signing(bench: PdfBench) -> bytes:
    early = Stamper(holder=bench.stamper.holder, at=SEALED - timedelta(days=1))
    return bench.sealed(stamper=early)


@forgery(
    "time_stamp", "time_stamp",
    "the time-stamp is by nobody we trust", "时间戳不受信任",
    indication="INDETERMINATE", reason="TIME_STAMP_NOT_TRUSTED",
)  # fmt: skip
def stamp_untrusted(bench: PdfBench) -> bytes:
    return bench.sealed(stamper=Stamper(holder=stamping(bench.other_root)))


@forgery(
    "time_stamp", "time_stamp",
    "the time-stamp is by one who is no time-stamp authority", "签发者不是时间戳机构",
)  # fmt: skip
def stamp_by_a_signer(bench: PdfBench) -> bytes:
    return bench.sealed(stamper=Stamper(holder=bench.second))


@forgery(
    "time_stamp", "time_stamp",
    "the time-stamp over the whole document is of other bytes", "文档时间戳属于其他内容",
)  # fmt: skip
def document_stamp_of_other_bytes(bench: PdfBench) -> bytes:
    class Lying(Stamper):
        """Good over the signature, another's over the document."""

        def stamp_digest(self, imprint: bytes) -> bytes:
            return self.stamp(imprint + b".")

    return bench.sealed(stamper=Lying(holder=bench.stamper.holder), level=Level.B_LTA)
