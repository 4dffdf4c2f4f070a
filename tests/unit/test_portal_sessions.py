"""What the portal remembers of people who signed in, on a clock that a test moves."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from accounts.v1 import accounts_pb2
from portal.sessions.access import own_page
from portal.sessions.keeping import (
    CHANNEL_IDLE,
    IDLE,
    OF_ONE,
    PICTURES,
    Sessions,
    Shelf,
    check_form_token,
)
from portal.sessions.keys import SessionKey
from runtime.errors import Unauthenticated


@pytest.fixture
def clock():
    return [1_000_000.0]


@pytest.fixture
def sessions(clock):
    return Sessions(lambda: clock[0])


async def begun(sessions, clock, account="accounts/a", lasting=8 * 3600):
    session = accounts_pb2.Session(
        certificate=b"certificate",
        account=accounts_pb2.Account(
            name=account,
            display_name="赵示例",
            system="departments/applicants/systems/person-a",
            roles=["applicant"],
        ),
        holder_code="1",
        expire_time=Timestamp(seconds=int(clock[0]) + lasting),
    )
    return await sessions.begin(session, SessionKey(), authority=b"authority")


async def test_a_cookie_finds_its_session_and_no_other_does(sessions, clock):
    cookie, person = await begun(sessions, clock)
    other, _ = await begun(sessions, clock)
    assert await sessions.find(cookie) is person
    assert other != cookie
    assert len(cookie) == 43
    assert await sessions.find(cookie[:-1]) is None
    assert await sessions.find("") is None


async def test_a_session_that_is_not_used_is_over(sessions, clock):
    cookie, person = await begun(sessions, clock)
    clock[0] += IDLE
    assert await sessions.find(cookie) is person  # used again: half an hour more
    clock[0] += IDLE
    assert await sessions.find(cookie) is person
    clock[0] += IDLE + 1
    assert await sessions.find(cookie) is None
    clock[0] -= IDLE
    assert await sessions.find(cookie) is None  # for good


async def test_a_session_ends_with_its_certificate_however_much_it_is_used(sessions, clock):
    cookie, _ = await begun(sessions, clock, lasting=3600)
    for _ in range(5):
        clock[0] += 719
        assert await sessions.find(cookie)
    clock[0] += 5
    assert await sessions.find(cookie) is None


async def test_of_one_account_so_many_are_kept(sessions, clock):
    first, _ = await begun(sessions, clock)
    other, _ = await begun(sessions, clock, account="accounts/b")
    later = [await begun(sessions, clock) for _ in range(OF_ONE)]
    assert await sessions.find(first) is None
    assert await sessions.find(other)
    assert all([await sessions.find(cookie) for cookie, _ in later])


async def test_signing_out_here_does_not_wait_for_a_node_that_is_gone(sessions, clock):
    cookie, person = await begun(sessions, clock)
    person.credentials = None
    with pytest.raises(AttributeError):
        await sessions.end(person)
    assert await sessions.find(cookie) is None


async def test_what_is_over_is_swept_and_ended_at_the_node(clock, monkeypatch):
    sessions = Sessions(lambda: clock[0], node="127.0.0.1:1")
    ended = []

    async def end(person):
        ended.append(person)

    monkeypatch.setattr(sessions, "end", end)
    idle, first = await begun(sessions, clock)
    used, _ = await begun(sessions, clock, account="accounts/b")
    clock[0] += IDLE - 1
    await sessions.find(used)
    clock[0] += 2
    await sessions.sweep()
    await sessions.close()
    assert ended == [first]
    clock[0] -= IDLE
    assert await sessions.find(idle) is None


async def test_a_session_that_makes_room_is_ended_at_the_node(clock, monkeypatch):
    sessions = Sessions(lambda: clock[0], node="127.0.0.1:1")
    ended = []

    async def end(person):
        ended.append(person)

    monkeypatch.setattr(sessions, "end", end)
    persons = [(await begun(sessions, clock))[1] for _ in range(OF_ONE + 2)]
    await sessions.close()
    assert ended == persons[:2]


async def test_connections_that_nobody_uses_are_closed(sessions, clock):
    class Channel:
        closed = False

        async def close(self, _):
            self.closed = True

    cookie, person = await begun(sessions, clock)
    held = person._channel = Channel()
    await sessions.sweep()
    assert not held.closed
    clock[0] += CHANNEL_IDLE + 1
    await sessions.sweep()
    assert held.closed
    assert await sessions.find(cookie) is person


async def test_pictures_of_everybody_are_bounded_together(sessions, clock):
    _, first = await begun(sessions, clock)
    _, second = await begun(sessions, clock)
    first.shelf = second.shelf = Shelf(30)
    for n in range(3):
        first.keep_picture((str(n), 0), b"0123456789")
    second.keep_picture(("x", 0), b"0123456789")
    assert list(first.pictures) == [("1", 0), ("2", 0)]
    first.keep_picture(("1", 0), b"01234")  # another in its place
    second.keep_picture(("y", 0), b"01234")
    assert len(first.pictures) == len(second.pictures) == 2


@pytest.mark.parametrize("given", [None, "", "x", 5, b"x"])
async def test_a_form_without_its_token_is_refused(sessions, clock, given):
    _, person = await begun(sessions, clock)
    check_form_token(person, person.form_token)
    with pytest.raises(Unauthenticated) as caught:
        check_form_token(person, given)
    assert caught.value.reason == "FORM_EXPIRED"


async def test_pictures_are_bounded_and_forgotten_with_the_session(sessions, clock):
    _, person = await begun(sessions, clock)
    for n in range(PICTURES + 5):
        person.keep_picture((str(n), 0), b"picture")
    assert len(person.pictures) == PICTURES
    await sessions.forget(person)
    assert not person.pictures


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/my/licenses", True),
        ("/my/licenses/human-resources/abc123", True),
        ("//evil.example", False),
        ("/a//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example", False),
        ("/a?next=x", False),
        ("/%2f%2fevil", False),
        ("", False),
        ("/" + "a" * 300, False),
    ],
)
def test_nobody_is_sent_back_elsewhere(given, kept):
    assert own_page(given) == (given if kept else "")
