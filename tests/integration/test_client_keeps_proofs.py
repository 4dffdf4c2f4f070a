"""What the client keeps of each way of asking proves question and answer offline."""

import pytest

from exchange.audit.saved import receipt_from_json, receipt_to_json
from exchange.audit.verify import verify_receipt
from exchange.grants.model import Mask
from exchange.v1 import query_pb2
from runtime.signed import RequestSigner
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person
from tongban.keeping import proof_of, sign_request

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEYS = [citizen_number(1), citizen_number(2), citizen_number(9)]


@pytest.mark.parametrize("signed", [True, False])
async def test_every_answer_is_proved_by_what_was_kept(tmp_path, signed):
    async with exchange_node(tmp_path / "node") as node:
        await node.connect(caller(CIVIL)).publish(person(1), person(2))
        consumer = node.connect(caller(HOUSING))
        grant = node.grant({"name": Mask.WHOLE})
        call = consumer.query
        past = query_pb2.QueryRequest(grant=grant, key=KEYS[0], **WHY)
        past.read_time.FromDatetime(node.clock.now())
        batch = query_pb2.BatchQueryRequest(grant=grant, keys=KEYS, **WHY)
        verify = query_pb2.VerifyRequest(grant=grant, key=KEYS[0], claims={"name": "x"}, **WHY)
        ways = [
            ("Query", call.Query, query_pb2.QueryRequest(grant=grant, key=KEYS[0], **WHY)),
            ("Query", call.Query, query_pb2.QueryRequest(grant=grant, key=KEYS[2], **WHY)),
            ("Query", call.Query, query_pb2.QueryRequest(grant=grant, keys=KEYS, **WHY)),
            ("Query", call.Query, past),
            ("Verify", call.Verify, verify),
            ("Export", call.Export, query_pb2.ExportRequest(grant=grant, page_size=1, **WHY)),
            ("BatchQuery", call.BatchQuery, batch),
        ]
        for method, ask, request in ways:
            if signed:
                signer = RequestSigner(consumer.credentials)
                sign_request(signer, method, request, at=node.clock.now())
            if method == "BatchQuery":
                (answer,) = [one async for one in ask(iter([request]))]
            else:
                answer = await ask(request)
            kept = proof_of(method, request, answer, consumer.credentials.certificate)
            saved = receipt_from_json(receipt_to_json(kept))
            assert saved == kept
            found = verify_receipt(
                saved, node.service.audit.key.verifier_key, certificate=saved.certificate
            )
            assert found.passed, (method, found)
            names = {check.name for check in found.checks}
            assert {"opening:request", "opening:answer"} <= names
            assert ("request_signature" in names) is signed
