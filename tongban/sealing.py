"""Having documents sealed by a node: one, a large one in parts, or a folder of them.

A request's id is made of what is asked (`request_id_of`), so whoever asks the same again gets the
first answer: a batch that broke off is sent again whole, and no document is sealed twice.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from runtime.errors import DomainError, InvalidArgument, Unavailable
from runtime.status import from_rpc_error
from seal.v1 import seal_pb2 as pb
from tongban import files
from tongban.client import Client
from tongban.files import GREATEST_DOCUMENT, check_target, problem, read_file, write_file

PART = 1024 * 1024
GREATEST_STREAMED = 100 * 1024 * 1024
SECONDS = 900.0
_SUFFIXES = {".ofd", ".pdf"}
_ATTEMPTS = 3
_SPACE = uuid.UUID("6f1d3b4c-6f26-5c55-9f0a-0d8d1a2c7e11")


@dataclass(slots=True)
class Item:
    """One document of a folder and what came of it."""

    source: Path
    target: Path
    sha256: str = ""
    stamp_count: int = 0
    is_asked: bool = False
    reason: str = ""
    message: str = ""
    message_zh: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether its sealed document was written."""
        return bool(self.sha256)

    @property
    def is_answered(self) -> bool:
        """Whether it is sealed, or was refused."""
        return bool(self.sha256 or self.reason)

    @property
    def is_earlier(self) -> bool:
        """Whether it was not sent this time, and a file of an earlier run stands in its place."""
        return not self.is_asked and self.target.is_file()

    def refuse(self, error: DomainError | pb.SealingError | Item) -> None:
        """Note why it is not sealed."""
        self.reason, self.message, self.message_zh = error.reason, error.message, error.message_zh


def request_id_of(request: pb.SealDocumentRequest, *more: str) -> str:
    """An id that is the same for the same wish: one for each document, wherever it lies."""
    digest = hashlib.sha256(request.SerializeToString(deterministic=True))
    for one in more:
        digest.update(one.encode() + b"\0")
    return str(uuid.uuid5(_SPACE, digest.hexdigest()))


def seal_file(
    client: Client, request: pb.SealDocumentRequest, source: Path, target: Path
) -> pb.SealDocumentResponse:
    """Seal a file into another; one above 16 MiB goes and comes in parts. The answer lacks it."""
    size = size_of(source)
    if size > GREATEST_DOCUMENT:
        return _in_parts(client, request, source, size, target)
    request.document = read_file(source)
    answer = client.seals.SealDocument(request, timeout=client.timeout)
    write_file(target, answer.document)
    answer.ClearField("document")
    found: pb.SealDocumentResponse = answer
    return found


def size_of(path: Path) -> int:
    """The size of a file that may be sealed. Raises InvalidArgument."""
    try:
        size = path.stat().st_size
    except OSError as error:
        if path.is_symlink():
            raise InvalidArgument(
                f"{path} is a link to a file that is not there: restore it, or remove the link",
                reason="FILE_UNREADABLE",
                message_zh=f"{path} 是一个失效的链接：请恢复其所指文件，或删除该链接",
            ) from error
        raise InvalidArgument(
            f"cannot read {path}: {os.strerror(error.errno or 0)}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {path}：{os.strerror(error.errno or 0)}",
        ) from error
    if size > GREATEST_STREAMED:
        raise InvalidArgument(
            f"{path} is larger than {GREATEST_STREAMED >> 20} MiB: make its pictures smaller",
            reason="FILE_TOO_LARGE",
            message_zh=f"{path} 超过 {GREATEST_STREAMED >> 20} MiB：请压缩图片",
        )
    return size


def _in_parts(
    client: Client, request: pb.SealDocumentRequest, source: Path, size: int, target: Path
) -> pb.SealDocumentResponse:
    def parts() -> Iterator[pb.StreamSealDocumentRequest]:
        yield pb.StreamSealDocumentRequest(request=request, document_size=size)
        with source.open("rb") as file:
            while data := file.read(PART):
                yield pb.StreamSealDocumentRequest(data=data)

    answers: Any = client.seals.StreamSealDocument(parts(), timeout=SECONDS)
    try:
        first: pb.SealDocumentResponse = next(answers).response
        digest = hashlib.sha256()
        with files.replacing(target) as file:
            for answer in answers:
                digest.update(answer.data)
                file.write(answer.data)
            if digest.hexdigest() != first.sha256:
                raise Unavailable(
                    "the sealed document did not come whole: ask again",
                    reason="DOCUMENT_INCOMPLETE",
                    message_zh="签章文件未完整收到：请重试",
                )
    except OSError as error:
        raise problem(error, target) from error
    finally:
        answers.cancel()
    return first


