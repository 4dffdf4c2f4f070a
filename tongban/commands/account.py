"""`tongban account`: who signs in at the web pages. For the node's operator, on its data folder."""

from __future__ import annotations

from typing import Annotated

import typer

from accounts.acts.model import check_reason
from runtime import config
from runtime.identity import APPLICANTS, Role
from tongban.accounts import Facts, facts_of, invited_facts, opened, operator
from tongban.commands.identity import roles_of
from tongban.console import (
    DataFolder,
    Json,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    with_example,
    word,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Make, list, reset and disable the accounts of persons.",
        "tongban account create li.shifan --name 李示范 --department departments/audit "
        "--role auditor",
    ),
)
Name = Annotated[str, typer.Argument(help="accounts/{account}; see `tongban account list`.")]


@app.command()
def create(
    login: Annotated[
        str,
        typer.Argument(help="What is typed to sign in; of an applicant their number, or - to ask."),
    ],
    display_name: Annotated[str, typer.Option("--name", help="What the person is called.")],
    department: Annotated[
        str, typer.Option(help="departments/{department}; nothing for an applicant.")
    ] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="department, administrator, auditor or counter; may be repeated."),
    ] = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Make an account, and the link by which its owner enrols, once, within three days.

    Whoever has the link has the account: hand it over as you would a key.

    Example: tongban account create li.shifan --name 李示范 --department departments/audit
    --role auditor
    """
    with outcomes(as_json=as_json):
        settings = config.load(data=data)
        if login == "-":  # a number in a command line stands in the shell's history
            login = typer.prompt(say("Login or number", "登录名或证件号码"), err=True)
        roles: list[Role] = roles_of(role or [Role.DEPARTMENT.value]) if department else []
        with opened(settings) as server, server.database.unit_of_work() as work:
            made = server.administering.create(
                work,
                actor=operator(settings),
                department=department or APPLICANTS,
                roles=roles,
                login=login,
                display_name=display_name,
            )
        _tell_link(invited_facts(made, settings), as_json)


@app.command()
def reset(
    name: Name,
    reason: Annotated[
        str, typer.Option(help="Why: its owner reads it, the log keeps a commitment to it.")
    ] = "",
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Take password, codes and passkeys away, end all sessions, and make a fresh link.

    Example: tongban account reset accounts/abcdefghijklmnop --reason 通行密钥遗失
    """
    with outcomes(as_json=as_json):
        settings = config.load(data=data)
        with opened(settings) as server, server.database.unit_of_work() as work:
            made = server.administering.reset(
                work,
                name,
                actor=operator(settings),
                reason=check_reason(reason) if reason else "",
            )
        _tell_link(invited_facts(made, settings), as_json)


@app.command("list")
def list_(
    department: Annotated[str, typer.Option(help="departments/{department}; all without it.")] = "",
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """List accounts; of applicants their names, and not their numbers.

    Example: tongban account list --department departments/audit
    """
    with outcomes(as_json=as_json):
        settings, found, token = config.load(data=data), [], ""
        with opened(settings) as server:
            from runtime.paging import token_after

            while True:
                page = server.administering.page(department, size=500, token=token, everybody=True)
                found += page[:500]
                if len(page) <= 500:
                    break
                token = token_after(page[499].id)
        if as_json:
            print_json({"accounts": [facts_of(one) for one in found]})
            return
        if not found:
            out.print(
                say(
                    "No accounts yet: make one with tongban account create",
                    "还没有账户：请用 tongban account create 建立",
                )
            )
            return
        print_table(
            say("Accounts", "账户"),
            (
                say("account", "账户"),
                say("name", "姓名"),
                say("department", "部门"),
                say("roles", "角色"),
                say("state", "状态"),
            ),
            [
                (
                    one.name,
                    one.display_name,
                    one.department,
                    " ".join(sorted(one.roles)),
                    word(one.state.value),
                )
                for one in found
            ],
        )


@app.command()
def disable(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; the log keeps a commitment to it.")],
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """End an account for good, and every session of it within a second.

    Example: tongban account disable accounts/abcdefghijklmnop --reason 离职
    """
    with outcomes(as_json=as_json):
        settings = config.load(data=data)
        with opened(settings) as server, server.database.unit_of_work() as work:
            held = server.administering.disable(
                work, name, reason=reason, actor=operator(settings), principal=None
            )
        if as_json:
            print_json(facts_of(held))
        else:
            out.print(say(f"Disabled {held.name}", f"已停用 {held.name}"))


def _tell_link(facts: Facts, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    out.print(
        say(
            f"{facts['account']} of {facts['display_name']}. The link to enrol by, told once:",
            f"{facts['display_name']}的账户 {facts['account']}。登记链接（仅显示一次）：",
        )
    )
    out.print(str(facts["link"]), markup=False, soft_wrap=True)
