"""SignedData values of GB/T 35275 and of CMS, as this or that maker writes them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from seal import der, suites
from seal.keys.signers import Signer
from seal.trust import parse_certificate

GM = {"data": "1.2.156.10197.6.1.4.2.1", "signed": "1.2.156.10197.6.1.4.2.2"}
PKCS7 = {"data": "1.2.840.113549.1.7.1", "signed": "1.2.840.113549.1.7.2"}
MIXED = {"data": PKCS7["data"], "signed": GM["signed"]}
_ATTRIBUTES = {
    "content_type": "1.2.840.113549.1.9.3",
    "message_digest": "1.2.840.113549.1.9.4",
    "signing_time": "1.2.840.113549.1.9.5",
    "certificate": "1.2.840.113549.1.9.16.2.47",
}
_TIME_STAMP = "1.2.840.113549.1.9.16.2.14"
_SM2_SIGNATURE = "1.2.156.10197.1.301.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a maker writes it; the default is what GM/T 0099-2020 asks for.

    `content` is `digest`, `base64`, `document` or `none`; `attributes` adds signed ones with
    `signing_time`, if given; `bare` writes r and s side by side.
    """

    oids: tuple[str, str] = (GM["data"], GM["signed"])
    content: str = "digest"
    attributes: bool = False
    signing_time: datetime | None = None
    names_certificate: bool = False
    algorithm: str = _SM2_SIGNATURE
    digest: str = suites.SM3_OID
    with_certificate: bool = True
    bare: bool = False
    by_key_identifier: bool = False
    lists: tuple[bytes, ...] = ()
    stamps: tuple[bytes, ...] = ()


STANDARD = Form()
FORMS = {
    "attached-digest": STANDARD,
    "attached-document": Form(content="document"),
    "attached-base64": Form(content="base64"),
    "detached": Form(content="none"),
    "attributes": Form(content="none", attributes=True),
    "attributes-attached": Form(attributes=True),
    "attributes-time": Form(
        content="none", attributes=True, signing_time=datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
    ),
    "attributes-certificate": Form(content="none", attributes=True, names_certificate=True),
    "pkcs7": Form(oids=(PKCS7["data"], PKCS7["signed"]), content="none", attributes=True),
    "mixed-names": Form(oids=(MIXED["data"], MIXED["signed"]), content="none", attributes=True),
    "algorithm-501": Form(algorithm=suites.SM2_SM3_OID),
    "bare-value": Form(bare=True, algorithm=suites.SM2_SM3_OID),
    "key-identifier": Form(by_key_identifier=True),
}
"""By the names of the tests: all mean the same."""


def bare(signature: bytes) -> bytes:
    """r and s side by side, of SEQ{r, s}."""
    return b"".join(one.integer().to_bytes(32, "big") for one in der.children(signature))


def signed_data(
    document: bytes,
    *signers: tuple[Signer, bytes],
    form: Form = STANDARD,
    more: Sequence[bytes] = (),
) -> bytes:
    """The value over `document` by (signer, certificate) each; `more` certificates go along."""
    made = suites.digest(form.digest, document)
    contents = {
        "digest": made,
        "base64": base64.b64encode(made),
        "document": document,
        "none": None,
    }
    content = contents[form.content]
    data, kind = form.oids
    inside = [] if content is None else [der.tlv(0xA0, der.octets(content))]
    hashed = der.sequence(der.oid(form.digest))
    known = [certificate for _, certificate in signers] if form.with_certificate else []
    signed = der.sequence(
        der.integer(1),
        der.tlv(der.SET, hashed),
        der.sequence(der.oid(data), *inside),
        der.tlv(0xA0, b"".join((*known, *more))),
        *([der.tlv(0xA1, b"".join(form.lists))] if form.lists else []),
        der.tlv(
            der.SET, b"".join(sorted(_signer(*one, document, content, form) for one in signers))
        ),
    )
    return der.sequence(der.oid(kind), der.tlv(0xA0, signed))


def _signer(
    signer: Signer, certificate: bytes, document: bytes, content: bytes | None, form: Form
) -> bytes:
    info = parse_certificate(certificate)
    sid = der.sequence(info.issuer_name, der.integer(info.serial))
    if form.by_key_identifier:
        sid = der.tlv(0x80, info.ski or b"")
    signed: list[bytes] = []
    message = document if content is None else content
    if form.attributes:
        attributes = _attributes(message, certificate, form)
        signed, message = [der.tlv(0xA0, attributes)], der.tlv(der.SET, attributes)
    signature = signer.sign(message)
    others = [der.tlv(0xA1, _attribute(_TIME_STAMP, *form.stamps)) for _ in form.stamps[:1]]
    return der.sequence(
        der.integer(1),
        sid,
        der.sequence(der.oid(form.digest)),
        *signed,
        der.sequence(der.oid(form.algorithm)),
        der.octets(bare(signature) if form.bare else signature),
        *others,
    )


def _attributes(message: bytes, certificate: bytes, form: Form) -> bytes:
    found = [
        _attribute(_ATTRIBUTES["content_type"], der.oid(form.oids[0])),
        _attribute(_ATTRIBUTES["message_digest"], der.octets(suites.digest(form.digest, message))),
    ]
    if form.signing_time:
        text = form.signing_time.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode()
        found.append(_attribute(_ATTRIBUTES["signing_time"], der.tlv(der.UTC_TIME, text)))
    if form.names_certificate:
        named = der.sequence(
            der.sequence(der.oid(suites.SM3_OID)),
            der.octets(suites.digest(suites.SM3_OID, certificate)),
        )
        value = der.sequence(der.sequence(named))
        found.append(_attribute(_ATTRIBUTES["certificate"], value))
    return b"".join(sorted(found))


def _attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.tlv(der.SET, b"".join(values)))
