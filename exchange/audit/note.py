"""The texts that the log signs: checkpoints as signed notes, promises, and proofs around them.

Standard library and `cryptography`'s public keys only, so that the offline verifier stands on
nothing else.

1. A signed note is a text and signature lines (c2sp.org/signed-note). A signature by a key that we
   do not know is ignored; one by our key that fails spoils the note.
2. A checkpoint is a note of origin, size and root (c2sp.org/tlog-checkpoint); its origin must be
   the name of the key that signed it.
3. A promise begins with its own first line and has the origin second, where a checkpoint has a
   number: neither can be passed off as the other.
4. Reading is strict: what we accept, we would write the same.
5. A witness signs a time and the whole text of a checkpoint (c2sp.org/tlog-cosignature, Ed25519),
   under a first line of its own: no cosignature passes for a signature of the log, or a promise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange.audit.merkle import HASH_SIZE

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
PROMISE_HEADER = "tongban-promise/v1"
ED25519 = b"\x01"
COSIGNATURE = b"\x04"
COSIGNATURE_HEADER = "cosignature/v1"
GREATEST_NOTE = 1_000_000
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_VERIFIER_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """A text is malformed, or not signed by the key it must be signed by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a tlog-proof holds: an index, its path, and the checkpoint's note."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a promise says: this batch will be in the log."""

    origin: str
    shard: str
    batch: int
    count: int
    root: bytes
    #: RFC 3339, UTC, microseconds.
    time: str

    def text(self) -> bytes:
        """What is signed; every line ends in a newline. Raises NoteError for what is no line."""
        if any(not text or text.split() != [text] for text in (self.origin, self.shard, self.time)):
            raise NoteError("an origin, a shard or a time of a promise is empty or has spaces")
        lines = (PROMISE_HEADER, self.origin, self.shard, self.batch, self.count)
        head = "".join(f"{line}\n" for line in lines)
        try:
            return f"{head}{encode(self.root)}\n{self.time}\n".encode()
        except UnicodeEncodeError:
            raise NoteError("an origin or a shard of a promise is not text") from None


class Verifier:
    """A verifier key, `<name>+<key id>+<base64>`. Raises NoteError where it is malformed."""

    __slots__ = ("_key", "key_id", "name")
    _KIND = ED25519
    _WHAT = "an Ed25519 one"

    def __init__(self, text: str) -> None:
        match = _VERIFIER_KEY.fullmatch(text.strip())
        if match is None:
            raise NoteError("a verifier key looks like name+01234567+base64")
        self.name = match[1]
        material = decode(match[3])
        if material[:1] != self._KIND or len(material) != 33:
            raise NoteError(f"the verifier key is not {self._WHAT}")
        self.key_id = hashlib.sha256(self.name.encode() + b"\n" + material).digest()[:4]
        if self.key_id.hex() != match[2]:
            raise NoteError("the verifier key's id does not belong to its key")
        self._key = Ed25519PublicKey.from_public_bytes(material[1:])

    def check(self, text: bytes, signature: bytes) -> None:
        """Check a signature over a text. Raises NoteError."""
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            raise NoteError(f"the signature is not by the key of {self.name}") from None

    def same_key(self, other: Verifier) -> bool:
        """Whether both are of one key, whatever their names."""
        return self._key.public_bytes_raw() == other._key.public_bytes_raw()


class WitnessVerifier(Verifier):
    """A verifier key of a witness's cosignatures, of type 0x04."""

    __slots__ = ()
    _KIND = COSIGNATURE
    _WHAT = "one of a witness (Ed25519 cosignatures, type 04)"

    def check_cosignature(self, text: str, value: bytes) -> int:
        """Check a timed signature over a checkpoint's text; its time, seconds since 1970.

        Raises NoteError.
        """
        if len(value) != 8 + 64:
            raise NoteError(f"the cosignature of {self.name} is not of 72 bytes")
        time = int.from_bytes(value[:8], "big")
        if time >= 1 << 63:
            raise NoteError(f"the time of the cosignature of {self.name} is out of range")
        self.check(cosigned_text(text, time), value[8:])
        return time


