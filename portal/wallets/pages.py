"""Where wallets fetch a request and post their answer (OpenID4VP 1.0 §5.10, §8.2): no pages.

1. A wallet is no browser and nobody's session: it comes from anywhere, and no cookie counts here.
   What proves anything is in what it posts, which the node judges; this hands it on.
2. A request is named by 128 random bits, lives five minutes, and is signed anew at each fetch, with
   the wallet's own nonce where it sent one.
3. An answer that does not pass takes nothing, and the wallet is told why in one word; the claims
   are told to who asked and to nobody here. A wallet that declines is thanked.
   Bad answers are counted by the address they come from: a request's name is in its QR code, and
   whoever reads that would shut out the holder.
4. Errors are JSON, as OAuth 2.0 has them (RFC 6749 §5.2).
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from licenses.v1 import wallets_pb2 as pb
from licenses.v1 import wallets_pb2_grpc
from portal.node import told
from portal.verifier.limits import Visitors
from runtime.errors import DomainError, NotFound, ResourceExhausted, Unavailable
from seal.v1 import seal_pb2

SECONDS: Final = 30
MOST_NONCE: Final = 512
_FORM: Final = "application/x-www-form-urlencoded"
#: No cookie is looked at, so whichever site runs a wallet may read the answer.
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


async def request_object(request: Request) -> Response:
    """The signed request object; by POST with the wallet's nonce."""
    nonce = ""
    try:
        _visitors(request).begin(_address(request))
        if request.method == "POST":
            nonce = (await _posted(request)).get("wallet_nonce", "")
            if len(nonce) > MOST_NONCE or not nonce.isprintable():
                return _error("invalid_request", "wallet_nonce: too long, or not text")
        asked = pb.GetRequestObjectRequest(
            name=f"presentationRequests/{request.path_params['request']}", wallet_nonce=nonce
        )
        found = await told(_stub(request).GetRequestObject(asked, timeout=SECONDS))
    except DomainError as error:
        return _refused(error)
    return Response(found.request_object, media_type=found.media_type, headers=_HEADERS)


async def answered(request: Request) -> Response:
    """Take a wallet's answer, or that it declines."""
    try:
        visitors, address = _visitors(request), _address(request)
        visitors.begin(address)
        form = await _posted(request)
        if "vp_token" not in form and form.get("error"):
            return JSONResponse({}, headers=_HEADERS)
        asked = pb.SubmitPresentationRequest(
            state=form.get("state", ""),
            vp_token=form.get("vp_token", ""),
            visitor=visitors.word(address),
        )
        found = await told(_stub(request).SubmitPresentation(asked, timeout=SECONDS))
    except DomainError as error:
        return _refused(error)
    if found.verdict.indication != seal_pb2.INDICATION_PASSED:
        return _error("invalid_request", found.verdict.sub_indication)
    return JSONResponse({}, headers=_HEADERS)


async def _posted(request: Request) -> dict[str, str]:
    """The fields of a form, each once. What is no form has none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return {}
    async with request.form() as form:
        return {name: said for name, said in form.items() if isinstance(said, str)}


def _refused(error: DomainError) -> Response:
    status = 400
    for kind, found in ((NotFound, 404), (ResourceExhausted, 429), (Unavailable, 503)):
        if isinstance(error, kind):
            status = found
    return _error("invalid_request", error.reason, status)


def _error(error: str, description: str, status: int = 400) -> Response:
    said = {"error": error, "error_description": description}
    return JSONResponse(said, status_code=status, headers=_HEADERS)


def _stub(request: Request) -> wallets_pb2_grpc.WalletServiceStub:
    found: wallets_pb2_grpc.WalletServiceStub = request.app.state.node.stub(
        wallets_pb2_grpc.WalletServiceStub
    )
    return found


def _visitors(request: Request) -> Visitors:
    found: Visitors = request.app.state.verifying.visitors
    return found


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


_ONE: Final = "/wallet/requests/{request:str}"
ROUTES: Final = (
    Route(_ONE, request_object, methods=["GET"]),
    Route(_ONE, request_object, methods=["POST"]),
    Route("/wallet/responses", answered, methods=["POST"]),
)
