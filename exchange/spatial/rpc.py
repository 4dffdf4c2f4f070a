"""SpatialService: protobuf to model and back, a question on the loop; reading runs in threads."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.receipts import to_message
from exchange.signatures import signature_of
from exchange.spatial.drawing import Drawing
from exchange.spatial.model import Area, At, Box, Nearest, Place, Within
from exchange.spatial.service import Question, SpatialQuerying
from exchange.v1 import spatial_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "SpatialQuery": frozenset({Role.DEPARTMENT}),
    "DrawResource": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR}),
}


class SpatialServicer:
    """Serves `SpatialService`."""

    def __init__(self, querying: SpatialQuerying, drawing: Drawing) -> None:
        self._querying = querying
        self._drawing = drawing

    async def SpatialQuery(  # noqa: N802  # the method's name in the proto
        self, request: pb.SpatialQueryRequest, call: Call
    ) -> pb.SpatialQueryResponse:
        """Records of an area."""
        question = Question(
            grant=request.grant,
            geometry_item=request.geometry_item,
            area=_area(request),
            items=tuple(request.items),
            purpose=request.purpose,
            case_number=request.case_number,
            page_size=request.page_size,
            page_token=request.page_token,
            signed=signature_of(request, call),
        )
        answer = await self._querying.query(call.principal, question)
        return pb.SpatialQueryResponse(
            records=[
                pb.SpatialRecord(items=one.items, distance_mm=one.distance_mm)
                for one in answer.records
            ],
            next_page_token=answer.next_page_token,
            receipt=to_message(answer.receipt),
        )

    def DrawResource(  # noqa: N802
        self, request: pb.DrawResourceRequest, call: Call
    ) -> pb.DrawResourceResponse:
        """Outlines of a resource's records; a plain method, which runs in a worker thread."""
        drawn = self._drawing.draw(
            call.principal,
            resource=request.resource,
            item=request.geometry_item,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        box = drawn.bounds
        return pb.DrawResourceResponse(
            outlines=[pb.Outline(label=one.label, geometry=one.geometry) for one in drawn.outlines],
            bounds=None
            if box is None
            else pb.Box(west=box.west, south=box.south, east=box.east, north=box.north),
            next_page_token=drawn.next_page_token,
        )


def _area(request: pb.SpatialQueryRequest) -> Area:
    """What is asked. Raises InvalidArgument, BAD_AREA, where nothing is."""
    match request.WhichOneof("area"):
        case "at":
            return At(place=_place(request.at))
        case "box":
            box = request.box
            return Box(west=box.west, south=box.south, east=box.east, north=box.north)
        case "within":
            circle = request.within
            return Within(place=_place(circle.center), radius=circle.radius_meters)
        case "nearest":
            circle = request.nearest
            return Nearest(place=_place(circle.center), radius=circle.radius_meters)
        case _:
            raise InvalidArgument(
                "say what is asked: at, box, within or nearest",
                reason="BAD_AREA",
                message_zh="请给出查询范围：at（所在）、box（矩形）、within（半径内）"
                "或 nearest（最近）",
                violations=[FieldViolation("area", "is required")],
            )


def _place(place: pb.Place) -> Place:
    return Place(longitude=place.longitude, latitude=place.latitude)
