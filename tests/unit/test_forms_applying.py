"""What a file changes, in which order, and in how many batches: plain functions on plain things."""

import pytest

from exchange.v1 import catalog_pb2 as pb
from flows.forms import applying
from flows.forms.applying import Held
from flows.forms.snapshot import Snapshot, take
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from tests.builders import catalogs


def held_of(snapshot: Snapshot) -> Held:
    """What a node holds that took a snapshot."""
    departments, entries = {}, {}
    for name, department in snapshot.departments.items():
        departments[name] = pb.Department(etag="d", version=1)
        departments[name].MergeFrom(department)
    for name, entry in snapshot.entries.items():
        entries[name] = type(entry)(etag="e", version=1, state=pb.ENTRY_STATE_ACTIVE)
        entries[name].MergeFrom(entry)
    return Held(departments=departments, entries=entries)


EMPTY = Held(departments={}, entries={})


class Node:
    """A stub that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list = []

    def __getattr__(self, method: str):
        def call(request, timeout):
            self.asked.append((method, request))

        return call


def test_what_a_node_told_is_what_was_taken():
    wanted = catalogs.snapshot()
    assert take(*held_of(wanted).snapshot()) == wanted
    assert not applying.compare(wanted, held_of(wanted))


def test_departments_come_from_above_and_entries_by_kind():
    wanted = catalogs.snapshot()
    # By name the lower one would come first.
    wanted.departments[catalogs.CIVIL].parent = catalogs.HOUSING
    wanted.departments[catalogs.HOUSING].parent = ""
    difference = applying.compare(wanted, EMPTY)
    node = Node()
    assert applying.apply(node, difference, source="c.xlsx") == 1
    assert [method for method, _ in node.asked] == ["CreateDepartment"] * 2 + ["ApplyDirectory"]
    assert [request.department.name for _, request in node.asked[:2]] == [
        *(catalogs.HOUSING, catalogs.CIVIL),
    ]
    kinds = [change.WhichOneof("change") for change in node.asked[2][1].changes]
    assert kinds == ["put_resource"] * 3 + ["put_service_item"] * 2


def test_a_circle_of_parents_is_left_to_the_node():
    wanted = catalogs.snapshot()
    wanted.departments[catalogs.CIVIL].parent = catalogs.HOUSING
    assert len(applying.compare(wanted, EMPTY).departments_added) == 2


def test_a_changed_department_is_sent_with_its_etag_and_told_by_its_fields():
    wanted = catalogs.snapshot()
    held = held_of(wanted)
    wanted.departments[catalogs.HOUSING].display_name = "示范县住房局"
    difference = applying.compare(wanted, held)
    assert difference.department_fields == {catalogs.HOUSING: ["部门名称"]}
    node = Node()
    applying.apply(node, difference, source="c.xlsx")
    ((method, request),) = node.asked
    assert method == "UpdateDepartment"
    assert request.department.etag == "d"


def test_nothing_is_withdrawn_unless_that_is_asked_for():
    everything = catalogs.snapshot()
    some = Snapshot(
        departments=everything.departments,
        resources={catalogs.RESIDENTS: everything.resources[catalogs.RESIDENTS]},
    )
    held = held_of(everything)
    assert not applying.compare(some, held)
    gone = applying.compare(some, held, withdraw=True).entries.withdrawn
    assert len(gone) == 4
    many = {
        f"{catalogs.CIVIL}/resources/r{number}": pb.DataResource(
            name=f"{catalogs.CIVIL}/resources/r{number}", state=pb.ENTRY_STATE_ACTIVE
        )
        for number in range(20)
    }
    full = Held(departments=held.departments, entries={**held.entries, **many})
    with pytest.raises(FailedPrecondition) as refused:
        applying.compare(some, full, withdraw=True)
    assert refused.value.reason == "MASS_WITHDRAWAL"
    allowed = applying.compare(some, full, withdraw=True, allow_mass_withdrawal=True)
    assert len(allowed.entries.withdrawn) == 24


def test_a_large_catalog_goes_in_several_batches_and_repeats_have_the_same_ids(monkeypatch):
    monkeypatch.setattr(applying, "GREATEST_BATCH", 2)
    difference = applying.compare(catalogs.snapshot(), EMPTY)
    first, again = Node(), Node()
    assert applying.apply(first, difference, source="c.xlsx") == 3
    applying.apply(again, difference, source="c.xlsx")
    assert first.asked == again.asked
    ids = [request.request_id for _, request in first.asked]
    assert len(set(ids)) == len(ids) == 5


def test_a_large_entry_goes_alone(monkeypatch):
    monkeypatch.setattr(applying, "GREATEST_BYTES", 10)
    difference = applying.compare(catalogs.snapshot(), EMPTY)
    assert applying.apply(Node(), difference, source="c.xlsx") == 5


def test_a_fault_is_told_by_the_entrys_name():
    batch = applying.compare(catalogs.snapshot(), EMPTY).entries.batch
    error = InvalidArgument(
        "no",
        violations=[
            FieldViolation("changes[1].put_resource.items[0].length", "must be less"),
            FieldViolation("changes[99].put_resource.code", "is wrong"),
            FieldViolation("source", "is too long"),
        ],
    )
    told = applying._told(error, batch).violations
    name = batch[1].put_resource.name
    assert [violation.field for violation in told] == [
        *(f"{name} items[0].length", "changes[99].put_resource.code", "source"),
    ]
