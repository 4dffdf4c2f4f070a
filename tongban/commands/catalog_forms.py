"""`tongban catalog export` and `import`: the catalog as a workbook, as DCAT-AP and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from exchange.catalog import messages, rules
from exchange.catalog.model import DataResource
from exchange.catalog.service_item import ServiceItem
from exchange.v1 import catalog_pb2 as pb
from flows.forms import applying, dcat, dcat_reading, snapshot, workbook, workbook_reading
from flows.forms.applying import Difference
from flows.forms.problems import GREATEST_FILE, GREATEST_PROBLEMS
from flows.forms.snapshot import Snapshot
from runtime.clock import SYSTEM
from runtime.errors import FieldViolation, InvalidArgument
from tongban.client import Client
from tongban.commands.catalog import app
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    print_table,
    say,
)
from tongban.files import check_target, read_file, write_file


class Form(StrEnum):
    """In which form a catalog is written."""

    XLSX = "xlsx"
    DCAT_AP = "dcat-ap"
    JSON = "json"


@app.command("export")
def export(
    target: Annotated[Path, typer.Option("--out", help="The file to write.")],
    form: Annotated[Form, typer.Option("--format", help="In which form.")] = Form.XLSX,
    department: Annotated[str, typer.Option(help="Of this department only.")] = "",
    endpoint: Annotated[
        str, typer.Option(help="dcat-ap: URL of the exchange; grpcs://NODE where it is empty.")
    ] = "",
    publisher: Annotated[
        str, typer.Option(help="dcat-ap: the department that publishes the catalog.")
    ] = "",
    title: Annotated[str, typer.Option(help="dcat-ap: the catalog's title.")] = "政务数据目录",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the catalog in force to a file: the guide's workbook, DCAT-AP (JSON-LD) or JSON.

    Example: tongban catalog export --format xlsx --out catalog.xlsx
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        check_target(target)
        held = applying.hold(client.catalog, department)
        found = snapshot.take(*held.snapshot())
        match form:
            case Form.XLSX:
                data = workbook.write(found)
            case Form.JSON:
                data = snapshot.to_json(found)
            case Form.DCAT_AP:
                data = dcat.write(
                    found,
                    endpoint=endpoint or f"grpcs://{node}",
                    title=title,
                    publisher=publisher,
                    at=SYSTEM.now(),
                    published={
                        name: one.last_publish_time.ToDatetime(UTC)
                        for name, one in held.entries.items()
                        if isinstance(one, pb.DataResource) and one.HasField("last_publish_time")
                    },
                )
        write_file(target, data)
        counts = _counts(found)
        if as_json:
            print_json({"file": str(target), "format": form.value, **counts})
        else:
            english = ", ".join(f"{number} {what}" for what, number in counts.items())
            out.print(
                say(
                    f"Wrote {target}: {english}".replace("_", " "),
                    f"已写入 {target}：部门 {counts['departments']}，信息资源 "
                    f"{counts['resources']}，事项 {counts['service_items']}",
                ),
                markup=False,
            )


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A file that export wrote, or of its form.")],
    dry_run: Annotated[
        bool, typer.Option(help="Show what would change, and change nothing.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option(help="Withdraw what its departments hold and the file does not.")
    ] = False,
    allow_mass_withdrawal: Annotated[
        bool, typer.Option(help="Allow that most of what is held is withdrawn.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Bring the catalog to what a file says: shown first, then applied.

    Example: tongban catalog import catalog.xlsx --dry-run
    """
    with outcomes(as_json=as_json):
        wanted = read(source)
        with Client(node, identity) as client:
            difference = applying.compare(
                wanted,
                applying.hold(client.catalog),
                withdraw=withdraw,
                allow_mass_withdrawal=allow_mass_withdrawal,
            )
            if not as_json:
                _print_difference(difference, wanted)
            if dry_run:
                judge(difference)
            batches = 0
            if difference and not dry_run:
                batches = applying.apply(client.catalog, difference, source=source.name[:200])
            _tell_end(difference, dry_run=dry_run, batches=batches, as_json=as_json)


