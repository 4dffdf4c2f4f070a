"""What the seal service refuses for good ends what was begun; what passes says it was begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from licenses import store
from licenses.batches.model import BatchState, Row, RowHolder, RowState
from licenses.batches.service import Batches
from licenses.batches.working import BatchWorker
from licenses.finishing import Finishing
from licenses.issuing import Request
from licenses.model import Act, IssuingSeal, License, LicenseState
from licenses.pages import template
from licenses.pages.model import Box
from licenses.stamping import stamp_problems
from licenses.states import store as states
from licenses.succession import Wish
from licenses.types.model import FieldKind, LicenseField
from licenses.types.pages import shipped
from licenses.types.reading import parse
from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, Unavailable
from tests.builders.license_simulator import ISSUER_SYSTEM, Simulation, without_pages
from tests.builders.licenses import (
    BUREAU,
    FIELDS,
    ISSUER,
    SEAL,
    TYPE_NAME,
    a_type_version,
    citizen_number,
)

OFF = InvalidArgument("the seal cannot be placed", reason="STAMP_POSITION")
REVOKED = FailedPrecondition("the seal is revoked", reason="SEAL_NOT_IN_FORCE", why="revoked")
FROZEN = FailedPrecondition("the seal is frozen", reason="SEAL_NOT_IN_FORCE", why="frozen")
AWAY = Unavailable("the store is away; nothing was changed", reason="STORAGE_UNWRITABLE")


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with pytest.MonkeyPatch.context() as patched:
        without_pages(patched)
        found = Simulation(tmp_path_factory.mktemp("refused"))
        yield found
        found.database.close()


@pytest.fixture
def sealing(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Sets what the seal service refuses with; None seals again."""
    seals = simulation.world.seal_document
    answer: list[DomainError | None] = [None]

    def seal(document: bytes, form: Any, **how: Any) -> bytes:
        if answer[0] is not None:
            raise answer[0]
        return seals(document, form, **how)

    monkeypatch.setattr(simulation.world, "seal_document", seal)
    return lambda error: answer.__setitem__(0, error)


def a_request(id_: str) -> Request:
    return Request(actor=ISSUER_SYSTEM.system, id=id_, digest=b"d" * 32)


def rows_of(simulation: Simulation, holder: str) -> list[License]:
    with simulation.database.reading() as session:
        rows = store.TABLES.metadata.tables["license"]
        ids = session.execute(
            rows.select()
            .with_only_columns(rows.c.id)
            .where(rows.c.holders_json.contains(holder))
            .order_by(rows.c.version)
        ).scalars()
        found = [store.license_by_id(session, one) for one in ids]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("error", [OFF, REVOKED], ids=["position", "revoked"])
def test_what_is_refused_for_good_is_abandoned_and_may_be_asked_again(
    simulation: Simulation, sealing: Callable[[Any], None], error: DomainError
) -> None:
    number = citizen_number(501 if error is OFF else 502)
    request = a_request(f"good-{error.reason}")
    issue = {"holder_code": number, "serial": number[-4:-1]}
    sealing(error)
    with pytest.raises(type(error)) as told:
        simulation.process.issue(request, **issue)
    assert told.value.reason == error.reason
    assert "begun" not in told.value.metadata
    (left,) = rows_of(simulation, number)
    assert left.state is LicenseState.ABANDONED
    assert error.reason in left.state_reason
    simulation.process.issuing.reconcile()
    sealing(None)
    # Nothing was issued by it, so the same request, and the same serial, are free.
    made = simulation.process.issue(request, **issue)
    assert made.state is LicenseState.ACTIVE
    assert (made.serial, made.version) == (left.serial, left.version + 1)
    assert made.identifier != left.identifier
    assert simulation.process.issue(request, **issue).id == made.id


