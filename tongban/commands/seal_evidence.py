"""`tongban seal evidence`: a document with all it takes to verify it years later, in one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from runtime.errors import InvalidArgument
from seal.evidence.making import make_evidence
from seal.model import Verdict
from seal.ofd.package import Buffer
from seal.pki.exchanging import Reach
from seal.pki.fetching import Fetcher, FetchLimits
from seal.pki.revocation_cache import RevocationCache
from seal.pki.timestamp import TimestampClient, Timestamper
from seal.pki.timestamp_token import UntrustedTimestamp
from seal.trust import Purpose, TrustStore
from seal.v1 import seal_pb2 as pb
from tongban import __version__, proofs
from tongban.client import Client
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    say,
    with_example,
)
from tongban.files import check_new, map_file, read_file, write_new
from tongban.log_files import GREATEST_RECEIPT, key_in, read_saved
from tongban.showing import print_verdict
from tongban.verdicts import TrustFolder, stop_by
from tongban.verifying import Question, digest_value, judge_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Keep a sealed document with all that verifies it years later.",
        "tongban seal evidence make license.ofd --out license-evidence.zip --trust trust",
    ),
)


@app.command()
def make(
    document: Annotated[
        Path, typer.Argument(help="An OFD or PDF file; with --digest, the signature over it.")
    ],
    to: Annotated[Path, typer.Option("--out", help="The bundle to write, a zip file.")],
    receipt: Annotated[
        list[Path] | None,
        typer.Option(
            help="A proof of `tongban audit prove`, or a completed receipt of the audit log, to "
            "put in; may be repeated."
        ),
    ] = None,
    log_key: Annotated[
        Path | None, typer.Option(help="File with the log's verifier key, for the receipts.")
    ] = None,
    timestamp_url: Annotated[
        str, typer.Option(help="Time-stamp authority (RFC 3161) that proves when it was made.")
    ] = "",
    digest: Annotated[
        str, typer.Option(help="The file is a seal over this SM3 digest (64 hex digits).")
    ] = "",
    about: Annotated[str, typer.Option(help="With --digest: what it has to be of.")] = "",
    fetch: Annotated[
        Reach | None,
        typer.Option(
            help="Ask for fresh revocation data at the addresses in the certificates: on public "
            "networks only, or anywhere."
        ),
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Folder of anchors; without it the node says whom to trust.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Make a bundle of evidence: document, certificates, revocation data, receipts and report.

    Verify it by `tongban seal verify` or `tongban-verify`, years later and without a network.
    Exit code 1 where the document in it is FAILED, 6 where it is INDETERMINATE: it is written too.

    Example: tongban seal evidence make license.ofd --out evidence.zip --receipt proof.json
    --log-key log-key.txt --timestamp-url https://tsa.example/tsr
    """
    with outcomes(as_json=as_json):
        check_new(to)
        store = _store(trust, node, identity)
        asked = Question(digest=digest_value(digest) if digest else b"", about=about)
        if fetch is not None:
            store = _fetched(document, asked, store, fetch)
        now, data = SYSTEM.now(), map_file(document)
        key = key_in(log_key) if log_key else ""
        with _telling_untrusted():
            made = make_evidence(
                data,
                store=store,
                now=now,
                maker=f"tongban {__version__}",
                digest=asked.digest,
                about=about,
                receipts=[_receipt(path, data) for path in receipt or ()],
                log_key=key,
                report=lambda verdict: _report(document.name, data, verdict, now),
                timestamper=_timestamper(timestamp_url, store),
            )
        write_new(to, made)
        found = judge_file(to, Question(log_key=key), store=lambda: store, now=SYSTEM.now())
        verdict = found.verdict
        if as_json:
            print_json({"evidence": str(to), "verdict": found.to_dict()})
        elif verdict is not None:
            print_verdict(verdict)
            out.print(say(f"Wrote {to}", f"已写入 {to}"), markup=False)
        if verdict is not None:
            stop_by(verdict)


def _store(folder: Path | None, node: str, identity: Path) -> TrustStore:
    if folder is not None:
        return TrustFolder(folder).read()
    with Client(node, identity) as client:
        return TrustFolder.store_of(
            client.seals.GetTrustMaterial(pb.GetTrustMaterialRequest(), timeout=client.timeout)
        )


def _fetched(document: Path, asked: Question, store: TrustStore, reach: Reach) -> TrustStore:
    """The store with what authorities say now; tells of those that say nothing of use."""
    with TemporaryDirectory() as name:
        cache = RevocationCache(Path(name) / "lists", Path(name) / "responses")
        _, found = Fetcher(cache, limits=FetchLimits(reach=reach)).judge(
            lambda known: judge_file(document, asked, store=lambda: known, now=SYSTEM.now()), store
        )
    for one in found.failures:
        told = say(f"no revocation data: {one.why}", f"未取得吊销数据：{one.why_zh}")
        err.print(told, markup=False)
    return found.beside(store)


def _report(name: str, data: Buffer, verdict: Verdict, at: datetime) -> bytes:
    """The verdict on paper; it names no folder of this machine."""
    from tongban.reports import Reported, write_report  # fonts: no other command waits for them

    one = Reported(name=name, size=len(data), sha256=sha256(data).hexdigest(), verdict=verdict)
    trust = "证据包内的信任列表 the list inside the bundle"
    return write_report([one], trust=trust, at=at, program=f"Tongban {__version__}")


def _receipt(path: Path, document: Buffer) -> bytes:
    """A receipt's or proof's file as it is, that reads and names no other document alone.

    Raises InvalidArgument (BAD_RECEIPT, RECEIPT_OF_ANOTHER_DOCUMENT).
    """
    named = proofs.documents_in(read_saved(path))
    if named and sha256(document).hexdigest() not in named:
        raise InvalidArgument(
            f"{path} is of another document: a bundle with it would never pass",
            reason=proofs.OTHER_DOCUMENT,
            message_zh=f"{path} 属于另一份文件：放入证据包后将无法通过验证",
        )
    return read_file(path, greatest=GREATEST_RECEIPT)


def _timestamper(url: str, store: TrustStore) -> Timestamper | None:
    if not url:
        return None
    return TimestampClient(
        url,
        anchors=store.roots(Purpose.TIMESTAMP, SYSTEM.now()),
        intermediates=store.intermediates,
        crls=store.crls,
    )


@contextmanager
def _telling_untrusted() -> Iterator[None]:
    """Say what to do where the authority is none of the trusted ones."""
    try:
        yield
    except UntrustedTimestamp as error:
        raise InvalidArgument(
            "nobody here trusts that time-stamp authority: put its root into timestamp-anchors/ of "
            "the trust folder",
            reason="TIMESTAMP_NOT_TRUSTED",
            message_zh="该时间戳机构不受信任：请将其根证书放入信任文件夹的 timestamp-anchors/",
        ) from error
