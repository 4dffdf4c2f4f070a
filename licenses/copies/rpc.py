"""Endorsed copies on the wire. Deny by default: the policy names the method and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from licenses.copies.service import Copies
from licenses.documents import MEDIA_TYPES
from licenses.holders import HOLDERS
from licenses.model import LicenseFormat
from licenses.v1 import licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from licenses.wire import day_of, digest_of, run_in, wrong
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {"MakeEndorsedCopy": HOLDERS}
_FORMATS: Final = {
    licenses_pb2.LICENSE_FORMAT_UNSPECIFIED: LicenseFormat.OFD,
    licenses_pb2.LICENSE_FORMAT_OFD: LicenseFormat.OFD,
    licenses_pb2.LICENSE_FORMAT_PDF: LicenseFormat.PDF,
    licenses_pb2.LICENSE_FORMAT_JWT: LicenseFormat.JWT,
}


class CopyRpc:
    """The servicer of CopyService."""

    def __init__(self, copies: Copies, threads: ThreadPoolExecutor) -> None:
        self._copies = copies
        self._threads = threads

    async def MakeEndorsedCopy(  # noqa: N802
        self, request: pb.MakeEndorsedCopyRequest, call: Call
    ) -> pb.MakeEndorsedCopyResponse:
        """See the proto."""
        if request.format not in _FORMATS:
            raise wrong("format", "not a format that is known")
        copy, data = await run_in(
            self._threads,
            lambda: self._copies.make(
                request.license,
                request.holder_code,
                form=_FORMATS[request.format],
                purpose=request.purpose,
                receiver=request.receiver,
                valid_to=day_of(request.valid_to, "valid_to"),
                request_id=request.request_id,
                request_digest=digest_of(request),
                principal=call.principal,
                delegation=request.delegation,
            ),
        )
        return pb.MakeEndorsedCopyResponse(
            name=copy.name,
            document=data,
            media_type=MEDIA_TYPES[copy.form],
            sha256=copy.sha256,
            original_sha256=copy.original_sha256,
        )