def test_a_correction_refused_for_good_frees_the_license_before_it(
    simulation: Simulation, sealing: Callable[[Any], None]
) -> None:
    number = citizen_number(503)
    before = simulation.process.issue(a_request("free-1"), holder_code=number)
    sealing(OFF)
    for id_ in ("free-2", "free-3"):  # the second is refused for the same, not for the first
        with pytest.raises(InvalidArgument, match="placed"):
            simulation.process.succeed(
                before.name, Act.CORRECT, Wish(fields={"KZ_BZ": id_}), a_request(id_)
            )
    sealing(None)
    made = simulation.process.succeed(
        before.name, Act.CORRECT, Wish(fields={"KZ_BZ": "核"}), a_request("free-4")
    )
    assert [one.state for one in rows_of(simulation, number)] == [
        LicenseState.SUPERSEDED, LicenseState.ABANDONED, LicenseState.ABANDONED, LicenseState.ACTIVE
    ]  # fmt: skip
    assert made.version == 4


def test_rows_of_a_batch_that_are_refused_for_good_fail_and_leave_nothing(
    simulation: Simulation, sealing: Callable[[Any], None]
) -> None:
    process, numbers = simulation.process, [citizen_number(n) for n in (504, 505, 506)]
    batches = Batches(simulation.database, process.types, process.clock, lambda _: ISSUER)
    worker = BatchWorker(simulation.database, process.issuing, process.types, process.clock)

    def send() -> str:
        receiving = batches.begin(ISSUER_SYSTEM, BUREAU, TYPE_NAME, "", repeated=False)
        receiving.take([
            Row(holders=(RowHolder(name="赵示例", code=one),), fields=FIELDS, key=one[-4:-1])
            for one in numbers
        ])  # fmt: skip
        with simulation.database.unit_of_work() as work:
            return batches.start(work, receiving.whole(last=True)).name

    sealing(OFF)
    name = send()
    while worker.run_once():
        pass
    found = batches.get(ISSUER_SYSTEM, name)
    assert (found.state, found.failed_count) == (BatchState.FINISHED, 3)
    results, _ = batches.results(ISSUER_SYSTEM, name, state=None, page_size=9, page_token="")
    assert {(one.state, one.reason) for one in results} == {(RowState.FAILED, "STAMP_POSITION")}
    for one in numbers:
        assert [each.state for each in rows_of(simulation, one)] == [LicenseState.ABANDONED]
    sealing(None)
    again = send()  # the rows with their keys, as the result file has them
    while worker.run_once():
        pass
    worker.stop()
    assert batches.get(ISSUER_SYSTEM, again).issued_count == 3


@pytest.mark.parametrize("error", [FROZEN, AWAY], ids=["frozen", "away"])
def test_what_passes_says_that_it_was_begun(
    simulation: Simulation, sealing: Callable[[Any], None], error: DomainError
) -> None:
    number = citizen_number(507 if error is FROZEN else 508)
    request = a_request(f"passing-{error.reason}")
    sealing(error)
    with pytest.raises(type(error)) as told:
        simulation.process.issue(request, holder_code=number)
    assert told.value.metadata["begun"] == "true"
    assert "same request_id" in told.value.message
    assert "同一 request_id" in told.value.message_zh
    assert "nothing was changed" not in told.value.message
    (left,) = rows_of(simulation, number)
    assert left.state is LicenseState.ISSUING
    sealing(None)
    assert simulation.process.issue(request, holder_code=number).id == left.id


