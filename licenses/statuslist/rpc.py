"""Status lists on the wire. Deny by default: the policy names every method and its callers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from licenses.statuslist.model import CWT_SUFFIX, JWT_SUFFIX, MEDIA_TYPES
from licenses.statuslist.service import StatusLists
from licenses.v1 import offline_pb2 as pb
from licenses.wire import run_in, to_time, wrong
from runtime import names
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "PublishStatusLists": frozenset({Role.ADMINISTRATOR, Role.NODE}),
    "GetStatusList": ANY_ROLE | {Role.PORTAL},
    "ListStatusLists": ANY_ROLE | {Role.PORTAL},
}
_SUFFIXES: Final = {
    pb.STATUS_LIST_FORMAT_UNSPECIFIED: JWT_SUFFIX,
    pb.STATUS_LIST_FORMAT_JWT: JWT_SUFFIX,
    pb.STATUS_LIST_FORMAT_CWT: CWT_SUFFIX,
}


class StatusListRpc:
    """The servicer of StatusListService."""

    def __init__(self, lists: StatusLists, threads: ThreadPoolExecutor) -> None:
        self._lists = lists
        self._threads = threads

    async def PublishStatusLists(  # noqa: N802
        self, _request: pb.PublishStatusListsRequest, call: Call
    ) -> pb.PublishStatusListsResponse:
        """See the proto."""
        found = await run_in(self._threads, lambda: self._lists.publish(call.principal))
        return pb.PublishStatusListsResponse(
            lists=[
                pb.PublishedStatusList(
                    name=f"statusLists/{one.number}",
                    uri=one.uri,
                    make_time=to_time(one.made_at),
                    expire_time=to_time(one.good_until),
                    ended=one.ended,
                    size=one.size,
                )
                for one in found
            ]
        )

    async def ListStatusLists(  # noqa: N802
        self, _request: pb.ListStatusListsRequest, _call: Call
    ) -> pb.ListStatusListsResponse:
        """See the proto."""
        found = await run_in(self._threads, self._lists.listed)
        return pb.ListStatusListsResponse(names=[f"statusLists/{one}" for one in found])

    async def GetStatusList(  # noqa: N802
        self, request: pb.GetStatusListRequest, _call: Call
    ) -> pb.GetStatusListResponse:
        """See the proto."""
        number = names.parse(names.STATUS_LIST, request.name)["status_list"]
        if not number.isdecimal() or len(number) > 9:
            raise wrong("name", "not statusLists/{number}")
        if request.format not in _SUFFIXES:
            raise wrong("format", "not a format that is known")
        suffix = _SUFFIXES[request.format]
        token = await run_in(self._threads, lambda: self._lists.get(int(number), suffix))
        return pb.GetStatusListResponse(token=token, media_type=MEDIA_TYPES[suffix])
