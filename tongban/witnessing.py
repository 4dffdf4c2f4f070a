"""A witness of the log: remembers what it saw, and cosigns what continues it.

1. The folder holds the witness's key, the log's key, and the last checkpoint that was seen. One
   process at a time works on it.
2. What was seen is on the disk before a cosignature of it is given out (c2sp.org/tlog-witness): so
   a witness that crashes never cosigns two histories.
3. A checkpoint is cosigned only when it is shown to continue the last one. Otherwise nothing is
   cosigned, what was seen stays, and a file of evidence is written (`exchange.audit.evidence`).
4. The first checkpoint is taken as it comes, unless an earlier one is given.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc

from exchange.audit.evidence import Evidence, Kind, contradiction, evidence_to_json, is_power_of_two
from exchange.audit.merkle import ProofError, check_consistency
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Verifier,
    cosign_line,
    open_checkpoint,
    read_proof,
    split_note,
)
from exchange.v1 import audit_pb2 as pb
from runtime import status
from runtime.errors import DataLoss, DomainError, FailedPrecondition, InvalidArgument, Unavailable
from runtime.files import write_private
from runtime.signing import KEY_FILE, WitnessKey
from tongban.client import Client
from tongban.files import write_new

LAST = "last-checkpoint"
COSIGNED = "cosigned-checkpoint"
LOG_KEY = "log-key.txt"
PASSPHRASE = "passphrase"  # noqa: S105  # the name of a file


class Source(Protocol):
    """A log as a witness sees it; what it tells is checked, never believed."""

    def checkpoint(self) -> str:
        """The newest checkpoint's note."""

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that one size is a prefix of another. Raises DomainError."""

    def first_leaf(self) -> tuple[bytes, str]:
        """The first leaf and its tlog-proof. Raises DomainError."""


class NodeSource:
    """The log of a node."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def checkpoint(self) -> str:
        """See `Source`."""
        with _refusals():
            return self._client.audit.GetCheckpoint(
                pb.GetCheckpointRequest(), timeout=self._client.timeout
            ).checkpoint

    def consistency(self, first: int, second: int) -> list[bytes]:
        """See `Source`."""
        with _refusals():
            request = pb.GetConsistencyProofRequest(first_size=first, second_size=second)
            found = self._client.audit.GetConsistencyProof(request, timeout=self._client.timeout)
            return list(found.hashes)

    def first_leaf(self) -> tuple[bytes, str]:
        """See `Source`."""
        with _refusals():
            page = self._client.audit.ListEntries(
                pb.ListEntriesRequest(start=0, page_size=1), timeout=self._client.timeout
            )
            proof = self._client.audit.GetInclusionProof(
                pb.GetInclusionProofRequest(index=0), timeout=self._client.timeout
            )
            return (page.leaves[0] if page.leaves else b""), proof.proof

    def hand_in(self, size: int, line: str) -> int:
        """Give a cosignature to the node; how many the checkpoint has."""
        with _refusals():
            return self._client.audit.AddCosignature(
                pb.AddCosignatureRequest(size=size, line=line), timeout=self._client.timeout
            ).cosignatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at the log came to."""

    #: Size of the last checkpoint before; None at the first look.
    before: int | None
    #: Size that was shown.
    size: int
    #: The cosignature's line; empty where the log was caught.
    line: str = ""
    #: The file of evidence, where the log was caught.
    evidence: Path | None = None
    #: What it shows.
    kind: Kind | None = None


class WitnessFolder:
    """The folder of a witness; made at its first use."""

    def __init__(
        self, path: Path, *, name: str = "", log_key: str = "", passphrase_file: Path | None = None
    ) -> None:
        """Open the folder, or make it with a key under `name`.

        Raises InvalidArgument: WITNESS_NAME, LOG_KEY_MISSING, BAD_KEY, and LOG_KEY_CHANGED;
        FailedPrecondition where the key or its passphrase is missing.
        """
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log_key = self._pinned(log_key.strip())
        self.verifier = Verifier(self.log_key)
        self._key = self._open_key(name, passphrase_file)
        self.verifier_key = self._key.verifier_key
        self.name = self._key.origin

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works on the folder meanwhile. Raises FailedPrecondition (WITNESS_BUSY)."""
        with (self.path / "lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FailedPrecondition(
                    f"another process works on {self.path}: let it end first",
                    reason="WITNESS_BUSY",
                    message_zh=f"另一进程正在使用 {self.path}：请先结束该进程",
                ) from None
            yield

    def last(self) -> str:
        """The note of the last checkpoint that was seen; empty before the first."""
        try:
            return (self.path / LAST).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def look(self, source: Source, *, at: int, earlier: str = "") -> Seen:
        """Look at the log and cosign it, or catch it; `at` is the time in seconds since 1970.

        Raises DataLoss (CHECKPOINT_FORGED) for a checkpoint that the log's key did not sign, and
        what the source raises where it does not answer.
        """
        note = source.checkpoint()
        try:
            newest = open_checkpoint(note, self.verifier)
        except NoteError as error:
            raise _forged(str(error)) from None
        held = self.last() or earlier
        if not held:
            return self._cosigned(None, newest, note, at)
        try:
            last = open_checkpoint(held, self.verifier)
        except NoteError as error:
            raise InvalidArgument(
                f"the checkpoint that was kept is not this log's: {error}",
                reason="BAD_CHECKPOINT",
                message_zh="保存的检查点不是该日志的",
            ) from None
        caught = _catch(last, held, newest, note, source, self.verifier)
        if caught is None:
            return self._cosigned(last.size, newest, note, at)
        path = self.path / f"evidence-{last.size}-{newest.size}-{secrets.token_hex(4)}.json"
        write_new(path, evidence_to_json(caught).encode())
        return Seen(before=last.size, size=newest.size, evidence=path, kind=caught.kind)

    def _cosigned(self, before: int | None, newest: Checkpoint, note: str, at: int) -> Seen:
        self._keep(LAST, note)
        text, _ = split_note(note)
        key = self._key
        line = cosign_line(text, key.origin, key.key_id, at, key.sign)
        self._keep(COSIGNED, f"{note}{line}\n")
        return Seen(before=before, size=newest.size, line=line)

    def _keep(self, name: str, note: str) -> None:
        write_private(self.path / name, note.encode())
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _pinned(self, given: str) -> str:
        path = self.path / LOG_KEY
        held = path.read_text(encoding="ascii").strip() if path.exists() else ""
        if held and given and held != given:
            raise InvalidArgument(
                f"{path} holds another key of the log than the one given: a log keeps its key; "
                "ask its operator",
                reason="LOG_KEY_CHANGED",
                message_zh=f"{path} 中的日志密钥与所给的不同：日志不更换密钥，请向运营者核实",
            )
        if not held and not given:
            raise InvalidArgument(
                "give the log's verifier key with --key at the first use",
                reason="LOG_KEY_MISSING",
                message_zh="首次使用时请用 --key 提供日志的验证密钥",
            )
        try:
            Verifier(held or given)
        except NoteError as error:
            raise InvalidArgument(
                f"that is no verifier key of a log: {error}",
                reason="BAD_KEY",
                message_zh="这不是日志的验证密钥",
            ) from None
        if not held:
            write_private(path, f"{given}\n".encode())
        return held or given

    def _open_key(self, name: str, passphrase_file: Path | None) -> WitnessKey:
        where = passphrase_file or self.path / PASSPHRASE
        make = not (self.path / KEY_FILE).exists() and not self.last()
        if make and not name:
            raise InvalidArgument(
                "give the witness a name with --name at its first use, such as "
                "witness.audit.example",
                reason="WITNESS_NAME",
                message_zh="首次使用时请用 --name 为见证方命名，例如 witness.audit.example",
            )
        if make and passphrase_file is None and not where.exists():
            write_private(where, secrets.token_urlsafe(32).encode())
        try:
            passphrase = where.read_bytes().strip()
        except OSError as error:
            raise FailedPrecondition(
                f"cannot read the passphrase file {where}",
                reason="PASSPHRASE_MISSING",
                message_zh=f"无法读取口令文件 {where}",
            ) from error
        name_file = self.path / "name"
        if make:
            key = WitnessKey.create(self.path, name, passphrase)
            write_private(name_file, f"{name}\n".encode())
            return key
        held = name_file.read_text(encoding="utf-8").strip() if name_file.exists() else name
        if name and held != name:
            raise InvalidArgument(
                f"this folder is of the witness {held}: a name stays with its key",
                reason="WITNESS_NAME",
                message_zh=f"该文件夹属于见证方 {held}：名称与密钥不可分开",
            )
        return WitnessKey.open(self.path, held, passphrase)