def test_a_seal_that_does_not_fit_its_place_is_refused_before_anything_is_begun(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    tall = IssuingSeal(name=SEAL.name, display_name=SEAL.display_name, ratio=9.0)
    monkeypatch.setattr(simulation.world, "seal_of", lambda *_: tall)
    number = citizen_number(509)
    with pytest.raises(InvalidArgument) as told:
        simulation.process.issue(a_request("tall"), holder_code=number)
    assert told.value.reason == "STAMP_POSITION"
    assert rows_of(simulation, number) == []


@pytest.mark.parametrize(
    ("box", "across", "ratio", "places"),
    [
        ((120.0, 70.0, 42.0, 42.0), None, 1.0, []),
        ((134.0, 83.0, 42.0, 42.0), 83.0, 1.0, []),
        ((140.0, 70.0, 42.0, 42.0), None, 1.0, ["stamp.box"]),
        ((-1.0, 10.0, 42.0, 42.0), None, 1.0, ["stamp.box"]),
        ((120.0, 70.0, 42.0, 42.0), None, 1.5, ["stamp.box"]),
        ((120.0, 10.0, 42.0, 42.0), 100.0, 1.0, ["stamp.across"]),
    ],
)
def test_a_stamp_lies_on_its_sheet(
    box: Box, across: float | None, ratio: float, places: list[str]
) -> None:
    page = template.parse(a_type_version().template_text)
    assert (page.width, page.height) == (176, 125)
    page = replace(page, stamp=replace(page.stamp, box=box, across=across))
    assert [one.field for one in stamp_problems(page, ratio)] == places


def test_a_template_that_is_none_any_more_ends_what_was_begun_with_it(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch, sealing: Callable[[Any], None]
) -> None:
    number, request = citizen_number(511), a_request("old-template")
    sealing(AWAY)
    with pytest.raises(Unavailable):
        simulation.process.issue(request, holder_code=number)
    bad = InvalidArgument("a box lies beside its sheet", reason="TEMPLATE_INVALID")
    with monkeypatch.context() as patched:
        patched.setattr(Finishing, "_drawn", lambda *_: (_ for _ in ()).throw(bad))
        assert simulation.process.issuing.reconcile().failed == 1
        assert simulation.process.issuing.reconcile().failed == 0
    (left,) = rows_of(simulation, number)
    assert left.state is LicenseState.ABANDONED


def test_only_an_abandoned_license_gives_its_request_back(simulation: Simulation) -> None:
    made = simulation.process.issue(a_request("kept"), holder_code=citizen_number(510))
    with simulation.database.unit_of_work() as work:
        states.free_request(work.session, made.id)
    again = simulation.process.issue(a_request("kept"), holder_code=citizen_number(510))
    assert again.id == made.id


def test_what_its_type_does_not_say_is_not_transferred(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = simulation.process.issue(a_request("stays"), holder_code=citizen_number(520))
    # Whatever else is wrong: nobody corrects one entry after the other to learn it at the end.
    wish = Wish(holders=[("钱示例", citizen_number(521))], fields={"KZ_WU": "示例"})
    kept = simulation.process.types.newest(TYPE_NAME)
    fixed = replace(kept, type=replace(kept.type, transferable=False))
    with monkeypatch.context() as patched:
        patched.setattr(simulation.process.types, "newest", lambda _: fixed)
        with pytest.raises(FailedPrecondition) as told:
            simulation.process.succeed(before.name, Act.TRANSFER, wish, a_request("moves"))
    assert told.value.reason == "NOT_TRANSFERABLE"
    assert len(rows_of(simulation, citizen_number(520))) == 1


def test_a_new_holder_has_pictures_of_their_own(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = simulation.process.issue(a_request("face"), holder_code=citizen_number(522))
    kept = simulation.process.types.newest(TYPE_NAME)
    photo = LicenseField(code="KZ_ZP", display_name="照片", kind=FieldKind.IMAGE)
    with_photo = replace(kept, type=replace(kept.type, fields=(*kept.type.fields, photo)))
    monkeypatch.setattr(simulation.process.types, "newest", lambda _: with_photo)
    wish = Wish(holders=[("钱示例", citizen_number(523))])
    with pytest.raises(InvalidArgument) as told:
        simulation.process.succeed(before.name, Act.TRANSFER, wish, a_request("face-2"))
    assert told.value.reason == "PICTURES_OF_OTHER_HOLDER"
    assert [one.field for one in told.value.violations] == ["pictures.KZ_ZP"]
    emptied = replace(wish, fields={"KZ_ZP": ""})
    moved = simulation.process.succeed(before.name, Act.TRANSFER, emptied, a_request("face-3"))
    assert moved.state is LicenseState.ACTIVE


def test_only_real_estate_of_the_shipped_types_is_transferred() -> None:
    found = [kind.id for kind in (parse(text) for text, _ in shipped()) if kind.transferable]
    assert found == ["real-estate-certificate"]


def test_of_ten_issued_at_once_to_who_may_have_one_one_is_issued(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, kept = citizen_number(530), simulation.process.types.newest(TYPE_NAME)
    one = replace(kept, type=replace(kept.type, only_one="holder"))
    monkeypatch.setattr(simulation.process.types, "newest", lambda _: one)
    answers: list[str] = []

    def ask(each: int) -> None:
        request = a_request(f"one-{each}")
        try:
            simulation.process.issue(request, holder_code=number, type=one.type)
            answers.append("made")
        except DomainError as error:
            answers.append(error.reason)

    threads = [threading.Thread(target=ask, args=(each,)) for each in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == ["HOLDER_HAS_ONE"] * 9 + ["made"]
    (made,) = rows_of(simulation, number)
    # It may be corrected and renewed, and when it has ended there may be another.
    made = simulation.process.succeed(made.name, Act.RENEW, Wish(), a_request("one-renewed"))
    simulation.process.change(made.name, Act.CANCEL)
    simulation.process.issue(a_request("one-more"), holder_code=number, type=one.type)


def test_a_row_of_a_batch_for_who_has_one_fails_alone(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = simulation.process
    kept = process.types.newest(TYPE_NAME)
    one = replace(kept, type=replace(kept.type, only_one="holder"))
    monkeypatch.setattr(process.types, "version", lambda *_: one)
    batches = Batches(simulation.database, process.types, process.clock, lambda _: ISSUER)
    worker = BatchWorker(simulation.database, process.issuing, process.types, process.clock)
    receiving = batches.begin(ISSUER_SYSTEM, BUREAU, TYPE_NAME, "", repeated=False)
    holder = RowHolder(name="赵示例", code=citizen_number(531))
    other = RowHolder(name="赵示例", code=citizen_number(532))
    receiving.take([
        Row(holders=(each,), fields=FIELDS, key=f"twice-{number}")
        for number, each in enumerate((holder, holder, other))
    ])  # fmt: skip
    with simulation.database.unit_of_work() as work:
        name = batches.start(work, receiving.whole(last=True)).name
    while worker.run_once():
        pass
    worker.stop()
    results, _ = batches.results(ISSUER_SYSTEM, name, state=None, page_size=9, page_token="")
    assert sorted(each.reason for each in results) == ["", "", "HOLDER_HAS_ONE"]


def test_a_correction_makes_nobody_else_the_holder(simulation: Simulation) -> None:
    number, other = citizen_number(540), citizen_number(541)
    first = simulation.process.issue(a_request("typo"), holder_code=number)
    with pytest.raises(InvalidArgument) as told:
        simulation.process.succeed(
            first.name, Act.CORRECT, Wish(holders=[("钱示例", other)]), a_request("typo-2")
        )
    assert told.value.reason == "OTHER_HOLDER"
    # Nor one step after the other.
    first = simulation.process.succeed(
        first.name, Act.CORRECT, Wish(holders=[("", other)]), a_request("typo-3")
    )
    with pytest.raises(InvalidArgument) as told:
        simulation.process.succeed(
            first.name, Act.CORRECT, Wish(holders=[("钱示例", other)]), a_request("typo-4")
        )
    assert told.value.reason == "OTHER_HOLDER"
    back = simulation.process.succeed(
        first.name, Act.CORRECT, Wish(holders=[("钱示例", number)]), a_request("typo-5")
    )
    assert [(one.name, one.code) for one in back.holders] == [("钱示例", number)]
