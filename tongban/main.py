"""The `tongban` command."""

from __future__ import annotations

import os

# The C core of gRPC writes to standard error on its own; what matters of it reaches the caller as
# an error that says what to do.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import sys
from functools import lru_cache
from importlib import import_module
from typing import Annotated

import typer

from tongban import __version__
from tongban.console import run, with_example

#: Commands and groups in the order of the help: the module of each in `tongban.commands`, and what
#: of it. To load all of them takes longer than most commands do; the one asked for is enough.
COMMANDS = {
    "demo": ("demo", "demo"),
    "serve": ("serve", "serve"),
    "identity": ("identity", "app"),
    "account": ("account", "app"),
    "catalog": ("catalog_forms", "app"),
    "discover": ("discover", "discover"),
    "describe": ("discover", "describe"),
    "grants": ("grants", "app"),
    "deadlines": ("deadlines", "app"),
    "lists": ("lists", "app"),
    "query": ("query", "query"),
    "verify": ("data", "verify"),
    "spatial": ("spatial", "app"),
    "sources": ("sources", "app"),
    "connectors": ("connectors", "app"),
    "corrections": ("corrections", "app"),
    "inquiries": ("inquiries", "app"),
    "monitor": ("monitor", "app"),
    "publish": ("data", "publish"),
    "subscribe": ("subscribe", "subscribe"),
    "subscriptions": ("subscriptions", "app"),
    "relay": ("relay", "relay"),
    "export": ("export", "export"),
    "files": ("files", "app"),
    "seal": ("seal", "app"),
    "trust": ("trust", "app"),
    "license": ("licenses", "app"),
    "materials": ("materials", "app"),
    "archives": ("archives", "app"),
    "audit": ("audit", "app"),
    "flow": ("flow", "app"),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tongban {__version__}")
        raise typer.Exit


def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Options of the command itself; its help is the app's."""


@lru_cache
def application(only: str = "") -> typer.Typer:
    """`tongban` with all that it can do, or with one command or group only."""
    app = typer.Typer(
        name="tongban",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help=with_example(
            "Data travels between departments so that people don't have to. "
            "数据多跑路，群众少跑腿。",
            "tongban demo",
        ),
    )
    app.callback()(options)
    for name in (only,) if only else COMMANDS:
        module, attribute = COMMANDS[name]
        found = getattr(import_module(f"tongban.commands.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def __getattr__(name: str) -> typer.Typer:
    """`app` is the whole of it, made when it is asked for."""
    if name == "app":
        return application()
    raise AttributeError(name)


def main() -> None:
    """Run the command."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    run(application(asked if asked in COMMANDS else ""))


if __name__ == "__main__":
    main()
