"""The trust folder: written by a node, read offline, filled with revocation data by a command."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from runtime.errors import InvalidArgument
from seal import suites
from seal.pki.revocation import RevocationPolicy
from seal.pki.trust_list import read_trust_list, tell_trust_list
from seal.trust import EVERY_PURPOSE, Purpose, TrustAnchor, assess_chain, issue_crl
from seal.v1 import seal_pb2, trust_pb2
from tests.builders.ocsp import addresses, http_server
from tests.builders.ofd import plain_ofd, seal_ofd, world
from tests.builders.seal_pki import BEGIN, END, NOON, Holder, issue, pki
from tongban.main import application
from tongban.trust_folder import LIST, TrustFolder

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/trust-list.schema.json").read_text())
MAKERS = ("ab" * 32, "cd" * 32)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


def stamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


def material(*recognised: trust_pb2.RecognisedAnchor, own: Holder | None = None):
    return seal_pb2.GetTrustMaterialResponse(
        anchors=[(own or pki().root).certificate],
        intermediates=[pki().intermediate.certificate],
        revocation_lists=[pki().crl()],
        timestamp_anchors=[stamper().certificate],
        recognised_anchors=recognised,
        makers=MAKERS,
    )


def stamper() -> Holder:
    return pki().maker


def neighbour() -> Holder:
    return pki(suites.P256).root


def recognised(**changes) -> trust_pb2.RecognisedAnchor:
    fields = {
        "certificate": neighbour().certificate,
        "purposes": [trust_pb2.TRUST_PURPOSE_SIGNER],
        "suites": [suites.P256],
        "start_time": stamp(BEGIN),
        "end_time": stamp(NOON),
        "source": "recognised: 示范市 (authorities/shifan-city)",
        "revocation_rule": trust_pb2.RevocationRule(required=True, grace=Duration(seconds=3600)),
        "makers": MAKERS[:1],
        **changes,
    }
    return trust_pb2.RecognisedAnchor(**fields)


def test_what_a_node_said_is_read_back_whole(tmp_path):
    folder = TrustFolder(tmp_path / "trust")
    said = material(recognised())
    written = folder.write(said)
    assert folder.path / LIST in written
    store = folder.read()
    assert store == TrustFolder.store_of(said)
    (other,) = [one for one in store.anchors if one.source.startswith("recognised")]
    assert (other.purposes, other.suites) == ({Purpose.SIGNER}, {suites.P256})
    assert (other.valid_from, other.valid_to) == (BEGIN, NOON)
    assert other.policy == RevocationPolicy(grace=timedelta(hours=1), required=True)
    assert [one.makers for one in store.anchors] == [MAKERS, (), MAKERS[:1]]


def test_the_list_follows_its_schema(tmp_path):
    folder = TrustFolder(tmp_path)
    folder.write(material(recognised()))
    VALIDATOR.validate(json.loads((tmp_path / LIST).read_text()))


def test_one_who_is_recognised_no_more_does_not_stay(tmp_path):
    folder = TrustFolder(tmp_path)
    folder.write(material(recognised(), recognised(purposes=[trust_pb2.TRUST_PURPOSE_SEAL_MAKER])))
    assert len(folder.read().anchors) == 4
    by_hand = tmp_path / "revocation-lists" / "theirs.crl"
    by_hand.write_bytes(pki().crl())
    folder.write(material())
    assert len(folder.read().anchors) == 2
    assert not list((tmp_path / "recognised-anchors").iterdir())
    assert by_hand.exists()


def test_a_folder_without_a_list_means_what_it_meant(tmp_path):
    folder = TrustFolder(tmp_path)
    folder.write(material())
    (tmp_path / LIST).unlink()
    anchors = folder.read().anchors
    assert [one.purposes for one in anchors] == [EVERY_PURPOSE, {Purpose.TIMESTAMP}]
    assert [one.source for one in anchors] == ["", ""]


def reason(folder: TrustFolder) -> str:
    with pytest.raises(InvalidArgument) as caught:
        folder.read()
    assert caught.value.message_zh
    return caught.value.reason


def test_a_root_that_the_list_does_not_name_is_not_passed_over(tmp_path):
    folder = TrustFolder(tmp_path)
    folder.write(material())
    (tmp_path / "anchors" / "friend.cer").write_bytes(neighbour().certificate)
    assert reason(folder) == "TRUST_LIST_INCOMPLETE"


def test_an_empty_folder_says_what_to_do(tmp_path):
    assert reason(TrustFolder(tmp_path)) == "NO_ANCHORS"


def told() -> dict:
    anchor = TrustAnchor(
        name="根",
        certificate=pki().root.certificate,
        valid_from=BEGIN,
        valid_to=END,
        purposes=frozenset({Purpose.SIGNER}),
        suites=frozenset({suites.SM2}),
        source="示范市",
        policy=RevocationPolicy(grace=timedelta(days=2), required=True),
    )
    every = replace(anchor, policy=None, valid_to=None, suites=frozenset())
    return tell_trust_list([("anchors/01.cer", anchor), ("anchors/02.cer", every)])


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("anchors", 0, "purposes"), ["SIGNER", "EVERYTHING"]),
        (("anchors", 0, "purposes"), []),
        (("anchors", 0, "suites"), ["rot13"]),
        (("anchors", 0, "only_on_sundays"), True),
        (("anchors", 0, "valid_from"), "2026-01-01"),
        (("anchors", 0, "valid_from"), "long ago"),
        (("anchors", 0, "file"), "../../etc/passwd"),
        (("anchors", 0, "file"), "/etc/passwd"),
        (("anchors", 0, "file"), 7),
        (("anchors", 0, "name"), None),
        (("anchors", 0, "policy"), {"required": True}),
        (("policy", "required"), "yes"),
        (("policy", "grace_seconds"), -1),
        (("policy", "grace_seconds"), 10**12),
        (("policy", "grace_seconds"), True),
        (("anchors",), {}),
        (("anchors", 1, "makers"), ["0a"]),
        (("anchors", 1), []),
        (("more",), 1),
    ],
)
def test_a_list_that_we_do_not_understand_is_refused(tmp_path, where, value):
    folder = TrustFolder(tmp_path)
    for number in (1, 2):
        path = tmp_path / "anchors" / f"{number:02d}.cer"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pki().root.certificate)
    body = told()
    (tmp_path / LIST).write_text(json.dumps(body))
    VALIDATOR.validate(body)
    assert [one.source for one in folder.read().anchors] == ["示范市", "示范市"]
    place = body
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    (tmp_path / LIST).write_text(json.dumps(body))
    with pytest.raises(InvalidArgument) as caught:
        folder.read()
    assert caught.value.reason == "TRUST_LIST_MALFORMED"
    told_at = "".join(f"[{key}]" if type(key) is int else f".{key}" for key in where).lstrip(".")
    assert f" at {told_at}" in caught.value.message
    assert f"：{told_at}" in caught.value.message_zh
    assert not VALIDATOR.is_valid(body)


def test_what_is_wrong_is_said_and_what_is_expected():
    body = told()
    body["anchors"][1]["not_after"] = body["anchors"][1].pop("valid_to")
    with pytest.raises(InvalidArgument) as caught:
        read_trust_list(json.dumps(body).encode(), lambda _name: pki().root.certificate)
    assert "anchors[1].not_after: there is no such key" in caught.value.message
    body["anchors"][0]["purposes"] = ["SIGNER", "MAKER"]
    with pytest.raises(InvalidArgument) as caught:
        read_trust_list(json.dumps(body).encode(), lambda _name: pki().root.certificate)
    wanted = "anchors[0].purposes[1]: it has to be one of SEAL_MAKER, SIGNER, TIMESTAMP"
    assert wanted in caught.value.message
    assert "anchors[0].purposes[1]：应为 SEAL_MAKER" in caught.value.message_zh


def test_a_key_that_stands_twice_is_refused():
    """Or a limit would be taken back by a line that nobody looks for."""
    limited = json.dumps(told()).replace('"valid_to": "', '"valid_to": null, "valid_to": "', 1)
    with pytest.raises(InvalidArgument) as caught:
        read_trust_list(limited.encode(), lambda _name: pki().root.certificate)
    assert "'valid_to' twice" in caught.value.message


def test_an_end_before_the_beginning_is_refused():
    body = told()
    body["anchors"][0]["valid_to"] = "2025-01-01T00:00:00+00:00"
    with pytest.raises(InvalidArgument):
        read_trust_list(json.dumps(body).encode(), lambda _name: pki().root.certificate)


@pytest.mark.parametrize(
    "noise", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b"null", b" " * 2**21]
)
def test_noise_is_refused(noise):
    with pytest.raises(InvalidArgument) as caught:
        read_trust_list(noise, lambda _name: b"")
    assert caught.value.reason == "TRUST_LIST_MALFORMED"


# --- the command -----------------------------------------------------------------------------


def fetch(*arguments: object):
    return CliRunner().invoke(application("seal"), ["seal", "fetch", *map(str, arguments)])


def test_the_command_fills_a_folder_that_then_verifies_offline(tmp_path):
    here = world()
    root = Holder(signer=here.root, certificate=here.root_certificate)
    now = datetime.now(UTC).replace(microsecond=0)
    folder = TrustFolder(tmp_path / "trust")
    (folder.path / "anchors").mkdir(parents=True)
    (folder.path / "anchors" / "root.cer").write_bytes(here.root_certificate)
    with http_server() as server:
        signer = issue("示范县", root, extensions=addresses(crl=[server.url + "/root.crl"]))
        document = tmp_path / "letter.ofd"
        document.write_bytes(
            seal_ofd(
                plain_ofd(),
                seal=here.seal(listed=(signer.certificate,)),
                signer=signer.signer,
                certificate=signer.certificate,
            )
        )
        arguments = (document, "--trust", folder.path, "--json")
        public = fetch(*arguments)
        assert (public.exit_code, server.asked) == (6, [])
        assert json.loads(public.output)["missing"]
        refused = fetch(*arguments, "--private")
        assert refused.exit_code == 6, refused.output
        listed = issue_crl(
            issuer=here.root,
            issuer_certificate=here.root_certificate,
            this_update=now,
            next_update=now + timedelta(days=1),
            number=1,
            revoked=[],
        )
        server.put("/root.crl", listed)
        done = fetch(*arguments, "--private")
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["revocation_lists"] == 1
        shown = fetch(document, "--trust", folder.path, "--private")
        assert (shown.exit_code, "0 servers asked" in shown.output) == (0, True)
    store = folder.read()
    assert store.crls == (listed,)
    found = assess_chain(signer.certificate, at=now, store=store, purpose=Purpose.SIGNER)
    assert (found.status, found.revocation_known) == ("TRUSTED", True)
