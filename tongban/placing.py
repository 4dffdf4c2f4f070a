"""A question by place, as its record commits to it and as it is signed."""

from __future__ import annotations

from typing import Any

from exchange.v1 import spatial_pb2


def place_as_committed(asked: spatial_pb2.SpatialQueryRequest) -> dict[str, Any]:
    """A question as its receipt commits to it (see `exchange.spatial.service`)."""
    word = asked.WhichOneof("area")
    return {
        "grant": asked.grant,
        "geometry_item": asked.geometry_item,
        "area": {word: _area_of(asked, str(word))},
        "items": list(asked.items),
        "purpose": asked.purpose,
        "case_number": asked.case_number,
        "page_size": asked.page_size,
        "page_token": asked.page_token,
    }


def _area_of(asked: spatial_pb2.SpatialQueryRequest, word: str) -> dict[str, Any]:
    if word == "box":
        sides = ("west", "south", "east", "north")
        return {side: _degrees(getattr(asked.box, side)) for side in sides}
    circle = getattr(asked, word)
    place = circle if word == "at" else circle.center
    told: dict[str, Any] = {
        "longitude": _degrees(place.longitude),
        "latitude": _degrees(place.latitude),
    }
    if word != "at":
        told["radius_mm"] = max(round(round(circle.radius_meters, 3) * 1000), 1)
    return told


def _degrees(value: float) -> str:
    return f"{round(value, 9) + 0.0:.9f}"


def places_as_committed(answer: spatial_pb2.SpatialQueryResponse) -> dict[str, Any]:
    """Its answer as its record commits to it."""
    return {
        "records": [
            {"items": dict(one.items), "distance_mm": one.distance_mm} for one in answer.records
        ],
        "next_page_token": answer.next_page_token,
    }
