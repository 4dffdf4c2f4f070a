"""Ask once, on a real node: planned, agreed to, asked under grants, filled, attached, decided."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from exchange.v1 import audit_pb2, catalog_pb2, query_pb2
from licenses.pages.ofd_reader import read_metadata
from licenses.v1 import licenses_pb2, presentations_pb2
from licenses.v1 import materials_pb2 as pb
from runtime.errors import DomainError
from runtime.records import commit
from runtime.status import from_rpc_error
from tests.builders import materials
from tests.builders.commands import at
from tests.builders.materials import BENEFIT, HANDLINGS, ITEM, POPULATION
from tongban import collecting
from tongban.client import new_request_id
from tongban.demonstration.stage import Stage
from tongban.main import application

scene = materials.county_of_materials
ADULT = materials.adult()
STRANGER = next(one for one in map(materials.person, range(9)) if one != ADULT)
ENTRIES = {"phone": "10012345678"}


def refused(call: Any) -> DomainError:
    with pytest.raises(grpc.RpcError) as told:
        call()
    return from_rpc_error(told.value)


def collect(scene: Stage, name: str, who: Any = ADULT, **entries: str) -> pb.Collection:
    return collecting.collect(scene["employment"], name, who.citizen_number, {**ENTRIES, **entries})


def leaves(scene: Stage, wanted: str, count: int) -> list[dict[str, Any]]:
    """The leaves that name something, once there are so many in the log."""
    deadline = time.monotonic() + 20
    while True:
        read, start = [], 0
        while True:
            page = scene["auditor"].audit.ListEntries(
                audit_pb2.ListEntriesRequest(start=start, page_size=4096), timeout=30
            )
            read += [leaf for leaf in page.leaves if wanted.encode() in leaf]
            start += len(page.leaves)
            if not page.leaves or start >= page.size:
                break
        if len(read) >= count or time.monotonic() > deadline:
            return [json.loads(leaf) for leaf in read]
        time.sleep(0.1)


def looks(scene: Stage, who: Any, name: str) -> list[Any]:
    """Looks at a license since it was issued, newest first."""
    request = presentations_pb2.ListLooksRequest(holder_code=who.citizen_number, license=name)
    return list(scene["terminal"].presentations.ListLooks(request).looks)


def test_a_plan_says_of_each_material_where_it_comes_from_and_why(scene: Stage) -> None:
    general = scene["employment"].materials.PlanMaterials(
        pb.PlanMaterialsRequest(service_item=ITEM)
    )
    assert [(one.display_name, one.reason) for one in general.materials] == [
        ("就业创业登记表", "FORM"),
        ("居民身份证复印件", "GRANT_IN_FORCE"),
        ("户口簿复印件", "GRANT_IN_FORCE"),
        ("本人近期照片", "NOTHING_REPLACES_IT"),
    ]
    assert (general.asked, list(general.entries)) == (1, ["phone"])
    assert list(general.materials[1].items) == ["birth_date", "name", "residence_address"]
    # Of an applicant only who identified them is told.
    named = pb.PlanMaterialsRequest(service_item=BENEFIT, holder_code=ADULT.citizen_number)
    error = refused(lambda: scene["employment"].materials.PlanMaterials(named))
    assert error.reason == "APPLICANT_NOT_IDENTIFIED"
    assert ADULT.citizen_number not in error.message
    planned = scene["terminal"].materials.PlanMaterials(named).materials
    assert planned[2].reason == "NO_LICENSE_HELD"
    made = materials.registered(scene, ADULT)
    planned = scene["terminal"].materials.PlanMaterials(named).materials
    assert (planned[2].reason, planned[2].license) == ("LICENSE_HELD", made.name)
    assert planned[3].reason == "PROOF_KEPT"
    # A company's number finds nobody in the population library.
    named.holder_code = "11990101000000035K"
    planned = scene["terminal"].materials.PlanMaterials(named).materials
    assert planned[1].reason == "KEY_NOT_THE_APPLICANTS"


def test_one_application_is_collected_decided_and_joined_by_one_trail(scene: Stage) -> None:
    begun = materials.begin(scene, ITEM, ADULT)
    assert begun.state == pb.COLLECTION_STATE_CONSENTED
    done = collect(scene, begun.name)
    form = {one.code: (one.value, one.source) for one in done.form}
    assert form == {
        "name": (ADULT.name, "resource"),
        "birth_date": (ADULT.birth_date, "resource"),
        "residence_address": (ADULT.residence_address, "resource"),
        "phone": (ENTRIES["phone"], "entry"),
    }
    # The photo is required and was not collected: a person decides, with the reasons.
    assert list(done.asked) == ["本人近期照片"]
    assert done.decision == pb.COLLECTION_DECISION_REFERRED
    assert [one.holds for one in done.outcomes] == [True, True, True, False]
    assert not any(one.missing for one in done.outcomes)
    assert len(done.log_indices) == 1

    trail = leaves(scene, begun.name, 3)
    assert [one["kind"] for one in trail] == [
        "collection_consented", "collection_read", "materials_collected",
    ]  # fmt: skip
    collected = trail[-1]
    # What was decided, and by which conditions, the log tells to nobody who was not told.
    assert not {"decision", "rule", "licenses", "documents", "asked"} & set(collected)
    text = json.dumps(trail, ensure_ascii=False)
    assert "REFERRED" not in text
    handling = scene["employment"].materials.GetHandling(pb.GetHandlingRequest(service_item=ITEM))
    assert done.handling_version == handling.handling.version == collected["handling_version"]
    assert done.handling_sha256 == collected["handling_sha256"]
    assert ADULT.citizen_number not in text
    assert ADULT.name not in text
    page = scene["auditor"].audit.ListEntries(
        audit_pb2.ListEntriesRequest(start=done.log_indices[0], page_size=1)
    )
    question = json.loads(page.leaves[0])
    assert question["kind"] == "query"
    assert question["actor"] == "departments/human-resources/systems/employment"
    assert collected["questions"] == [str(done.log_indices[0])]
    # The applicant's list of who looked names the same place: pages say for which case it was.
    looked = scene["terminal"].queries.MyAccess(
        query_pb2.MyAccessRequest(key=ADULT.citizen_number, case_number="SF-1")
    )
    assert done.log_indices[0] in {one.index for one in looked.accesses}
    planned = [one for one in done.materials if one.resource]
    assert {one.grant_purpose for one in planned} == {"办理政务服务事项"}
    # It is collected once.
    assert refused(lambda: collect(scene, begun.name)).reason == "ALREADY_COLLECTED"


def test_what_needs_nothing_more_is_decided_at_once(scene: Stage) -> None:
    item = f"{materials.BUREAU}/serviceItems/cg2017-29"
    done = collect(scene, materials.begin(scene, item, ADULT).name)
    assert (done.decision, list(done.asked)) == (pb.COLLECTION_DECISION_APPROVED, [])
    offered = (
        scene["terminal"]
        .materials.ListServiceItems(
            pb.ListServiceItemsRequest(parent="departments/-", at_once_only=True)
        )
        .service_items
    )
    assert [one.name.rpartition("/")[2] for one in offered] == ["cg2017-29"]
    assert offered[0].conditions_zh == ["年满16周岁", "户籍在本县"]
    # Of the others that have a rule the list says what is in its way.
    every = scene["terminal"].materials.ListServiceItems(
        pb.ListServiceItemsRequest(parent="departments/-")
    )
    assert {
        one.name.rpartition("/")[2]: list(one.in_the_way)
        for one in every.service_items
        if one.in_the_way
    } == {"cg2017-27": ["本人近期照片"], "cg2017-13": ["居民身份证复印件"]}


def test_a_license_stands_in_and_its_copy_is_the_departments(scene: Stage) -> None:
    who = materials.person(7)
    made = materials.registered(scene, who)
    begun = materials.begin(scene, BENEFIT, who)
    # With the consent nothing is copied yet: only with what is collected under it. That the
    # counter was told of the license is a look.
    (planned,) = looks(scene, who, made.name)
    assert (planned.kind, list(planned.fields)) == ("materials_planned", [])
    done = collect(scene, begun.name, who)
    (copy,) = done.copies
    assert (copy.license, copy.endorsed) == (made.name, True)
    assert copy.sha256 != made.ofd_sha256
    assert {one.code: one.origin for one in done.form}["registration_type"] == made.name
    ask = pb.GetCollectedDocumentRequest(collection=begun.name, sha256=copy.sha256)
    got = scene["employment"].materials.GetCollectedDocument(ask)
    assert hashlib.sha256(got.document).hexdigest() == copy.sha256
    # Each reading of the form, and of the copy, is a look of theirs, in words.
    scene["employment"].materials.GetCollection(pb.GetCollectionRequest(name=begun.name))
    seen = looks(scene, who, made.name)
    assert [one.kind for one in seen] == [
        "collection_read", "collected_document_read", "materials_collected", "license_copied",
        "materials_planned",
    ]  # fmt: skip
    assert {one.purpose for one in seen} == {"办理失业保险待遇支付"}
    assert list(seen[0].fields) == ["KZ_DJLX"]
    said = read_metadata(got.document)
    assert "失业保险待遇支付" in said["JZJZZSY"]
    assert "示范县人力资源和社会保障局" in json.dumps(said, ensure_ascii=False)
    assert (
        refused(lambda: scene["police"].materials.GetCollectedDocument(ask)).reason
        == "COLLECTION_NOT_FOUND"
    )

    # One that is revoked between the consent and the collection does not count.
    other = materials.begin(scene, BENEFIT, who)
    scene["employment"].licenses.RevokeLicense(
        licenses_pb2.RevokeLicenseRequest(
            name=made.name, reason="登记信息失实", request_id=new_request_id()
        )
    )
    again = collect(scene, other.name, who)
    assert not again.copies
    assert "就业创业登记证" in again.asked


def test_nothing_is_collected_without_consent(scene: Stage) -> None:
    begun = materials.begin(scene, ITEM, ADULT, "居民身份证复印件")
    by_name = {one.display_name: one for one in begun.materials}
    assert by_name["户口簿复印件"].reason == "NOT_CONSENTED"
    wanted = pb.EndCollectionRequest(name=begun.name, holder_code=ADULT.citizen_number)
    other = pb.EndCollectionRequest(name=begun.name, holder_code=STRANGER.citizen_number)
    terminal = scene["terminal"].materials
    assert refused(lambda: terminal.EndCollection(other)).reason == "COLLECTION_NOT_FOUND"
    for _ in range(2):
        assert terminal.EndCollection(wanted).collection.state == pb.COLLECTION_STATE_ENDED
    assert refused(lambda: collect(scene, begun.name)).reason == "CONSENT_ENDED"
    wrong = pb.BeginCollectionRequest(
        service_item=ITEM, holder_code=ADULT.citizen_number, materials=["本人近期照片"],
        consent="当面同意", request_id=new_request_id(),
    )  # fmt: skip
    assert refused(lambda: terminal.BeginCollection(wrong)).reason == "NOTHING_TO_AGREE_TO"
    # Another department's system, or another applicant, finds no such collection.
    begun = materials.begin(scene, ITEM, ADULT)
    assert (
        refused(
            lambda: collecting.collect(scene["police"], begun.name, ADULT.citizen_number, ENTRIES)
        ).reason
        == "COLLECTION_NOT_FOUND"
    )
    assert refused(
        lambda: scene["employment"].materials.CollectMaterials(
            pb.CollectMaterialsRequest(
                collection=begun.name, holder_code=STRANGER.citizen_number,
                request_id=new_request_id(),
            )
        )
    ).reason == "COLLECTION_NOT_FOUND"  # fmt: skip


def test_an_answer_counts_only_with_its_receipt(scene: Stage) -> None:
    begun = materials.begin(scene, ITEM, ADULT)
    client = scene["employment"]
    grant = begun.materials[1].grant

    def answer(case: str = begun.name, items: tuple[str, ...] = ("name",)) -> pb.CollectedAnswer:
        asked = client.query_request(
            grant, ADULT.citizen_number, items=items, purpose="办理登记", case_number=case
        )
        return pb.CollectedAnswer(query=asked, queried=client.queries.Query(asked))

    def hand_in(*answers: pb.CollectedAnswer) -> DomainError:
        request = pb.CollectMaterialsRequest(
            collection=begun.name, holder_code=ADULT.citizen_number, answers=answers,
            entries=ENTRIES, request_id=new_request_id(),
        )  # fmt: skip
        return refused(lambda: client.materials.CollectMaterials(request))

    good = answer()
    told = pb.CollectedAnswer.FromString(good.SerializeToString())
    told.queried.items["name"] = "某人"
    assert hand_in(told).metadata["problem"] == "ANSWER"
    assert hand_in(answer(case="另一办件")).metadata["problem"] == "CASE_NUMBER"
    assert hand_in(pb.CollectedAnswer(query=good.query)).reason == "BAD_ARGUMENT"
    unasked = pb.CollectedAnswer.FromString(good.SerializeToString())
    unasked.query.items[:] = ["phone"]
    assert hand_in(unasked).reason == "ANSWER_NOT_PLANNED"
    # A leaf of one's own making, with commitments that fit.
    forged = pb.CollectedAnswer.FromString(good.SerializeToString())
    leaf = json.loads(good.queried.receipt.leaf)
    salt = good.queried.receipt.salt
    forged.queried.items["name"] = "某人"
    body = json.dumps(
        {"found": True, "items": {"name": "某人"}}, ensure_ascii=False, separators=(",", ":")
    )
    leaf["commitments"]["answer"] = commit(salt, "answer", body.encode())
    forged.queried.receipt.leaf = json.dumps(
        leaf, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    ).encode()
    assert hand_in(forged).metadata["problem"] == "LOG"
    # What the form lacks is told all at once, by field.
    assert hand_in().reason == "ENTRIES_MISSING"


def test_what_may_only_be_verified_is_said_and_verified(scene: Stage) -> None:
    item = "departments/market-regulation/serviceItems/cg2017-99"
    _put_item(scene, item)
    materials.grant(scene, "market", items=("name",), only_verify=True)
    begun = materials.begin(scene, item, ADULT)
    assert begun.materials[0].source == pb.MATERIAL_SOURCE_VERIFIABLE
    number = ADULT.citizen_number
    materials.enter(scene["terminal"], begun.name, ADULT, name=ADULT.name)
    said = collecting.collect(scene["market"], begun.name, number, {})
    assert [(one.value, one.source) for one in said.form] == [(ADULT.name, "verified")]
    assert (list(said.asked), said.decision) == ([], pb.COLLECTION_DECISION_APPROVED)
    begun = materials.begin(scene, item, ADULT)
    wrong = collecting.collect(scene["market"], begun.name, number, {"name": "诸葛某"})
    assert [(one.source) for one in wrong.form] == ["entry"]
    assert (list(wrong.asked), wrong.decision) == (
        ["居民身份证复印件"], pb.COLLECTION_DECISION_REFERRED,
    )  # fmt: skip


def _put_item(scene: Stage, name: str) -> None:
    item = catalog_pb2.ServiceItem(
        name=name, code="CG2017-99", display_name="示例核验事项", handling_type="即办件",
        remark="资料齐全",
    )  # fmt: skip
    item.materials.add(
        display_name="居民身份证复印件", kind=catalog_pb2.MATERIAL_KIND_COPY, required=True,
        replaced_by=catalog_pb2.Replacement(resource=POPULATION, item="name"),
    )  # fmt: skip
    scene["centre"].catalog.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(
            changes=[catalog_pb2.DirectoryChange(put_service_item=item)],
            source="test", request_id=new_request_id(),
        )
    )  # fmt: skip
    field = pb.FormField(
        code="name", display_name="姓名", required=True,
        sources=[pb.FieldSource(resource=POPULATION, item="name")],
    )  # fmt: skip
    condition = pb.RuleCondition(
        field="name", comparison=pb.COMPARISON_NONE_OF, values=["某"],
        reason="is who they say", reason_zh="身份相符",
    )  # fmt: skip
    handling = pb.Handling(service_item=name, fields=[field], rule=[condition])
    scene["market"].materials.PutHandling(
        pb.PutHandlingRequest(handling=handling, request_id=new_request_id())
    )
    again = pb.PutHandlingRequest(handling=handling, request_id=new_request_id())
    assert refused(lambda: scene["market"].materials.PutHandling(again)).reason == "ETAG_MISMATCH"
    assert (
        refused(lambda: scene["police"].materials.PutHandling(again)).reason == "NOT_OWN_DEPARTMENT"
    )
    handling.proofs.add(display_name="某证明", disposition=pb.PROOF_DISPOSITION_KEPT)
    again = pb.PutHandlingRequest(handling=handling, request_id=new_request_id())
    assert refused(lambda: scene["market"].materials.PutHandling(again)).reason == "BAD_HANDLING"


def test_nobody_is_asked_twice_and_what_is_refused_is_asked_of_the_applicant(scene: Stage) -> None:
    begun = materials.begin(scene, ITEM, ADULT)
    assert list(begun.entries) == ["phone"]
    assert begun.materials[1].form_fields[:1] == ["姓名"]
    client, number = scene["employment"], ADULT.citizen_number
    own = pb.GetCollectionRequest(name=begun.name)
    # Without what must be entered nothing is asked, and only that is missing.
    error = refused(lambda: collecting.collect(client, begun.name, number, {}))
    assert (error.reason, "name" in error.message) == ("ENTRIES_MISSING", False)
    assert list(client.materials.GetCollection(own).collection.answered) == []
    # An answer to a form that is not whole is kept.
    request = collecting.gather(client, begun.name, number, ENTRIES)
    (grant,) = {one.query.grant for one in request.answers}
    request.entries.clear()
    assert refused(lambda: client.materials.CollectMaterials(request)).reason == "ENTRIES_MISSING"
    assert list(client.materials.GetCollection(own).collection.answered) == [grant]
    assert not collecting.gather(client, begun.name, number, ENTRIES).answers
    done = collect(scene, begun.name)
    assert (len(done.log_indices), done.form[0].source) == (1, "resource")
    # The applicant is told who looked, though no license is in it, and in which words they agreed.
    mine = pb.GetCollectionRequest(name=begun.name, holder_code=number)
    seen = scene["terminal"].materials.GetCollection(mine).collection
    assert {one.kind for one in seen.looks} == {"collection_read"}
    assert all(one.system.startswith(f"{materials.BUREAU}/") for one in seen.looks)
    consented = leaves(scene, begun.name, 1)[0]
    assert consented["items"] == [f"{POPULATION}#{one}" for one in begun.materials[1].items]
    assert consented["commitments"]["consent"] == commit(
        bytes.fromhex(seen.consent_salt), "consent", seen.consent.encode()
    )
    # A question that the exchange refuses stops nothing.
    begun = materials.begin(scene, ITEM, ADULT)
    told = pb.RefusedQuestion(grant=grant, reason="GRANT_REVOKED")
    entries = ENTRIES | {
        "name": ADULT.name, "birth_date": ADULT.birth_date,
        "residence_address": ADULT.residence_address,
    }  # fmt: skip
    asked = pb.CollectMaterialsRequest(
        collection=begun.name, holder_code=number, entries=entries, refused=[told],
        request_id=new_request_id(),
    )  # fmt: skip
    done = client.materials.CollectMaterials(asked, timeout=30).collection
    assert [one.reason for one in done.materials][1:3] == ["GRANT_REVOKED", "GRANT_REVOKED"]
    assert list(done.asked) == ["居民身份证复印件", "户口簿复印件", "本人近期照片"]
    assert done.decision == pb.COLLECTION_DECISION_REFERRED
    begun = materials.begin(scene, ITEM, ADULT)
    for grant, reason, wanted in (
        ("departments/x/grants/y", "GRANT_REVOKED", "QUESTION_NOT_PLANNED"),
        (told.grant, "revoked", "BAD_ARGUMENT"),
    ):
        wrong = pb.CollectMaterialsRequest(
            collection=begun.name, holder_code=number, entries=entries,
            refused=[pb.RefusedQuestion(grant=grant, reason=reason)], request_id=new_request_id(),
        )  # fmt: skip
        assert refused(lambda: client.materials.CollectMaterials(wrong)).reason == wanted  # noqa: B023


def run(*arguments: object, holder: str = "") -> Result:
    env = {"COLUMNS": "200", "TONGBAN_LANG": "en", "TONGBAN_HOLDER_CODE": holder or None}
    return CliRunner().invoke(application("materials"), [str(one) for one in arguments], env=env)


def told(*arguments: object, holder: str = "") -> Any:
    said = run(*arguments, "--json", holder=holder)
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


def test_the_thirty_items_before_and_after_by_the_product(scene: Stage) -> None:
    here = at(scene)
    made = told("materials", "report", *here)
    annex = [one for one in made["service_items"] if not one["service_item"].endswith("-99")]
    assert len(annex) == 30
    assert sum(one["before"] for one in annex) == 142
    # Only the bureau has a grant: what others wait for is told.
    assert sum(one["after"] for one in annex) == sum(
        sum(m["source"] == "MUST_BE_ASKED" for m in one["materials"]) for one in annex
    )
    assert sum(one["after"] for one in annex) < 142
    assert sum(one["awaiting"] for one in annex) > 0
    # What nobody brings any more is told of each and of all; nobody has to subtract.
    for one in (*made["service_items"], made["totals"]):
        assert one["no_longer_brought"] == one["before"] - one["after"]
    assert made["proof_totals"]["abolished"] == 19
    assert made["proof_totals"]["replaced, waits for a grant"] > 0
    assert all(one["legal_basis"] for one in made["proofs"] if one["disposition"] == "kept")
    # With the grants that these departments may have, by name what nobody has to bring any more.
    materials.grant_everyone(scene)
    made = told("materials", "report", *here)
    annex = [one for one in made["service_items"] if not one["service_item"].endswith("-99")]
    counted = {
        key: sum(one[key] for one in annex)
        for key in ("before", "after", "awaiting", "abolished", "filled", "by_license", "by_query")
    }
    # Nothing waits, and what the proofs come by is what the materials come by.
    proofs = made["proof_totals"]
    assert not {one for one in proofs if one.startswith("replaced, ")}
    assert proofs["replaced by a query"] <= counted["by_query"]
    assert counted == {
        "before": 142, "after": 47, "awaiting": 0, "abolished": 19, "filled": 25,
        "by_license": 17, "by_query": 34,
    }  # fmt: skip
    assert "30 items" in run("materials", "report", *here).output.replace("31", "30")
    assert "nobody brings" in run("materials", "report", *here).output.splitlines()[0]
    assert "abolished" in run("materials", "report", "--proofs", *here).output


def test_a_departments_own_data_fill_its_form_under_a_grant_that_it_gave_itself(
    scene: Stage,
) -> None:
    item = "departments/public-security/serviceItems/cg2017-15"
    materials.grant(scene, "police")
    begun = materials.begin(scene, item, ADULT, "居民身份证复印件")
    own = next(one for one in begun.materials if one.resource == POPULATION)
    assert (own.reason, own.grant.split("/")[1]) == ("GRANT_IN_FORCE", "public-security")
    done = collecting.collect(scene["police"], begun.name, ADULT.citizen_number, ENTRIES)
    filled = {one.code: (one.value, one.source, one.origin) for one in done.form}
    assert filled["name"] == (ADULT.name, "resource", POPULATION)
    assert len(done.log_indices) == 1


def test_the_commands_do_it_all(scene: Stage, tmp_path: Any) -> None:
    here, number = at(scene), ADULT.citizen_number
    again = told("materials", "put", HANDLINGS, *at(scene, "centre"))
    assert {one["outcome"] for one in again} == {"unchanged"}
    assert told("materials", "show", ITEM, *here)["handled_at_once"] is True
    assert "YEARS_AT_LEAST" in run("materials", "show", ITEM, *here).output
    at_once = told("materials", "items", "--at-once", *here)
    assert at_once
    assert not any(one["in_the_way"] for one in at_once)
    counter = at(scene, "terminal")
    assert told("materials", "plan", ITEM, *counter, holder=number)["asked"] == 1
    begun = told(
        "materials", "begin", ITEM, "--agree-to-all", "--consent", "当面同意", *counter,
        holder=number,
    )  # fmt: skip
    entries = tmp_path / "entries.txt"
    entries.write_text("phone=10012345678\n")
    done = run(
        "materials", "collect", begun["name"], "--entries", entries, *here, holder=number,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "REFERRED" in done.output
    shown = told("materials", "collection", begun["name"], *here)
    assert shown["decision"] == "COLLECTION_DECISION_REFERRED"
    other = told("materials", "begin", ITEM, "--consent", "当面同意", *counter, holder=number)
    assert told("materials", "end", other["name"], *counter, holder=number)["state"].endswith(
        "ENDED"
    )
    broken = tmp_path / "broken.toml"
    broken.write_text("[[handling]]\nform = 'none'\n", encoding="utf-8")
    assert "BAD_HANDLING_FILE" in run("materials", "put", broken, *here).stderr
