"""Key files: written once, closed to others, opened by their passphrase only."""

from __future__ import annotations

import copy
import pickle
import stat

import pytest

from runtime.errors import AlreadyExists, DomainError, FailedPrecondition, InvalidArgument, NotFound
from seal import suites
from seal.keys import signers as keys

PASSPHRASE = "口令 correct horse".encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seal.key"


@pytest.mark.parametrize("suite", suites.suite_names())
def test_a_key_opens_again(path, suite):
    made = keys.create_key(path, suite=suite, passphrase=PASSPHRASE)
    opened = keys.open_key(f"file:{path}", passphrase=PASSPHRASE)
    assert opened.suite_name == suite
    assert opened.public_key == made.public_key
    signature = opened.sign(b"m")
    assert suites.suite(suite).verify(made.public_key, b"m", signature)


def test_a_passphrase_is_asked_for_once_and_wiped(path):
    keys.create_key(path, suite=suites.SM2, passphrase=bytearray(PASSPHRASE))
    for given in (PASSPHRASE, b"a wrong passphrase"):
        secret = bytearray(given)
        try:
            keys.open_key(f"file:{path}", passphrase=lambda secret=secret: secret)
        except FailedPrecondition:
            assert given != PASSPHRASE
        assert secret == bytes(len(given))


def test_the_file_is_closed_and_encrypted(path):
    keys.create_key(path, suite=suites.SM2, passphrase=PASSPHRASE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_a_key_is_never_overwritten(path):
    path.write_bytes(b"precious")
    with pytest.raises(AlreadyExists) as caught:
        keys.create_key(path, suite=suites.SM2, passphrase=PASSPHRASE)
    assert caught.value.reason == "KEY_FILE_EXISTS"
    assert path.read_bytes() == b"precious"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FailedPrecondition) as caught:
        keys.create_key(tmp_path / "no" / "key", suite=suites.SM2, passphrase=PASSPHRASE)
    assert caught.value.reason == "KEY_FILE_UNWRITABLE"


def test_a_short_passphrase_is_refused(path):
    with pytest.raises(InvalidArgument) as caught:
        keys.create_key(path, suite=suites.SM2, passphrase=b"1234567")
    assert caught.value.reason == "WEAK_PASSPHRASE"
    assert not path.exists()


def test_wrong_passphrases_never_open(path):
    keys.create_key(path, suite=suites.SM2, passphrase=PASSPHRASE)
    # Of 600 wrong ones some decrypt to good padding by chance: those must fail as plainly.
    for number in range(600):
        with pytest.raises(FailedPrecondition) as caught:
            keys.open_key(f"file:{path}", passphrase=b"wrong %d" % number)
        assert caught.value.reason == "WRONG_PASSPHRASE"
        assert "wrong" not in caught.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(path, mode):
    keys.create_key(path, suite=suites.SM2, passphrase=PASSPHRASE)
    path.chmod(mode)
    with pytest.raises(FailedPrecondition) as caught:
        keys.open_key(f"file:{path}", passphrase=PASSPHRASE)
    assert caught.value.reason == "KEY_FILE_TOO_OPEN"


def test_a_missing_file(path):
    with pytest.raises(NotFound) as caught:
        keys.open_key(f"file:{path}", passphrase=PASSPHRASE)
    assert caught.value.reason == "KEY_FILE_MISSING"


@pytest.mark.parametrize(
    "uri",
    ["pkcs12:token=x", "/etc/key", "", "file:relative", "file://host/key", "http://[", "file:"],
)
def test_other_addresses_are_refused(uri):
    with pytest.raises(InvalidArgument) as caught:
        keys.open_key(uri, passphrase=PASSPHRASE)
    assert caught.value.reason == "UNKNOWN_KEY_SCHEME"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n====\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"x" * 20_000,
    ],
)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidArgument) as caught:
        keys.open_key(f"file:{path}", passphrase=PASSPHRASE)
    assert caught.value.reason == "MALFORMED_KEY_FILE"


def test_a_changed_file_does_not_open(path):
    keys.create_key(path, suite=suites.P256, passphrase=PASSPHRASE)
    lines = path.read_text().splitlines()
    lines[-3] = lines[-3][::-1]
    path.write_text("\n".join(lines))
    with pytest.raises(DomainError):
        keys.open_key(f"file:{path}", passphrase=PASSPHRASE)


def test_a_signer_gives_nothing_away():
    signer = keys.generate_signer(suites.SM2)
    assert signer.suite_name in repr(signer)
    for spread in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            spread(signer)
