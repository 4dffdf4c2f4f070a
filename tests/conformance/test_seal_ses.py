"""Seals and signatures made by other software (see data/README.md)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.errors import InvalidArgument
from seal import der, der_form, ses, suites, trust
from seal.ses import write as ses_write
from seal.verify import assess_seal

SEALS = Path(__file__).parent / "data" / "seals"
ESL = sorted(one.name for one in SEALS.glob("*.esl"))
DAT = sorted(one.name for one in SEALS.glob("*.dat"))


def load(name):
    return (SEALS / name).read_bytes()


def encode_again(element):
    """From the inside out, by our writer."""
    if element.tag & 0x20:
        return der.tlv(element.tag, b"".join(encode_again(one) for one in element.members()))
    return der.tlv(element.tag, element.content)


def spec_of(seal):
    names = [name for name in ses.SealSpec.__dataclass_fields__ if name != "signer_list"]
    return ses.SealSpec(**{name: getattr(seal, name) for name in names})


@pytest.mark.parametrize("name", ESL + DAT)
def test_it_encodes_again_byte_for_byte(name):
    assert encode_again(der.read(load(name))) == load(name)
    assert der_form.findings(load(name)) == ()


@pytest.mark.parametrize("name", ["UserV4.esl", "UserV5.esl", "UserV5_ts.esl"])
def test_it_is_written_again_from_its_meaning(name):
    """What we would write from the fields we read is what the other software wrote."""
    seal = ses.parse_seal(load(name))
    assert ses_write.encode_info(spec_of(seal)) == seal.signed_bytes
    stamp = [der.tlv(0xA0, der.bits(seal.timestamp))] if seal.timestamp else []
    written = der.sequence(
        seal.signed_bytes,
        der.octets(seal.maker_certificate),
        der.oid(seal.signature_oid),
        der.bits(seal.signature),
        *stamp,
    )
    assert written == seal.raw


@pytest.mark.parametrize("name", DAT)
def test_a_signature_is_written_again_from_its_meaning(name):
    read = ses.parse_signature(load(name))
    tbs = ses.to_be_signed(
        seal=read.seal.raw,
        signed_at=read.signed_at,
        data_hash=read.data_hash,
        property_info=read.property_info,
        version=read.version,
    )
    assert tbs == read.signed_bytes
    written = ses.assemble_signature(
        tbs,
        certificate=read.certificate,
        signature=read.signature,
        suite_oid=read.signature_oid,
    )
    assert written == load(name)


@pytest.mark.parametrize("name", ESL)
def test_the_makers_signature_is_good(name):
    seal = ses.parse_seal(load(name))
    assert ses.verify_seal(seal)
    assert seal.signature_oid == suites.SM2_SM3_OID
    assert seal.findings == ()
    assert seal.picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", DAT)
def test_the_signers_signature_is_good(name):
    read = ses.parse_signature(load(name))
    assert ses.verify_signature(read)
    assert ses.verify_seal(read.seal)
    assert read.seal.lists_certificate(read.certificate)
    assert read.property_info == "/Doc_0/Signs/Sign_0/Signature.xml"
    assert len(read.data_hash) == 32


def test_user_v4():
    seal = ses.parse_seal(load("UserV4.esl"))
    assert (seal.version, seal.type, seal.vid) == (4, 3, "OFDR&WTest")
    assert seal.name == "OFD R&W 测试用印章"
    assert seal.es_id == "51f044b76510434e9bc67a1185c2fba5"
    assert seal.valid_from == datetime(2020, 4, 22, 2, 9, tzinfo=UTC)
    assert seal.valid_to == datetime(2022, 4, 22, 2, 9, tzinfo=UTC)
    assert (seal.picture_type, seal.width_mm, seal.height_mm) == ("PNG", 40, 40)


def test_user_v1():
    seal = ses.parse_seal(load("UserV1.esl"))
    assert seal.version == 1
    assert seal.valid_to == datetime(2022, 4, 22, 2, 18, 7, tzinfo=UTC)
    assert len(seal.cert_list) == 1


def test_a_time_stamp_is_found():
    assert ses.parse_seal(load("UserV5_ts.esl")).timestamp == b"\x01\x02\x03"
    assert ses.parse_seal(load("UserV5.esl")).timestamp is None


def test_an_implicit_critical_is_false():
    seal = ses.parse_seal(load("seal_ext_derdefault.esl"))
    assert seal.extensions == (("1.2.3.4", False, b"\x01\x02"),)


@pytest.mark.parametrize(
    ("name", "at", "status"),
    [
        ("UserV4.esl", datetime(2021, 1, 1, tzinfo=UTC), "NO_ANCHOR"),
        ("UserV4.esl", datetime(2026, 1, 1, tzinfo=UTC), "EXPIRED"),
        ("UserV5.esl", datetime(2026, 4, 24, 9, tzinfo=UTC), "EXPIRED"),
        ("UserV5_ts.esl", datetime(2026, 4, 24, 9, tzinfo=UTC), "EXPIRED"),
    ],
)
def test_makers_certificates_then_and_now(name, at, status):
    seal = ses.parse_seal(load(name))
    result = trust.assess_chain(
        seal.maker_certificate, at=at, store=trust.TrustStore(), purpose=trust.Purpose.SEAL_MAKER
    )
    assert result.status == status


def anchored(encoded):
    """What trusts this seal's maker, as if that certificate were its own root."""
    certificate = ses.parse_seal(encoded).maker_certificate
    begin = datetime(2000, 1, 1, tzinfo=UTC)
    anchor = trust.TrustAnchor(name="maker", certificate=certificate, valid_from=begin)
    return trust.TrustStore(anchors=(anchor,))


