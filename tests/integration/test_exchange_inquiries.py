"""Inquiries on a running exchange: asked, answered with files, timed, and known to two only."""

import uuid
from datetime import timedelta

import pytest

from exchange.inquiries import service
from exchange.v1 import deadlines_pb2
from exchange.v1 import inquiries_pb2 as pb
from tests.builders.catalog import ADMINISTRATOR, AUDITOR, CIVIL, HEALTH, HOUSING, caller
from tests.builders.exchange import exchange_node, refusal

ASKER, ASKED, STRANGER = caller(HOUSING), caller(CIVIL), caller(HEALTH)
PDF = b"%PDF-1.7 made up"


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


@pytest.fixture
def ask(node):
    async def call(who, method: str, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid.uuid4())
        return await getattr(node.connect(who).inquiries, method)(request)

    return call


async def sent(ask, who=ASKER, **changes) -> pb.Inquiry:
    values = {"recipient": CIVIL, "title": "核实低保资格", "text": "请核实附件所列办件。\n谢谢"}
    return (await ask(who, "SendInquiry", **{**values, **changes})).inquiry


async def uploaded(ask, who=ASKER, content=PDF, **changes) -> pb.Attachment:
    values = {"file_name": "清单.pdf", "media_type": "application/pdf", "content": content}
    return (await ask(who, "UploadAttachment", **{**values, **changes})).attachment


async def test_an_inquiry_is_answered_with_files_and_closed(node, ask):
    question = await uploaded(ask)
    made = await sent(ask, attachments=[question.name])
    assert (made.state, made.due) == (pb.INQUIRY_STATE_OPEN, "2026-03-09")
    reply = await uploaded(ask, ASKED, b"answer", file_name="复函.txt", media_type="")
    read = await ask(ASKED, "DownloadAttachment", name=question.name)
    assert (read.content, read.attachment.digest) == (PDF, question.digest)
    answered = (
        await ask(ASKED, "AnswerInquiry", name=made.name, answer="见附件", attachments=[reply.name])
    ).inquiry
    assert answered.state == pb.INQUIRY_STATE_ANSWERED
    assert [one.media_type for one in answered.answer_attachments] == ["application/octet-stream"]
    assert (await ask(ASKER, "DownloadAttachment", name=reply.name)).content == b"answer"
    closed = (await ask(ASKER, "CloseInquiry", name=made.name)).inquiry
    assert (closed.state, closed.answer) == (pb.INQUIRY_STATE_CLOSED, "见附件")
    kinds = ["inquiry_sent", "inquiry_answered", "inquiry_closed", "attachment_uploaded",
             "attachment_read"]  # fmt: skip
    assert [len(node.leaves(kind)) for kind in kinds] == [1, 1, 1, 2, 2]
    assert node.leaves("inquiry_sent")[0]["attachments"] == {question.name: question.digest}
    assert "核实" not in str([node.leaves(kind) for kind in kinds])


async def test_an_inquiry_that_is_not_answered_is_late_in_the_report(node, ask):
    slow = await sent(ask, reply_days=20)
    assert slow.due == "2026-03-30"
    made = await sent(ask)
    node.clock.advance(timedelta(days=8))
    deadlines = node.connect(ADMINISTRATOR).deadlines
    report = await deadlines.ReportLateness(
        deadlines_pb2.ReportLatenessRequest(parent="departments/-")
    )
    assert [(one.department, one.kind) for one in report.rows if one.overdue] == [
        (CIVIL, "inquiry")
    ]
    gone = (await ask(ASKER, "WithdrawInquiry", name=made.name)).inquiry
    assert gone.state == pb.INQUIRY_STATE_WITHDRAWN


