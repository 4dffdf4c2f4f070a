"""`tongban subscriptions`: who receives changes, alone or with others, and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from exchange.v1 import delivery_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.commands.subscribe import Start, created, line_of
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
        "Subscriptions, their lanes, and their dead letters.",
        "tongban subscriptions dead departments/human-resources/subscriptions/people",
    ),
)

Subscription = Annotated[str, typer.Argument(help="The subscription's name.")]
Lanes = Annotated[int, typer.Option(help="How many consumers may share the work.")]
Offsets = Annotated[list[int] | None, typer.Option("--offset", help="Of these; all if none.")]

_STATES_ZH = {
    "OPEN": "待处理",
    "REPLAYING": "重新投递中",
    "DELIVERED": "已投递",
    "SUPERSEDED": "已被后续变更取代",
    "CLOSED": "已关闭",
}


@app.command()
def create(
    grant: Annotated[str, typer.Argument(help="The grant it lives under.")],
    name: Annotated[str, typer.Option("--id", help="Last part of its name.")] = "",
    start: Start = "now",
    lanes: Lanes = 1,
    max_deliveries: Annotated[
        int, typer.Option(help="After so many in vain a change becomes a dead letter.")
    ] = 5,
    owner: Annotated[str, typer.Option(help="The office that looks after dead letters.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Make a subscription.

    Example: tongban subscriptions create departments/human-resources/grants/cd34 --id people
    --from snapshot --lanes 4 --owner 数据科
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = created(
            client,
            grant,
            name,
            start,
            lanes=lanes,
            max_deliveries=max_deliveries,
            owner=owner,
        )
        _show(made, as_json)


@app.command()
def delete(
    subscription: Subscription,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a subscription, with its lanes and dead letters; its name is not given again.

    Example: tongban subscriptions delete departments/human-resources/subscriptions/people
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        client.delivery.DeleteSubscription(
            pb.DeleteSubscriptionRequest(name=subscription, request_id=new_request_id()),
            timeout=client.timeout,
        )
        if as_json:
            print_json({"deleted": subscription})
        else:
            typer.echo(say("ended: nothing is delivered by it again", "已结束：不再投递任何变更"))


@app.command("list")
def list_(
    department: Annotated[str, typer.Argument(help="Your department, if it is said.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List your department's subscriptions.

    Example: tongban subscriptions list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListSubscriptionsRequest(parent=department or client.department)
        found = list(client.every(client.delivery.ListSubscriptions, request, "subscriptions"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Subscriptions", "订阅"),
            (say("name", "名称"), say("grant", "授权"), say("cursor", "游标"),
             say("lanes", "分道"), say("owner", "负责科室")),
            [(one.name, one.grant, one.cursor, one.lanes, one.owner) for one in found],
        )  # fmt: skip


@app.command()
def show(
    subscription: Subscription,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a subscription with its lanes.

    Example: tongban subscriptions show departments/human-resources/subscriptions/people
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.GetSubscriptionRequest(name=subscription)
        found = client.delivery.GetSubscription(request, timeout=client.timeout).subscription
        _show(found, as_json)
        if not as_json and found.lane_states:
            print_table(
                say("Lanes", "分道"),
                (say("lane", "分道"), say("cursor", "游标"), say("consumer", "消费者"),
                 say("leased until", "租约至"), say("rests until", "暂停至"),
                 say("failed", "失败次数")),
                [
                    (one.lane, one.cursor, one.consumer, when(one.expire_time),
                     when(one.retry_time), one.failed_deliveries)
                    for one in found.lane_states
                ],
            )  # fmt: skip


@app.command()
def dead(
    subscription: Subscription,
    offset: Annotated[
        int, typer.Option(help="Show this one with its change, as the grant shows it now.")
    ] = 0,
    every: Annotated[bool, typer.Option("--all", help="Those that are settled, too.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List dead letters: changes that could not be delivered.

    Example: tongban subscriptions dead departments/human-resources/subscriptions/people
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if offset:
            request = pb.GetDeadLetterRequest(name=f"{subscription}/deadLetters/{offset}")
            found = client.delivery.GetDeadLetter(request, timeout=client.timeout)
            if as_json:
                print_json(plain(found) | {"receipt": None})
                return
            _letters([found.dead_letter], as_json=False)
            if found.HasField("change"):
                typer.echo(line_of(found.change))
            return
        states = [n for n in pb.DeadLetterState.values() if n] if every else []
        listed = pb.ListDeadLettersRequest(parent=subscription, states=states)
        letters = client.every(client.delivery.ListDeadLetters, listed, "dead_letters")
        _letters(list(letters), as_json=as_json)


@app.command()
def replay(
    subscription: Subscription,
    offset: Offsets = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Have dead letters delivered again, as their records are now.

    Example: tongban subscriptions replay departments/human-resources/subscriptions/people
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        done: list[pb.DeadLetter] = []
        more = True
        while more:
            part = client.delivery.ReplayDeadLetters(
                pb.ReplayDeadLettersRequest(
                    parent=subscription, offsets=offset or (), request_id=new_request_id()
                ),
                timeout=client.timeout,
            )
            done += part.dead_letters
            more = part.more
        _letters(done, as_json=as_json)


@app.command()
def close(
    subscription: Subscription,
    reason: Annotated[str, typer.Option(help="Why they are given up.")],
    offset: Offsets = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Give dead letters up.

    Example: tongban subscriptions close departments/human-resources/subscriptions/people
    --offset 41 --reason 重复
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        done: list[pb.DeadLetter] = []
        more = True
        while more:
            part = client.delivery.CloseDeadLetters(
                pb.CloseDeadLettersRequest(
                    parent=subscription,
                    offsets=offset or (),
                    reason=reason,
                    request_id=new_request_id(),
                ),
                timeout=client.timeout,
            )
            done += part.dead_letters
            more = part.more
        _letters(done, as_json=as_json)


def _show(subscription: pb.Subscription, as_json: bool) -> None:
    if as_json:
        print_json(plain(subscription))
        return
    rows: Iterable[Sequence[object]] = (
        (say("grant", "授权"), subscription.grant),
        (say("cursor", "游标"), subscription.cursor),
        (say("lanes", "分道"), subscription.lanes),
        (say("deliveries at most", "最多投递次数"), subscription.max_deliveries),
        (say("owner", "负责科室"), subscription.owner),
        (say("dead letters", "死信"), subscription.dead_letters),
    )
    columns = (say("field", "字段"), say("value", "值"))
    print_table(subscription.name, columns, list(rows))


def _letters(letters: list[pb.DeadLetter], *, as_json: bool) -> None:
    if as_json:
        print_json([plain(one) for one in letters])
        return
    print_table(
        say("Dead letters", "死信"),
        (say("offset", "偏移"), say("state", "状态"), say("reason", "原因"),
         say("deliveries", "投递次数"), say("since", "起始时间"), say("owner", "负责科室")),
        [
            (one.offset, _state(one.state), one.reason, one.deliveries,
             when(one.create_time), one.owner)
            for one in letters
        ],
    )  # fmt: skip


def _state(number: int) -> str:
    word = pb.DeadLetterState.Name(pb.DeadLetterState.ValueType(number))
    word = word.removeprefix("DEAD_LETTER_STATE_")
    return say(word, _STATES_ZH.get(word, word))
