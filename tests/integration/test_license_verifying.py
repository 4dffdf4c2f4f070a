"""Verifying a license however it comes, over mTLS on loopback."""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
import pytest_asyncio
from sd_jwt.holder import SDJWTHolder

from licenses.carried import carried_metadata
from licenses.model import LicenseFormat
from licenses.offline.coding import base45, from_base45, read_code, write_code
from licenses.pages.model import Document
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.v1 import licenses_pb2
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as pb
from runtime.identity import Role
from seal.v1 import seal_pb2
from tests.builders.license_node import (
    BANK,
    HOLDER,
    OFFICE,
    LicenseNode,
    change,
    document,
    fresh,
    issue,
    opens,
    present,
    refused,
    running,
)
from tests.builders.license_verifying import PURPOSE, check, copied, shown, told, verified
from tests.builders.licenses import BUREAU, citizen_number

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LicenseNode]:
    async with running(tmp_path_factory.mktemp("verifying")) as found:
        yield found


async def test_a_file_of_each_form_is_verified_by_the_live_state(node: LicenseNode) -> None:
    license_ = await issue(node)
    files = {form: await document(node, license_, form) for form in ("OFD", "PDF", "JWT")}
    for data in files.values():
        answer = await verified(node, document=data)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        assert answer.license_identifier == license_.license_identifier
        assert answer.state == licenses_pb2.LICENSE_STATE_ACTIVE
        assert not answer.fields  # who has the file has them
    # Of a credential whatever was disclosed is enough; by its identifier it is known again only
    # where that was disclosed, and of which nothing was, that shows nothing.
    holder = SDJWTHolder(files["JWT"].decode())
    holder.create_presentation({"ZZMC": True})
    answer = await verified(node, document=holder.sd_jwt_presentation.encode())
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert answer.license_identifier == ""
    bare = files["JWT"].split(b"~")[0] + b"~"
    assert await told(node, document=bare) == "FILE_UNREADABLE"
    await change(node, "Suspend", license_.name)
    for data in files.values():
        assert await told(node, document=data) == "LICENSE_SUSPENDED"
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    seen = (await node.counter.presentations.ListLooks(look)).looks
    assert [one.result for one in seen if one.kind == "license_verified"] == [
        *["LICENSE_SUSPENDED"] * 3,
        *["PASSED"] * 4,
    ]


async def test_what_is_no_license_of_ours_is_named(node: LicenseNode) -> None:
    license_ = await issue(node)
    data = await document(node, license_, "PDF")
    changed = data.replace(b"%%EOF", b"%%EOX", 1)
    assert await told(node, document=changed) == "DOCUMENT_NOT_VERIFIED"
    for wrong in (b"hello", b"PK\x03\x04", b"%PDF-1.7", b"eyJhbGciOiJub25lIn0.e30.~"):
        assert await told(node, document=wrong) == "DOCUMENT_NOT_VERIFIED"
    for changes, reason in (
        ({"document": b""}, "FILE_EMPTY"),
        ({"document": data, "purpose": ""}, "BAD_TEXT"),
        ({}, "BAD_ARGUMENT"),
    ):
        assert (await refused(verified(node, **changes))).reason == reason
    # A row that says other than the file does.
    with node.licenses.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE license SET metadata_sha256 = ? WHERE identifier = ?",
            ("0" * 64, license_.license_identifier),
        )
    assert await told(node, document=data) == "METADATA_CHANGED"


