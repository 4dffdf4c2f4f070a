"""What citizens doubt themselves: their own record, and nobody else's, whoever asked for them."""

from exchange.corrections import service
from exchange.v1 import corrections_pb2 as pb
from tests.builders.catalog import CIVIL, RESIDENTS, Role, caller
from tests.builders.exchange import applicant, citizen_number, person, refusal
from tests.integration.test_exchange_corrections import CENTRE, COUNTER, KEY
from tests.integration.test_exchange_corrections import scene as scene

OTHER = citizen_number(2)


def own(key=KEY, case_number=""):
    return {"own": pb.OwnRecord(resource=RESIDENTS, key=key, case_number=case_number)}


async def test_citizens_doubt_their_own_records_and_follow_what_becomes_of_it(scene):
    await scene.publish(person(1), person(2))
    citizen, other = applicant(KEY), applicant(OTHER)
    made = await scene.submit(citizen, **own())
    assert (made.origin, made.key, made.due) == (pb.CORRECTION_ORIGIN_CITIZEN, "", "2026-03-16")
    assert KEY not in made.name
    leaf = scene.node.leaves("correction_submitted")[-1]
    assert KEY not in str(leaf)
    (owed,) = (await scene(caller(CIVIL), "ListCorrections", open_only=True)).corrections
    assert (owed.key, owed.statement) == (KEY, "姓名与居民身份证不符")
    await scene.publish(person(1, "某乙"))
    await scene.accept(made.name, answer="已更正")
    again = applicant(KEY)  # of another session
    (told,) = (await scene(again, "MyCorrections", key=KEY)).corrections
    assert (told.state, told.answer) == (pb.CORRECTION_STATE_ACCEPTED, "已更正")
    assert (await scene.lineage(again, made.name)).correction.name == made.name
    for name, fields in (
        ("GetCorrection", {"name": made.name}),
        ("GetCorrectionLineage", {"name": made.name}),
        ("WithdrawCorrection", {"name": made.name}),
    ):
        assert (await refusal(scene(other, name, **fields))).reason == "CORRECTION_NOT_FOUND"
    for key in (KEY, citizen_number(77)):  # one has a record, one has none
        for asked in (
            scene.submit(other, **own(key)),
            scene(other, "MyCorrections", key=key),
        ):
            assert (await refusal(asked)).reason == "NOT_YOUR_RECORD"
    assert not (await scene(other, "MyCorrections", key=OTHER)).corrections
    for name in ("ListCorrections", "ListCorrectionNotices", "ReviewCorrection"):
        assert (await refusal(scene(citizen, name))).reason == "ROLE_NOT_ALLOWED"


async def test_what_a_counter_asked_for_a_citizen_is_theirs_too(scene, monkeypatch):
    await scene.publish(person(1))
    citizen = applicant(KEY)
    made = await scene.submit(COUNTER, **own(case_number="SF-1"))
    again = await refusal(scene.submit(citizen, **own()))
    assert (again.reason, again.metadata["correction"]) == ("CORRECTION_OPEN", made.name)
    seen = (await scene(citizen, "GetCorrection", name=made.name)).correction
    assert (seen.statement, seen.key) == ("姓名与居民身份证不符", "")
    # The counter's colleagues learn nothing of it by asking themselves.
    colleague = caller(CENTRE, Role.DEPARTMENT, system="archive")
    hidden = await refusal(scene(colleague, "GetCorrection", name=made.name))
    assert hidden.reason == "CORRECTION_NOT_FOUND"
    gone = (await scene(citizen, "WithdrawCorrection", name=made.name)).correction
    assert gone.state == pb.CORRECTION_STATE_WITHDRAWN
    mine = (await scene.submit(citizen, **own())).name
    assert mine.startswith("departments/applicants/")
    await scene(citizen, "WithdrawCorrection", name=mine)
    monkeypatch.setattr(service, "GREATEST_OPEN_OF_CITIZEN", 0)
    for who, case in ((citizen, ""), (COUNTER, "SF-1")):
        full = await refusal(scene.submit(who, **own(case_number=case)))
        assert full.reason == "TOO_MANY_OPEN"
