"""The page without a network says of codes and records what the node's own verifiers say."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import pytest
from playwright.sync_api import Page

from exchange.audit.entries import entry_of, hashes_of, said_of
from exchange.audit.note import decode
from exchange.audit.promising import promise
from exchange.audit.proved import LogProof, ProvenLeaf, proof_to_json
from exchange.audit.saved import SavedReceipt, receipt_from_json, receipt_to_json
from exchange.audit.told import ToldAccess, ToldAccesses, accesses_from_json, accesses_to_json
from exchange.audit.verify import verify_leaves, verify_receipt
from exchange.audit.verify_told import verify_accesses
from licenses.offline.coding import assess_code, base45, from_base45, write_code
from licenses.offline.model import PREFIX, TRUST_FRESH, Asked, Cached, OfflineCode, holder_hash
from licenses.presenting_keys import PresentingKeys, trusted_keys
from licenses.statuslist.model import JWT_TYPE, Status, StatusRef, compress, pack
from licenses.statuslist.reading import read_list
from licenses.tokens import encode, write_jwt
from licenses.v1 import offline_pb2
from portal.verifier.offline import OfflinePages
from runtime.authority import Authority
from runtime.clock import FixedClock
from runtime.identity import Role
from runtime.records import SealedRecord, canonical, make_record
from runtime.signed import RequestSignature, RequestSigner
from tests.builders.audit import log_key, proofs_of
from tests.builders.licenses import citizen_number
from tests.builders.portal import chromium, window

NOW = datetime.now(UTC).replace(microsecond=0)
OFFICE, BANK = "departments/data-office", "departments/housing-fund"
DESK = "departments/housing/systems/desk"
HOLDER, OTHER = citizen_number(), citizen_number(2)
URI = "urn:tongban:status:data-office/0"
QUESTION = {"grant": "g1", "key": HOLDER, "purpose": "合成 ∑ 🏛", "size": 12}


class Keys:
    """Presenting keys of an authority of its own."""

    def __init__(self, folder: Path) -> None:
        clock = FixedClock(NOW)
        self.authority = Authority.create(folder, name="test", passphrase=b"long enough", now=NOW)
        self.keys = PresentingKeys(
            folder / "presenting",
            b"long enough",
            lambda key, now: self.authority.certify_signer(
                key, name="presenting", now=now, lifetime=timedelta(days=365)
            ),
            clock,
        )

    def status_list(self, **changes: Any) -> str:
        """Place 1 is over, place 2 suspended, place 3 ended by its holder."""
        packed = pack([(1, Status.INVALID), (2, Status.SUSPENDED), (3, Status.ENDED)])
        at = int(NOW.timestamp()) + 60
        said = {"bits": 2, "lst": encode(compress(packed)).decode()}
        claims = {"sub": URI, "iat": at, "exp": at + 86_400, "ttl": 3600, "status_list": said}
        return write_jwt({**claims, **changes}, self.keys, kind=JWT_TYPE).decode()


@dataclass
class Given:
    """What a node would tell the page."""

    own: Keys
    lists: list[bytes]

    async def departments(self) -> dict[str, str]:
        return {OFFICE: "示范县行政服务中心"}

    async def trust(self) -> tuple[Any, list[bytes], str]:
        answer = offline_pb2.GetPresentingTrustResponse(
            issuer=OFFICE, certificates=[self.own.keys.own().certificate]
        )
        answer.make_time.FromDatetime(NOW)
        return answer, self.lists, log_key().verifier_key

    async def all_names(self) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("own") / "ca")


@pytest.fixture(scope="module")
def page(own: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page without a network; `judge` and `held` are put beside what stands in it."""
    text = OfflinePages(Given(own, [own.status_list().encode()])).page("zh")  # type: ignore[arg-type]
    file = tmp_path_factory.mktemp("page") / "verify.html"
    try:
        text.send(None)
    except StopIteration as made:
        file.write_text(made.value, encoding="utf-8")
    with chromium() as browser, window(browser, "desktop") as people:
        people.set_offline(True)
        found = people.new_page()
        found.goto(file.as_uri())
        found.wait_for_selector("body[data-ready]")
        found.evaluate("""async () => {
            const kept = JSON.parse(document.getElementById("kept").textContent).trust;
            window.held = await Codes.trust(kept);
            window.log = kept.log;
        }""")
        yield found


