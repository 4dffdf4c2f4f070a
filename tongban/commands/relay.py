"""`tongban relay`: a subscription's changes into a stream of NATS JetStream (转发)."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from exchange.relaying.model import Target, target_of
from exchange.relaying.service import Broker, Relay
from runtime.channels import aio_channel
from runtime.identity import Credentials
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
    say,
)


def relay(
    subscription: Annotated[
        str, typer.Argument(help="departments/{department}/subscriptions/{subscription}")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", envvar="TONGBAN_NATS", help="The broker: nats://host:4222 or tls://host:4222."
        ),
    ],
    stream: Annotated[str, typer.Option(help="Its stream; made where there is none.")] = "",
    subject: Annotated[str, typer.Option(help="Subject of the messages.")] = "",
    credentials: Annotated[
        Path | None, typer.Option(help="The broker's credentials file (.creds).")
    ] = None,
    authority: Annotated[
        Path | None, typer.Option(help="PEM of the authority of the broker's certificate.")
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, max=5, help="Copies of a stream that is made.")
    ] = 1,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that is there now was put.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Put a subscription's changes into a stream, each exactly once, until stopped.

    Example: tongban relay departments/human-resources/subscriptions/people
    --to nats://127.0.0.1:4222
    """
    with outcomes(as_json=as_json):
        usual = target_of(subscription)
        target = Target(stream=stream or usual.stream, subject=subject or usual.subject)
        broker = Broker(url=to, credentials=credentials, authority=authority, replicas=replicas)
        put = asyncio.run(
            _relay(node, Credentials.read(identity), subscription, broker, target, once)
        )
        if as_json:
            print_json({"put": put, "stream": target.stream, "subject": target.subject})
        else:
            out.print(
                say(f"{put:,} changes put into {target.stream}",
                    f"已将 {put:,} 条变更写入 {target.stream}"),
                markup=False,
            )  # fmt: skip


async def _relay(
    node: str,
    credentials: Credentials,
    subscription: str,
    broker: Broker,
    target: Target,
    once: bool,
) -> int:
    put = 0

    def stored(count: int) -> None:
        nonlocal put
        put += count

    async with aio_channel(node, credentials) as channel:
        relaying = asyncio.create_task(
            Relay(
                channel=channel,
                subscription=subscription,
                broker=broker,
                target=target,
                stored=stored,
            ).run(once=once)
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, relaying.cancel)
        err.print(say(f"relaying to {target.stream}", f"正在转发至 {target.stream}"), markup=False)
        try:
            await relaying
        except asyncio.CancelledError:
            if not relaying.cancelled():
                raise
    return put
