"""Custody with a PKCS#11 device: P-256 keys in it, SM2 keys in files that only it can open."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.clock import FixedClock
from runtime.errors import DomainError, FailedPrecondition
from seal.keys import pkcs11_device
from seal.keys.custody import Custody
from seal.keys.folder_secret import WRAPPED
from seal.keys.hierarchy import MAKER, ROOT_P256, ROOT_SM2
from seal.pki.certificates import parse_certificate
from seal.suites import P256, SM2, suite
from tests.builders.ofd import plain_ofd
from tests.builders.pdf import plain_pdf
from tests.builders.seal_node import NOW, SEAL, seal_request, start
from tests.builders.softhsm import PIN, SoftHsm, softhsm

PASSPHRASE = b"a long passphrase"


@pytest.fixture
def hsm(tmp_path: Path) -> Iterator[SoftHsm]:
    with softhsm(tmp_path / "hsm") as made:
        yield made


def custody(folder: Path, hsm: SoftHsm | None, passphrase: bytes = PASSPHRASE) -> Custody:
    return Custody(
        folder / "seal",
        passphrase=lambda: passphrase,
        clock=FixedClock(NOW),
        device=hsm.address() if hsm else "",
    )


def refusal(held: Custody) -> DomainError:
    with pytest.raises(DomainError) as caught:
        held.prepare()
    assert PIN not in caught.value.message
    return caught.value


def test_p256_keys_are_in_the_device_and_sm2_files_open_with_it(
    tmp_path: Path, hsm: SoftHsm
) -> None:
    held = custody(tmp_path, hsm)
    made = held.prepare()
    held.make_seal_keys(SEAL)
    for path in (tmp_path / "seal").rglob("*.key"):
        in_device = path.read_bytes().startswith(b"pkcs11:token=seals;")
        assert in_device == (path.stem in (ROOT_P256, P256))
        assert "in a device" in repr(held.seal_key(SEAL, P256))
    # Nobody knows the passphrase: another one in the settings changes nothing.
    again = custody(tmp_path, hsm, b"another passphrase")
    assert again.prepare(expected=True) == made
    assert again.seal_key(SEAL, SM2).public_key == held.seal_key(SEAL, SM2).public_key
    for name in (SM2, P256):
        signer = again.seal_key(SEAL, name)
        assert suite(name).verify(signer.public_key, b"m", signer.sign(b"m"))
    assert parse_certificate(made.root_p256).public_key == again.key(ROOT_P256).public_key


def test_a_node_seals_with_keys_of_the_device(
    tmp_path: Path, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBAN_SEAL__HSM", hsm.address())
    node = start(tmp_path / "data")
    node.make_seal()
    with ThreadPoolExecutor(4) as threads:
        documents = [plain_pdf(), plain_ofd()] * 4
        done = threads.map(lambda d: node.call("SealDocument", seal_request(d)), documents)
        assert all(one.document for one in done)
    pkcs11_device.close_all()
    assert start(tmp_path / "data").call("SealDocument", seal_request(plain_pdf())).document


def test_a_folder_that_is_older_than_its_device_is_wrapped(tmp_path: Path, hsm: SoftHsm) -> None:
    made = custody(tmp_path, None).prepare()
    wrong = refusal(custody(tmp_path, hsm, b"not this passphrase"))
    assert wrong.reason == "WRONG_PASSPHRASE"
    assert not (tmp_path / "seal" / WRAPPED).exists()
    assert custody(tmp_path, hsm).prepare(expected=True) == made
    # From then on the device opens the files; the P-256 root stays the file it was.
    held = custody(tmp_path, hsm, b"not needed any more")
    assert held.prepare(expected=True) == made
    held.make_seal_keys(SEAL)
    assert "in a device" in repr(held.seal_key(SEAL, P256))
    assert "in a device" not in repr(held.key(ROOT_P256))


def test_without_its_device_nothing_opens(tmp_path: Path, hsm: SoftHsm) -> None:
    custody(tmp_path, hsm).prepare()
    assert refusal(custody(tmp_path, None)).reason == "HSM_NOT_SET"
    (tmp_path / "seal" / WRAPPED).rename(tmp_path / WRAPPED)
    error = refusal(custody(tmp_path, hsm))
    assert error.reason == "WRONG_PASSPHRASE"  # the settings' own is not that of the files
    assert f"{WRAPPED} is missing" in error.message
    assert "backup" in error.message
    assert f"缺少 {WRAPPED}" in error.message_zh
    (tmp_path / WRAPPED).rename(tmp_path / "seal" / WRAPPED)
    with pytest.raises(FailedPrecondition) as caught:
        custody(tmp_path, None).key(ROOT_P256)
    assert caught.value.reason == "HSM_NOT_SET"


def test_what_is_wrong_with_the_device_is_told_at_start(tmp_path: Path, hsm: SoftHsm) -> None:
    custody(tmp_path, hsm).prepare()
    pkcs11_device.close_all()
    hsm.write_pin("0000")
    assert refusal(custody(tmp_path, hsm)).reason == "HSM_WRONG_PIN"
    hsm.write_pin(PIN)
    hsm.lock()
    pkcs11_device.close_all()
    assert refusal(custody(tmp_path, hsm)).reason == "HSM_PIN_LOCKED"


def test_a_wrapped_passphrase_of_another_folder(tmp_path: Path, hsm: SoftHsm) -> None:
    custody(tmp_path / "one", hsm).prepare()
    custody(tmp_path / "two", hsm).prepare()
    (tmp_path / "one" / "seal" / WRAPPED).replace(tmp_path / "two" / "seal" / WRAPPED)
    error = refusal(custody(tmp_path / "two", hsm))
    assert error.reason == "WRONG_PASSPHRASE"
    assert WRAPPED in error.message


def test_a_key_that_the_device_lost(tmp_path: Path, hsm: SoftHsm) -> None:
    held = custody(tmp_path, hsm)
    held.prepare()
    held.make_seal_keys(SEAL)
    hsm.destroy("root-p256")
    again = custody(tmp_path, hsm)
    again.prepare(expected=True)
    with pytest.raises(FailedPrecondition) as caught:
        again.key(ROOT_P256)
    assert caught.value.reason == "HSM_KEY_MISSING"


def test_many_starting_at_once_make_one_hierarchy(tmp_path: Path, hsm: SoftHsm) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: custody(tmp_path, hsm).prepare(), range(4)))
    assert len(set(found)) == 1
    assert custody(tmp_path, hsm).prepare(expected=True).of(ROOT_SM2) == found[0].root_sm2
    assert custody(tmp_path, hsm).key(MAKER).suite_name == SM2


@pytest.mark.parametrize("lost", ["root-p256.pem", "root-p256.key"])
def test_a_half_made_folder_is_finished(tmp_path: Path, hsm: SoftHsm, lost: str) -> None:
    """A crash after the device made the key, or after its address was written."""
    custody(tmp_path, hsm).prepare()
    (tmp_path / "seal" / "root-p256.pem").unlink()
    (tmp_path / "seal" / lost).unlink(missing_ok=True)
    (tmp_path / "seal" / ".making-0123").write_bytes(b"pkcs11:")
    made = custody(tmp_path, hsm).prepare()
    again = custody(tmp_path, hsm)
    assert again.prepare(expected=True) == made
    assert again.key(ROOT_P256).public_key == parse_certificate(made.root_p256).public_key
