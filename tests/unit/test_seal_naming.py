"""Names of authorities are compared by what they say, whatever kind of string they stand in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asn1crypto import x509

from seal import der, suites, trust
from seal.pki.naming import name_key
from seal.pki.ocsp import certificate_id, parse_ocsp
from tests.builders.ocsp import DAY, answer, extension, raw_list
from tests.builders.seal_pki import BEGIN, NOON, Holder, issue

UTF8, PRINTABLE, IA5, BMP = 0x0C, 0x13, 0x16, 0x1E


def attribute(tag: int, content: bytes, oid: str = "2.5.4.3") -> bytes:
    return der.sequence(der.oid(oid), der.tlv(tag, content))


def name(*sets: bytes) -> bytes:
    return der.sequence(*(der.tlv(der.SET, one) for one in sets))


PLAIN = name(attribute(UTF8, b"Shifan Root"))


@pytest.mark.parametrize(
    "other",
    [
        attribute(PRINTABLE, b"Shifan Root"),
        attribute(IA5, b"SHIFAN ROOT"),
        attribute(BMP, "Shifan Root".encode("utf-16-be")),
        attribute(UTF8, b"  shifan   root "),
        attribute(UTF8, "Ｓhifan Root".encode()),
    ],
)
def test_names_that_say_the_same(other: bytes) -> None:
    assert name_key(name(other)) == name_key(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        name(attribute(UTF8, b"Shifan Roots")),
        name(attribute(UTF8, b"ShifanRoot")),
        name(attribute(UTF8, b"Shifan Root", "2.5.4.10")),
        name(attribute(UTF8, b"Shifan Root"), attribute(UTF8, b"x")),
        name(attribute(UTF8, b"Shifan Root") + attribute(UTF8, b"x")),
        name(attribute(0x14, b"Shifan Root")),
        name(attribute(UTF8, b"Shifan Root\xff")),
        name(),
        b"",
        b"\x30\x05",
        name(b"\x05\x00"),
    ],
)
def test_names_that_do_not(other: bytes) -> None:
    assert name_key(other) != name_key(PLAIN)


def test_the_order_within_a_set_says_nothing_and_that_of_sets_does() -> None:
    a, b = attribute(UTF8, b"a"), attribute(UTF8, b"b", "2.5.4.10")
    assert name_key(name(a + b)) == name_key(name(b + a))
    assert name_key(name(a, b)) != name_key(name(b, a))


# --- in chains --------------------------------------------------------------------------------


def printable(encoded: bytes) -> bytes:
    """The name with its country as another kind of string."""
    other = {b"\x0c\x02CN": b"\x13\x02CN", b"\x13\x02CN": b"\x0c\x02CN"}
    here = next(one for one in other if one in encoded)
    return encoded.replace(here, other[here])


def renamed(one: Holder, by: Holder) -> Holder:
    """Its certificate, with the issuer's name in another kind of string."""
    body = x509.Certificate.load(one.certificate)["tbs_certificate"]
    body["issuer"] = x509.Name.load(printable(body["issuer"].dump()))
    signed = body.dump(force=True)
    algorithm = suites.suite(by.signer.suite_name).signature_algorithm
    encoded = der.sequence(signed, algorithm, der.bits(by.signer.sign(signed)))
    return Holder(signer=one.signer, certificate=encoded)


def judge(one: Holder, root: Holder, **known: object) -> trust.ChainResult:
    anchor = trust.TrustAnchor(name="r", certificate=root.certificate, valid_from=BEGIN)
    store = replace(trust.TrustStore(anchors=(anchor,)), **known)
    return trust.assess_chain(one.certificate, at=NOON, store=store, purpose=trust.Purpose.SIGNER)


def test_an_issuer_named_in_another_kind_of_string_is_found() -> None:
    root = issue("根", None, is_ca=True)
    one = renamed(issue("叶", root), root)
    assert judge(one, root).status == "TRUSTED"
    assert judge(one, issue("根", None, is_ca=True)).status != "TRUSTED"


def test_its_revocation_is_found_too() -> None:
    root = issue("根", None, is_ca=True)
    one = renamed(issue("叶", root), root)
    serial = trust.parse_certificate(one.certificate).serial
    revoked = trust.Revocation(serial=serial, at=NOON - DAY)
    entry = der.sequence(der.integer(serial), der.generalized_time(NOON - DAY))
    assert judge(one, root, crls=(raw_list(root, entry),)).status == "REVOKED"
    told = answer(root, one.certificate, root.certificate, status=revoked, by_name=True)
    assert judge(one, root, ocsp=(told,)).status == "REVOKED"
    assert judge(one, root, ocsp=(answer(root, one.certificate, root.certificate),)).is_trusted


def test_a_digest_of_the_name_as_the_certificate_writes_it() -> None:
    root = issue("根", None, is_ca=True)
    one = trust.parse_certificate(renamed(issue("叶", root), root).certificate)
    info = trust.parse_certificate(root.certificate)
    theirs = replace(info, subject_name=one.issuer_name)
    single = parse_ocsp(answer(root, one.raw, root.certificate)).singles[0]
    named = replace(single, name_digest=certificate_id(theirs, single.digest)[0])
    assert named.name_digest != single.name_digest
    assert named.is_about(one, info)


def test_critical_policies_are_known_and_constraints_on_them_are_not() -> None:
    root = issue("根", None, is_ca=True)
    rules = der.sequence(der.sequence(der.oid("1.2.156.99999.9")))
    policies = extension("2.5.29.32", rules, critical=True)
    assert judge(issue("叶", root, extensions=[policies]), root).status == "TRUSTED"
    limits = extension("2.5.29.36", der.sequence(der.tlv(0x80, b"\x00")), critical=True)
    held = issue("叶", root, extensions=[policies, limits])
    assert judge(held, root).status == "CRITICAL_EXTENSION"