async def test_the_state_at_a_time_is_told(node: LicenseNode) -> None:
    license_ = await issue(node)
    data = await document(node, license_, "OFD")
    times = {}
    for verb in ("Suspend", "Resume", "Revoke"):
        node.clock.advance(timedelta(minutes=10))
        times[verb] = node.clock.now()
        await change(node, verb, license_.name)
    node.clock.advance(timedelta(minutes=10))
    match = pb.FieldsToMatch(
        license_identifier=license_.license_identifier, fields={"CZZT": "赵示例"}
    )
    for at, state, result in (
        (times["Suspend"] - timedelta(hours=1), "", "NOT_IN_FORCE_THEN"),
        (times["Suspend"] - timedelta(seconds=1), "ACTIVE", "PASSED"),
        (times["Suspend"] + timedelta(seconds=1), "SUSPENDED", "NOT_IN_FORCE_THEN"),
        (times["Resume"] + timedelta(seconds=1), "ACTIVE", "PASSED"),
        (times["Revoke"] + timedelta(seconds=1), "REVOKED", "NOT_IN_FORCE_THEN"),
    ):
        for subject in ({"document": data}, {"match": match}):
            answer = await verified(node, as_of=at, **subject)
            assert answer.verdict.sub_indication == ("" if result == "PASSED" else result)
            then = licenses_pb2.LicenseState.Name(answer.state_then)
            assert then == f"LICENSE_STATE_{state or 'UNSPECIFIED'}"
            assert answer.state == licenses_pb2.LICENSE_STATE_REVOKED
    assert await told(node, document=data) == "LICENSE_REVOKED"
    # That a look was about another time stands in its record, and the holder reads it.
    *_, late, now = node.leaves("license_verified")
    assert late["as_of"].startswith(f"{at:%Y-%m-%dT%H:%M:%S}")
    assert "as_of" not in now
    look = presentations.ListLooksRequest(holder_code=HOLDER, license=license_.name)
    first, second, *_ = (await node.counter.presentations.ListLooks(look)).looks
    assert (first.HasField("as_of"), second.as_of.ToDatetime(UTC)) == (False, at)
    ahead = node.clock.now() + timedelta(hours=1)
    assert (await refused(verified(node, document=data, as_of=ahead))).reason == "BAD_ARGUMENT"


async def test_a_code_tells_the_state_at_a_time_and_is_itself_good_now_or_never(
    node: LicenseNode,
) -> None:
    license_ = await issue(node)
    issued = node.clock.now() + timedelta(minutes=1)
    node.clock.advance(timedelta(minutes=10))
    codes = [(await present(node, license_.name, max_uses=uses)).code for uses in (2, 9)]
    qr = (await shown(node, license_.name)).text
    await change(node, "Suspend", license_.name)
    subjects = ({"code": codes[0]}, {"qr": qr, "holder_code": HOLDER})
    for subject in subjects:
        assert await told(node, **subject) == "LICENSE_SUSPENDED"
        answer = await verified(node, as_of=issued, **subject)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        assert "was in force at" in answer.verdict.summary
        assert "now: the license is suspended" in answer.verdict.summary
        assert answer.fields["CZZT"] == "赵示例"
        assert answer.state == licenses_pb2.LICENSE_STATE_SUSPENDED
        assert answer.state_then == licenses_pb2.LICENSE_STATE_ACTIVE
        before = await verified(node, as_of=issued - timedelta(hours=1), **subject)
        assert before.verdict.sub_indication == "NOT_IN_FORCE_THEN"
        assert "it was not issued yet" in before.verdict.summary
        assert not before.fields
        ahead = node.clock.now() + timedelta(hours=1)
        assert (await refused(verified(node, as_of=ahead, **subject))).reason == "BAD_ARGUMENT"
    assert "as_of" in node.leaves("presentation_verified")[-1]
    # Whether it was or not, the answer took a use; and a code that is over says nothing.
    assert await told(node, code=codes[0], as_of=issued) == "CODE_USED_UP"
    node.clock.advance(timedelta(days=1))
    for subject in ({"code": codes[1]}, subjects[1]):
        late = await verified(node, as_of=issued, **subject)
        assert late.verdict.sub_indication == "CODE_EXPIRED"
        assert late.state_then == licenses_pb2.LICENSE_STATE_UNSPECIFIED