def a_code(**changes: Any) -> OfflineCode:
    made = OfflineCode(
        presentation_id="0f" * 12,
        issuer=OFFICE,
        audience=BANK,
        purpose="办理公积金提取",
        purpose_bound=True,
        issued_at=NOW,
        expire_time=NOW + timedelta(hours=1),
        type_code="11990101MB9901024T001",
        type_name="就业创业登记证",
        fields={"CZZT": "赵示例", "KZ_DJLX": "就业登记", "A" * 30: "一" * 90},
        status=StatusRef(uri=URI, index=7),
        holder=None,
    )
    return replace(made, **changes)


def test_every_code_is_judged_as_the_command_does(
    own: Keys, page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Keys(tmp_path_factory.mktemp("stranger") / "ca")
    trusted = trusted_keys([own.keys.own().certificate], OFFICE)
    listed = read_list(own.status_list().encode(), trusted)
    cached = Cached(trust_made_at=NOW, lists={(OFFICE, URI): listed})
    good = write_code(a_code(), own.keys)
    bound = write_code(a_code(holder=holder_hash(HOLDER)), own.keys)
    token = zlib.decompress(from_base45(good.removeprefix(PREFIX)))
    whole = cbor2.loads(token)

    def packed(data: bytes) -> str:
        return PREFIX + base45(zlib.compress(data))

    def with_payload(**claims: Any) -> str:
        payload = {**cbor2.loads(whole.value[2]), **{int(k): v for k, v in claims.items()}}
        parts = [whole.value[0], {}, cbor2.dumps(payload, canonical=True), whole.value[3]]
        return packed(cbor2.dumps(cbor2.CBORTag(18, parts)))

    later, early = NOW + timedelta(hours=1), NOW - timedelta(minutes=6)
    tried: list[tuple[str, dict[str, Any]]] = [
        (good, {}), (good, {"now": later}), (good, {"now": early}), (good, {"verifier": OFFICE}),
        (good, {"purpose": "办理贷款"}), (good, {"purpose": "办理 公积金、提取"}),
        (bound, {"holder_code": HOLDER}), (bound, {"holder_code": OTHER}), (bound, {}),
        (write_code(a_code(audience="", purpose_bound=False), own.keys),
         {"verifier": "", "purpose": ""}),
        (write_code(a_code(purpose="", purpose_bound=False), own.keys), {}),
        (write_code(a_code(agency_until=NOW + timedelta(days=3)), own.keys), {}),
        (write_code(a_code(new_since=NOW), own.keys), {}),
        (write_code(a_code(new_since=listed.made_at - timedelta(1)), own.keys), {}),
        (good, {"now": NOW + timedelta(minutes=59)}),
        (write_code(a_code(expire_time=NOW + timedelta(hours=2)), own.keys),
         {"now": listed.fresh_until}),
        (write_code(a_code(status=StatusRef(uri=URI, index=1)), own.keys), {}),
        (write_code(a_code(status=StatusRef(uri=URI, index=2)), own.keys), {}),
        (write_code(a_code(status=StatusRef(uri=URI, index=3)), own.keys), {}),
        *((write_code(a_code(status=StatusRef(uri=URI, index=place), own_place=True,
                             issued_at=NOW - timedelta(seconds=before)), own.keys), {})
          for place in (1, 2, 3, 7, 1 << 20) for before in (0, -60, -120)),
        (write_code(a_code(status=StatusRef(uri=URI, index=1 << 20)), own.keys), {}),
        (write_code(a_code(status=StatusRef(uri="urn:other", index=1)), own.keys), {}),
        (write_code(a_code(issuer=BANK), own.keys), {}),
        (write_code(a_code(issued_at=NOW + timedelta(days=400)), own.keys), {}),
        (write_code(a_code(), stranger.keys), {}),
        (write_code(a_code(expire_time=NOW + timedelta(days=40)), own.keys),
         {"now": NOW + timedelta(days=2)}),
        (write_code(a_code(expire_time=NOW + timedelta(days=40)), own.keys),
         {"now": NOW + TRUST_FRESH}),
        (with_payload(**{"4": int(later.timestamp()) + 1}), {}),
        (packed(token[:-1] + bytes([token[-1] ^ 1])), {}), (packed(token + b"\0"), {}),
        (packed(token[:-1]), {}), (packed(b""), {}), (packed(cbor2.dumps([1, 2])), {}),
        (packed(b"\xd2\x9f\xff"), {}), (packed(b"\x81" * 20_000), {}), (packed(bytes(1 << 20)), {}),
        (PREFIX, {}), (PREFIX + "::::", {}), (PREFIX + "abc", {}), ("HC1:6BF", {}), (good[:-3], {}),
        (PREFIX + "0" * 9000, {}), (good.lower(), {}), (f"  {good}\n", {}),
    ]  # fmt: skip
    for text, changes in tried:
        values = {"verifier": BANK, "purpose": "办理公积金提取", "now": NOW, **changes}
        wanted = assess_code(text, trusted, cached, Asked(**values))
        asked = {
            "now": values["now"].timestamp(), "verifier": values["verifier"],
            "purpose": values["purpose"], "card": values.get("holder_code", ""),
        }  # fmt: skip
        found = page.evaluate(
            "async ([text, asked]) => await Codes.judge(text, held, asked)", [text, asked]
        )
        assert found["reason"] == (wanted.reason or ""), (text[:40], changes)
        assert (found["code"] is None) == (wanted.code is None)
        if wanted.code:
            assert dict(found["code"]["fields"]) == wanted.code.fields
            until = wanted.code.agency_until
            assert found["code"]["agency"] == (until.timestamp() if until else 0)
        if "in force at" in wanted.summary and wanted.status_as_of:
            assert found["inForce"] == wanted.status_as_of.timestamp(), changes
        assert [name for name, _ in found["checks"]] == [one.name for one in wanted.checks]
        left = [name for name, said in found["checks"] if said is None]
        told = [one.name for one in wanted.checks if one.detail.startswith("not compared")]
        assert left == told, (text[:40], changes)


def test_a_list_that_is_not_the_nodes_counts_for_nothing(
    own: Keys, page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Keys(tmp_path_factory.mktemp("stranger") / "ca")
    good = own.status_list()
    head, body, signature = good.split(".")
    for token in (
        stranger.status_list(), f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}", "no",
        own.status_list(iat=0),
    ):  # fmt: skip
        lists = page.evaluate(
            """async ([certificate, token]) => (await Codes.trust(
                 {certificates: [certificate], lists: [token], issuer: "", made: 0})).lists.size""",
            [page.evaluate("JSON.parse(kept.textContent).trust.certificates[0]"), token],
        )
        assert lists == 0


def signed_record(own: Keys) -> tuple[SealedRecord, str, bytes]:
    credentials = own.authority.issue(system=DESK, roles=[Role.DEPARTMENT], now=NOW)
    plain = canonical(QUESTION)
    nonce, signature = RequestSigner(credentials).sign("Query", plain, NOW)
    made = RequestSignature(
        time=NOW, nonce=nonce, signature=signature, certificate=credentials.certificate
    )
    record = make_record(
        "query", at=NOW, actor=DESK, facts={"signed": made.check("Query", plain, NOW)},
        commitments={
            "key": HOLDER.encode(), "request": plain, "answer": canonical({"found": True}),
        },
    )  # fmt: skip
    return record, credentials.certificate.decode(), nonce


def records(own: Keys) -> dict[str, str]:
    """Files of the log, true and forged."""
    record, certificate, nonce = signed_record(own)
    plain = make_record(
        "license_issued", at=NOW, actor=DESK, facts={"ofd_sha256": "ab" * 32, "rate": 1.5},
        commitments={"key": HOLDER.encode()},
    )  # fmt: skip
    salt = b"\7" * 16
    hashes = hashes_of(salt, [OTHER, HOLDER])
    entries = said_of(salt, hashes, {"purpose": b"x"})
    many = make_record("batch_query", at=NOW, actor=DESK, facts={"entries": entries})  # type: ignore[dict-item]
    sealed = [plain, record, many]
    leaves = [one.leaf for one in sealed]
    _, receipts = promise(sealed, shard="s1", sequence=7, at=NOW, key=log_key())
    proofs = proofs_of(leaves)
    values = {"key": HOLDER, "request": QUESTION, "answer": {"found": True}}
    saved = SavedReceipt(
        receipt=receipts[1], values=values, certificate=certificate, nonce=nonce, proof=proofs[1]
    )
    proven = [ProvenLeaf(index=n, leaf=leaves[n], proof=proofs[n]) for n in range(3)]
    entry = entry_of(salt, b"".join(hashes), HOLDER)
    told = ToldAccesses(
        key=HOLDER,
        accesses=(
            ToldAccess(proven=proven[2], salt=b"", entry=entry),
            ToldAccess(proven=proven[1], salt=record.salt),
            ToldAccess(proven=proven[0], salt=plain.salt),
        ),
    )
    _, others = promise(sealed, shard="s1", sequence=7, at=NOW, key=log_key(2))
    forged = {
        "receipt": saved,
        "promised": replace(saved, proof=""),
        "bare": SavedReceipt(receipt=receipts[0]),
        "without an answer": replace(saved, values={"key": HOLDER}),
        "another question": replace(saved, values={**values, "request": {**QUESTION, "size": 13}}),
        "another nonce": replace(saved, nonce=bytes(16)),
        "another place": replace(saved, receipt=replace(receipts[1], position=0)),
        "another batch": replace(saved, receipt=replace(receipts[1], batch=8)),
        "another leaf": replace(saved, receipt=replace(receipts[1], leaf=plain.leaf)),
        "not canonical": replace(saved, receipt=replace(receipts[1], leaf=record.leaf + b" ")),
        "another log": replace(saved, receipt=others[1]),
        "another proof": replace(saved, proof=proofs[0]),
        "another certificate": replace(saved, certificate=own.authority.pem.decode()),
        "no signature": replace(saved, receipt=replace(receipts[1], signature=b"")),
    }
    return {
        **{name: receipt_to_json(one) for name, one in forged.items()},
        "proof": proof_to_json(LogProof(document="ab" * 32, leaves=(proven[0],))),
        "another document": proof_to_json(LogProof(document="cd" * 32, leaves=(proven[0],))),
        "accesses": accesses_to_json(told),
        "somebody else's": accesses_to_json(replace(told, key=OTHER)),
        "no entry": accesses_to_json(
            replace(told, accesses=(ToldAccess(proven=proven[2], salt=b""),))
        ),
    }


def wanted(text: str) -> dict[str, str]:
    """What the stand-alone verifier finds, by check."""
    key = log_key().verifier_key
    kind = json.loads(text)["format"]
    if kind == "tongban-receipt/v1":
        answer = verify_receipt(receipt_from_json(text), key)
    elif kind == "tongban-accesses/v1":
        answer = verify_accesses(accesses_from_json(text), key)
    else:
        body = json.loads(text)
        leaves = tuple(
            ProvenLeaf(index=one["index"], leaf=decode(one["leaf"]), proof=one["proof"])
            for one in body["leaves"]
        )
        answer = verify_leaves(LogProof(document=body["document"], leaves=leaves), key)
    lights = {"PASSED": "green", "FAILED": "red", "INDETERMINATE": "amber"}
    found = {one.name: lights[one.outcome] for one in answer.checks}
    if kind == "tongban-receipt/v1" and not json.loads(text).get("proof"):
        found["inclusion"] = "amber"  # the page says that nothing was compared with the log
    return found


def test_every_record_is_judged_as_the_stand_alone_verifier_does(own: Keys, page: Page) -> None:
    for name, text in records(own).items():
        found = page.evaluate("async (text) => await Records.judge(text, log)", text)
        assert {check: light for check, light, _ in found["checks"]} == wanted(text), name
    for text in ("", "[]", "{}", "no json", '{"format": "tongban-receipt/v1"}', "[" * 9000,
                 '{"format": "tongban-accesses/v1", "key": "x", "accesses": []}',
                 '{"format": "toString"}'):  # fmt: skip
        with pytest.raises(Exception, match="Unreadable"):
            page.evaluate("async (text) => await Records.judge(text, log)", text)
