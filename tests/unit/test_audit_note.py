"""Notes, checkpoints, promises, and the key that signs them."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from exchange.audit.merkle import EMPTY_ROOT
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Promise,
    Verifier,
    checkpoint_text,
    decode,
    open_checkpoint,
    open_note,
    sign_note,
)
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from runtime.signing import KEY_FILE, LogKey
from tests.builders.audit import ORIGIN, log_key

KEY = log_key()
VERIFIER = Verifier(KEY.verifier_key)
CHECKPOINT = Checkpoint(origin=ORIGIN, size=7, root=EMPTY_ROOT)


def signed(text: str, key: LogKey = KEY) -> str:
    return sign_note(text, key.origin, key.key_id, key.sign)


def test_a_checkpoint_is_read_back() -> None:
    assert open_checkpoint(signed(checkpoint_text(CHECKPOINT)), VERIFIER) == CHECKPOINT


def test_extension_lines_are_allowed_and_ignored() -> None:
    note = signed(checkpoint_text(CHECKPOINT) + "an extension\n")
    assert open_checkpoint(note, VERIFIER) == CHECKPOINT


@pytest.mark.parametrize("text", [
    "other.example/log\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    f"{ORIGIN}\n07\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    f"{ORIGIN}\n-7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    f"{ORIGIN}\n٧\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    f"{ORIGIN}\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==\n",
    f"{ORIGIN}\n7\nAAAA\n",
    f"{ORIGIN}\n7\n",
    f"{ORIGIN}\n",
])  # fmt: skip
def test_malformed_checkpoints_are_refused_though_signed(text: str) -> None:
    with pytest.raises(NoteError):
        open_checkpoint(signed(text), VERIFIER)


@pytest.mark.parametrize("change", [
    lambda note: note.replace("\n7\n", "\n8\n"),
    lambda note: note.replace("—", "-"),
    lambda note: note.removesuffix("\n"),
    lambda note: note.replace("\n\n", "\n"),
    lambda note: note.replace("\n", "\r\n"),
    lambda note: note.rpartition("— ")[0],
    lambda note: note.replace(f"— {ORIGIN}", "— other.example/log"),
    lambda note: note.replace(note.split(" ")[-1][:8], "AAAAAAAA"),
    lambda note: note + "no signature line\n",
    lambda note: note + f"— {ORIGIN} AAAA\n",
    lambda note: note * 20_000,
    lambda note: "",
])  # fmt: skip
def test_changed_notes_are_refused(change) -> None:
    with pytest.raises(NoteError):
        open_note(change(signed(checkpoint_text(CHECKPOINT))), VERIFIER)


def test_a_wrong_signature_by_our_key_spoils_a_note_with_a_right_one() -> None:
    note = signed(checkpoint_text(CHECKPOINT))
    other = signed("another text\n").rpartition("\n\n")[2]
    with pytest.raises(NoteError):
        open_note(note + other, VERIFIER)


def test_a_cosignature_of_an_unknown_key_is_ignored() -> None:
    witness = log_key(9, "witness.example")
    text = checkpoint_text(CHECKPOINT)
    note = signed(text) + signed(text, witness).rpartition("\n\n")[2]
    assert open_note(note, VERIFIER) == open_note(note, Verifier(witness.verifier_key)) == text


def test_another_key_of_the_same_name_is_refused() -> None:
    with pytest.raises(NoteError):
        open_note(signed(checkpoint_text(CHECKPOINT), log_key(2)), VERIFIER)


@pytest.mark.parametrize("text", ["no newline", "tab\there\n", "bell\a\n"])
def test_what_is_no_note_text_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        signed(text)


@pytest.mark.parametrize("text", [
    "", "name", "name+01234567", KEY.verifier_key.replace("+", " "), KEY.verifier_key[:-4],
    KEY.verifier_key.replace(KEY.key_id.hex(), "00000000"),
    KEY.verifier_key.replace(ORIGIN, "other.example/log"),
    KEY.verifier_key[:-44] + "BB" + KEY.verifier_key[-42:],
])  # fmt: skip
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Verifier(text)


def test_a_promise_says_what_the_guide_says() -> None:
    promise = Promise(
        origin=ORIGIN, shard="s1", batch=3, count=2, root=EMPTY_ROOT,
        time="2026-11-02T04:00:00.000000Z",
    )  # fmt: skip
    assert promise.text() == (
        b"tongban-promise/v1\nshifan.example/log\ns1\n3\n2\n"
        b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n2026-11-02T04:00:00.000000Z\n"
    )


@pytest.mark.parametrize("shard", ["", "a b", "a\n1", "a\u2028b"])
def test_a_shard_cannot_bring_lines_into_a_promise(shard: str) -> None:
    promise = Promise(origin=ORIGIN, shard=shard, batch=3, count=2, root=EMPTY_ROOT, time="t")
    with pytest.raises(NoteError):
        promise.text()


def test_a_signed_promise_is_no_checkpoint() -> None:
    promise = Promise(origin=ORIGIN, shard="s1", batch=3, count=2, root=EMPTY_ROOT, time="t")
    with pytest.raises(NoteError):
        open_checkpoint(signed(promise.text().decode()), VERIFIER)


@given(st.text())
def test_only_canonical_base64_is_read(text: str) -> None:
    import base64

    try:
        data = decode(text)
    except NoteError:
        return
    assert base64.b64encode(data).decode() == text


# The key file.


def test_a_key_file_is_made_once_and_opens_with_its_passphrase(tmp_path: Path) -> None:
    made = LogKey.create(tmp_path, ORIGIN, b"a passphrase")
    assert os.stat(tmp_path / KEY_FILE).st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / KEY_FILE).read_bytes()
    opened = LogKey.open(tmp_path, ORIGIN, b"a passphrase")
    assert opened.verifier_key == made.verifier_key
    Verifier(made.verifier_key).check(b"text", opened.sign(b"text"))
    with pytest.raises(AlreadyExists):
        LogKey.create(tmp_path, ORIGIN, b"a passphrase")


def test_a_key_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition) as missing:
        LogKey.open(tmp_path, ORIGIN, b"a passphrase")
    assert missing.value.reason == "LOG_KEY_MISSING"
    LogKey.create(tmp_path, ORIGIN, b"a passphrase")
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    held = (tmp_path / KEY_FILE).read_bytes()
    for data, passphrase in ((held, b"another"), (held[:90], b"a passphrase"), (other, None)):
        (tmp_path / KEY_FILE).write_bytes(data)
        with pytest.raises(FailedPrecondition) as unreadable:
            LogKey.open(tmp_path, ORIGIN, passphrase)
        assert unreadable.value.reason == "LOG_KEY_UNREADABLE"
        assert "another" not in str(unreadable.value)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n"])
def test_an_origin_that_no_note_can_name_is_refused(origin: str) -> None:
    with pytest.raises(InvalidArgument):
        log_key(1, origin)