async def test_an_identifier_with_fields_matches_or_not(node: LicenseNode) -> None:
    license_ = await issue(node)
    identifier = license_.license_identifier

    async def asked(identifier: str, **fields: str) -> Any:
        match = pb.FieldsToMatch(license_identifier=identifier, fields=fields)
        return await verified(node, match=match)

    answer = await asked(identifier, CZZT="赵示例", CZZTDM=HOLDER)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    # No seal was looked at, and none is said to be good.
    assert answer.verdict.summary == "the fields are the license's, and it is in force"
    assert answer.state == licenses_pb2.LICENSE_STATE_ACTIVE
    wrong = await asked(identifier, CZZT="赵示例", CZZTDM=citizen_number(2))
    unknown = await asked(identifier[:-1] + "0", CZZT="赵示例", CZZTDM=HOLDER)
    field = await asked(identifier, KZ_NONE="")
    for one in (wrong, unknown, field):
        assert one.verdict.sub_indication == "NO_MATCH"
        assert one.state == licenses_pb2.LICENSE_STATE_UNSPECIFIED
        # The one who guesses tells by no receipt either whether there is such a license.
        for value in (license_.name, ""):
            assert not opens(one.receipt, "commitments", "license", value)
        one.ClearField("receipt")
    assert wrong == unknown == field
    for leaf in node.leaves("license_verified")[-3:]:
        assert "license" not in leaf
    for match in ({}, {"license_identifier": identifier}, {"fields": {"CZZT": "赵示例"}}):
        error = await refused(verified(node, match=pb.FieldsToMatch(**match)))
        assert error.reason == "BAD_MATCH"


async def test_guesses_of_fields_are_slowed_down(node: LicenseNode) -> None:
    identifier = (await issue(node)).license_identifier
    client = node.client(BANK, Role.DEPARTMENT, system="guesser")
    request = pb.VerifyLicenseRequest(
        match=pb.FieldsToMatch(license_identifier=identifier, fields={"CZZT": "钱"}),
        purpose=PURPOSE,
    )
    for _ in range(5):
        await client.verifying.VerifyLicense(request)
    error = await refused(client.verifying.VerifyLicense(request))
    assert error.reason == "TOO_MANY_GUESSES"
    # One count for all ways: fields of other licenses, codes, QR codes, and files a fifth.
    for number in range(13):
        request.match.license_identifier = f"1.2.156.{number}"
        await client.verifying.VerifyLicense(request)
    hello = pb.VerifyLicenseRequest(document=b"hello", purpose=PURPOSE)
    for _ in range(4):
        await client.verifying.VerifyLicense(hello)
    await client.verifying.VerifyLicense(pb.VerifyLicenseRequest(qr="x", purpose=PURPOSE))
    for subject in ({"code": "0" * 26}, {"qr": "hello"}, {"document": b"hello"}):
        request = pb.VerifyLicenseRequest(purpose=PURPOSE, **subject)
        error = await refused(client.verifying.VerifyLicense(request))
        assert error.reason == "TOO_MANY_UNKNOWN_CODES"


