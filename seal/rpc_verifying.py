"""Verifying on the wire: a document in one message or in parts, a signature over a digest.

1. What comes in parts goes to a file without a name; an OFD is judged from there, never whole in
   memory. How many are under way at once is bounded, for all and for one department.
2. Whatever a document holds, the answer is a verdict; errors are of the call alone (empty, too
   large, incomplete, silent).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

from runtime.database import Database
from runtime.errors import InvalidArgument, ResourceExhausted
from runtime.identity import Principal, Role
from runtime.rpc import ANY_ROLE, EVERYBODY, Call
from seal.acting import Acting
from seal.incoming import Places, Upload
from seal.keeping import SealKeeping
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.model import Verdict
from seal.rpc_life import LifeRpc
from seal.rpc_streams import LONGEST_SECONDS, SILENT_SECONDS, sender_silent
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from seal.wire import to_verdict

VERIFYING_POLICY: Mapping[str, frozenset[Role]] = {
    "VerifyDocument": ANY_ROLE,
    "StreamVerifyDocument": EVERYBODY,
    "VerifySealSignature": ANY_ROLE,
}
GREATEST: Final = 128 * 1024 * 1024
"""A sealed document of the largest that is sealed, with room for what many seals add."""
STREAMS: Final = 8
STREAMS_EACH: Final = 4
_LONGEST_ABOUT: Final = 1024
_GREATEST_SIGNATURE: Final = 4 * 1024 * 1024
_DIGEST: Final = 32


def share_of(principal: Principal) -> str:
    """Whose places a document takes: strangers at the pages take none of the node's department."""
    return principal.system if principal.has(Role.PORTAL) else principal.department


class VerifyingRpc(LifeRpc):
    """The methods that verify. Plain ones run in a worker thread."""

    def __init__(
        self,
        database: Database,
        making: SealMaking,
        keeping: SealKeeping,
        sealing: Sealing,
        material: TrustMaterial,
        acting: Acting,
    ) -> None:
        super().__init__(database, making, keeping, sealing, material, acting)
        self._verifying = Places(STREAMS, STREAMS_EACH)

    def VerifyDocument(  # noqa: N802
        self, request: pb.VerifyDocumentRequest, _call: Call
    ) -> pb.VerifyDocumentResponse:
        """See the proto."""
        verdict = self._material.verify(request.document, asks=True)
        return pb.VerifyDocumentResponse(verdict=to_verdict(verdict))

    def VerifySealSignature(  # noqa: N802
        self, request: pb.VerifySealSignatureRequest, _call: Call
    ) -> pb.VerifySealSignatureResponse:
        """See the proto."""
        if len(request.digest) != _DIGEST:
            raise InvalidArgument(
                "`digest` is an SM3 value: 32 bytes",
                reason="BAD_DIGEST",
                message_zh="digest 应为 SM3 值：32 字节",
            )
        if len(request.about) > _LONGEST_ABOUT:
            raise InvalidArgument(
                f"`about` has at most {_LONGEST_ABOUT} characters",
                reason="ABOUT_TOO_LONG",
                message_zh=f"about 不超过 {_LONGEST_ABOUT} 个字符",
            )
        if len(request.signature) > _GREATEST_SIGNATURE:
            raise ResourceExhausted(
                f"`signature` has at most {_GREATEST_SIGNATURE >> 20} MiB",
                reason="SIGNATURE_TOO_LARGE",
                message_zh=f"signature 不超过 {_GREATEST_SIGNATURE >> 20} MiB",
            )
        verdict = self._material.verify_signature(
            request.signature, request.digest, about=request.about, asks=True
        )
        return pb.VerifySealSignatureResponse(verdict=to_verdict(verdict))

    async def StreamVerifyDocument(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamVerifyDocumentRequest], call: Call
    ) -> pb.StreamVerifyDocumentResponse:
        """See the proto."""
        department = share_of(call.principal)
        loop = asyncio.get_running_loop()
        used = ExitStack()
        job: asyncio.Future[Verdict] | None = None
        self._verifying.take(department)
        used.callback(self._verifying.give_back, department)
        try:
            upload = Upload(self._scratch)
            used.callback(upload.close)
            await self._collect(requests, upload)
            job = loop.run_in_executor(self._pool, self._judged, upload)
            verdict = await asyncio.shield(job)
            return pb.StreamVerifyDocumentResponse(verdict=to_verdict(verdict))
        finally:
            if job is None or job.done():
                used.close()
            else:  # the caller is gone; the file is still being read
                used.callback(job.exception)
                job.add_done_callback(lambda _: used.close())

    async def _collect(self, requests: AsyncIterator[Any], upload: Upload) -> None:
        """All parts, in `upload`. Raises InvalidArgument, ResourceExhausted, Aborted."""
        loop = asyncio.get_running_loop()
        parts = aiter(requests)
        began, first = loop.time(), True
        while True:
            patience = min(SILENT_SECONDS, began + LONGEST_SECONDS - loop.time())
            try:
                async with asyncio.timeout(patience):
                    part = await anext(parts)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise sender_silent() from None
            if first:
                upload.expect(part.document_size, greatest=GREATEST)
                first = False
            await loop.run_in_executor(self._pool, upload.add, part.data)
        upload.check_whole()

    def _judged(self, upload: Upload) -> Verdict:
        try:
            return self._material.verify(upload.view(), greatest=GREATEST, asks=True)
        except BaseException as error:
            # Else the mapped file lives as long as the error, which is told to the caller.
            traceback.clear_frames(error.__traceback__)
            raise
