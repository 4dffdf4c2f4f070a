"""Status lists of licenses for who verifies a credential elsewhere (IETF Token Status List §8.1).

A list is public by its nature: it tells of places, and of nobody. It comes as a JWT, or as a CWT to
who accepts nothing else, and may be kept for a while; no cookie counts here.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from licenses.v1 import offline_pb2 as pb
from licenses.v1 import offline_pb2_grpc
from portal.node import told
from portal.verifier.limits import Visitors
from runtime.errors import DomainError, NotFound, ResourceExhausted, Unavailable

SECONDS: Final = 30
_CWT: Final = "application/statuslist+cwt"
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept",
}
_STATUSES: Final = ((NotFound, 404), (ResourceExhausted, 429), (Unavailable, 503))


async def status_list(request: Request) -> Response:
    """A list as it was published."""
    visitors: Visitors = request.app.state.verifying.visitors
    stub = request.app.state.node.stub(offline_pb2_grpc.StatusListServiceStub)
    wants_cwt = _CWT in request.headers.get("accept", "")
    asked = pb.GetStatusListRequest(
        name=f"statusLists/{request.path_params['number']}",
        format=pb.STATUS_LIST_FORMAT_CWT if wants_cwt else pb.STATUS_LIST_FORMAT_JWT,
    )
    try:
        visitors.begin(request.client.host if request.client else "")
        found = await told(stub.GetStatusList(asked, timeout=SECONDS))
    except DomainError as error:
        status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 400)
        return JSONResponse({"error": error.reason}, status_code=status, headers=_HEADERS)
    kept = {"Cache-Control": "public, max-age=300"}
    return Response(found.token, media_type=found.media_type, headers={**_HEADERS, **kept})


ROUTES: Final = (Route("/status/{number:int}", status_list, methods=["GET"]),)