def documents_in(folder: Path, target: Path) -> list[Item]:
    """Every OFD and PDF file below a folder, in order of name; not those below `target`.

    Raises InvalidArgument: NO_FOLDER, FOLDER_IS_THE_SOURCE (what is there would be sealed again,
    or replaced), NOTHING_TO_SEAL.
    """
    if not folder.is_dir():
        raise InvalidArgument(
            f"there is no folder {folder}: name the one that holds the documents",
            reason="NO_FOLDER",
            message_zh=f"没有文件夹 {folder}：请指定存放文件的文件夹",
        )
    inside = target.resolve()
    if inside == folder.resolve() or inside in folder.resolve().parents:
        raise InvalidArgument(
            f"--out {target} is the folder that is read, or holds it: name another folder, so that "
            "no document is replaced and none is sealed again",
            reason="FOLDER_IS_THE_SOURCE",
            message_zh=f"--out {target} 就是输入文件夹或其上级：请另选文件夹，"
            "以免覆盖原件或重复盖章",
        )
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES
        and (path.is_file() or (path.is_symlink() and not path.exists()))  # such a link is told
        and inside not in path.resolve().parents
    )
    if not found:
        raise InvalidArgument(
            f"{folder} holds no .ofd and no .pdf file",
            reason="NOTHING_TO_SEAL",
            message_zh=f"{folder} 中没有 .ofd 或 .pdf 文件",
        )
    return [Item(source=one, target=target / one.relative_to(folder)) for one in found]


# What holds for every document of a batch, but for those that were answered before.
_FOR_ALL = frozenset(
    {"SEAL_NOT_FOUND", "SEAL_NOT_IN_FORCE", "SEAL_KIND_NOT_AUTHORIZED", "STORAGE_FULL"}
)
# A node has 16 documents of a batch under way at once: one that is refused may have overtaken, or
# been overtaken by, others that were answered in an earlier run and are to be fetched again.
_ENOUGH = 32


@dataclass(slots=True)
class FolderSealing:
    """A folder being sealed; `run` tells each item that was answered.

    A refusal that holds for all of them (`_FOR_ALL`) ends it when so many in a row got it that none
    of the rest can have been answered before. Then no more is sent, all that is under way is taken,
    and what is left gets that answer too.
    """

    client: Client
    wish: pb.SealDocumentRequest
    items: Sequence[Item]
    again: str = ""
    ended_by: Item | None = None
    _large: list[int] = field(default_factory=list)
    _in_a_row: int = 0

    def run(self) -> Iterator[Item]:
        """Seal all; where the connection breaks, what has no answer yet is sent again.

        Raises grpc.RpcError where it stays broken, and what `write_file` raises.
        """
        for item in self._run():
            if item.reason in _FOR_ALL:
                self.ended_by = item
            yield item
        if self.ended_by is not None:
            for item in self.items:
                if not item.is_answered:
                    item.refuse(self.ended_by)
                    yield item

    def _run(self) -> Iterator[Item]:
        failures = 0
        while not self._is_enough() and any(not item.is_answered for item in self._small()):
            try:
                for item in self._batch():
                    failures = 0
                    yield item
            except grpc.RpcError as error:
                told = from_rpc_error(error)
                failures += 1
                if not isinstance(told, Unavailable) or failures == _ATTEMPTS:
                    raise
        for number in self._large:
            item = self.items[number]
            item.is_asked = True
            try:
                answer = seal_file(
                    self.client, self._request(item.source), item.source, item.target
                )
                item.sha256, item.stamp_count = answer.sha256, answer.stamp_count
            except grpc.RpcError as error:
                item.refuse(from_rpc_error(error))
            except DomainError as error:
                item.refuse(error)
            yield item
            if item.reason in _FOR_ALL:  # they go one after the other: what follows was never begun
                return

    def _is_enough(self) -> bool:
        """Whether none of the documents left can pass, or have passed before."""
        return self._in_a_row >= _ENOUGH

    def _small(self) -> Iterator[Item]:
        return (one for n, one in enumerate(self.items) if n not in self._large)

    def _batch(self) -> Iterator[Item]:
        refused: list[Item] = []
        answers: Any = self.client.seals.BatchSealDocuments(self._requests(refused))
        try:
            for answer in answers:
                item = self.items[answer.item]
                if answer.HasField("error"):
                    item.refuse(answer.error)
                else:
                    write_file(item.target, answer.response.document)
                    item.sha256 = answer.response.sha256
                    item.stamp_count = answer.response.stamp_count
                self._in_a_row = self._in_a_row + 1 if item.reason in _FOR_ALL else 0
                yield item
        finally:
            answers.cancel()
        yield from refused

    def _requests(self, refused: list[Item]) -> Iterator[pb.BatchSealDocumentsRequest]:
        """What has no answer yet, read as it is sent. A file that cannot be is refused here."""
        for number, item in enumerate(self.items):
            if self._is_enough():
                return  # what is under way is still answered
            if item.is_answered or number in self._large:
                continue
            try:
                check_target(item.target)
                if size_of(item.source) > GREATEST_DOCUMENT:
                    self._large.append(number)
                    continue
                document = read_file(item.source)
            except DomainError as error:
                item.refuse(error)
                refused.append(item)
                continue
            request = self._request(item.source, document)
            item.is_asked = True
            yield pb.BatchSealDocumentsRequest(item=number, request=request)

    def _request(self, source: Path, document: Any = None) -> pb.SealDocumentRequest:
        request = pb.SealDocumentRequest()
        request.CopyFrom(self.wish)
        if document is None:
            with source.open("rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            known = hashlib.sha256(document).hexdigest()
        request.request_id = request_id_of(self.wish, known, self.again)
        if document is not None:
            request.document = document
        return request