async def test_a_code_and_a_qr_code_are_verified_online(node: LicenseNode) -> None:
    made = await issue(node)
    name = made.name
    code = await present(node, name, max_uses=1)
    answers = await asyncio.gather(*(told(node, code=code.code) for _ in range(2)))
    assert sorted(answers) == ["CODE_USED_UP", "PASSED"]
    qr = await shown(node, name, audience=BANK, purpose_bound=True)
    answer = await verified(node, qr=qr.text, holder_code=HOLDER)
    assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
    assert dict(answer.fields) == {"CZZT": "赵示例"}
    assert await told(node, qr=qr.text, purpose="办理贷款") == "WRONG_PURPOSE"
    assert await told(node, qr=qr.text, holder_code=citizen_number(2)) == "HOLDER_DIFFERS"
    assert await told(node, qr="hello") == "QR_UNREADABLE"
    # The code that is printed on its page: nothing is said against the license.
    printed = await verified(node, qr=made.metadata["ZZBS"])
    assert printed.verdict.sub_indication == "IDENTIFIER_SCANNED"
    assert printed.verdict.indication == seal_pb2.INDICATION_INDETERMINATE
    assert "FindLicenses" in printed.verdict.summary_zh
    other = await shown(node, name, audience=OFFICE)
    assert await told(node, qr=other.text) == "WRONG_AUDIENCE"
    end = presentations.EndPresentationRequest(presentation=qr.presentation, holder_code=HOLDER)
    await node.counter.presentations.EndPresentation(end)
    assert await told(node, qr=qr.text) == "PRESENTATION_ENDED"
    again = await shown(node, name, lifetime_seconds=60)
    await change(node, "Revoke", name)
    assert await told(node, qr=again.text) == "LICENSE_REVOKED"
    node.clock.advance(timedelta(seconds=60))
    assert await told(node, qr=again.text) == "CODE_EXPIRED"


async def test_a_face_that_somebody_else_sealed_passes_nowhere(node: LicenseNode) -> None:
    """Whoever has a license's metadata and a seal can draw and seal a face of their own."""
    license_ = await issue(node)
    own = await document(node, license_, "OFD")
    copy = await copied(node, license_.name)

    for data in (own, copy.document):
        said = dict(carried_metadata(data, LicenseFormat.OFD))
        forged = await sealed(node, data, said)
        assert await told(node, document=forged) == "FILE_NOT_ISSUED"
    # A credential with the license's own claims and disclosures, signed once more.
    jws, *disclosures = (await document(node, license_, "JWT")).split(b"~")
    payload = jws.split(b".")[1]
    request = seal_pb2.SealDocumentRequest(
        seal=f"{BUREAU}/seals/main",
        document=base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)),
        format=seal_pb2.DOCUMENT_FORMAT_SD_JWT,
        reason="试用",
        request_id=fresh(),
    )
    signed = bytes((await node.issuer.seals.SealDocument(request)).document)
    assert signed != jws
    credential = b"~".join((signed, *disclosures))
    assert await told(node, document=credential) == "FILE_NOT_ISSUED"
    assert "license" not in node.leaves("license_verified")[-1]


async def sealed(node: LicenseNode, data: bytes, metadata: dict[str, str]) -> bytes:
    """A face of one's own with somebody's metadata, under a good seal."""
    page = read_ofd(data).pages[0]
    drawn = Document(
        title="证照",
        author="示范县",
        pages=(replace(page, items=page.items[:1]),),
        created=datetime(2026, 11, 21, tzinfo=UTC),
        metadata=metadata,
    )
    request = seal_pb2.SealDocumentRequest(
        seal=f"{BUREAU}/seals/main", document=write_ofd(drawn), reason="试用", request_id=fresh()
    )
    request.placements.add().position.CopyFrom(
        seal_pb2.StampPosition(page=1, x_mm=60, y_mm=60, size_mm=40)
    )
    return bytes((await node.issuer.seals.SealDocument(request)).document)


async def test_what_is_sealed_and_no_license_is_named(node: LicenseNode) -> None:
    """A sealed file without metadata, of an identifier that nobody has, with half of it."""
    license_ = await issue(node)
    data = await document(node, license_, "OFD")
    said = dict(carried_metadata(data, LicenseFormat.OFD))

    other = said["ZZBS"][:-1] + ("0" if said["ZZBS"][-1] != "0" else "1")
    for metadata, reason in (
        ({}, "FILE_UNREADABLE"),
        ({**said, "ZZBS": other}, "LICENSE_UNKNOWN"),
        ({**said, "JZJZZSY": PURPOSE}, "FILE_UNREADABLE"),  # a part of an endorsement
        ({**said, "CZZT": "钱示例"}, "METADATA_CHANGED"),
    ):
        assert await told(node, document=await sealed(node, data, metadata)) == reason


