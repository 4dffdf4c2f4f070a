"""The stored forgeries are what they say: a verifier with that one weakness would take them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seal import der
from seal.pki.certificates import parse_certificate
from seal.ses import parse_signature
from seal.suites import SM2, SM3_OID, digest, suite
from tests.builders.forged_seals import ORDER
from tests.builders.forging import SEAL, VALUE, XML, numbers
from tests.builders.ofd import unpack

FOLDER = Path(__file__).parent / "forgeries"


def _parts(name: str, *, of_seal: bool) -> tuple[bytes, bytes, bytes]:
    """The public key, what was signed and the signature value."""
    value = parse_signature(unpack((FOLDER / name).read_bytes())[VALUE])
    one = value.seal if of_seal else value
    certificate = value.seal.maker_certificate if of_seal else value.certificate
    return parse_certificate(certificate).public_key, one.signed_bytes, one.signature


def _openssl(folder: Path, key: bytes, signed: bytes, signature: bytes, identity: str) -> bool:
    for name, data in (("key.der", key), ("signed", signed), ("signature", signature)):
        (folder / name).write_bytes(data)
    command = [
        "openssl", "dgst", "-sm3", "-verify", "key.der", "-keyform", "DER",
        "-sigopt", f"distid:{identity}", "-signature", "signature", "signed",
    ]  # fmt: skip
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("name", "of_seal"), [("wrong_signer_id.ofd", False), ("wrong_maker_id.ofd", True)]
)
def test_the_other_identity_would_pass(name: str, of_seal: bool, tmp_path: Path) -> None:
    parts = _parts(name, of_seal=of_seal)
    assert _openssl(tmp_path, *parts, "8765432187654321")
    assert not _openssl(tmp_path, *parts, "1234567812345678")


@pytest.mark.parametrize("key", ["r_plus_order", "s_plus_order", "r_negative", "s_negative"])
@pytest.mark.parametrize("who", ["document", "seal"])
def test_numbers_taken_by_the_order_would_pass(who: str, key: str) -> None:
    public_key, signed, signature = _parts(f"{who}_{key}.ofd", of_seal=who == "seal")
    r, s = (number % ORDER for number in numbers(signature))
    whole = der.sequence(der.integer(r), der.integer(s))
    assert suite(SM2).verify(public_key, signed, whole)
    assert not suite(SM2).verify(public_key, signed, signature)


@pytest.mark.parametrize(
    ("name", "of_seal"), [("reencoded_signature.ofd", False), ("reencoded_seal.ofd", True)]
)
def test_encoded_again_it_would_pass(name: str, of_seal: bool) -> None:
    public_key, signed, signature = _parts(name, of_seal=of_seal)
    again = der.sequence(*(one.raw for one in der.children(signed)))
    assert again != signed
    assert suite(SM2).verify(public_key, again, signature)


def test_the_swapped_seal_is_a_genuine_one_of_the_same_maker() -> None:
    files = unpack((FOLDER / "swapped_seal.ofd").read_bytes())
    value = parse_signature(files[VALUE])
    assert files[SEAL] == value.seal.raw
    assert value.data_hash == digest(SM3_OID, files[XML])
    assert value.seal.lists_certificate(value.certificate)


@pytest.mark.parametrize("name", ["look_alike_signer.ofd", "look_alike_serial.ofd"])
def test_the_look_alike_has_the_listed_name(name: str) -> None:
    value = parse_signature(unpack((FOLDER / name).read_bytes())[VALUE])
    used, listed = map(parse_certificate, (value.certificate, value.seal.cert_list[0]))
    assert (used.subject_name, used.issuer_name) == (listed.subject_name, listed.issuer_name)
    assert (used.serial == listed.serial) is (name == "look_alike_serial.ofd")
    assert used.public_key != listed.public_key


def test_the_look_alike_root_has_the_trusted_name() -> None:
    value = parse_signature(unpack((FOLDER / "look_alike_root.ofd").read_bytes())[VALUE])
    used = parse_certificate(value.seal.maker_certificate)
    intermediate = parse_certificate((FOLDER / "trust/intermediates/01.cer").read_bytes())
    assert used.issuer_name == intermediate.subject_name
