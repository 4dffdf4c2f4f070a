"""`tongban identity`: the node's authority, and the systems it enrols and revokes."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from runtime import config, enrolment, names
from runtime.authority import Authority
from runtime.clock import SYSTEM
from runtime.errors import InvalidArgument
from runtime.files import PUBLIC, write_together
from runtime.identity import OF_DEPARTMENTS, Credentials, Role
from tongban.console import DataFolder, Json, err, out, outcomes, print_json, say, with_example
from tongban.files import check_target, read_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Make the authority, enrol systems, revoke them.",
        "tongban identity init --data tongban-data",
    ),
)

ROLES = [role for role in Role if role in OF_DEPARTMENTS]


def open_authority(settings: config.Settings) -> Authority:
    """The authority of a data folder. Raises what `check_node_folder` does."""
    check_node_folder(settings)
    return Authority.open(settings.authority_folder, passphrase=settings.passphrase(make=False))


def check_node_folder(settings: config.Settings) -> None:
    """Raises InvalidArgument (NO_NODE_FOLDER) where the data folder is no node's."""
    if not settings.authority_folder.is_dir():
        raise InvalidArgument(
            f"{settings.data} is not the data folder of a node: name it with --data, or make one "
            "with `tongban identity init`",
            reason="NO_NODE_FOLDER",
            message_zh=f"{settings.data} 不是节点的数据目录：请用 --data 指定，"
            "或用 `tongban identity init` 新建",
        )


def ensure_authority(settings: config.Settings) -> Authority:
    """The authority of a data folder, made on first use."""
    folder = settings.authority_folder
    if (folder / "ca.pem").exists():
        return open_authority(settings)
    return Authority.create(
        folder, name="Tongban node authority", passphrase=settings.passphrase(), now=SYSTEM.now()
    )


@app.command()
def init(data: DataFolder = None, as_json: Json = False) -> None:
    """Make the node's certificate authority.

    Example: tongban identity init --data tongban-data
    """
    with outcomes(as_json=as_json):
        settings = config.load(data=data)
        config.prepare_data_folder(settings.data)
        authority = Authority.create(
            settings.authority_folder,
            name="Tongban node authority",
            passphrase=settings.passphrase(),
            now=SYSTEM.now(),
        )
        facts = {"authority": str(authority.folder / "ca.pem"), "crl": str(authority.crl_path)}
        if as_json:
            print_json(facts)
        else:
            out.print(say("The authority is in ", "证书机构位于 ") + facts["authority"])


@app.command()
def request(
    system: Annotated[str, typer.Argument(help="departments/{department}/systems/{system}")],
    folder: Annotated[Path, typer.Option("--out", help="Where its key and request are written.")],
    as_json: Json = False,
) -> None:
    """Make a system's key where the system runs, and the request to be enrolled by.

    Give request.pem to the node's operator, and put the ca.pem and cert.pem that come back beside
    key.pem, which nobody else ever has.

    Example: tongban identity request departments/public-security/systems/household --out psb
    """
    with outcomes(as_json=as_json):
        check_target(folder / enrolment.REQUEST)
        made = enrolment.make_request(folder, system)
        facts = {"system": system, "request": str(folder / enrolment.REQUEST),
                 "key": str(folder / enrolment.KEY)}  # fmt: skip
        if as_json:
            print_json({**facts, "sha256": sha256(made).hexdigest()})
        else:
            asked, kept = facts["request"], facts["key"]
            out.print(
                say(
                    f"Give the node's operator {asked}; keep {kept}.",
                    f"请将 {asked} 交给节点运营者；{kept} 请自行保管。",
                )
            )


