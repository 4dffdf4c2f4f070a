"""Materials on the wire.

1. Deny by default: the policy names every method and who may call it.
2. What calls other services of the node runs in the service's own threads, outside any transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from licenses.holders import HOLDERS
from licenses.materials import messages
from licenses.materials.collecting import Collecting
from licenses.materials.entering import Entering
from licenses.materials.keeping import Keeping, told_to
from licenses.materials.model import MaterialSource, Planned
from licenses.materials.service import Materials
from licenses.v1 import materials_pb2 as pb
from licenses.wire import run_in
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.identity import Role
from runtime.paging import cut_by_time, last_of, page_size, token_after
from runtime.rpc import ANY_ROLE, Call

_DEPARTMENTS = frozenset({Role.DEPARTMENT})
#: Service items of a page of the report: each is planned.
_REPORTED = 100
_ANYBODY = ANY_ROLE | {Role.APPLICANT}
_COLLECTING = HOLDERS | _DEPARTMENTS
POLICY: Mapping[str, frozenset[Role]] = {
    "PutHandling": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
    "GetHandling": _ANYBODY,
    "ListHandlings": ANY_ROLE,
    "ListServiceItems": _ANYBODY,
    "PlanMaterials": _ANYBODY,
    "ReportMaterials": _ANYBODY,
    "BeginCollection": HOLDERS,
    "PutEntries": HOLDERS,
    "CollectMaterials": _COLLECTING,
    "GetCollection": _COLLECTING,
    "ListCollections": HOLDERS,
    "EndCollection": HOLDERS,
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
        entering: Entering,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._database = database
        self._materials = materials
        self._collecting = collecting
        self._keeping = keeping
        self._entering = entering
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
                request.parent,
                size=page_size(request.page_size),
                token=request.page_token,
                at_once_only=request.at_once_only,
            )
            return pb.ListServiceItemsResponse(
                service_items=[messages.to_offered(one) for one in found],
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

    async def ReportMaterials(  # noqa: N802
        self, request: pb.ReportMaterialsRequest, _call: Call
    ) -> pb.ReportMaterialsResponse:
        """See the proto."""

        def run() -> pb.ReportMaterialsResponse:
            size = page_size(request.page_size, greatest=_REPORTED)
            found, following = self._materials.report(
                request.parent, size=size, token=request.page_token
            )
            return pb.ReportMaterialsResponse(
                reports=[messages.to_report(one) for one in found], next_page_token=following
            )

        return await run_in(self._threads, run)

    async def BeginCollection(  # noqa: N802
        self, request: pb.BeginCollectionRequest, call: Call
    ) -> pb.BeginCollectionResponse:
        """See the proto."""

        def run() -> pb.BeginCollectionResponse:
            check_request_id(request.request_id)
            method, actor = "BeginCollection", call.principal.system
            # A repeat is not planned again: what is held may have changed.
            repeated = self._database.held.answered(actor, method, request.request_id)
            planned = () if repeated else self._ready(request, call)
            with self._database.unit_of_work() as work:
                return work.once(
                    actor,
                    method,
                    request,
                    request.request_id,
                    pb.BeginCollectionResponse,
                    lambda: self._begun(work, planned, request, call),
                )

        return await run_in(self._threads, run)

    def _ready(self, request: pb.BeginCollectionRequest, call: Call) -> tuple[Planned, ...]:
        return self._collecting.ready(
            request.service_item,
            request.holder_code,
            tuple(request.materials),
            tuple(request.licenses),
            request.consent,
            call.principal,
        )

    def _begun(
        self,
        work: UnitOfWork,
        planned: tuple[Planned, ...],
        request: pb.BeginCollectionRequest,
        call: Call,
    ) -> pb.BeginCollectionResponse:
        begun = self._collecting.begin(
            work,
            planned,
            service_item=request.service_item,
            holder_code=request.holder_code,
            agreed=tuple(request.materials),
            consent=request.consent,
            principal=call.principal,
        )
        told = messages.to_collection(told_to(call.principal, begun))
        told.entries.extend(self._entering.needed(begun))
        return pb.BeginCollectionResponse(collection=told)

    async def PutEntries(  # noqa: N802
        self, request: pb.PutEntriesRequest, call: Call
    ) -> pb.PutEntriesResponse:
        """See the proto."""

        def run() -> pb.PutEntriesResponse:
            check_request_id(request.request_id)
            method, actor = "PutEntries", call.principal.system
            name, code = request.collection, request.holder_code
            entries = messages.entries_of(request)
            if not self._database.held.answered(actor, method, request.request_id):
                self._entering.check(name, code, entries, call.principal)
            with self._database.unit_of_work() as work:
                # The first answer is kept without what was entered.
                work.once(
                    actor,
                    method,
                    request,
                    request.request_id,
                    pb.PutEntriesResponse,
                    lambda: pb.PutEntriesResponse(
                        collection=pb.Collection(
                            name=self._entering.put(work, name, code, entries, call.principal).name
                        )
                    ),
                )
            found = self._keeping.of_holder(name, code, call.principal)
            told = messages.to_collection(told_to(call.principal, found))
            told.entered.update(found.entered)
            told.entries.extend(self._entering.needed(found))
            return pb.PutEntriesResponse(collection=told)

        return await run_in(self._threads, run)

    async def CollectMaterials(  # noqa: N802
        self, request: pb.CollectMaterialsRequest, call: Call
    ) -> pb.CollectMaterialsResponse:
        """See the proto."""

        def run() -> pb.CollectMaterialsResponse:
            messages.answers_of(request.answers)
            repeated = self._collected(request, call)
            if repeated is not None:
                return repeated
            name, system = request.collection, call.principal.system
            kept = self._keeping.answered(name, system, but=messages.told_of(request))
            answers = [*request.answers, *messages.kept_answers(kept)]
            with self._keeping.trying(name, system, messages.queried_of(answers)):
                return self._done(request, answers, call)

        return await run_in(self._threads, run)

    def _done(
        self, request: pb.CollectMaterialsRequest, answers: list[pb.CollectedAnswer], call: Call
    ) -> pb.CollectMaterialsResponse:
        proven = self._collecting.proven(
            request.collection,
            request.holder_code,
            messages.answers_of(answers),
            messages.refused_of(request.refused),
            call.principal,
        )
        entries = dict(request.entries)
        proven = self._collecting.copied(proven, entries=entries, principal=call.principal)
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
                        proven,
                        holder_code=request.holder_code,
                        entries=entries,
                        principal=call.principal,
                    ).name
                ),
            )
        return self._whole(answered, request.holder_code, call)

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
        return self._whole(answered, request.holder_code, call)

    def _whole(
        self, answered: pb.CollectMaterialsResponse, holder_code: str, call: Call
    ) -> pb.CollectMaterialsResponse:
        found = self._keeping.own(answered.collection.name, holder_code, call.principal)
        told = messages.to_collection(told_to(call.principal, found))
        return pb.CollectMaterialsResponse(collection=told)

    async def GetCollection(  # noqa: N802
        self, request: pb.GetCollectionRequest, call: Call
    ) -> pb.GetCollectionResponse:
        """See the proto."""

        def run() -> pb.GetCollectionResponse:
            found = self._collecting.shown(request.name, request.holder_code, call.principal)
            told = messages.to_collection(found.collection)
            told.consent_salt = found.collection.consent_salt
            told.entries.extend(found.entries)
            told.entered.update(found.collection.entered)
            told.entry_fields.extend(messages.to_entry_field(*one) for one in found.fields)
            told.looks.extend(messages.to_looks(found.looks))
            told.answered.extend(found.answered)
            return pb.GetCollectionResponse(collection=told)

        return await run_in(self._threads, run)

    def ListCollections(  # noqa: N802
        self, request: pb.ListCollectionsRequest, call: Call
    ) -> pb.ListCollectionsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        found = self._keeping.listed(
            request.holder_code, call.principal, size=size, token=request.page_token
        )
        page, token = cut_by_time(found, size, lambda one: (one.create_time, one.id))
        return pb.ListCollectionsResponse(
            collections=[messages.to_collection(one) for one in page], next_page_token=token
        )

    def EndCollection(  # noqa: N802
        self, request: pb.EndCollectionRequest, call: Call
    ) -> pb.EndCollectionResponse:
        """See the proto."""
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "EndCollection",
                request,
                # Without an id a repeat finds it ended, and leaves no second record.
                request.request_id or secrets.token_hex(8),
                pb.EndCollectionResponse,
                lambda: self._ended(work, request, call),
            )

    def _ended(
        self, work: UnitOfWork, request: pb.EndCollectionRequest, call: Call
    ) -> pb.EndCollectionResponse:
        ended = self._keeping.end(work, request.name, request.holder_code, call.principal)
        told = messages.to_collection(told_to(call.principal, ended))
        return pb.EndCollectionResponse(collection=told)

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
