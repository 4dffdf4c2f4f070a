"""The `tongban` command."""

from __future__ import annotations

import os

# The C core of gRPC writes to standard error on its own; what matters of it reaches the caller as
# an error that says what to do.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import typer

from tongban.commands import (
    audit,
    catalog,
    data,
    demo,
    flow,
    grants,
    identity,
    licenses,
    seal,
    serve,
)

app = typer.Typer(
    name="tongban",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Data travels between departments so that people don't have to. 数据多跑路，群众少跑腿。",
)
app.command()(demo.demo)
app.command()(serve.serve)
app.add_typer(identity.app, name="identity")
app.add_typer(catalog.app, name="catalog")
app.add_typer(grants.app, name="grants")
app.command()(data.query)
app.command()(data.verify)
app.command()(data.publish)
app.command()(data.subscribe)
app.add_typer(seal.app, name="seal")
app.add_typer(licenses.app, name="license")
app.add_typer(audit.app, name="audit")
app.add_typer(flow.app, name="flow")


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
