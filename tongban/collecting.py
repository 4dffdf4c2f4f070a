"""Collecting an applicant's materials as the accepting department's own system does it.

The exchange is asked here, under the department's grants and with its certificate; the node that
keeps the collection is handed each question with its answer and receipt. So nobody acts for the
department, and what it may not read is not collected. A question that is refused, or not answered,
is handed in as that, and the applicant is asked; nothing is asked before what must be entered is
there, nor again what was answered for this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from exchange.v1 import query_pb2
from licenses.v1 import materials_pb2 as pb
from runtime.errors import InvalidArgument, Unauthenticated
from runtime.status import from_rpc_error
from tongban.client import Client, new_request_id

PURPOSE = "办理政务服务事项时收集申请材料"


def collect(
    client: Client,
    collection: str,
    holder_code: str,
    entries: Mapping[str, str],
    *,
    purpose: str = PURPOSE,
    request_id: str = "",
) -> pb.Collection:
    """Ask what the applicant agreed to have asked, and hand it in.

    `entries`: what the applicant said, by field of the form; what they put there themself is not
    said again. Raises grpc.RpcError.
    """
    request = gather(
        client, collection, holder_code, entries, purpose=purpose, request_id=request_id
    )
    done: pb.Collection = client.materials.CollectMaterials(
        request, timeout=client.timeout
    ).collection
    return done


def gather(
    client: Client,
    collection: str,
    holder_code: str,
    entries: Mapping[str, str],
    *,
    purpose: str = PURPOSE,
    request_id: str = "",
) -> pb.CollectMaterialsRequest:
    """Ask what the applicant agreed to have asked; what is to be handed in.

    Nothing is asked where an entry is missing: the request is refused for that.
    """
    plan = client.materials.GetCollection(
        pb.GetCollectionRequest(name=collection), timeout=client.timeout
    ).collection
    request = pb.CollectMaterialsRequest(
        collection=collection,
        holder_code=holder_code,
        entries=entries,
        request_id=request_id or new_request_id(),
    )
    if all(entries.get(one) for one in plan.entries):
        _ask(client, plan, request, {**entries, **plan.entered}, purpose)
    return request


def _ask(
    client: Client,
    plan: pb.Collection,
    request: pb.CollectMaterialsRequest,
    entered: Mapping[str, str],
    purpose: str,
) -> None:
    """Ask the plan's questions, each once: what is answered, and what is refused.

    `entered`: by the applicant themself, or as the department was told.
    """
    key = request.holder_code
    for grant, items in _asked(plan, pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT):
        if grant in plan.answered:
            continue
        query = client.query_request(
            grant, key, items=items, purpose=purpose, case_number=plan.name
        )  # fmt: skip
        try:
            queried = client.queries.Query(query, timeout=client.timeout)
        except grpc.RpcError as error:
            request.refused.append(_refused(grant, error))
        else:
            request.answers.append(pb.CollectedAnswer(query=query, queried=queried))
    fields = _fields(client, plan.service_item)
    for resource, grant, items in _verified(plan):
        claims = {
            item: entered[fields[resource, item]]
            for item in items
            if entered.get(fields.get((resource, item), ""))
        }
        if not claims:
            continue
        verify = query_pb2.VerifyRequest(
            grant=grant, key=key, claims=claims, purpose=purpose, case_number=plan.name
        )
        client.sign("Verify", verify)
        try:
            verified = client.queries.Verify(verify, timeout=client.timeout)
        except grpc.RpcError as error:
            request.refused.append(_refused(grant, error))
        else:
            request.answers.append(pb.CollectedAnswer(verify=verify, verified=verified))


def _refused(grant: str, error: grpc.RpcError) -> pb.RefusedQuestion:
    """What the exchange refused, or could not answer; what was asked wrongly is raised."""
    told = from_rpc_error(error)
    if isinstance(told, InvalidArgument | Unauthenticated):
        raise error
    return pb.RefusedQuestion(grant=grant, reason=told.reason)


def _asked(plan: pb.Collection, source: pb.MaterialSource.ValueType) -> list[tuple[str, list[str]]]:
    """Grants and the items to ask for under them: each once, whatever materials need it."""
    found: dict[str, set[str]] = {}
    for one in plan.materials:
        if one.source == source:
            found.setdefault(one.grant, set()).update(one.items)
    return [(grant, sorted(items)) for grant, items in found.items()]


def _verified(plan: pb.Collection) -> list[tuple[str, str, list[str]]]:
    resources = {one.grant: one.resource for one in plan.materials}
    return [
        (resources[grant], grant, items)
        for grant, items in _asked(plan, pb.MATERIAL_SOURCE_VERIFIABLE)
    ]


def _fields(client: Client, service_item: str) -> dict[tuple[str, str], str]:
    """The form's field that an item of a resource is entered in, to be verified."""
    handlings = client.materials.ListHandlings(
        pb.ListHandlingsRequest(parent="/".join(service_item.split("/")[:2]), page_size=1000),
        timeout=client.timeout,
    ).handlings
    return {
        (source.resource, source.item): field.code
        for one in handlings
        if one.service_item == service_item
        for field in one.fields
        for source in field.sources
        if source.resource
    }