def judge(difference: Difference) -> None:
    """Judge what would change by the node's own rules for each entry, without a node.

    What depends on what the node holds beside it is judged when it is applied. Raises
    InvalidArgument (DIRECTORY_INVALID), with at most `GREATEST_PROBLEMS` violations.
    """
    found = list(islice(_violations(difference), GREATEST_PROBLEMS))
    if found:
        raise InvalidArgument(
            "this would be refused: correct the fields listed and repeat",
            reason="DIRECTORY_INVALID",
            message_zh="节点将拒绝这些内容：请更正所列字段后重试",
            violations=found,
        )


def _violations(difference: Difference) -> Iterator[FieldViolation]:
    for department in (*difference.departments_added, *difference.departments_changed):
        for wrong in rules.department_violations(
            display_name=department.display_name,
            credit_code=department.credit_code,
            region_code=department.region_code,
            parent=department.parent,
        ):
            field = wrong.field.removeprefix("department.")
            yield FieldViolation(f"{department.name} {field}", wrong.description)
    for message in difference.entries.batch:
        change = messages.change_of(message)
        if isinstance(change, DataResource):
            wrongs = rules.resource_violations(change)
        elif isinstance(change, ServiceItem):
            wrongs = rules.service_item_violations(change)
        else:
            continue
        for wrong in wrongs:
            yield FieldViolation(f"{change.name} {wrong.field}", wrong.description)


def read(source: Path) -> Snapshot:
    """The catalog that a file says, whichever form it has. Raises InvalidArgument."""
    data = read_file(source, greatest=GREATEST_FILE)
    if data[:4] == b"PK\x03\x04":
        return workbook_reading.read(data)
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        told = {}
    if isinstance(told, dict) and "@context" in told:
        return dcat_reading.read(data)
    return snapshot.from_json(data)


def _counts(found: Snapshot) -> dict[str, int]:
    return {
        "departments": len(found.departments),
        "resources": len(found.resources),
        "service_items": len(found.service_items),
    }


def _print_difference(difference: Difference, wanted: Snapshot) -> None:
    entries, names = difference.entries, wanted.entries
    added, changed = say("add", "新增"), say("change", "变更")
    rows = [(added, one.name, one.display_name, "") for one in difference.departments_added]
    rows += [
        (changed, one.name, one.display_name, " ".join(difference.department_fields[one.name]))
        for one in difference.departments_changed
    ]
    rows += [(added, name, names[name].display_name, "") for name in entries.added]
    rows += [
        (changed, name, names[name].display_name, " ".join(entries.fields[name]))
        for name in entries.changed
    ]
    rows += [(say("withdraw", "撤回"), name, "", "") for name in entries.withdrawn]
    columns = (say("what", "动作"), say("name", "资源名"), say("display name", "名称"))
    print_table(say("Changes", "变更"), (*columns, say("fields", "变更的字段")), rows)


def _tell_end(difference: Difference, *, dry_run: bool, batches: int, as_json: bool) -> None:
    entries = difference.entries
    if as_json:
        told: dict[str, Any] = {
            "applied": bool(difference) and not dry_run,
            "batches": batches,
            "departments_added": [one.name for one in difference.departments_added],
            "departments_changed": difference.department_fields,
            "added": entries.added,
            "changed": {name: entries.fields[name] for name in entries.changed},
            "withdrawn": entries.withdrawn,
            "unchanged": len(entries.unchanged),
        }
        print_json(told)
    elif not difference:
        out.print(say("Nothing differs.", "没有差异。"))
    elif dry_run:
        out.print(say("Nothing was changed: this was a dry run.", "仅预览，未作任何变更。"))
    else:
        out.print(say(f"Applied in {batches} batches.", f"已应用，共 {batches} 批。"))
