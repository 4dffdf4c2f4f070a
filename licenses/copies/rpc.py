"""Endorsed copies on the wire. Deny by default: the policy names the methods and their callers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.copies.keeping import KeptCopies
from licenses.copies.model import HeldCopy
from licenses.copies.service import Copies
from licenses.documents import MEDIA_TYPES
from licenses.holders import HOLDERS
from licenses.v1 import copies_pb2 as pb
from licenses.wire import FORMATS, day_of, digest_of, format_of, run_in, to_time
from runtime.database import Database
from runtime.identity import Role
from runtime.paging import cut_by_time, page_size
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "MakeEndorsedCopy": HOLDERS,
    "ListEndorsedCopies": HOLDERS,
    "GetEndorsedCopy": HOLDERS,
    "EndEndorsedCopy": HOLDERS,
}


class CopyRpc:
    """The servicer of CopyService."""

    def __init__(
        self,
        database: Database,
        copies: Copies,
        kept: KeptCopies,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._copies = copies
        self._kept = kept
        self._threads = threads

    async def MakeEndorsedCopy(  # noqa: N802
        self, request: pb.MakeEndorsedCopyRequest, call: Call
    ) -> pb.MakeEndorsedCopyResponse:
        """See the proto."""
        form = format_of(request.format)
        copy, data = await run_in(
            self._threads,
            lambda: self._copies.make(
                request.license,
                request.holder_code,
                form=form,
                purpose=request.purpose,
                receiver=request.receiver,
                valid_to=day_of(request.valid_to, "valid_to"),
                request_id=request.request_id,
                request_digest=digest_of(request),
                principal=call.principal,
                delegation=request.delegation,
                receiver_department=request.receiver_department,
            ),
        )
        return pb.MakeEndorsedCopyResponse(
            name=copy.name,
            document=data,
            media_type=MEDIA_TYPES[copy.form],
            sha256=copy.sha256,
            original_sha256=copy.original_sha256,
        )

    def ListEndorsedCopies(  # noqa: N802
        self, request: pb.ListEndorsedCopiesRequest, call: Call
    ) -> pb.ListEndorsedCopiesResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._kept.listed(
            request.holder_code,
            license_=request.license,
            size=size,
            token=request.page_token,
            principal=call.principal,
        )
        page, token = cut_by_time(found, size, lambda one: (one.copy.make_time, one.copy.id))
        return pb.ListEndorsedCopiesResponse(
            copies=[_to_copy(one) for one in page], next_page_token=token
        )

    def GetEndorsedCopy(  # noqa: N802
        self, request: pb.GetEndorsedCopyRequest, call: Call
    ) -> pb.GetEndorsedCopyResponse:
        """See the proto."""
        found, data = self._kept.read(request.name, request.holder_code, principal=call.principal)
        return pb.GetEndorsedCopyResponse(
            copy=_to_copy(found), document=data, media_type=MEDIA_TYPES[found.copy.form]
        )

    def EndEndorsedCopy(  # noqa: N802
        self, request: pb.EndEndorsedCopyRequest, call: Call
    ) -> pb.EndEndorsedCopyResponse:
        """See the proto."""
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "EndEndorsedCopy",
                request,
                request.request_id,
                pb.EndEndorsedCopyResponse,
                lambda: pb.EndEndorsedCopyResponse(
                    copy=_to_copy(
                        self._kept.end(
                            work, request.name, request.holder_code, principal=call.principal
                        )
                    )
                ),
            )


def _to_copy(found: HeldCopy) -> pb.EndorsedCopy:
    copy = found.copy
    return pb.EndorsedCopy(
        name=copy.name,
        license=found.license,
        license_display_name=found.title,
        format=FORMATS[copy.form],
        purpose=copy.purpose,
        receiver=copy.receiver,
        valid_to=copy.valid_to.isoformat(),
        make_time=to_time(copy.make_time),
        sha256=copy.sha256,
        original_sha256=copy.original_sha256,
        open=found.stands,
        delegation=f"delegations/{copy.delegation}" if copy.delegation else "",
        shared=copy.shared,
        receiver_department=copy.receiver_department,
        service_item=copy.service_item,
        end_time=to_time(copy.end_time) if copy.end_time else None,
    )