def _catch(
    last: Checkpoint,
    held: str,
    newest: Checkpoint,
    note: str,
    source: Source,
    verifier: Verifier,
) -> Evidence | None:
    """Evidence against the log, or None where the newest checkpoint continues the last one."""
    if newest.size == last.size:
        if newest.root == last.root:
            return None
        return Evidence(kind=Kind.SPLIT_VIEW, earlier=held, later=note)
    suspicion = Evidence(kind=Kind.NOT_CONTINUED, earlier=held, later=note)
    if newest.size < last.size:
        return suspicion
    proof: list[bytes] = []
    try:
        proof = source.consistency(last.size, newest.size)
        check_consistency(last.size, last.root, newest.size, newest.root, proof)
    except Unavailable:
        raise  # not an answer
    except (ProofError, DomainError):
        pass  # what binds the log to what it showed is looked for below
    else:
        return None
    try:
        found = _bound(held, note, source, last.size, proof)
        later = open_checkpoint(found.later, verifier)
        contradiction(last, later, found.proof, found.leaf, kind=found.kind)
    except (ProofError, NoteError, DomainError):
        return suspicion
    return found


def _bound(held: str, note: str, source: Source, size: int, proof: list[bytes]) -> Evidence:
    """What binds the log to the later tree, if it does."""
    if not is_power_of_two(size):
        return Evidence(kind=Kind.REWRITTEN, earlier=held, later=note, proof=tuple(proof))
    leaf, text = source.first_leaf()
    told = read_proof(text)
    return Evidence(
        kind=Kind.REWRITTEN, earlier=held, later=told.checkpoint, proof=told.path, leaf=leaf
    )


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None


def _forged(why: str) -> DataLoss:
    return DataLoss(
        f"the node's checkpoint is not signed by the log's key ({why}): nothing was cosigned",
        reason="CHECKPOINT_FORGED",
        message_zh="节点的检查点不是由日志密钥签名：未作见证签名",
    )
