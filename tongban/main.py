"""The `tongban` command."""

from __future__ import annotations

import os

# The C core of gRPC writes to standard error on its own; what matters of it reaches the caller as
# an error that says what to do.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from typing import Annotated

import typer

from tongban import __version__
from tongban.commands import (
    audit,
    catalog,
    catalog_forms,
    connectors,
    corrections,
    data,
    deadlines,
    demo,
    discover,
    export,
    files,
    flow,
    grants,
    identity,
    inquiries,
    licenses,
    lists,
    monitor,
    query,
    relay,
    seal,
    serve,
    sources,
    spatial,
    trust,
)
from tongban.console import run, with_example

app = typer.Typer(
    name="tongban",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=with_example(
        "Data travels between departments so that people don't have to. 数据多跑路，群众少跑腿。",
        "tongban demo",
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tongban {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Options of the command itself; its help is the app's."""


app.command()(demo.demo)
app.command()(serve.serve)
app.add_typer(identity.app, name="identity")
catalog.app.command("export")(catalog_forms.export)
catalog.app.command("import")(catalog_forms.import_)
app.add_typer(catalog.app, name="catalog")
app.command()(discover.discover)
app.command()(discover.describe)
app.add_typer(grants.app, name="grants")
app.add_typer(deadlines.app, name="deadlines")
app.add_typer(lists.app, name="lists")
app.command()(query.query)
app.command()(data.verify)
app.add_typer(spatial.app, name="spatial")
app.add_typer(sources.app, name="sources")
app.add_typer(connectors.app, name="connectors")
app.add_typer(corrections.app, name="corrections")
app.add_typer(inquiries.app, name="inquiries")
app.add_typer(monitor.app, name="monitor")
app.command()(data.publish)
app.command()(data.subscribe)
app.command()(relay.relay)
app.command()(export.export)
app.add_typer(files.app, name="files")
app.add_typer(
    seal.app,
    name="seal",
    help=with_example(str(seal.app.info.help), "tongban seal verify license.ofd --trust trust"),
)
app.add_typer(trust.app, name="trust")
app.add_typer(licenses.app, name="license")
app.add_typer(audit.app, name="audit")
app.add_typer(flow.app, name="flow")


def main() -> None:
    """Run the command."""
    run(app)


if __name__ == "__main__":
    main()
