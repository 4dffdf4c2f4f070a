"""Holding, presenting and verifying once through on PostgreSQL: every statement of theirs runs."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from licenses.v1 import copies_pb2
from licenses.v1 import delegations_pb2 as delegations
from licenses.v1 import offline_pb2 as offline
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from licenses.v1 import wallets_pb2 as wallets
from runtime.identity import Role
from tests.builders.license_node import (
    BANK,
    HOLDER,
    OFFICE,
    change,
    fresh,
    issue,
    present,
    running,
    verify,
)
from tests.builders.licenses import TYPE_NAME, citizen_number

PURPOSE = "办理公积金提取"


async def test_the_whole_way_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    async with running(tmp_path, database=postgres_url) as node:
        license_, agent = await issue(node), citizen_number(7)
        counter, verifier = node.counter, node.verifier
        given = delegations.CreateDelegationRequest(
            holder_code=HOLDER, agent_name="钱代办", agent_code=agent, licenses=[license_.name],
            purpose=PURPOSE, request_id=fresh(),
        )  # fmt: skip
        given.expire_time.FromDatetime(node.clock.now() + timedelta(days=1))
        under = (await counter.delegations.CreateDelegation(given)).delegation.name
        shown = await present(
            node, license_.name, holder_code=agent, delegation=under, purpose=PURPOSE, audience=BANK
        )
        assert not (await verify(verifier, shown.code, PURPOSE)).verdict.sub_indication
        end = delegations.EndDelegationRequest(name=under, holder_code=HOLDER, request_id=fresh())
        await counter.delegations.EndDelegation(end)
        told = await verify(verifier, shown.code, PURPOSE)
        assert told.verdict.sub_indication == "DELEGATION_ENDED"

        qr = await counter.offline.PresentOffline(
            offline.PresentOfflineRequest(
                license=license_.name, holder_code=HOLDER, fields=["CZZT"], purpose=PURPOSE,
                request_id=fresh(),
            )
        )  # fmt: skip
        answer = await verifier.verifying.VerifyLicense(
            verifying.VerifyLicenseRequest(qr=qr.text, purpose=PURPOSE)
        )
        assert dict(answer.fields) == {"CZZT": "赵示例"}
        copy = await counter.copies.MakeEndorsedCopy(
            copies_pb2.MakeEndorsedCopyRequest(
                license=license_.name, holder_code=HOLDER, purpose=PURPOSE, receiver="单位",
                valid_to=(node.clock.now() + timedelta(days=3)).date().isoformat(),
                request_id=fresh(),
            )
        )  # fmt: skip
        node.clock.advance(timedelta(minutes=1))
        before = node.clock.now()
        node.clock.advance(timedelta(minutes=1))
        await change(node, "Revoke", license_.name)
        for as_of, reason in ((None, "LICENSE_REVOKED"), (before, "")):
            request = verifying.VerifyLicenseRequest(document=copy.document, purpose=PURPOSE)
            if as_of:
                request.as_of.FromDatetime(as_of.astimezone(UTC))
            answer = await verifier.verifying.VerifyLicense(request)
            assert answer.verdict.sub_indication == reason
        administrator = node.client(OFFICE, Role.ADMINISTRATOR, system="admin")
        lists = await administrator.statuses.PublishStatusLists(offline.PublishStatusListsRequest())
        assert [one.ended for one in lists.lists] == [1, 1]  # of licenses, and of showings
        asked = await verifier.wallets.CreatePresentationRequest(
            wallets.CreatePresentationRequestRequest(
                license_type=TYPE_NAME, fields=["CZZT"], purpose=PURPOSE,
                response_uri="https://portal.example/",
                request_id=fresh(),
            )
        )  # fmt: skip
        result = wallets.GetPresentationResultRequest(name=asked.name)
        assert not (await verifier.wallets.GetPresentationResult(result)).answered
        look = presentations.ListLooksRequest(holder_code=HOLDER)
        found = (await counter.presentations.ListLooks(look)).looks
        assert len(found) >= 8
        listed = presentations.ListPresentationsRequest(holder_code=HOLDER, all=True)
        assert len((await counter.presentations.ListPresentations(listed)).presentations) == 2
