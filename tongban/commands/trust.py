"""`tongban trust`: other authorities whose seals are trusted here (mutual recognition)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seal.v1 import trust_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.commands.trust_terms import (
    Purpose,
    Wanted,
    instant,
    lists_in,
    print_authority,
    state_of,
)
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
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
        "Recognise other authorities: whose seals are trusted here, for what, until when.",
        "tongban trust show authorities/shifan-city",
    ),
)

EVENTS_ZH = {
    "proposed": "申请",
    "approved": "批准",
    "rejected": "驳回",
    "withdrawn": "撤回",
    "change_proposed": "申请变更",
    "change_approved": "批准变更",
    "change_rejected": "驳回变更",
    "list_added": "添加吊销列表",
}

Name = Annotated[str, typer.Argument(help="Name of the authority.")]
Reason = Annotated[str, typer.Option(help="Why, for the record; nothing personal.")]
DisplayName = Annotated[str, typer.Option("--name", help="The authority's full name.")]
CreditCode = Annotated[str, typer.Option(help="Its credit code.")]
ForeignId = Annotated[str, typer.Option(help="Else its id in another register.")]
LegalBasis = Annotated[str, typer.Option(help="The agreement or document; nothing personal.")]
Folder = Annotated[
    Path | None, typer.Option(help="What `tongban seal trust` of the other node wrote.")
]
Anchors = Annotated[
    list[Path] | None, typer.Option("--anchor", help="A root certificate, PEM or DER.")
]
TimestampAnchors = Annotated[
    list[Path] | None, typer.Option("--timestamp-anchor", help="A root trusted for the time alone.")
]
Intermediates = Annotated[
    list[Path] | None, typer.Option("--intermediate", help="A certificate beneath the anchors.")
]
Purposes = Annotated[
    list[Purpose] | None, typer.Option("--purpose", help="What --anchor is for; else everything.")
]
Suites = Annotated[
    list[str] | None, typer.Option("--suite", help="Allowed beneath, such as sm2-sm3; else any.")
]
Begin = Annotated[
    str, typer.Option("--from", help="Trusted from YYYY-MM-DD; else the certificate's begin.")
]
End = Annotated[
    str, typer.Option("--until", help="Until YYYY-MM-DD, or 90d; else the certificate's end.")
]
Required = Annotated[
    bool | None,
    typer.Option(
        "--require-revocation/--no-require-revocation",
        help="Whether nothing is decided without revocation data.",
    ),
]
Grace = Annotated[str, typer.Option(help="How long lists count beyond their end: 12h, 3d.")]
Makers = Annotated[
    list[Path] | None,
    typer.Option("--maker", help="A certificate that makes seals; others then make none."),
]
ListUrls = Annotated[
    list[str] | None, typer.Option("--list-url", help="Where its revocation lists are fetched.")
]


@app.command()
def propose(
    authority_id: Annotated[str, typer.Argument(help="Last part of the authority's name.")],
    display_name: DisplayName,
    legal_basis: LegalBasis,
    credit_code: CreditCode = "",
    foreign_id: ForeignId = "",
    folder: Folder = None,
    anchor: Anchors = None,
    timestamp_anchor: TimestampAnchors = None,
    intermediate: Intermediates = None,
    purpose: Purposes = None,
    suite: Suites = None,
    begin: Begin = "",
    end: End = "",
    require_revocation: Required = None,
    grace: Grace = "",
    list_url: ListUrls = None,
    maker: Makers = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask that an authority be recognised; another administrator approves (administrators).

    Get the certificates by another way than from whoever asks for the recognition, and have the
    other administrator do so too: the SHA-256 that `trust show` tells must be the same.

    Example: tongban trust propose shifan-city --name 示范市 --credit-code 11990200MB00000023
    --anchor root.cer --legal-basis 互认协议2026年第1号
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wanted = Wanted(
            name=display_name, credit_code=credit_code, foreign_id=foreign_id,
            legal_basis=legal_basis, folder=folder, anchor=anchor or [],
            timestamp_anchor=timestamp_anchor or [], intermediate=intermediate or [],
            purpose=purpose or [], suite=suite or [], begin=begin, end=end,
            revocation_required=require_revocation, grace=grace, list_url=list_url or [],
            maker=maker or [],
        )  # fmt: skip
        wish = pb.ProposeAuthorityRequest(
            authority_id=authority_id,
            terms=wanted.apply(pb.AuthorityTerms()),
            request_id=new_request_id(),
        )
        found = client.trust.ProposeAuthority(wish, timeout=client.timeout).authority
        for encoded in wanted.lists():
            found = _add_list(client, found.name, encoded)
        _tell(found, say("Asked for", "已申请"), as_json)


@app.command()
def change(
    name: Name,
    display_name: DisplayName = "",
    legal_basis: LegalBasis = "",
    credit_code: CreditCode = "",
    foreign_id: ForeignId = "",
    anchor: Anchors = None,
    timestamp_anchor: TimestampAnchors = None,
    intermediate: Intermediates = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", help="The first 8 or more of an anchor's SHA-256: it is to go."),
    ] = None,
    purpose: Purposes = None,
    suite: Suites = None,
    begin: Begin = "",
    end: End = "",
    require_revocation: Required = None,
    grace: Grace = "",
    list_url: ListUrls = None,
    maker: Makers = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask for other terms of a recognised authority; another approves (administrators).

    What is not said stays. Certificates come in addition. --from, --until, --purpose,
    --suite and --maker are those of the new anchors, or of all where there is no new one.

    Example: tongban trust change authorities/shifan-city --anchor root-2.cer --from 2027-01-01
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wanted = Wanted(
            name=display_name, credit_code=credit_code, foreign_id=foreign_id,
            legal_basis=legal_basis, anchor=anchor or [], timestamp_anchor=timestamp_anchor or [],
            intermediate=intermediate or [], purpose=purpose or [], suite=suite or [],
            begin=begin, end=end, revocation_required=require_revocation, grace=grace,
            list_url=list_url or [], drop=drop or [], maker=maker or [],
        )  # fmt: skip
        wish = pb.ProposeAuthorityChangeRequest(
            name=name,
            terms=wanted.apply(_get(client, name).terms),
            request_id=new_request_id(),
        )
        found = client.trust.ProposeAuthorityChange(wish, timeout=client.timeout).authority
        _tell(found, say("Asked for a change of", "已申请变更"), as_json)


@app.command()
def approve(
    name: Name,
    etag: Annotated[str, typer.Option(help="Of the authority as `trust show` showed it.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Approve the recognition, or the change, that another asked for (administrators).

    Look first with `tongban trust show`, and compare the SHA-256 of each anchor with what you got
    by another way; with its --etag nothing else is approved. What is approved is printed.

    Example: tongban trust approve authorities/shifan-city --etag 1
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        # Read first, and approved at the state it was read in: what is printed is what is approved.
        asked = _get(client, name)
        decision = pb.ApproveAuthorityRequest(
            name=name, etag=etag or asked.etag, request_id=new_request_id()
        )
        found = client.trust.ApproveAuthority(decision, timeout=client.timeout).authority
        if not as_json:
            print_authority(asked)
        _tell(found, say("Approved", "已批准"), as_json)


@app.command()
def reject(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Turn down a recognition, or a change, that was asked for (administrators).

    Example: tongban trust reject authorities/shifan-city --reason 依据不足
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wish = pb.RejectAuthorityRequest(name=name, reason=reason, request_id=new_request_id())
        found = client.trust.RejectAuthority(wish, timeout=client.timeout).authority
        _tell(found, say("Turned down", "已驳回"), as_json)


@app.command()
def withdraw(
    name: Name,
    reason: Reason,
    as_of: Annotated[
        str, typer.Option("--as-of", help="From when on: YYYY-MM-DD, or an ISO time; else now.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a recognition as of a time, past or to come; never undone (administrators).

    What was signed before stays good, what was signed after is not trusted.

    Example: tongban trust withdraw authorities/shifan-city --as-of 2026-06-01 --reason 协议终止
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wish = pb.WithdrawAuthorityRequest(name=name, reason=reason, request_id=new_request_id())
        if as_of:
            wish.withdraw_time.FromDatetime(instant(as_of))
        found = client.trust.WithdrawAuthority(wish, timeout=client.timeout).authority
        _tell(found, say("Withdrawn", "已撤回"), as_json)


@app.command("add-revocation-list")
def add_revocation_list(
    name: Name,
    files: Annotated[list[Path], typer.Argument(help="Revocation lists, PEM or DER.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Add newer revocation lists of an authority, which their signatures prove (administrators).

    Example: tongban trust add-revocation-list authorities/shifan-city city.crl
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = pb.Authority()
        for encoded in [one for path in files for one in lists_in(path)]:
            found = _add_list(client, name, encoded)
        _tell(found, say("Added to", "已添加至"), as_json)


@app.command("list")
def list_authorities(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List authorities; those never in force only for administrators and auditors.

    Example: tongban trust list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(client.trust.ListAuthorities, pb.ListAuthoritiesRequest(), "authorities")
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Authorities", "互认机构"),
            (say("name", "资源名"), say("display name", "名称"), say("anchors", "信任锚"),
             say("state", "状态"), say("withdrawn as of", "撤回生效时间")),
            [
                (one.name, one.terms.display_name, len(one.terms.anchors), state_of(one),
                 when(one.withdraw_time))
                for one in found
            ],
        )  # fmt: skip


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show an authority: its anchors, its terms, and what waits for approval.

    Example: tongban trust show authorities/shifan-city
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = _get(client, name)
        if as_json:
            print_json(plain(found))
        else:
            print_authority(found)


@app.command()
def history(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List what befell an authority, newest first (administrators, auditors).

    Example: tongban trust history authorities/shifan-city
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.trust.ListAuthorityEvents,
                pb.ListAuthorityEventsRequest(parent=name),
                "events",
            )
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("History", "经历"),
            (say("when", "时间"), say("what", "事项"), say("who", "操作系统"),
             say("as of", "生效时间"), say("why", "事由")),
            [
                (when(e.event_time), say(e.kind, EVENTS_ZH.get(e.kind, "")), e.actor,
                 when(e.withdraw_time), e.reason)
                for e in found
            ],
        )  # fmt: skip


def _get(client: Client, name: str) -> pb.Authority:
    found: pb.Authority = client.trust.GetAuthority(
        pb.GetAuthorityRequest(name=name), timeout=client.timeout
    ).authority
    return found


def _add_list(client: Client, name: str, encoded: bytes) -> pb.Authority:
    wish = pb.AddRevocationListRequest(
        name=name, revocation_list=encoded, request_id=new_request_id()
    )
    found: pb.Authority = client.trust.AddRevocationList(wish, timeout=client.timeout).authority
    return found


def _tell(authority: pb.Authority, done: str, as_json: bool) -> None:
    if as_json:
        print_json(plain(authority))
    else:
        out.print(f"{done} {authority.name}: {state_of(authority)}")
