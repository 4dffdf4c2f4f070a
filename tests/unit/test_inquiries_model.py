"""Every act on an inquiry in every state, and the bounds of what is written and attached."""

from dataclasses import replace

import pytest

from exchange.inquiries import model
from exchange.inquiries.model import Attachment, AttachmentState, Inquiry, InquiryState, Part
from runtime.errors import DomainError, InvalidArgument
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HEALTH, HOUSING, NOON, caller

O, A, C, W = InquiryState  # noqa: E741
NOT_OPEN, NOT_ANSWERED = "INQUIRY_NOT_OPEN", "INQUIRY_NOT_ANSWERED"
#: act: what comes of it in each state: the next state, or the reason of the refusal.
ACTS = {
    "answer": {O: A, A: NOT_OPEN, C: NOT_OPEN, W: NOT_OPEN},
    "close": {O: NOT_ANSWERED, A: C, C: NOT_ANSWERED, W: NOT_ANSWERED},
    "withdraw": {O: W, A: NOT_OPEN, C: NOT_OPEN, W: NOT_OPEN},
}


def inquiry(**changes) -> Inquiry:
    values = {
        "name": f"{HOUSING}/inquiries/one",
        "recipient": CIVIL,
        "title": "核实",
        "text": "请核实\n谢谢",
        "create_time": NOON,
    }
    return Inquiry(**{**values, **changes})


def attachment(**changes) -> Attachment:
    made = model.file_of(
        f"{HOUSING}/attachments/one", file_name="a.pdf", media_type="", content=b"x", at=NOON
    )
    return replace(made, **{"state": AttachmentState.HELD, **changes})


def act(what: str, held: Inquiry) -> Inquiry:
    if what == "answer":
        return model.answer(held, text="已核实", attachments=[], at=NOON)
    return (model.close if what == "close" else model.withdraw)(held, at=NOON)


@pytest.mark.parametrize(
    ("what", "state", "comes"), [(w, s, c) for w, row in ACTS.items() for s, c in row.items()]
)
def test_each_act_in_each_state(what, state, comes):
    held = inquiry(state=state)
    if isinstance(comes, InquiryState):
        assert act(what, held).state is comes
    else:
        with pytest.raises(DomainError) as refused:
            act(what, held)
        assert refused.value.reason == comes


@pytest.mark.parametrize(
    ("changes", "attachments", "days"),
    [
        ({"recipient": HOUSING}, [], 0),
        ({"recipient": "x"}, [], 0),
        ({"title": " "}, [], 0),
        ({"title": "x" * 201}, [], 0),
        ({"text": "x" * 4001}, [], 0),
        ({"text": "a\0"}, [], 0),
        ({"about": CIVIL}, [], 0),
        ({}, ["x"], 0),
        ({}, [f"{HOUSING}/attachments/one"] * 2, 0),
        ({}, [f"{HOUSING}/attachments/a{n}" for n in range(11)], 0),
        ({}, [], 61),
        ({}, [], -1),
    ],
)
def test_what_is_written_is_bounded(changes, attachments, days):
    with pytest.raises(InvalidArgument) as refused:
        model.check(inquiry(**changes), attachments=attachments, reply_days=days)
    assert refused.value.reason == "INQUIRY_INVALID"


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("", "text/plain", b"x"),
        ("a/b", "text/plain", b"x"),
        ("a\\b", "text/plain", b"x"),
        ("a\nb", "text/plain", b"x"),
        ("x" * 201, "text/plain", b"x"),
        ("a", "text", b"x"),
        ("a", "Text/Plain; charset=x", b"x"),
        ("a", "text/plain", b""),
        ("a", "text/plain", bytes(model.GREATEST_SIZE + 1)),
    ],
)
def test_files_are_bounded(name, kind, content):
    with pytest.raises(InvalidArgument) as refused:
        model.check_file(name, kind, content)
    assert refused.value.reason == "INQUIRY_INVALID"


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "ATTACHMENT_NOT_FOUND"),
        (attachment(name=f"{HEALTH}/attachments/one"), "ATTACHMENT_NOT_FOUND"),
        (attachment(state=AttachmentState.COMING), "ATTACHMENT_NOT_FOUND"),
        (attachment(state=AttachmentState.GOING), "ATTACHMENT_NOT_FOUND"),
        (attachment(inquiry="x"), "ATTACHMENT_USED"),
    ],
)
def test_a_file_is_named_once_by_its_own_department_when_it_is_there(held, reason):
    with pytest.raises(DomainError) as refused:
        model.name_file(held, HOUSING, inquiry="i", part=Part.QUESTION, place=0)
    assert refused.value.reason == reason


def test_who_is_no_party_sees_nothing_that_is_written():
    held = inquiry(about=f"{CIVIL}/resources/r", answer="a", attachments=(attachment(),))
    assert model.shown_to(caller(CIVIL), held) == held
    seen = model.shown_to(ADMINISTRATOR, held)
    assert (seen.title, seen.text, seen.about, seen.answer, seen.attachments) == ("",) * 4 + ((),)
    assert not model.is_party(caller(HEALTH), held)
    for check in (model.check_asker, model.check_recipient):
        with pytest.raises(DomainError):
            check(caller(HEALTH), held)
