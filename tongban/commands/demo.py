"""`tongban demo`: the main job of a node, played by its users on the embedded default."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from seal.judging.plainly import china_time
from tongban.console import (
    Json,
    err,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    word,
)

if TYPE_CHECKING:
    from runtime.identity import Role
    from tongban.demonstration.stage import Stage


def demo(
    data: Annotated[Path, typer.Option("--data", help="Folder for everything it makes.")] = Path(
        "demo-data"
    ),
    number: Annotated[
        int, typer.Option("--people", min=100, max=1_000_000, help="People, and companies.")
    ] = 10_000,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the node running, with people to sign in at its pages."),
    ] = False,
    portal: Annotated[
        str, typer.Option(help="host:port of the pages, with --keep.")
    ] = "127.0.0.1:8443",
    as_json: Json = False,
) -> None:
    """Play the journey: sync, publish, grant, query, issue, present, decide at once, audit.

    With --keep the node stays until Ctrl-C, and its web pages with people to sign in as.

    Example: tongban demo --people 10000
    """
    os.umask(0o077)  # as a node's
    with outcomes(as_json=as_json):
        facts = play(data, number, quiet=as_json, portal=portal if keep else "")
        if as_json and not keep:
            print_json(facts)


def play(data: Path, number: int, *, quiet: bool = False, portal: str = "") -> dict[str, Any]:
    """Play all acts on a fresh folder; what each user would see is printed unless `quiet`.

    With a `portal` (host:port) the node and its pages stay until Ctrl-C.
    """
    from flows import engine
    from tongban.demonstration import auditing, stage

    began = time.monotonic()
    facts: dict[str, Any] = {}
    tell = _Teller(quiet)
    with stage.held_folder(data, portal=portal) as scene:
        engine.configure(data)
        stage.enrol(scene)
        with ExitStack() as stack:
            with err.status(say("Starting the node", "正在启动节点")):
                stack.enter_context(stage.running(scene))
            _play_acts(scene, number, facts, tell)
            if portal:
                _stay(scene, portal, facts, quiet=quiet)
        facts["seconds"] = round(time.monotonic() - began, 1)
        auditing.write_report(scene, facts)
    facts["files"] = sorted(str(path) for path in scene.files.iterdir())
    tell("files", say("Files", "文件"), facts["files"])
    return facts


def _play_acts(scene: Stage, number: int, facts: dict[str, Any], tell: _Teller) -> None:
    from tongban.demonstration import auditing, deciding, licensing, sharing

    def act(key: str, title: str, play_it: Callable[[], Any]) -> Any:
        with err.status(title):
            facts[key] = play_it()
        tell(key, title, facts[key])
        return facts[key]

    act("set_up", say("1. Set up", "1. 准备"), lambda: sharing.set_up(scene))
    act("sync", say("2. Directory sync", "2. 目录同步"), lambda: sharing.sync_directories(scene))
    with _bar(say("3. Publish", "3. 发布"), number * 2) as tick:
        facts["publish"] = sharing.publish_libraries(scene, number, tick)
    tell("publish", say("3. Publish", "3. 发布"), facts["publish"])
    earlier = auditing.checkpoint(scene)
    grant = act("grant", say("4. Grant", "4. 授权"), lambda: sharing.grant_access(scene))["grant"]
    act("query", say("5. Query and verify", "5. 查询与核查"),
        lambda: sharing.query_and_verify(scene, grant))  # fmt: skip
    act("subscribe", say("   Subscribe", "   订阅"), lambda: sharing.subscribe(scene, grant))
    act("refused", say("   Refused", "   拒绝"), lambda: sharing.refusals(scene, grant))
    issued = act("issue", say("6. Issue", "6. 签发"), lambda: licensing.issue(scene))
    library = licensing.read_library(scene)
    identifier = issued["license_identifier"]
    act("library", say("   In the license library", "   电子证照库"),
        lambda: licensing.look_up(scene, library, identifier))  # fmt: skip
    act("present", say("7. Present and verify", "7. 亮证与核验"),
        lambda: licensing.present_and_verify(scene, issued["license"]))  # fmt: skip
    act("library_after", say("   In the license library", "   电子证照库"),
        lambda: licensing.look_up(scene, library, identifier))  # fmt: skip
    act("at_once", say("8. Decide at once", "8. 秒批"), lambda: deciding.decide(scene))
    act("audit", say("9. Audit", "9. 审计"), lambda: auditing.audit(scene, earlier))


def _stay(scene: Stage, portal: str, facts: dict[str, Any], *, quiet: bool) -> None:
    """Say who can sign in, and wait for Ctrl-C."""
    from tongban.demonstration import office, persons, upkeep

    persons.issue_another(scene)
    office.furnish(scene)
    upkeep.furnish(scene, facts["grant"]["grant"])
    enrolled = persons.enrol_people(scene) | office.enrol_administrators(scene)
    people = enrolled.values()
    url = f"https://localhost:{portal.rpartition(':')[2]}"
    if quiet:
        told = [
            {
                "who": one.key,
                "roles": [str(role) for role in one.roles],
                "login": one.login,
                "password": one.password,
                "secret": one.secret,
            }
            for one in people
        ]
        print_json({**facts, "portal": url, "people": told})
    else:
        out.print()
        print_table(
            say(f"Sign in at {url}/sign-in", f"请在 {url}/sign-in 登录"),
            (
                say("who", "姓名"),
                say("of", "单位"),
                say("signs in as", "身份"),
                say("login", "登录名"),
                say("key of the authenticator", "验证器密钥"),
            ),
            [
                (one.display_name, one.title, _roles(one.roles), one.login, one.secret)
                for one in people
            ],
        )
        out.print(say("Password of all: ", "密码均为：") + persons.PASSWORD)
        out.print(
            say(
                "Put a key into an authenticator, which shows the six digits. The browser warns of "
                "the node's own certificate. Ctrl-C ends the node.",
                "将密钥添加到手机验证器即可得到六位动态码；浏览器会提示节点自签证书。"
                "按 Ctrl-C 结束。",
            )
        )
    sys.stdout.flush()
    # Whoever ends this process ends the node, too, by Ctrl-C or otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        while scene.process is not None and scene.process.poll() is None:
            time.sleep(0.5)


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


class _Teller:
    """Prints what each user would see of an act."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, key: str, title: str, facts: Any) -> None:
        if self._quiet:
            return
        out.print()
        out.rule(f"[bold]{title}[/]", align="left")
        getattr(self, f"_{key}")(facts)

    def _set_up(self, facts: dict[str, Any]) -> None:
        out.print(say(f"The node serves {facts['node']}.", f"节点地址：{facts['node']}"))
        print_table(
            say("Enrolled systems", "已登记的系统"),
            (say("system", "系统"), say("of", "单位"), say("roles", "角色")),
            [(s["system"], s["title"], " ".join(s["roles"])) for s in facts["systems"]],
        )

    def _sync(self, facts: dict[str, Any]) -> None:
        from tongban.commands.flow import print_report

        for name, told in (
            ("first", say("A first run:", "首次运行：")),
            ("again", say("The same files again:", "相同文件再次运行：")),
            ("edited", say("Edited files, some rows broken:", "修改后的文件（含错误行）：")),
        ):
            out.print(told)
            print_report(facts[name])

    def _publish(self, facts: dict[str, Any]) -> None:
        print_table(
            say("Published", "已发布"),
            (say("resource", "信息资源"), say("records", "记录数"), say("seconds", "秒")),
            [(name, f["records"], f["seconds"]) for name, f in facts.items()],
        )

    def _grant(self, facts: dict[str, Any]) -> None:
        given = ", ".join(f"{item} ({word(mask)})" for item, mask in facts["given"].items())
        print_table(
            facts["grant"],
            (say("field", "字段"), say("value", "值")),
            [
                (say("asked", "申请"), ", ".join(facts["asked"])),
                (say("given", "授予"), given),
                (say("purpose", "用途"), facts["purpose"]),
                (say("legal basis", "依据"), facts["legal_basis"]),
                (say("a day", "每日限额"), facts["daily_quota"]),
                (say("until", "截止"), _moment(facts["until"])),
            ],
        )

    def _query(self, facts: dict[str, Any]) -> None:
        print_table(
            say("What the bureau sees of the person", "人社局看到的信息"),
            (say("item", "信息项"), say("value", "值")),
            sorted(facts["items"].items()),
        )
        out.print(
            say("Name and number: ", "姓名与号码核查：")
            + f"{word(facts['verify']['true_pair'])} / {word(facts['verify']['false_pair'])}"
        )

    def _subscribe(self, facts: dict[str, Any]) -> None:
        print_table(
            facts["subscription"],
            (say("offset", "偏移"), say("change", "变更"), say("items", "信息项")),
            [
                (
                    c["offset"],
                    word(c["type"]),
                    " ".join(f"{k}={v}" for k, v in sorted(c["items"].items())),
                )
                for c in facts["received"]
            ],
        )

    def _refused(self, facts: dict[str, Any]) -> None:
        print_table(
            say("Refused, with the reason", "拒绝及其原因"),
            (say("case", "情形"), say("reason", "原因"), say("what to do", "处理办法")),
            [
                (_case(key), f["reason"], say(f["message"], f["message_zh"]))
                for key, f in facts.items()
            ],
        )

    def _issue(self, facts: dict[str, Any]) -> None:
        print_table(
            facts["license_identifier"],
            (say("field", "字段"), say("value", "值")),
            [
                (say("state", "状态"), word(facts["state"])),
                (say("seal", "印章"), f"{facts['seal']} {facts['es_id']}"),
                *sorted(facts["metadata"].items()),
                *((form, f"{f['file']} ({f['bytes']:,} B)") for form, f in
                  facts["documents"].items()),
            ],
        )  # fmt: skip

    def _library(self, facts: dict[str, Any]) -> None:
        items = facts["items"]
        out.print(
            f"{items['license_type_name']}: {word(items['state'])} {_moment(items['state_time'])}"
        )

    _library_after = _library

    def _present(self, facts: dict[str, Any]) -> None:
        until, code = _moment(facts["until"]), facts["code"]
        _by(facts["presented_by"], say("The applicant presents four fields at the service centre's "
            "terminal", "申请人在行政服务中心的自助终端出示四个字段"))  # fmt: skip
        out.print(say(f"Code {code}, until {until}", f"亮证码 {code}，有效至 {until}"))
        first = say("A window of the service centre verifies the code", "行政服务中心窗口核验此码")
        again = say("The window verifies the same code again", "窗口再次核验同一个码")
        for key, deed in (("before", first), ("after", again)):
            if key == "after":
                _by(facts["revoked_by"], say("The issuer revokes the license", "颁发机构吊销证照"))
            _by(facts["verified_by"], deed)
            said = facts[key]
            out.print(
                f"[bold]{word(said['indication'])}[/] {say(said['summary'], said['summary_zh'])}"
            )
            if said["fields"]:
                print_table(
                    say("Shown", "出示的字段"),
                    (say("field", "字段"), say("value", "值")),
                    sorted(said["fields"].items()),
                )

    def _at_once(self, facts: dict[str, Any]) -> None:
        from tongban.commands.materials_shown import DECISIONS_ZH, finding_word

        out.print(say("Handled at once: ", "可秒批事项：") + "、".join(facts["items"].values()))
        for key, case in facts["cases"].items():
            decision = say(case["decision"], DECISIONS_ZH[case["decision"]])
            print_table(
                say(f"{_case(key)}: {decision}", f"{_case(key)}：{decision}"),
                (say("condition", "条件"), say("holds", "成立")),
                [
                    (
                        say(one["reason"], one["reason_zh"]),
                        finding_word(one["finding"], one["missing"], one["missing_zh"]),
                    )
                    for one in case["outcomes"]
                ],
            )

    def _audit(self, facts: dict[str, Any]) -> None:
        from tongban.demonstration.stage import system

        _by(system("auditor").name, say("The auditor checks without trusting the node",
                                        "审计人员在不信任节点的前提下核验"))  # fmt: skip
        print_table(
            say("Checked offline", "离线核验"),
            (say("what", "对象"), say("outcome", "结果"), say("found", "说明")),
            [
                (_case(what), word(f["indication"]), say(f["summary"], f["summary_zh"]))
                for what, f in facts.items()
            ],
        )

    def _files(self, facts: list[str]) -> None:
        for path in facts:
            out.print(path)


_ROLES = {
    "applicant": ("applicant", "申请人"),
    "administrator": ("administrator", "管理员"),
    "auditor": ("auditor", "审计员"),
    "counter": ("counter", "窗口人员"),
    "department": ("data officer", "数据专员"),
}
_CASES_ZH = {
    "ungranted_item": "未授权的信息项",
    "expired_grant": "授权已过期",
    "another_department": "其他部门的授权",
    "unknown_caller": "不明身份的调用方",
    "resident": "本县成年居民",
    "child": "十岁儿童",
    "without_consent": "未同意查询的申请人",
    "seal": "电子印章",
    "forged": "被改动的文件",
    "receipt": "回执",
    "consistency": "日志一致性",
}


def _roles(roles: tuple[Role, ...]) -> str:
    told = [_ROLES[str(role)] for role in roles] or [_ROLES["applicant"]]
    return say(", ", "、").join(say(*one) for one in told)


def _by(name: str, deed: str) -> None:
    """Who does what comes next."""
    out.print(f"{deed} [dim]({name})[/]")


def _case(key: str) -> str:
    return say(key, _CASES_ZH[key])


def _moment(text: str) -> str:
    return china_time(datetime.fromisoformat(text))
