"""`tongban grants`: who could read what, what a change would refuse, what is given and not used."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from exchange.v1 import catalog_pb2, oversight_pb2
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import Client, plain
from tongban.commands.grant_requests import Rows
from tongban.commands.grant_terms import (
    Operations,
    condition,
    end_of,
    granted_item,
    mask_word,
    operation_word,
    operations_of,
    rows_text,
)
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    when,
)

app = typer.Typer()


def moment_of(text: str) -> datetime:
    """A day in China at its noon (`YYYY-MM-DD`), or a time of RFC 3339. Raises InvalidArgument."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(
            "a time is YYYY-MM-DD, or as in 2026-03-02T12:00:00+08:00",
            message_zh="时间应为 YYYY-MM-DD，或如 2026-03-02T12:00:00+08:00",
        ) from None
    if len(text) == 10:
        found = found.replace(hour=12)
    return found if found.tzinfo else found.replace(tzinfo=CHINA)


@app.command()
def explain(
    resource: Annotated[str, typer.Argument(help="The resource.")],
    item: Annotated[str, typer.Option(help="Code of the item; empty is any.")] = "",
    at: Annotated[str, typer.Option(help="YYYY-MM-DD (noon) or RFC 3339; empty is now.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell who could read an item at a time, and under which grant and right.

    Example: tongban grants explain departments/public-security/resources/population --item phone
    --at 2026-03-02
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = oversight_pb2.ExplainAccessRequest(resource=resource, item=item)
        if at:
            call.time.FromDatetime(moment_of(at))
        found = list(client.every(client.oversight.ExplainAccess, call, "accesses"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Who could read it", "可读取者"),
            (say("grant", "授权"), say("version", "版本"), say("shown", "显示"),
             say("records", "记录范围"), say("since", "自"), say("purpose", "用途"),
             say("legal basis", "依据")),
            [
                (one.grant.name, f"{one.grant.version} ({one.act})",
                 mask_word(one.mask) if item else "",
                 rows_text(one.grant.row_filter) or say("all", "全部"),
                 when(one.from_time), one.grant.purpose, one.grant.legal_basis)
                for one in found
            ],
        )  # fmt: skip


@app.command("what-if")
def what_if(
    name: Annotated[str, typer.Argument(help="The grant.")],
    item: Annotated[
        list[str] | None, typer.Option(help="What would be left: item, or item:mask.")
    ] = None,
    operations: Operations = None,
    daily_quota: Annotated[int | None, typer.Option(help="Records a day.")] = None,
    rate: Annotated[int | None, typer.Option(help="Questions a minute.")] = None,
    row: Rows = None,
    until: Annotated[str, typer.Option(help="The end: YYYY-MM-DD, or 90d.")] = "",
    from_day: Annotated[str, typer.Option("--from", help="First day looked at.")] = "",
    until_day: Annotated[str, typer.Option("--to", help="Last day looked at.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell which recorded uses of a grant a change would have refused; nothing is changed.

    Example: tongban grants what-if departments/human-resources/grants/cd34 --item name
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = oversight_pb2.WhatIfRequest(
            grant=name,
            items=[granted_item(i) for i in item or ()],
            operations=operations_of(operations),
            daily_quota=daily_quota,
            rate_per_minute=rate,
            row_filter=[condition(r) for r in row or ()],
            from_day=from_day,
            until_day=until_day,
        )
        if until:
            call.end_time.FromDatetime(end_of(until))
        found = client.oversight.WhatIf(call, timeout=client.timeout)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            say(f"Of {found.uses:,} uses", f"共 {found.uses:,} 次使用"),
            (say("reason", "原因"), say("operation", "操作"), say("item", "信息项"),
             say("uses", "次数"), say("records", "记录数"), say("outcome", "结果")),
            [
                (one.reason, operation_word(one.operation), one.item, one.uses, one.records or "",
                 _outcome(one))
                for one in found.affected
            ],
        )  # fmt: skip
        _whether_all(found.tally)
        if found.HasField("look"):
            _how_far(found.look)


@app.command("what-if-catalog")
def what_if_catalog(
    resource: Annotated[str, typer.Argument(help="The resource.")],
    without: Annotated[
        list[str] | None, typer.Option(help="Item that would be taken out; several times.")
    ] = None,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="The resource would be withdrawn.")
    ] = False,
    sharing: Annotated[
        str, typer.Option(help="Its sharing type: unconditional, conditional, not-shared.")
    ] = "",
    negative: Annotated[
        list[str] | None,
        typer.Option(help="Item that would be on the negative list; `all` for all of it."),
    ] = None,
    from_day: Annotated[str, typer.Option("--from", help="First day looked at.")] = "",
    until_day: Annotated[str, typer.Option("--to", help="Last day looked at.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell what a change of the catalog would do to grants and their uses; nothing is changed.

    Example: tongban grants what-if-catalog departments/public-security/resources/population
    --without phone
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        kept = set(negative or ())
        call = oversight_pb2.WhatIfCatalogRequest(
            resource=resource,
            removed_items=without,
            withdrawn=withdrawn,
            sharing_type=_sharing(sharing),
            negative_items=sorted(kept - {"all"}),
            negative="all" in kept,
            from_day=from_day,
            until_day=until_day,
        )
        grants: list[oversight_pb2.GrantAffected] = []
        while True:
            page = client.oversight.WhatIfCatalog(call, timeout=client.timeout)
            grants += page.grants
            call.page_token = page.next_page_token
            if not call.page_token:
                break
        if as_json:
            print_json({"grants": [plain(one) for one in grants], "requests": page.requests})
            return
        print_table(
            say("Grants affected", "受影响的授权"),
            (say("grant", "授权"), say("shows no longer", "不再显示"), say("uses", "使用次数"),
             say("of them affected", "其中受影响")),
            [
                (one.grant, say("all of it", "全部") if one.closed else ", ".join(one.lost_items),
                 one.uses,
                 say("; ", "；").join(
                     f"{a.reason} {operation_word(a.operation)} {a.item} {a.uses:,} {_outcome(a)}"
                     for a in one.affected))
                for one in grants
            ],
        )  # fmt: skip
        if page.requests:
            out.print(say(f"{page.requests:,} requests would have been decided by another rule.",
                          f"{page.requests:,} 件申请的决定方式会不同。"))  # fmt: skip
        _whether_all(page.tally)


def _sharing(word: str) -> catalog_pb2.SharingType.ValueType:
    words = {
        "": catalog_pb2.SHARING_TYPE_UNSPECIFIED,
        "unconditional": catalog_pb2.SHARING_TYPE_UNCONDITIONAL,
        "conditional": catalog_pb2.SHARING_TYPE_CONDITIONAL,
        "not-shared": catalog_pb2.SHARING_TYPE_NOT_SHARED,
    }
    if word not in words:
        raise InvalidArgument(
            "a sharing type is unconditional, conditional or not-shared",
            message_zh="共享类型应为 unconditional、conditional 或 not-shared",
        )
    return words[word]


def _outcome(one: oversight_pb2.AffectedUses) -> str:
    return say("refused", "被拒绝") if one.refused else say("shows less", "显示减少")


def _how_far(look: oversight_pb2.LogLook) -> None:
    if not look.complete:
        since = when(look.from_time)
        text = f"Single uses were looked at since {since} only."
        err.print(say(text, f"逐条查看仅自 {since} 起。"))
    if look.unjudged:
        of_all = f"{look.unjudged:,} / {look.uses:,}"
        err.print(
            say(
                f"{of_all} uses are about records that cannot be judged any more.",
                f"{of_all} 次使用所涉的记录已无法判断。",
            )
        )


@app.command()
def use(
    parent: Annotated[str, typer.Option(help="A department; departments/- is all.")],
    from_day: Annotated[str, typer.Option("--from", help="First day looked at.")] = "",
    wider: Annotated[
        bool, typer.Option("--wider", help="Only those unused, or wider than their use.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Compare what grants give with what was used of them.

    Example: tongban grants use --parent departments/- --wider
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = oversight_pb2.ReportGrantUseRequest(
            parent=parent, from_day=from_day, wider_only=wider
        )
        found: list[oversight_pb2.GrantUse] = []
        while True:
            page = client.oversight.ReportGrantUse(call, timeout=client.timeout)
            found += page.grants
            call.page_token = page.next_page_token
            if not call.page_token:
                break
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Use of grants", "授权使用情况"),
            (say("grant", "授权"), say("uses", "使用次数"), say("last", "最近使用"),
             say("unused operations", "未用操作"), say("unused items", "未用信息项"),
             say("busiest", "单日最多")),
            [
                (one.grant, one.uses, one.last_day or say("never", "从未"),
                 ", ".join(operation_word(o) for o in one.unused_operations),
                 ", ".join(one.unused_items), one.busiest_day)
                for one in found
            ],
        )  # fmt: skip
        _whether_all(page.tally)


def _whether_all(tally: oversight_pb2.LogTally) -> None:
    if not tally.complete:
        err.print(say(f"Counted up to record {tally.size:,} of the log: ask again for the rest.",
                      f"仅统计至日志第 {tally.size:,} 条：请再次查询以统计其余部分。"))  # fmt: skip