async def test_nobody_else_learns_that_there_is_an_inquiry(node, ask):
    file = await uploaded(ask)
    made = await sent(ask, attachments=[file.name])
    absent = f"{HOUSING}/inquiries/nonesuch"
    for method, fields in (
        ("GetInquiry", {}),
        ("AnswerInquiry", {"answer": "x"}),
        ("CloseInquiry", {}),
        ("WithdrawInquiry", {}),
    ):
        told = await refusal(ask(STRANGER, method, name=made.name, **fields))
        same = await refusal(ask(STRANGER, method, name=absent, **fields))
        assert (told.reason, told.message) == (same.reason, same.message)
        assert told.reason == "INQUIRY_NOT_FOUND"
    for who in (STRANGER, caller(HEALTH, system="other")):
        refused = await refusal(ask(who, "DownloadAttachment", name=file.name))
        assert refused.reason == "ATTACHMENT_NOT_FOUND"
    assert not (await ask(STRANGER, "ListInquiries")).inquiries
    for who in (ADMINISTRATOR, AUDITOR):
        (seen,) = (await ask(who, "ListInquiries")).inquiries
        assert (seen.name, seen.recipient, seen.text, seen.title) == (made.name, CIVIL, "", "")
        assert not seen.attachments
    other = await uploaded(ask, STRANGER)
    stolen = await refusal(sent(ask, attachments=[other.name]))
    assert stolen.reason == "ATTACHMENT_NOT_FOUND"
    used = await refusal(sent(ask, attachments=[file.name]))
    assert used.reason == "ATTACHMENT_USED"
    assert (await refusal(ask(ASKED, "CloseInquiry", name=made.name))).reason == "NOT_THE_ASKER"
    wrong = await refusal(ask(ASKER, "AnswerInquiry", name=made.name, answer="x"))
    assert wrong.reason == "NOT_THE_RECIPIENT"


async def test_files_are_bounded_and_removed_where_nothing_names_them(node, ask):
    too_long = await refusal(uploaded(ask, content=bytes(8 * 1024 * 1024 + 1)))
    assert too_long.reason == "INQUIRY_INVALID"
    assert (await refusal(uploaded(ask, file_name="../../x"))).reason == "INQUIRY_INVALID"
    kept, orphan = await uploaded(ask), await uploaded(ask)
    again = {"request_id": "one"}
    assert (await uploaded(ask, **again)).name == (await uploaded(ask, **again)).name
    await sent(ask, attachments=[kept.name])
    attaching = node.service.attaching
    assert attaching.clean() == 0
    node.clock.advance(timedelta(days=1, seconds=1))
    assert attaching.clean() == 2
    assert len(list(attaching.objects.list("inquiries/"))) == 1
    gone = await refusal(ask(ASKER, "DownloadAttachment", name=orphan.name))
    assert gone.reason == "ATTACHMENT_NOT_FOUND"
    assert (await ask(ASKED, "DownloadAttachment", name=kept.name)).content == PDF
    for _ in range(50):
        await uploaded(ask)
    assert (await refusal(uploaded(ask))).reason == "TOO_MANY_ATTACHMENTS"


async def test_a_department_asks_a_bounded_number_of_known_ones(node, ask, monkeypatch):
    nobody = await refusal(sent(ask, recipient="departments/nobody"))
    assert nobody.reason == "DEPARTMENT_NOT_FOUND"
    assert (await refusal(sent(ask, recipient=HOUSING))).reason == "INQUIRY_INVALID"
    monkeypatch.setattr(service, "GREATEST_OPEN", 2)
    made = [await sent(ask, about=f"{CIVIL}/resources/residents") for _ in range(2)]
    assert (await refusal(sent(ask))).reason == "TOO_MANY_OPEN"
    await ask(ASKED, "AnswerInquiry", name=made[0].name, answer="已核实")
    again = await sent(ask)
    page = await ask(ASKER, "ListInquiries", page_size=2)
    rest = await ask(ASKER, "ListInquiries", page_size=2, page_token=page.next_page_token)
    names = {one.name for one in (*page.inquiries, *rest.inquiries)}
    assert names == {again.name, *(one.name for one in made)}
    owed = (await ask(ASKED, "ListInquiries", open_only=True)).inquiries
    assert {one.name for one in owed} == {again.name, made[1].name}