@pytest.mark.parametrize(
    ("name", "year", "said"),
    [
        ("UserV4.esl", 2021, ("PASSED", "")),
        ("UserV4.esl", 2026, ("FAILED", "SEAL_NOT_IN_FORCE")),
        ("UserV1.esl", 2021, ("PASSED", "")),
        ("UserV1.esl", 2026, ("FAILED", "SEAL_NOT_IN_FORCE")),
        ("UserV5.esl", 2027, ("FAILED", "CERTIFICATE_EXPIRED")),
        ("UserV5_ts.esl", 2027, ("FAILED", "CERTIFICATE_EXPIRED")),
    ],
)
def test_the_whole_answer_about_a_seal(name, year, said):
    """The README's words; without that anchor nothing is PASSED."""
    encoded, now = load(name), datetime(year, 1, 1, tzinfo=UTC)
    verdict = assess_seal(encoded, store=anchored(encoded), now=now)
    assert (verdict.indication, verdict.reason) == said
    assert assess_seal(encoded, store=trust.TrustStore(), now=now).indication != "PASSED"


def test_the_answer_about_a_seal_with_an_extension():
    encoded = load("seal_ext_derdefault.esl")
    seal = ses.parse_seal(encoded)
    verdict = assess_seal(encoded, store=anchored(encoded), now=seal.created)
    names = {check.name: check.indication for check in verdict.all_checks()}
    assert names["seal_signature"] == names["seal_extensions"] == "PASSED"


@pytest.mark.parametrize("name", ESL)
def test_any_changed_byte_of_the_signed_part_fails(name):
    encoded = load(name)
    info = der.children(encoded)[0].raw
    start = encoded.index(info)
    # Every byte of the head and of the tail; of the picture in between, a sample.
    chosen = {*range(700), *range(700, len(info) - 60, 997), *range(len(info) - 60, len(info))}
    for index in sorted(start + one for one in chosen):
        changed = encoded[:index] + bytes([encoded[index] ^ 0x01]) + encoded[index + 1 :]
        try:
            good = ses.verify_seal(ses.parse_seal(changed))
        except InvalidArgument:
            continue
        assert not good, index
