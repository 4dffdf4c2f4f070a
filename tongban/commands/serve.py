"""`tongban serve`: run a node."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from runtime import config
from tongban.console import DataFolder, Json, err, outcomes, say


def serve(
    data: DataFolder = None,
    listen: Annotated[
        str | None, typer.Option(envvar="TONGBAN_LISTEN", help="host:port of the gRPC port.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="host:port of Prometheus metrics.")] = None,
    portal: Annotated[
        str | None, typer.Option(help="host:port of the web pages; '' is none.")
    ] = None,
    portal_origin: Annotated[
        str | None,
        typer.Option(help="https://host:port where people open the pages (portal.origin)."),
    ] = None,
    log_for_people: Annotated[
        bool, typer.Option("--log-for-people", help="Log lines for people instead of JSON.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a node: all services on one mTLS gRPC port, health and reflection on.

    With --json one line on standard output says when it serves, and where.

    Example: tongban serve --data tongban-data --listen 127.0.0.1:7443
    """
    with outcomes(as_json=as_json):
        settings = config.load(
            data=data,
            listen=listen,
            metrics=metrics,
            portal={
                key: value
                for key, value in (("listen", portal), ("origin", portal_origin))
                if value is not None
            },
            log_json=False if log_for_people else None,
        )
        from tongban.node import run  # a second of imports that only a node costs

        def ready(port: int) -> None:
            at = f"{settings.listen.rpartition(':')[0]}:{port}"
            if as_json:
                told = {"serving": at, "data": str(settings.data)}
                pages = (
                    {"portal": f"https://{settings.portal.listen}"}
                    if settings.portal.listen
                    else {}
                )
                typer.echo(json.dumps(told | pages))
                return
            err.print(
                say(
                    f"serving {at} from {settings.data}; Ctrl-C stops",
                    f"节点在 {at} 提供服务，数据目录 {settings.data}；Ctrl-C 停止",
                ),
                markup=False,
            )
            if settings.portal.listen:
                err.print(
                    say("web pages at ", "网页门户：") + f"https://{settings.portal.listen}",
                    markup=False,
                )

        run(settings, ready)