@app.command()
def enrol(
    system: Annotated[str, typer.Argument(help="departments/{department}/systems/{system}")],
    folder: Annotated[Path, typer.Option("--out", help="Where its identity is written.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(ROLES)}; may be given several times."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=1825, help="Days of validity.")] = 365,
    request_file: Annotated[
        Path | None,
        typer.Option("--request", help="What `tongban identity request` made where it runs."),
    ] = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Enrol a system of a department: certify the key that it has made.

    With --request the private key stays with the system, so nobody here can act as it. Without, the
    key is made here, for demonstrations: whoever runs the node could sign in the system's name, and
    the log says so. Each enrolment is a record of the log.

    Example: tongban identity enrol departments/public-security/systems/household --out psb
    --request request.pem
    """
    with outcomes(as_json=as_json):
        roles = roles_of(role or [Role.DEPARTMENT.value])
        names.parse(names.SYSTEM, system, field="system")
        authority = open_authority(config.load(data=data))
        check_target(folder / "cert.pem")
        Credentials.check_folder(folder, system=system, authority=authority.pem)
        if request_file is not None:
            _certify(authority, system, roles, request_file, folder, days, as_json)
            return
        credentials = authority.issue(
            system=system, roles=roles, now=SYSTEM.now(), lifetime=timedelta(days=days)
        )
        credentials.write(folder)
        _tell_shortened(authority, days)
        if as_json:
            print_json({"system": system, "roles": sorted(roles), "identity": str(folder)})
        else:
            out.print(say(f"Enrolled {system}: {folder}", f"已登记 {system}：{folder}"))
        err.print(
            say(
                "Its key was made here, which is for demonstrations: who runs this node can act as "
                "it. Let it make its own: tongban identity request",
                "其私钥由本节点生成，仅供演示：节点运营者可冒用。正式使用请由该系统自行生成："
                "tongban identity request",
            ),
            markup=False,
        )


def _certify(
    authority: Authority,
    system: str,
    roles: list[Role],
    request_file: Path,
    folder: Path,
    days: int,
    as_json: bool,
) -> None:
    made = authority.certify(
        system=system,
        roles=roles,
        request=read_file(request_file, greatest=enrolment.GREATEST_REQUEST),
        now=SYSTEM.now(),
        lifetime=timedelta(days=days),
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_together(
        (folder / "ca.pem", authority.pem, PUBLIC), (folder / enrolment.CERTIFICATE, made, PUBLIC)
    )
    _tell_shortened(authority, days)
    if as_json:
        print_json({"system": system, "roles": sorted(roles), "identity": str(folder)})
    else:
        out.print(
            say(
                f"Enrolled {system}: give it ca.pem and cert.pem in {folder}",
                f"已登记 {system}：请将 {folder} 中的 ca.pem 和 cert.pem 交给它",
            )
        )


def _tell_shortened(authority: Authority, days: int) -> None:
    """Say that a certificate ends before the days that were asked for, where it does."""
    left = authority.ends - SYSTEM.now()
    if left < timedelta(days=days):
        err.print(
            say(
                f"It ends on {authority.ends:%Y-%m-%d}, in {left.days} days and not in {days}: "
                "then the node's authority ends. Renew that one first: tongban identity "
                "renew-authority",
                f"该证书将于 {authority.ends:%Y-%m-%d}（{left.days} 天后，而非 {days} 天后）到期："
                "届时本节点的证书机构到期。请先为其续期：tongban identity renew-authority",
            ),
            markup=False,
        )


@app.command("renew-authority")
def renew_authority(data: DataFolder = None, as_json: Json = False) -> None:
    """Give the node's authority a certificate of ten more years, over the key that it has.

    What was enrolled stays in force. Start the node again, and give the new ca.pem to every system
    before the old one ends.

    Example: tongban identity renew-authority --data tongban-data
    """
    with outcomes(as_json=as_json):
        held = open_authority(config.load(data=data))
        renewed = held.renew(now=SYSTEM.now())
        facts = {
            "authority": str(renewed.folder / "ca.pem"),
            "ended": f"{held.ends:%Y-%m-%d}",
            "ends": f"{renewed.ends:%Y-%m-%d}",
        }
        if as_json:
            print_json(facts)
        else:
            was, until, where = facts["ended"], facts["ends"], facts["authority"]
            out.print(
                say(
                    f"The authority lasts until {until}. Start the node again, and give every "
                    f"system {where} as its ca.pem before {was}.",
                    f"证书机构有效期已延至 {until}。请重启节点，并在 {was} 之前将 {where} "
                    "作为 ca.pem 交给各系统。",
                ),
                markup=False,
            )


@app.command()
def revoke(
    what: Annotated[
        str,
        typer.Argument(
            help="departments/{department}/systems/{system} for all that it was given; or a "
            "certificate, or its identity folder."
        ),
    ],
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Revoke a system's certificates, or one certificate; a running node refuses it in a second.

    Example: tongban identity revoke departments/public-security/systems/household
    """
    with outcomes(as_json=as_json):
        path = Path(what)
        if not path.exists() and names.is_name(names.SYSTEM, what):
            authority = open_authority(config.load(data=data))
            number = authority.revoke_system(what, now=SYSTEM.now())
        else:
            pem = _certificate(path / "cert.pem" if path.is_dir() else path)
            open_authority(config.load(data=data)).revoke(pem, now=SYSTEM.now())
            number = 1
        if as_json:
            print_json({"revoked": what, "certificates": number})
        else:
            out.print(
                say(
                    f"Revoked {what} ({number} certificate(s))", f"已吊销 {what}（{number} 份证书）"
                )
            )


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(
            f"cannot read {path}: name a system, a certificate or an identity folder",
            reason="CERTIFICATE_UNREADABLE",
            message_zh=f"无法读取 {path}：请指明系统、证书或身份目录",
        ) from error


def roles_of(given: list[str]) -> list[Role]:
    """Roles by their words. Raises InvalidArgument (UNKNOWN_ROLE)."""
    try:
        roles = [Role(name) for name in given]
    except ValueError:
        roles = []
    if not roles or not OF_DEPARTMENTS.issuperset(roles):
        listed = ", ".join(ROLES)
        raise InvalidArgument(
            f"a role is one of {listed}",
            reason="UNKNOWN_ROLE",
            message_zh=f"角色应为 {listed} 之一",
        )
    return roles
