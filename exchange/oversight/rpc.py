"""OversightService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.catalog.messages import SHARING_OF
from exchange.catalog.model import SharingType
from exchange.grants import messages
from exchange.grants.model import Operation
from exchange.oversight.model import Tally
from exchange.oversight.previewing import Previewing
from exchange.oversight.service import Overseeing
from exchange.oversight.supposing import Affected, CatalogChange, Change
from exchange.v1 import oversight_pb2 as pb
from runtime.identity import Role
from runtime.rpc import Call

_READERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "ExplainAccess": _READERS,
    "WhatIf": _READERS,
    "WhatIfCatalog": _READERS,
    "ReportGrantUse": _READERS,
    "PreviewGrant": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
}


class OversightServicer:
    """The methods of OversightService; plain ones, as all of them ask the database."""

    def __init__(self, overseeing: Overseeing, previewing: Previewing) -> None:
        self._overseeing = overseeing
        self._previewing = previewing

    def ExplainAccess(  # noqa: N802  # the protocol's name
        self, request: pb.ExplainAccessRequest, call: Call
    ) -> pb.ExplainAccessResponse:
        """Who could read an item, and why."""
        found, token = self._overseeing.explain_access(
            call.principal,
            resource=request.resource,
            item=request.item,
            at=messages.time_of(request, "time"),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ExplainAccessResponse(
            accesses=[
                pb.ItemAccess(
                    consumer=version.grant.consumer,
                    grant=messages.grant_message(version.grant),
                    mask=messages.mask_number(version.grant.masks.get(request.item)),
                    actor=version.actor,
                    act=version.act,
                    from_time=messages.timestamp(version.from_time),
                )
                for version in found
            ],
            next_page_token=token,
        )

    def WhatIf(self, request: pb.WhatIfRequest, call: Call) -> pb.WhatIfResponse:  # noqa: N802
        """What a change of a grant would do."""
        answer = self._overseeing.what_if(
            call.principal,
            grant=request.grant,
            change=Change(
                items=tuple(messages.given_items(request.items)),
                operations=tuple(messages.operations(request.operations, "operations")),
                daily_quota=request.daily_quota if request.HasField("daily_quota") else None,
                rate_per_minute=(
                    request.rate_per_minute if request.HasField("rate_per_minute") else None
                ),
                row_filter=tuple(messages.row_filter(request.row_filter, "row_filter")),
                end_time=messages.time_of(request, "end_time"),
            ),
            from_day=request.from_day,
            until_day=request.until_day,
        )
        return pb.WhatIfResponse(
            uses=answer.uses,
            affected=map(_affected, answer.affected),
            look=None
            if answer.look is None
            else pb.LogLook(
                uses=len(answer.look.uses),
                from_time=messages.timestamp(answer.look.from_time),
                complete=answer.look.complete,
                unjudged=answer.unjudged,
            ),
            tally=_tally(answer.tally),
        )

    def WhatIfCatalog(  # noqa: N802
        self, request: pb.WhatIfCatalogRequest, call: Call
    ) -> pb.WhatIfCatalogResponse:
        """What a change of the catalog would do to the grants of a resource."""
        answer = self._overseeing.what_if_catalog(
            call.principal,
            resource=request.resource,
            change=CatalogChange(
                removed_items=tuple(request.removed_items),
                withdrawn=request.withdrawn,
                sharing_type=SHARING_OF.get(request.sharing_type, SharingType.UNSPECIFIED),
                negative_items=tuple(request.negative_items),
                negative=request.negative,
            ),
            from_day=request.from_day,
            until_day=request.until_day,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.WhatIfCatalogResponse(
            grants=[
                pb.GrantAffected(
                    grant=one.grant.name,
                    consumer=one.grant.consumer,
                    closed=one.closed,
                    lost_items=one.lost_items,
                    uses=one.uses,
                    affected=map(_affected, one.affected),
                )
                for one in answer.grants
            ],
            next_page_token=answer.next_page_token,
            requests=answer.requests,
            tally=_tally(answer.tally),
        )

    def ReportGrantUse(  # noqa: N802
        self, request: pb.ReportGrantUseRequest, call: Call
    ) -> pb.ReportGrantUseResponse:
        """What was used of grants."""
        found, token, tally = self._overseeing.report_use(
            call.principal,
            parent=request.parent,
            from_day=request.from_day,
            wider_only=request.wider_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ReportGrantUseResponse(
            grants=[
                pb.GrantUse(
                    grant=one.grant.name,
                    resource=one.grant.resource,
                    in_force=self._overseeing.in_force(one.grant),
                    uses=one.uses,
                    last_day=one.last_day,
                    unused_operations=map(messages.operation_number, one.unused_operations),
                    unused_items=one.unused_items,
                    busiest_day=one.busiest_day,
                    daily_quota=one.grant.daily_quota,
                )
                for one in found
            ],
            next_page_token=token,
            tally=_tally(tally),
        )

    def PreviewGrant(  # noqa: N802
        self, request: pb.PreviewGrantRequest, call: Call
    ) -> pb.PreviewGrantResponse:
        """What a receiver would see under terms that are thought of."""
        answer = self._previewing.preview(
            call.principal,
            resource=request.resource,
            consumer=request.consumer,
            items=messages.given_items(request.items),
            row_filter=messages.row_filter(request.row_filter, "row_filter"),
            sample_size=request.sample_size,
            past=request.include_history
            and Operation.SUBSCRIBE in messages.operations(request.operations, "operations"),
        )
        return pb.PreviewGrantResponse(
            samples=[
                pb.SampleRecord(
                    held=one.held,
                    shown=one.seen is not None,
                    seen=one.seen or {},
                    earlier_seen=one.earlier_seen or {},
                )
                for one in answer.samples
            ],
            kept_back=answer.kept_back,
            held=None
            if answer.looked_at is None
            else pb.HeldCount(
                looked_at=answer.looked_at, shown=answer.shown, complete=answer.complete
            ),
        )


def _affected(one: Affected) -> pb.AffectedUses:
    return pb.AffectedUses(
        reason=one.reason,
        operation=messages.operation_number(one.operation),
        item=one.item,
        uses=one.uses,
        refused=one.refused,
        records=one.records,
    )


def _tally(tally: Tally) -> pb.LogTally:
    return pb.LogTally(size=tally.size, complete=tally.complete)
