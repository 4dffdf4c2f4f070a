"""The files of an export job on the receiver's side: fetched, checked, opened, joined into one.

1. A file is fetched by its link where the node makes one, else from the node itself. It is taken
   only with the size and the SHA-256 that the job's manifest says, and the manifest only with the
   digest that stands in the receipt's leaf.
2. It is opened in memory, one at a time; nothing that is decrypted is written before its tag held.
3. What is joined takes the place of `--out` when it is whole, and else nothing is left of it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson

from exchange.files.envelope import open_envelope
from exchange.v1 import files_pb2 as pb
from runtime.errors import DataLoss, Unavailable
from runtime.records import canonical
from tongban.files import problem, replacing

FORMATS = {pb.FILE_FORMAT_CSV: "csv", pb.FILE_FORMAT_PARQUET: "parquet"}
LINK_SECONDS = 60.0


class Joiner(Protocol):
    """Puts files of one format behind each other."""

    def add(self, file: bytes) -> None:
        """Take the next."""

    def close(self) -> None:
        """There are no more."""


class JoinedCsv:
    """CSV: the items' codes stand at the beginning, once."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._first = True

    def add(self, file: bytes) -> None:
        """Take the next."""
        start = 0 if self._first else file.index(b"\n") + 1
        self._first = False
        self._out.write(memoryview(file)[start:])

    def close(self) -> None:
        """There are no more."""


class JoinedParquet:
    """Parquet: each file becomes a row group."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writer: Any = None

    def add(self, file: bytes) -> None:
        """Take the next."""
        import pyarrow.parquet as pq  # only where it is asked for

        table = pq.read_table(io.BytesIO(file))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._out, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        """There are no more."""
        if self._writer is not None:
            self._writer.close()


JOINERS: dict[int, Callable[[BinaryIO], Joiner]] = {
    pb.FILE_FORMAT_CSV: JoinedCsv,
    pb.FILE_FORMAT_PARQUET: JoinedParquet,
}


def manifest_of(job: pb.ExportJob) -> dict[str, object]:
    """What a job says that was written, as the receipt's leaf commits to it."""
    return {
        "format": FORMATS[job.format],
        "items": list(job.items),
        "offset": job.offset,
        "parts": [
            {
                "number": part.number,
                "records": part.records,
                "sha256": part.sha256,
                "size": part.size,
            }
            for part in job.parts
        ],
    }


def check_manifest(job: pb.ExportJob) -> None:
    """Whether the receipt is of this job and these files.

    Raises DataLoss, MANIFEST_DIFFERS. That the log holds the receipt, `tongban audit` verifies.
    """
    leaf = orjson.loads(job.receipt.leaf)
    digest = hashlib.sha256(canonical(manifest_of(job))).hexdigest()
    said = {"job": job.name, "manifest": digest, "certificate": job.certificate_sha256}
    if any(leaf.get(key) != value for key, value in said.items()):
        raise DataLoss(
            "the receipt is not of these files: tell the node's administrator",
            reason="MANIFEST_DIFFERS",
            message_zh="回执与这些文件不符：请告知节点管理员",
        )


def joined(
    stub: Any,
    job: pb.ExportJob,
    *,
    key: bytes,
    to: Path,
    by_node: bool,
    done: Callable[[int], None],
) -> None:
    """Write the records of all files of a job into one; `done` is told the records of each.

    Raises what the node refuses, DataLoss (FILE_DIFFERS, ENVELOPE_CHANGED, MANIFEST_DIFFERS),
    PermissionDenied (NOT_FOR_THIS_KEY), and what `problem` says.
    """
    check_manifest(job)
    try:
        with replacing(to) as out:
            joiner = JOINERS[job.format](out)
            for part, sealed in _sealed(stub, job, by_node):
                joiner.add(open_envelope(sealed, key))
                done(part.records)
            joiner.close()
    except OSError as error:
        raise problem(error, to) from error


def _sealed(stub: Any, job: pb.ExportJob, by_node: bool) -> Iterator[tuple[pb.ExportPart, bytes]]:
    for part in job.parts:
        # Made when it is needed: a link may end sooner than the download of all files.
        url = "" if by_node else links(stub, job.name)[part.number]
        by_node = not url
        data = _by_link(url, part.size) if url else _by_call(stub, job.name, part)
        if len(data) != part.size or hashlib.sha256(data).hexdigest() != part.sha256:
            raise DataLoss(
                f"file {part.number} is not the one that was written: fetch it again",
                reason="FILE_DIFFERS",
                message_zh=f"第 {part.number} 个文件与写入时不一致：请重新获取",
            )
        yield part, data


def links(stub: Any, name: str, valid_seconds: int = 0) -> dict[int, str]:
    """The links to a job's files, by number; empty where the node makes none."""
    answer = stub.CreateDownloadLinks(
        pb.CreateDownloadLinksRequest(name=name, valid_seconds=valid_seconds)
    )
    return {link.number: link.url for link in answer.links}


def _by_call(stub: Any, name: str, part: pb.ExportPart) -> bytes:
    request = pb.DownloadPartRequest(name=name, number=part.number)
    return b"".join(piece.data for piece in stub.DownloadPart(request))


def _by_link(url: str, size: int) -> bytes:
    import httpx  # only where there are links

    try:
        with httpx.stream("GET", url, timeout=LINK_SECONDS, trust_env=False) as answer:
            answer.raise_for_status()
            data = b""
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > size:
                    break  # it is told as another file
            return data
    except httpx.HTTPError as error:
        raise Unavailable(
            f"the link was not answered ({type(error).__name__}): check that this machine reaches "
            "the node's object store, or fetch with --by-node",
            reason="LINK_NOT_ANSWERED",
            message_zh="下载链接无应答：请确认本机可访问节点的对象存储，或加 --by-node 由节点转送",
        ) from error