async def test_what_a_code_says_beyond_what_was_presented_passes_nowhere_online(
    node: LicenseNode,
) -> None:
    """Who has the presenting key alone signs what they like; online it is compared."""
    license_ = await issue(node)
    keys = node.licenses.presenting_keys
    good = read_code((await shown(node, license_.name)).text, keys.trusted())
    assert await told(node, qr=write_code(good, keys)) == "PASSED"
    more = {**good.fields, "KZ_DJLX": license_.metadata["KZ_DJLX"]}
    for fields in ({"CZZT": "钱示例"}, more, {}):
        forged = write_code(replace(good, fields=fields), keys)
        answer = await verified(node, qr=forged)
        assert answer.verdict.sub_indication == "METADATA_CHANGED"
        assert not answer.fields


async def test_a_foreign_code_is_named_online(node: LicenseNode) -> None:
    name = (await issue(node)).name
    text = (await shown(node, name)).text
    data = cbor2.loads(zlib.decompress(from_base45(text.removeprefix("TB1:"))))
    protected, rest, payload, signature = data.value

    def packed(*parts: Any) -> str:
        made = cbor2.dumps(cbor2.CBORTag(18, list(parts)))
        return "TB1:" + base45(zlib.compress(made, 9))

    header = cbor2.dumps({**cbor2.loads(protected), 4: b"12345678"}, canonical=True)
    foreign = packed(header, rest, payload, signature)
    assert await told(node, qr=foreign) == "FOREIGN_KEY"
    wrong = packed(protected, rest, payload, signature[:-1] + bytes([signature[-1] ^ 1]))
    assert await told(node, qr=wrong) == "SIGNATURE_WRONG"


async def test_a_card_is_compared_with_an_online_code(node: LicenseNode) -> None:
    """Somebody else's card fails, takes no use, and is guessed at a few times only."""
    shown_once = await present(node, (await issue(node)).name)
    reader = node.client(BANK, Role.DEPARTMENT, system="card-reader")
    client, other = reader.verifying, node.client(BANK, Role.DEPARTMENT, system="card-reader-2")
    for _ in range(5):
        request = pb.VerifyLicenseRequest(
            code=shown_once.code, purpose=PURPOSE, holder_code=citizen_number(2)
        )
        answer = await client.VerifyLicense(request)
        assert answer.verdict.sub_indication == "HOLDER_DIFFERS"
        assert (dict(answer.fields), answer.license_type_display_name) == ({}, "")
    assert (await refused(client.VerifyLicense(request))).reason == "TOO_MANY_GUESSES"
    answer = await verified(node, by=other, code=shown_once.code, holder_code=HOLDER)
    assert check(answer, "holder").indication == seal_pb2.INDICATION_PASSED
    bad = verified(node, by=other, code="0", holder_code="1")
    assert (await refused(bad)).reason == "BAD_HOLDER_CODE"


async def test_a_card_that_nobody_compared_is_told(node: LicenseNode) -> None:
    name = (await issue(node)).name
    reader = node.client(BANK, Role.DEPARTMENT, system="qr-reader")
    for changes, card, passed in (
        ({}, HOLDER, seal_pb2.INDICATION_PASSED),
        ({}, "", seal_pb2.INDICATION_INDETERMINATE),
        ({"unbound": True}, HOLDER, seal_pb2.INDICATION_INDETERMINATE),
    ):
        qr = await shown(node, name, **changes)
        answer = await verified(node, by=reader, qr=qr.text, holder_code=card)
        assert answer.verdict.indication == seal_pb2.INDICATION_PASSED
        assert check(answer, "holder").indication == passed
        compared = passed == seal_pb2.INDICATION_PASSED
        assert ("not compared" in answer.verdict.summary) is not compared
    error = await refused(verified(node, by=reader, qr=qr.text, holder_code="1" * 5000))
    assert error.reason == "BAD_HOLDER_CODE"