def sign_note(text: str, name: str, key_id: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The signed note of a text that ends in a newline."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise NoteError("a note's text ends in a newline and has no other control character")
    signature = encode(key_id + sign(text.encode()))
    return f"{text}\n\N{EM DASH} {name} {signature}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """The text of a note signed by the verifier's key. Raises NoteError."""
    text, signatures = split_note(note)
    signed = False
    for name, value in signatures:
        if (name, value[:4]) == (verifier.name, verifier.key_id):
            verifier.check(text.encode(), value[4:])
            signed = True
    if not signed:
        raise NoteError(f"the note is not signed by the key of {verifier.name}")
    return text


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and signatures of a note, as names and key ids with what is signed; unverified.

    Raises NoteError where it is malformed.
    """
    if len(note) > GREATEST_NOTE or _CONTROL.search(note):
        raise NoteError("the note is too long or has control characters")
    head, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("the note has no signatures")
    signatures = [read_signature(line) for line in lines[:-1].split("\n")]
    return head + "\n", signatures


def read_signature(line: str) -> tuple[str, bytes]:
    """Name, and key id with signature, of a note's signature line. Raises NoteError."""
    dash, _, rest = line.partition(" ")
    name, _, signature = rest.partition(" ")
    value = decode(signature)
    if dash != "\N{EM DASH}" or not name or len(value) < 5:
        raise NoteError("a signature line of the note is malformed")
    return name, value


def cosigned_text(text: str, time: int) -> bytes:
    """What a witness signs: a time in seconds since 1970, and the whole text of a checkpoint."""
    return f"{COSIGNATURE_HEADER}\ntime {time}\n{text}".encode()


def cosign_line(
    text: str, name: str, key_id: bytes, time: int, sign: Callable[[bytes], bytes]
) -> str:
    """The signature line of a witness for a checkpoint's text, without its newline."""
    value = time.to_bytes(8, "big") + sign(cosigned_text(text, time))
    return f"\N{EM DASH} {name} {encode(key_id + value)}"


def cosigners(note: str, witnesses: Sequence[WitnessVerifier]) -> dict[str, int]:
    """Who of these witnesses cosigned a checkpoint, and when (seconds since 1970; the newest).

    Lines of others are ignored. Raises NoteError for one of theirs that does not verify.
    """
    text, signatures = split_note(note)
    found: dict[str, int] = {}
    for name, value in signatures:
        for witness in witnesses:
            if (name, value[:4]) == (witness.name, witness.key_id):
                time = witness.check_cosignature(text, value[4:])
                found[name] = max(time, found.get(name, 0))
    return found


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The note text of a checkpoint."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{encode(checkpoint.root)}\n"


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint of a note signed by the log's key. Raises NoteError."""
    origin, size, root, *_extensions = [*open_note(note, verifier).split("\n"), "", ""]
    if origin != verifier.name:
        raise NoteError("the checkpoint is of another log")
    return Checkpoint(origin=origin, size=_number(size), root=_hash(root))


def proof_text(proof: Proof) -> str:
    """The tlog-proof (c2sp.org/tlog-proof)."""
    lines = [PROOF_HEADER, f"index {proof.index}", *map(encode, proof.path), "", proof.checkpoint]
    return "\n".join(lines)


def read_proof(text: str) -> Proof:
    """The parts of a tlog-proof; unverified. Raises NoteError where it is malformed."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != PROOF_HEADER:
        raise NoteError(f"a proof begins with the line {PROOF_HEADER}")
    if lines and lines[0].startswith("extra "):
        decode(lines.pop(0).removeprefix("extra "))  # opaque and unauthenticated: not used
    if not lines or not lines[0].startswith("index "):
        raise NoteError("the proof has no index")
    index = _number(lines.pop(0).removeprefix("index "))
    return Proof(index=index, path=tuple(map(_hash, lines)), checkpoint=checkpoint)


def as_written(text: str, written: str) -> bool:
    """Whether a text is the file that was written; its last newline may have got lost on its way.

    Editors and mail drop it, and a reader of JSON never sees it.
    """
    return text.removesuffix("\n") == written.removesuffix("\n")


def encode(data: bytes) -> str:
    """Base64 (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """What canonical base64 stands for. Raises NoteError for any other text."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError, ValueError):
        raise NoteError("not base64") from None
    if encode(data) != text:
        raise NoteError("not canonical base64")
    return data


def decode_all(texts: Sequence[str]) -> tuple[bytes, ...]:
    """What each of several base64 texts stands for."""
    return tuple(map(decode, texts))


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds (as `runtime.records.instant`)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _number(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise NoteError("a number is not decimal, or has leading zeroes")
    return int(text)


def _hash(text: str) -> bytes:
    value = decode(text)
    if len(value) != HASH_SIZE:
        raise NoteError("a hash is not of 32 bytes")
    return value
