"""Fetching revocation data from real servers on loopback, friendly and hostile ones."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.clock import FixedClock
from seal import suites, trust
from seal.pki.exchanging import NOT_PUBLIC, ExchangeFailed, Reach, exchange, is_public, web_address
from seal.pki.fetching import Fetched, Fetcher, FetchLimits
from seal.pki.revocation_cache import RevocationCache
from seal.trust import Purpose
from tests.builders.ocsp import (
    DAY,
    NO_CHECK,
    Served,
    addresses,
    answer,
    delegate,
    http_server,
    nonce_of,
    openssl_responder,
    pem,
)
from tests.builders.seal_pki import BEGIN, END, NOON, Holder, issue

LOCAL = FetchLimits(reach=Reach.ANYWHERE, timeout=2.0)
STRICT = trust.RevocationPolicy(required=True)


@pytest.fixture
def server() -> Iterator[Served]:
    with http_server() as served:
        yield served


@dataclass
class World:
    """A root and a leaf that say where to ask; the cache of who asks."""

    folder: Path
    root: Holder
    leaf: Holder
    policy: trust.RevocationPolicy = STRICT
    now: datetime = NOON

    @property
    def cache(self) -> RevocationCache:
        return RevocationCache(self.folder / "crl", self.folder / "ocsp")

    def files(self) -> list[str]:
        return sorted(one.name for one in self.folder.rglob("*") if one.is_file())

    def store(self) -> trust.TrustStore:
        anchor = trust.TrustAnchor(name="r", certificate=self.root.certificate, valid_from=BEGIN)
        return trust.TrustStore(anchors=(anchor,), policy=self.policy)

    def ask(self, *, at: datetime = NOON, limits: FetchLimits = LOCAL):
        fetcher = Fetcher(self.cache, limits=limits, clock=FixedClock(self.now))
        return fetcher.judge(
            lambda store: trust.assess_chain(
                self.leaf.certificate, at=at, store=store, purpose=Purpose.SIGNER
            ),
            self.store(),
        )

    def reason(self, **more) -> str:
        """Why nothing came of it; nothing was kept either."""
        found, fetched = self.ask(**more)
        assert found.status == "REVOCATION_UNKNOWN"
        assert (fetched.crls, fetched.ocsp, self.files()) == ((), (), [])
        return fetched.failures[0].why

    def crl(self, *revoked, by: Holder | None = None, at: datetime = NOON, **more) -> bytes:
        issuer = by or self.root
        fields = {"next_update": at + 7 * DAY, "number": 1, **more}
        return trust.issue_crl(
            issuer=issuer.signer,
            issuer_certificate=issuer.certificate,
            this_update=at,
            revoked=revoked,
            **fields,
        )

    def entry(self, reason: str = "superseded") -> trust.Revocation:
        serial = trust.parse_certificate(self.leaf.certificate).serial
        return trust.Revocation(serial=serial, at=NOON - DAY, reason=reason)

    def response(self, by: Holder | None = None, **more) -> bytes:
        fields = {"next_update": NOON + DAY, **more}
        return answer(by or self.root, self.leaf.certificate, self.root.certificate, **fields)


def world(folder: Path, *, suite: str = suites.SM2, crl=(), ocsp=(), **changes) -> World:
    root = issue("示范根", None, suite=suite, is_ca=True)
    leaf = issue("示范县", root, suite=suite, extensions=addresses(crl=crl, ocsp=ocsp))
    return World(folder=folder / "cache", root=root, leaf=leaf, **changes)


def dated_now(one: World) -> World:
    """For servers with a clock of their own."""
    one.now = datetime.now(UTC).replace(microsecond=0)
    return one


# --- what is good ----------------------------------------------------------------------------


def test_a_list_is_fetched_verified_kept_and_not_asked_for_again(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl())
    found, fetched = here.ask()
    assert (found.status, found.revocation_known, fetched.asked) == ("TRUSTED", True, 1)
    assert len(here.files()) == 1
    again, cached = here.ask()
    assert (again.status, cached.asked, len(server.asked)) == ("TRUSTED", 0, 1)
    assert cached.crls == fetched.crls


@pytest.mark.parametrize("suite", [suites.SM2, suites.P256])
def test_a_response_is_fetched_with_its_nonce(server, tmp_path, suite):
    here = world(tmp_path, suite=suite, ocsp=[server.url + "/ocsp"])
    helper = delegate(here.root)
    server.ocsp(
        "/ocsp",
        lambda query: here.response(
            helper, nonce=nonce_of(query), certificates=[helper.certificate]
        ),
    )
    found, fetched = here.ask()
    assert (found.status, fetched.asked, len(fetched.ocsp)) == ("TRUSTED", 1, 1)
    assert server.asked == [("POST", "/ocsp")]
    assert here.ask()[1].asked == 0


def test_who_is_revoked_is_told(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl(here.entry()))
    found, _ = here.ask()
    assert (found.status, found.revoked_at) == ("REVOKED", NOON - DAY)
    before, _ = here.ask(at=NOON - 2 * DAY)
    assert (before.status, before.revoked_at) == ("TRUSTED", NOON - DAY)


def test_what_is_kept_is_asked_for_anew_when_due_and_used_within_grace(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl())
    here.ask()
    late = NOON + 8 * DAY
    here.now = late
    server.put("/root.crl", here.crl(here.entry(), at=late))
    assert here.ask(at=late)[0].status == "REVOKED"
    here.now = later = late + 8 * DAY
    server.pages.clear()
    here.policy = trust.RevocationPolicy(grace=2 * DAY, required=True)
    found, fetched = here.ask(at=later)
    assert (found.status, [one.why for one in fetched.failures]) == (
        "REVOKED",
        ["it answered HTTP 404"],
    )


def test_grace_ends(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl())
    here.ask()
    server.pages.clear()
    here.policy = trust.RevocationPolicy(grace=2 * DAY, required=True)
    for days, status in ((8, "TRUSTED"), (10, "REVOCATION_UNKNOWN")):
        here.now = NOON + days * DAY
        assert here.ask(at=here.now)[0].status == status


def test_the_next_address_helps_where_the_first_does_not(server, tmp_path):
    gone = "http://127.0.0.1:9/root.crl"
    here = world(tmp_path, crl=[gone, server.url + "/root.crl"], ocsp=[server.url + "/none"])
    server.put("/root.crl", here.crl())
    found, fetched = here.ask()
    assert (found.status, fetched.asked) == ("TRUSTED", 3)
    assert [one.url for one in fetched.failures] == [server.url + "/none", gone]


# --- what is not -----------------------------------------------------------------------------

TWO = timedelta(days=2)


def hostile_lists(here: World):
    alike = trust.parse_certificate(here.root.certificate).subject_fields
    stranger = issue("示范根", None, is_ca=True, subject=alike)
    other = issue("别的根", None, is_ca=True)
    return {
        "the list is not its issuer's": [here.crl(by=stranger), here.crl(by=other)],
        "the list is outdated, or from the future": [
            here.crl(at=NOON - 9 * DAY),
            here.crl(at=NOON + DAY),
        ],
        "This is not a readable revocation list.": [b"", b"<html>", here.crl()[:-1]],
    }


def test_lists_that_are_refused(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    for why, bodies in hostile_lists(here).items():
        for body in bodies:
            server.put("/root.crl", body)
            assert here.reason() == why


def test_responses_that_are_refused(server, tmp_path):
    here = world(tmp_path, ocsp=[server.url + "/ocsp"])
    stranger, helper = issue("陌生人", None), delegate(here.root)
    ended = delegate(here.root, not_after=NOON - DAY)
    nobody = "the response is by nobody entitled to it"
    outdated = "the response is outdated, or from the future"
    cases = [
        (nobody, here.response(stranger, certificates=[stranger.certificate])),
        (nobody, here.response(helper)),
        (nobody, here.response(ended, certificates=[ended.certificate])),
        ("the response is about another certificate", here.response(serial=4711)),
        ("the response answers another question", here.response(nonce=b"another one")),
        (outdated, here.response(this_update=NOON - TWO, next_update=NOON - DAY)),
        (outdated, here.response(this_update=NOON - TWO, next_update=None)),
        (outdated, here.response(this_update=NOON + DAY, next_update=NOON + TWO)),
        ("the responder does not know the certificate", here.response(status="unknown")),
        ("the responder refused: try later", bytes.fromhex("30030a0103")),
        ("This is not a readable OCSP response.", b"<html>"),
    ]
    for why, body in cases:
        server.ocsp("/ocsp", lambda _query, body=body: body)
        assert here.reason() == why


def test_a_revoked_delegate_is_refused(server, tmp_path):
    here = world(tmp_path, ocsp=[server.url + "/ocsp"])
    helper = delegate(here.root, extensions=[NO_CHECK])
    good = here.response(helper, certificates=[helper.certificate])
    server.ocsp("/ocsp", lambda _query: good)
    serial = trust.parse_certificate(helper.certificate).serial
    revoked = here.crl(trust.Revocation(serial=serial, at=NOON - DAY), at=NOON)
    plain = here.store
    here.store = lambda: trust.TrustStore(
        anchors=plain().anchors, crls=(revoked,), policy=here.policy
    )
    _, fetched = here.ask()
    assert [one.why for one in fetched.failures] == ["the response is by nobody entitled to it"]


def test_an_older_list_never_takes_the_place_of_a_newer(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl(here.entry(), next_update=NOON + DAY))
    here.ask()
    here.now = NOON + TWO
    server.put("/root.crl", here.crl(at=NOON - DAY, next_update=NOON + 9 * DAY))
    found, fetched = here.ask()
    assert (found.status, fetched.failures[0].why) == ("REVOKED", "a newer list is known")


def test_a_kept_file_that_was_changed_counts_for_nothing(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", here.crl())
    here.ask()
    (kept,) = [one for one in here.folder.rglob("*") if one.is_file()]
    forged = issue("x", None, is_ca=True)
    for data in (b"", b"junk", here.crl(by=forged), kept.read_bytes()[:-2]):
        kept.write_bytes(data)
        found, fetched = here.ask()
        assert (found.status, fetched.asked) == ("TRUSTED", 1)


def test_too_much_and_too_slow_and_elsewhere(server, tmp_path):
    here = world(tmp_path, crl=[server.url + "/root.crl"])
    server.put("/root.crl", bytes(4096))
    small = FetchLimits(reach=Reach.ANYWHERE, largest_list=1024)
    assert here.reason(limits=small) == "the answer is too large"
    server.put("/root.crl", here.crl())
    server.drip = 0.05
    slow = FetchLimits(reach=Reach.ANYWHERE, timeout=0.4)
    assert here.reason(limits=slow) == "it took too long"
    server.drip = 0
    server.headers = {"Location": server.url + "/other.crl"}
    server.pages["/root.crl"] = lambda _query: (302, "text/plain", b"")
    server.put("/other.crl", here.crl())
    assert here.reason() == "it answered HTTP 302"
    assert ("GET", "/other.crl") not in server.asked


def test_a_call_has_a_bound_in_all(server, tmp_path):
    urls = [f"{server.url}/{number}.crl" for number in range(4)]
    here = world(tmp_path, crl=urls)
    few = FetchLimits(reach=Reach.ANYWHERE, exchanges=2)
    _, fetched = here.ask(limits=few)
    assert (fetched.asked, len(server.asked)) == (2, 2)
    assert fetched.failures[-1].why == "not asked: there was too much to ask"
    server.delay = 0.3
    short = FetchLimits(reach=Reach.ANYWHERE, timeout=5, total_timeout=0.2)
    _, fetched = here.ask(limits=short)
    assert fetched.asked == 1


# --- whom we ask -----------------------------------------------------------------------------


def test_nobody_is_asked_for_a_certificate_that_leads_nowhere(server, tmp_path):
    """The addresses in a stranger's certificates are the stranger's."""
    here = world(tmp_path, crl=[server.url + "/x"], ocsp=[server.url + "/y"])
    stranger = issue("陌生人", None, is_ca=True)
    here.leaf = issue("叶", stranger, extensions=addresses(crl=[server.url + "/z"]))
    found, fetched = here.ask()
    assert (found.status, fetched, server.asked) == ("NO_ANCHOR", Fetched(), [])


def test_private_networks_are_not_asked_unless_allowed(server, tmp_path):
    port = server.url.rpartition(":")[2]
    urls = [server.url + "/a", f"http://localhost:{port}/b", f"http://[::1]:{port}/c"]
    here = world(tmp_path, crl=[*urls, f"http://2130706433:{port}/d"])
    _, fetched = here.ask(limits=FetchLimits(timeout=2.0))
    assert len(fetched.failures) == 4
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ldap://127.0.0.1/cn=x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://user:secret@127.0.0.1/x",
        "http:///x",
        "http://127.0.0.1:0/x",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1/x y",
        "http://127.0.0.1/x\r\nHost: y",
        "gopher://127.0.0.1/",
        "//127.0.0.1/x",
        "",
    ],
)
def test_addresses_that_are_none(url):
    assert web_address(url) is None


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2400:3200::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("ff02::1", False),
    ],
)
def test_what_is_public(text, public):
    assert is_public(text) is public


def test_ports_of_other_services_are_not_asked():
    with pytest.raises(ExchangeFailed) as caught:
        exchange(web_address("http://8.8.8.8:25/"), timeout=1, largest=1, reach=Reach.PUBLIC)
    assert (caught.value.what, caught.value.what_zh) == NOT_PUBLIC


def test_a_server_that_accepts_and_says_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        here = world(tmp_path, crl=[f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        limits = FetchLimits(reach=Reach.ANYWHERE, timeout=0.3)
        assert here.reason(limits=limits) == "it took too long"


# --- the cache -------------------------------------------------------------------------------


def test_the_cache_is_bounded_and_leaves_other_files_alone(tmp_path):
    cache = RevocationCache(tmp_path / "crl", tmp_path / "ocsp", most=3)
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "01.crl").write_bytes(b"put there by hand")
    for number in range(6):
        cache.write_list(str(number), bytes((number,)))
        time.sleep(0.005)
    assert [cache.read_list(str(number)) for number in range(6)] == [
        None, None, None, b"\x03", b"\x04", b"\x05",
    ]  # fmt: skip
    assert len(list((tmp_path / "crl").iterdir())) == 4


# --- the real thing --------------------------------------------------------------------------


@pytest.mark.parametrize("rsa", [False, True])
def test_openssls_own_responder(tmp_path, rsa):
    root = issue("示范根", None, suite=suites.P256, is_ca=True)
    good, gone = 0x1001, 0x1002
    ends = END.strftime("%y%m%d%H%M%SZ")
    index = [
        f"V\t{ends}\t\t{good:X}\tunknown\t/CN=good",
        f"R\t{ends}\t260201000000Z,keyCompromise\t{gone:X}\tunknown\t/CN=gone",
    ]
    folder = tmp_path / "openssl"
    folder.mkdir()
    with openssl_responder(folder, root, index, rsa=rsa) as url:
        for serial, status in ((good, "TRUSTED"), (gone, "REVOKED"), (0x1003, "")):
            leaf = issue(
                "叶", root, suite=suites.P256, serial=serial, extensions=addresses(ocsp=[url])
            )
            here = dated_now(World(folder=tmp_path / f"{serial}", root=root, leaf=leaf))
            found, fetched = here.ask(at=here.now)
            if status:
                assert (found.status, fetched.failures) == (status, ())
            else:
                assert fetched.failures[0].why == "the responder does not know the certificate"
            if status == "REVOKED":
                assert found.revoked_at == datetime(2026, 2, 1, tzinfo=UTC)
                assert found.revoked_why == "key_compromise"


def test_openssl_reads_our_responses(tmp_path):
    """What the builder makes is what others understand, and they find it good."""
    here = world(tmp_path, suite=suites.P256)
    helper = delegate(here.root)
    now = datetime.now(UTC).replace(microsecond=0)
    body = here.response(
        helper, certificates=[helper.certificate], this_update=now, next_update=now + DAY
    )
    (tmp_path / "r.der").write_bytes(body)
    (tmp_path / "root.pem").write_text(pem(here.root.certificate))
    (tmp_path / "leaf.pem").write_text(pem(here.leaf.certificate))
    done = subprocess.run(
        ["openssl", "ocsp", "-respin", "r.der", "-CAfile", "root.pem", "-issuer", "root.pem",
         "-cert", "leaf.pem", "-no_nonce"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Response verify OK" in done.stdout + done.stderr
    assert "leaf.pem: good" in done.stdout
