"""Collecting an applicant's materials as the accepting department's own system does it.

The exchange is asked here, under the department's grants and with its certificate; the node that
keeps the collection is handed each question with its answer and receipt. So nobody acts for the
department, and what it may not read is not collected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exchange.v1 import query_pb2
from licenses.v1 import materials_pb2 as pb
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

    `entries`: what the applicant entered, by field of the form. Raises grpc.RpcError.
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
    """Ask what the applicant agreed to have asked; what is to be handed in."""
    plan = client.materials.GetCollection(
        pb.GetCollectionRequest(name=collection), timeout=client.timeout
    ).collection
    handling = _fields(client, plan.service_item)
    return pb.CollectMaterialsRequest(
        collection=collection,
        holder_code=holder_code,
        answers=_answers(client, plan, holder_code, entries, handling, purpose),
        entries=entries,
        request_id=request_id or new_request_id(),
    )


def _answers(
    client: Client,
    plan: pb.Collection,
    holder_code: str,
    entries: Mapping[str, str],
    fields: Mapping[tuple[str, str], str],
    purpose: str,
) -> Iterator[pb.CollectedAnswer]:
    for grant, items in _asked(plan, pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT):
        query = client.query_request(
            grant, holder_code, items=items, purpose=purpose, case_number=plan.name
        )
        queried = client.queries.Query(query, timeout=client.timeout)
        yield pb.CollectedAnswer(query=query, queried=queried)
    for resource, grant, items in _verified(plan):
        claims = {
            item: entries[fields[resource, item]]
            for item in items
            if entries.get(fields.get((resource, item), ""))
        }
        if claims:
            verify = query_pb2.VerifyRequest(
                grant=grant, key=holder_code, claims=claims, purpose=purpose, case_number=plan.name
            )
            client.sign("Verify", verify)
            verified = client.queries.Verify(verify, timeout=client.timeout)
            yield pb.CollectedAnswer(verify=verify, verified=verified)


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
