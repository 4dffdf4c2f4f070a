"""`tongban license delegation`: let an agent list and present licenses (委托)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer

from licenses.v1 import delegations_pb2 as pb
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import HolderCode, RequestId, print_licenses
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    outcomes,
    print_json,
    print_table,
    say,
    when,
    with_example,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Let an agent list and present licenses for a purpose (counters, applicants).",
        "tongban license delegation list",
    ),
)
_Name = Annotated[str, typer.Argument(help="delegations/…")]


class Form(StrEnum):
    """How an agent may show a license."""

    CODE = "code"
    QR = "qr"
    COPY = "copy"


_FORMS: Final = {
    Form.CODE: pb.DELEGATION_FORM_CODE,
    Form.QR: pb.DELEGATION_FORM_OFFLINE_QR,
    Form.COPY: pb.DELEGATION_FORM_COPY,
}
_NAMES: Final = {value: form.value for form, value in _FORMS.items()}


@app.command()
def create(
    license_: Annotated[list[str], typer.Option("--license", help="License; several times.")],
    agent_name: Annotated[str, typer.Option(help="The agent's name.")],
    purpose: Annotated[str, typer.Option(help="What for; the agent presents for it only.")],
    holder_code: HolderCode,
    agent_code: Annotated[
        str,
        typer.Option(
            envvar="TONGBAN_AGENT_CODE",
            prompt=True,
            hide_input=True,
            help="The agent's code; best by prompt or variable, so that no shell keeps it.",
        ),
    ],
    days: Annotated[
        int | None,
        typer.Option(min=1, max=365, help="Its last day is so many days ahead; 30 if not said."),
    ] = None,
    until: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Its last day, in place of --days.")
    ] = "",
    form: Annotated[
        list[Form] | None,
        typer.Option(
            help="How the agent may show them; several times. code and qr if nothing is said: a "
            "copy is a file that carries every field."
        ),
    ] = None,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Delegate licenses to an agent.

    Example: tongban license delegation create
    --license departments/human-resources/licenses/ab12 --agent-name 钱代办 --purpose 办理社会保险
    --until 2026-12-31
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json):
        end = _end_of(days, until)
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        request = pb.CreateDelegationRequest(
            holder_code=holder_code,
            agent_name=agent_name,
            agent_code=agent_code,
            licenses=license_,
            purpose=purpose,
            forms=[_FORMS[one] for one in form or ()],
            request_id=request_id,
        )
        request.expire_time.FromDatetime(end)
        made = client.delegations.CreateDelegation(request, timeout=client.timeout).delegation
        _print([made], as_json, one=True)


def _end_of(days: int | None, until: str) -> datetime:
    """When it ends: with its last day in China, which is the one so many days ahead.

    Raises InvalidArgument, BAD_DELEGATION_END.
    """
    if until:
        try:
            last = date.fromisoformat(until)
        except ValueError:
            last = None
        if last is None or days is not None:
            raise InvalidArgument(
                "say either --days or --until, which is a day such as 2026-12-31",
                reason="BAD_DELEGATION_END",
                message_zh="请用 --days 或 --until 之一说明期限；--until 为日期，如 2026-12-31",
            )
        return datetime.combine(last + timedelta(days=1), time.min, CHINA)
    # To the day, so that a repeat says the same.
    last = datetime.now(CHINA).date() + timedelta(days=30 if days is None else days)
    return datetime.combine(last + timedelta(days=1), time.min, CHINA)


@app.command("list")
def list_(
    holder_code: HolderCode,
    as_agent: Annotated[
        bool, typer.Option("--as-agent", help="Those that were given to this code.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the delegations that a holder gave, or an agent was given.

    Example: tongban license delegation list --as-agent
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListDelegationsRequest(holder_code=holder_code, as_agent=as_agent)
        _print(
            list(client.every(client.delegations.ListDelegations, request, "delegations")), as_json
        )


@app.command()
def end(
    name: _Name,
    holder_code: HolderCode,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a delegation at once, and what was presented under it.

    Example: tongban license delegation end delegations/ab12
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        request = pb.EndDelegationRequest(name=name, holder_code=holder_code, request_id=request_id)
        ended = client.delegations.EndDelegation(request, timeout=client.timeout).delegation
        _print([ended], as_json, one=True)


@app.command()
def licenses(
    name: _Name,
    holder_code: HolderCode,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the licenses of an open delegation, for its agent (whose code it asks).

    Example: tongban license delegation licenses delegations/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListDelegatedLicensesRequest(delegation=name, agent_code=holder_code)
        found = client.delegations.ListDelegatedLicenses(request, timeout=client.timeout)
        print_licenses(name, list(found.licenses), as_json)


def _print(found: list[pb.Delegation], as_json: bool, *, one: bool = False) -> None:
    if as_json:
        told = [plain(each) for each in found]
        print_json(told[0] if one else told)
        return
    print_table(
        say("Delegations", "委托"),
        (
            say("name", "资源名"), say("agent", "受托人"), say("for", "事由"),
            say("as", "方式"), say("until", "有效至"), say("state", "状态"),
            say("licenses", "证照"),
        ),
        [
            (
                each.name, each.agent_name, each.purpose,
                " ".join(_NAMES.get(one, "?") for one in each.forms), when(each.expire_time),
                say("open", "有效") if each.open else say("over", "已结束"),
                " ".join(each.licenses),
            )
            for each in found
        ],
    )  # fmt: skip
