"""Materials on the wire.

1. Deny by default: the policy names every method and who may call it.
2. What calls other services of the node runs in the service's own threads, outside any transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.materials import messages
from licenses.materials.collecting import Collecting
from licenses.materials.keeping import Keeping
from licenses.materials.model import MaterialSource
from licenses.materials.service import Materials
from licenses.texts import check_text
from licenses.v1 import materials_pb2 as pb
from licenses.wire import run_in
from runtime.database import Database, check_request_id
from runtime.identity import Role
from runtime.paging import last_of, page_size, token_after
from runtime.rpc import ANY_ROLE, Call

_DEPARTMENTS = frozenset({Role.DEPARTMENT})
_IDENTIFYING = frozenset({Role.COUNTER, Role.APPLICANT})
POLICY: Mapping[str, frozenset[Role]] = {
    "PutHandling": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
    "GetHandling": ANY_ROLE,
    "ListHandlings": ANY_ROLE,
    "ListServiceItems": ANY_ROLE,
    "PlanMaterials": ANY_ROLE,
    "BeginCollection": _IDENTIFYING,
    "CollectMaterials": _DEPARTMENTS,
    "GetCollection": _DEPARTMENTS,
    "EndCollection": _IDENTIFYING,
    "GetCollectedDocument": _DEPARTMENTS,
}


class MaterialRpc:
    """The servicer of MaterialService."""

    def __init__(
        self,
        database: Database,
        materials: Materials,
        collecting: Collecting,
        keeping: Keeping,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._materials = materials
        self._collecting = collecting
        self._keeping = keeping
        self._threads = threads

    async def PutHandling(  # noqa: N802
        self, request: pb.PutHandlingRequest, call: Call
    ) -> pb.PutHandlingResponse:
        """See the proto."""

        def run() -> pb.PutHandlingResponse:
            handling = messages.handling_of(request.handling)
            self._materials.check_item(handling)
            with self._database.unit_of_work() as work:
                return work.once(
                    call.principal.system,
                    "PutHandling",
                    request,
                    request.request_id,
                    pb.PutHandlingResponse,
                    lambda: pb.PutHandlingResponse(
                        handling=messages.to_handling(
                            self._materials.put(work, handling, call.principal)
                        )
                    ),
                )

        return await run_in(self._threads, run)

    def GetHandling(  # noqa: N802
        self, request: pb.GetHandlingRequest, _call: Call
    ) -> pb.GetHandlingResponse:
        """See the proto."""
        found = self._materials.handling(request.service_item)
        return pb.GetHandlingResponse(handling=messages.to_handling(found))

    def ListHandlings(  # noqa: N802
        self, request: pb.ListHandlingsRequest, _call: Call
    ) -> pb.ListHandlingsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._materials.handlings(
            request.parent, after=last_of(request.page_token), size=size
        )
        more = len(found) > size
        return pb.ListHandlingsResponse(
            handlings=[messages.to_handling(one) for one in found[:size]],
            next_page_token=token_after(found[size - 1].service_item) if more else "",
        )

    async def ListServiceItems(  # noqa: N802
        self, request: pb.ListServiceItemsRequest, _call: Call
    ) -> pb.ListServiceItemsResponse:
        """See the proto."""

        def run() -> pb.ListServiceItemsResponse:
            found, following = self._materials.items(
                request.parent, size=page_size(request.page_size), token=request.page_token
            )
            return pb.ListServiceItemsResponse(
                service_items=[
                    messages.to_offered(item, handling)
                    for item, handling in found
                    if not request.at_once_only or (handling and handling.handled_at_once)
                ],
                next_page_token=following,
            )

        return await run_in(self._threads, run)

    async def PlanMaterials(  # noqa: N802
        self, request: pb.PlanMaterialsRequest, call: Call
    ) -> pb.PlanMaterialsResponse:
        """See the proto."""

        def run() -> pb.PlanMaterialsResponse:
            planned, entries = self._materials.plan(
                request.service_item, request.holder_code, call.principal
            )
            asked = [one for one in planned if one.source is MaterialSource.MUST_BE_ASKED]
            return pb.PlanMaterialsResponse(
                materials=[messages.to_planned(one) for one in planned],
                asked=len(asked),
                entries=entries,
            )

        return await run_in(self._threads, run)

    async def BeginCollection(  # noqa: N802
        self, request: pb.BeginCollectionRequest, call: Call
    ) -> pb.BeginCollectionResponse:
        """See the proto."""

        def run() -> pb.BeginCollectionResponse:
            check_request_id(request.request_id)
            check_text(request.consent, name="consent")
            planned = self._collecting.ready(
                request.service_item,
                request.holder_code,
                tuple(request.materials),
                request.request_id,
                call.principal,
            )
            with self._database.unit_of_work() as work:
                return work.once(
                    call.principal.system,
                    "BeginCollection",
                    request,
                    request.request_id,
                    pb.BeginCollectionResponse,
                    lambda: pb.BeginCollectionResponse(
                        collection=messages.to_collection(
                            self._collecting.begin(
                                work,
                                planned,
                                service_item=request.service_item,
                                holder_code=request.holder_code,
                                agreed=tuple(request.materials),
                                consent=request.consent,
                                principal=call.principal,
                            )
                        )
                    ),
                )

        return await run_in(self._threads, run)

    async def CollectMaterials(  # noqa: N802
        self, request: pb.CollectMaterialsRequest, call: Call
    ) -> pb.CollectMaterialsResponse:
        """See the proto."""

        def run() -> pb.CollectMaterialsResponse:
            given = [
                messages.answered_of(one, number) for number, one in enumerate(request.answers)
            ]
            repeated = self._collected(request, call)
            if repeated is not None:
                return repeated
            collection, facts, indices = self._collecting.proven(
                request.collection, request.holder_code, given, call.principal
            )
            with self._database.unit_of_work() as work:
                # The first answer is kept without the form, which stands in the collection only.
                answered = work.once(
                    call.principal.system,
                    "CollectMaterials",
                    request,
                    request.request_id,
                    pb.CollectMaterialsResponse,
                    lambda: _named(
                        self._collecting.collect(
                            work,
                            collection,
                            facts,
                            indices,
                            holder_code=request.holder_code,
                            entries=dict(request.entries),
                            principal=call.principal,
                        ).name
                    ),
                )
            return self._whole(answered, call)

        return await run_in(self._threads, run)

    def _collected(
        self, request: pb.CollectMaterialsRequest, call: Call
    ) -> pb.CollectMaterialsResponse | None:
        """The first answer to this request, where it came before."""
        actor = call.principal.system
        if not self._database.held.answered(actor, "CollectMaterials", request.request_id):
            return None
        with self._database.unit_of_work() as work:
            answered = work.once(
                call.principal.system,
                "CollectMaterials",
                request,
                request.request_id,
                pb.CollectMaterialsResponse,
                lambda: _named(request.collection),
            )
        return self._whole(answered, call)

    def _whole(
        self, answered: pb.CollectMaterialsResponse, call: Call
    ) -> pb.CollectMaterialsResponse:
        found = self._keeping.get(answered.collection.name, call.principal)
        return pb.CollectMaterialsResponse(collection=messages.to_collection(found))

    def GetCollection(  # noqa: N802
        self, request: pb.GetCollectionRequest, call: Call
    ) -> pb.GetCollectionResponse:
        """See the proto."""
        found = self._keeping.get(request.name, call.principal)
        return pb.GetCollectionResponse(collection=messages.to_collection(found))

    def EndCollection(  # noqa: N802
        self, request: pb.EndCollectionRequest, call: Call
    ) -> pb.EndCollectionResponse:
        """See the proto."""
        ended = self._keeping.end(request.name, request.holder_code, call.principal)
        return pb.EndCollectionResponse(collection=messages.to_collection(ended))

    def GetCollectedDocument(  # noqa: N802
        self, request: pb.GetCollectedDocumentRequest, call: Call
    ) -> pb.GetCollectedDocumentResponse:
        """See the proto."""
        data, media_type = self._keeping.document(
            request.collection, request.sha256, call.principal
        )
        return pb.GetCollectedDocumentResponse(document=data, media_type=media_type)


def _named(name: str) -> pb.CollectMaterialsResponse:
    return pb.CollectMaterialsResponse(collection=pb.Collection(name=name))
