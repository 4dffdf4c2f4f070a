"""Keys in a PKCS#11 device, as SoftHSM is one: used there, never taken out, and what goes wrong."""

from __future__ import annotations

import copy
import pickle
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pkcs11 as library
import pytest
from asn1crypto import pem

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from seal import suites, trust
from seal.keys import pkcs11, pkcs11_device, pkcs11_errors, pkcs11_uri
from seal.keys import signers as keys
from tests.builders.seal_pki import BEGIN, NOON, issue, register_brainpool
from tests.builders.softhsm import PIN, SoftHsm, module, softhsm

SUITES = (suites.P256, suites.RSA, suites.ED25519)


@pytest.fixture
def hsm(tmp_path: Path) -> Iterator[SoftHsm]:
    with softhsm(tmp_path / "hsm") as made:
        yield made


def refusal(ask: str) -> DomainError:
    with pytest.raises(DomainError) as caught:
        keys.open_key(ask)
    assert PIN not in caught.value.message
    assert caught.value.message_zh != caught.value.message
    return caught.value


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_signs_in_the_device(hsm: SoftHsm, suite: str, tmp_path: Path) -> None:
    public = hsm.generate(suite, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    assert (signer.suite_name, signer.public_key) == (suite, public)
    signature = signer.sign(b"message")
    assert suites.suite(suite).verify(public, b"message", signature)
    assert not suites.suite(suite).verify(public, b"massage", signature)
    if suite != suites.ED25519:  # `openssl dgst` has no Ed25519
        (tmp_path / "key").write_bytes(pem.armor("PUBLIC KEY", public))
        (tmp_path / "signature").write_bytes(signature)
        check = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature"]
        subprocess.run(check, cwd=tmp_path, input=b"message", check=True, capture_output=True)


@pytest.mark.parametrize("suite", SUITES)
def test_an_authority_in_the_device(hsm: SoftHsm, suite: str, tmp_path: Path) -> None:
    hsm.generate(suite, "root")
    root = issue("根", None, is_ca=True, signer=keys.open_key(hsm.address(object="root")))
    leaf = issue("叶", root, suite=suites.P256).certificate
    anchor = trust.TrustAnchor(name="r", certificate=root.certificate, valid_from=BEGIN)
    assert trust.assess_chain(
        leaf, at=NOON, store=trust.TrustStore(anchors=(anchor,)), purpose=trust.Purpose.SIGNER
    ).is_trusted
    (tmp_path / "root").write_bytes(pem.armor("CERTIFICATE", root.certificate))
    (tmp_path / "leaf").write_bytes(pem.armor("CERTIFICATE", leaf))
    at = str(int(NOON.timestamp()))
    check = ["openssl", "verify", "-x509_strict", "-attime", at, "-CAfile", "root", "leaf"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True)


def test_a_key_is_found_by_its_id_and_serial_too(hsm: SoftHsm) -> None:
    public = hsm.generate(suites.P256, "one")
    hsm.generate(suites.P256, "two")
    assert keys.open_key(hsm.address(id="%6Fne")).public_key == public
    serial = library.lib(module()).get_token(token_label=hsm.label).serial.decode().strip("\0 ")
    address = hsm.address(object="one").replace(f"token={hsm.label}", f"serial={serial}")
    assert keys.open_key(address).public_key == public
    assert refusal(address.replace(serial, "0000")).reason == "HSM_TOKEN_MISSING"


def test_a_signer_gives_nothing_away(hsm: SoftHsm) -> None:
    hsm.generate(suites.P256, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    assert signer.suite_name in repr(signer)
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(signer)


def test_a_key_we_make_cannot_leave_the_device(hsm: SoftHsm) -> None:
    device = pkcs11_uri.parse(hsm.address())
    made = pkcs11.generate_p256(device, "root")
    again = pkcs11.generate_p256(device, "root")
    assert made.id != again.id
    signer = pkcs11.open_key(made.with_device(device))
    assert suites.suite(suites.P256).verify(signer.public_key, b"m", signer.sign(b"m"))
    parsed = pkcs11_uri.parse(made.key_uri())
    assert pkcs11.open_key(parsed.with_device(device)).public_key == signer.public_key
    assert refusal(hsm.address(object="root")).reason == "HSM_KEY_AMBIGUOUS"
    key = pkcs11_device.find(device).use(
        lambda session: session.key(library.ObjectClass.PRIVATE_KEY, made)
    )
    assert key[library.Attribute.SENSITIVE]
    assert not key[library.Attribute.EXTRACTABLE]
    with pytest.raises(library.AttributeSensitive):
        _ = key[library.Attribute.VALUE]


def test_eight_threads_sign_at_once(hsm: SoftHsm) -> None:
    public = {name: hsm.generate(suites.P256, name) for name in ("one", "two")}
    signers = {name: keys.open_key(hsm.address(object=name)) for name in public}
    chosen = suites.suite(suites.P256)

    def sign(number: int) -> bool:
        name, message = ("one", "two")[number % 2], b"%d" % number
        return chosen.verify(public[name], message, signers[name].sign(message))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(sign, range(2000)))


# --- a device that is not what an SM2 key needs ----------------------------------------------


def test_a_device_without_sm2_is_found_out(hsm: SoftHsm) -> None:
    hsm.generate(suites.SM2, "sm2")
    error = refusal(hsm.address(object="sm2"))
    assert error.reason == "HSM_WITHOUT_SM2"
    assert "seal.hsm" in error.message


@pytest.mark.parametrize("number", ["0x80000123", "0x1041"])
def test_a_mechanism_that_is_not_sm2_is_found_out(hsm: SoftHsm, number: str) -> None:
    """0x1041 is ECDSA, which SoftHSM has, and does on that curve: no SM2 signature comes of it."""
    hsm.generate(suites.SM2, "sm2")
    error = refusal(f"{hsm.address(object='sm2')}&x-sm2-mechanism={number}")
    assert error.reason == ("HSM_KEY_UNUSABLE" if number == "0x1041" else "HSM_WITHOUT_SM2")


def test_another_curve_is_refused(hsm: SoftHsm) -> None:
    hsm.generate("brainpool", "other")
    assert refusal(hsm.address(object="other")).reason == "HSM_KEY_UNUSABLE"


def test_another_curve_signs_once_its_suite_is_registered(
    hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    brainpool = register_brainpool(monkeypatch)
    public = hsm.generate("brainpool", "other")
    signer = keys.open_key(hsm.address(object="other"))
    assert (signer.suite_name, signer.public_key) == (brainpool.name, public)
    assert brainpool.verify(public, b"message", signer.sign(b"message"))


# --- PINs ------------------------------------------------------------------------------------


def test_a_wrong_pin_is_sent_once(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    hsm.generate(suites.P256, "signer")
    pkcs11_device.close_all()
    address = hsm.address(object="signer")
    hsm.write_pin("0000")
    assert refusal(address).reason == "HSM_WRONG_PIN"
    device = pkcs11_device.find(pkcs11_uri.parse(address))
    token = device._module.token(device._address)
    assert token.flags & library.TokenFlag.USER_PIN_COUNT_LOW  # the device has counted

    class Counted:
        slot = token.slot

        def open(self, **_: object) -> None:
            raise AssertionError("a refused PIN was sent again")

    monkeypatch.setattr(device, "_raw_token", Counted())
    for _ in range(3):
        assert refusal(address).reason == "HSM_WRONG_PIN"
    monkeypatch.undo()
    hsm.write_pin(PIN + "\n")
    assert keys.open_key(address).suite_name == suites.P256


@pytest.mark.parametrize(
    ("last_try", "reason"), [(False, "HSM_PIN_LOCKED"), (True, "HSM_LAST_TRY")]
)
def test_a_locked_device_says_whom_to_call(hsm: SoftHsm, last_try: bool, reason: str) -> None:
    hsm.generate(suites.P256, "signer")
    pkcs11_device.close_all()
    hsm.lock(last_try=last_try)
    for _ in range(2):
        assert refusal(hsm.address(object="signer")).reason == reason


def test_a_device_that_locks_at_login_is_told_the_same() -> None:
    address = pkcs11_uri.parse("pkcs11:token=x")
    assert pkcs11_errors.failed(address, library.PinLocked()).reason == "HSM_PIN_LOCKED"


def test_pin_files(hsm: SoftHsm) -> None:
    hsm.generate(suites.P256, "signer")
    pkcs11_device.close_all()
    address = hsm.address(object="signer")
    hsm.pin_file.chmod(0o644)
    error = refusal(address)
    assert (error.reason, "chmod 600" in error.message) == ("HSM_PIN_MISSING", True)
    hsm.pin_file.unlink()
    assert refusal(address).reason == "HSM_PIN_MISSING"
    assert refusal(address.partition("&")[0]).reason == "HSM_PIN_MISSING"
    hsm.pin_file.write_bytes(b"\xff\xfe")
    hsm.pin_file.chmod(0o600)
    assert refusal(address).reason == "HSM_WRONG_PIN"


# --- what else goes wrong --------------------------------------------------------------------


def test_what_is_missing_is_named(hsm: SoftHsm, tmp_path: Path) -> None:
    hsm.generate(suites.P256, "signer")
    address = hsm.address(object="signer")
    assert refusal(hsm.address(object="none")).reason == "HSM_KEY_MISSING"
    assert refusal(hsm.address()).reason == "MALFORMED_KEY_ADDRESS"
    assert refusal(address.replace("token=seals", "token=other")).reason == "HSM_TOKEN_MISSING"
    assert refusal("pkcs11:object=signer").reason == "MALFORMED_KEY_ADDRESS"
    (tmp_path / "no.so").write_bytes(b"not a library")
    for path in (tmp_path / "none.so", tmp_path / "no.so", Path("/lib/x86_64-linux-gnu/libc.so.6")):
        error = refusal(address.replace(module(), str(path)))
        assert (error.reason, path.name in error.message) == ("HSM_MODULE_MISSING", True)


def test_two_tokens_of_one_name_are_told_apart(hsm: SoftHsm) -> None:
    hsm.initialize()
    pkcs11_device.close_all()
    assert refusal(hsm.address(object="signer")).reason == "HSM_TOKEN_AMBIGUOUS"


def test_a_lost_session_is_opened_again(hsm: SoftHsm) -> None:
    public = hsm.generate(suites.P256, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    for _ in range(3):
        hsm.restart()
        assert suites.suite(suites.P256).verify(public, b"m", signer.sign(b"m"))


def test_threads_outlive_a_restart(hsm: SoftHsm) -> None:
    public = hsm.generate(suites.P256, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    chosen = suites.suite(suites.P256)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: signer.sign(b"m"), range(100)))
        hsm.restart()
        made = list(threads.map(lambda _: signer.sign(b"m"), range(100)))
    assert all(chosen.verify(public, b"m", one) for one in made)


def test_a_lost_session_and_a_changed_pin(hsm: SoftHsm) -> None:
    hsm.generate(suites.P256, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    hsm.write_pin("0000")
    hsm.restart()
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as caught:
            signer.sign(b"m")
        assert caught.value.reason == "HSM_WRONG_PIN"


def test_a_key_that_vanished(hsm: SoftHsm) -> None:
    hsm.generate(suites.P256, "signer")
    signer = keys.open_key(hsm.address(object="signer"))
    subprocess.run(["rm", "-rf", *map(str, (hsm.folder / "tokens").iterdir())], check=True)
    hsm.restart()
    with pytest.raises(DomainError) as caught:
        signer.sign(b"m")
    assert caught.value.reason == "HSM_TOKEN_MISSING"


# --- wrapping --------------------------------------------------------------------------------


def test_what_is_wrapped_opens_by_the_device_only(hsm: SoftHsm) -> None:
    address = pkcs11_uri.parse(hsm.address(object="wrap"))
    secret = b"a passphrase of the key files"
    wrapped = pkcs11.wrap(address, secret)
    assert secret not in wrapped
    assert pkcs11.wrap(address, secret) != wrapped
    assert pkcs11.unwrap(address, wrapped) == secret
    for bad in (b"", wrapped[:-1], wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[1:]):
        with pytest.raises(FailedPrecondition) as caught:
            pkcs11.unwrap(address, bad)
        assert caught.value.reason == "HSM_WRAP_DAMAGED"
    hsm.destroy("wrap")
    with pytest.raises(FailedPrecondition) as caught:
        pkcs11.unwrap(address, wrapped)
    assert caught.value.reason == "HSM_KEY_MISSING"


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=x;pin-value=482913",
        "pkcs11:token=x?pin-value=482913",
        "pkcs11:token",
        "pkcs11:token=x;token=y",
        "pkcs11:slot-id=1;object=k",
        "pkcs11:object=k?module-name=softhsm",
        "pkcs11:object=k?module-path=libsofthsm2.so",
        "pkcs11:object=k?pin-source=pin",
        "pkcs11:object=k?pin-source=|cat",
        "pkcs11:object=k?x-sm2-mechanism=many",
        "pkcs11:object=k?x-sm2-mechanism=-1",
        "pkcs11:object=k;type=cert",
        "pkcs11:object=" + "k" * 3000,
    ],
)
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        pkcs11_uri.parse(uri)
    assert caught.value.reason == "MALFORMED_KEY_ADDRESS"
    assert "482913" not in caught.value.message


def test_an_address_says_what_it_means() -> None:
    uri = "pkcs11:token=%E5%8D%B0%E7%AB%A0;object=a%3Bb%20c;id=%00%FF?module-path=/m.so"
    address = pkcs11_uri.parse(uri)
    assert (address.token, address.object, address.id) == ("印章", "a;b c", b"\x00\xff")
    assert pkcs11_uri.parse(address.key_uri() + "?module-path=/m.so") == address
