"""People of the county who sign in at the pages: applicant, administrator, clerk, auditor, officer.

Their passwords are in this file and their accounts are enrolled by it, which is for demonstrations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pyotp import TOTP

from accounts.server import AccountServer
from licenses.v1 import licenses_pb2
from runtime import config
from runtime.errors import InvalidArgument
from runtime.identity import APPLICANTS, Role
from tongban.accounts import opened, operator
from tongban.demonstration.sharing import applicant
from tongban.demonstration.stage import Stage, county_departments

PASSWORD = "示范县 蓝天 白云 青山 绿水"  # noqa: S105  # of a demonstration


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Somebody who can sign in now."""

    key: str
    display_name: str
    login: str
    password: str
    #: Of the one-time codes, base32.
    secret: str
    account: str
    #: Of an applicant none.
    roles: tuple[Role, ...] = ()
    #: What their department is called; empty for an applicant.
    title: str = ""

    @property
    def code(self) -> str:
        """What an authenticator shows now."""
        return TOTP(self.secret).at(datetime.now(UTC))


def enrol_people(stage: Stage) -> dict[str, Enrolled]:
    """Make the accounts of the demonstration's people, and enrol them by password and code."""
    someone = applicant()
    with opened(stage.settings) as server:
        enrol = partial(_enrol, stage.settings, server)
        return {
            "applicant": enrol("applicant", someone.name, someone.citizen_number),
            "administrator": enrol(
                "administrator", "钱管理", "qian.guanli", "departments/service-centre",
                (Role.ADMINISTRATOR, Role.COUNTER, Role.DEPARTMENT),
            ),
            "clerk": enrol(
                "clerk", "郑窗口", "zheng.chuangkou", "departments/service-centre",
                (Role.COUNTER,),
            ),
            "auditor": enrol(
                "auditor", "孙审计", "sun.shenji", "departments/audit", (Role.AUDITOR,)
            ),
            "officer": enrol(
                "officer", "吴数据", "wu.shuju", "departments/public-security", (Role.DEPARTMENT,)
            ),
            "receiver": enrol(
                "receiver", "周接收", "zhou.jieshou", "departments/human-resources",
                (Role.DEPARTMENT,),
            ),
        }  # fmt: skip


def issue_another(stage: Stage) -> str:
    """A license of the applicant that is in force when the story is over; its name."""
    someone = applicant()
    order = licenses_pb2.IssueLicenseRequest(
        parent="departments/human-resources",
        license_type="licenseTypes/employment-registration",
        holder_name=someone.name,
        holder_code=someone.citizen_number,
        fields={"KZ_DJLX": "就业登记", "KZ_XLXX": "大学本科", "KZ_JYZT": "就业"},
        request_id="demo-kept",
    )
    made: str = stage["employment"].licenses.IssueLicense(order, timeout=60).license.name
    return made


def enrol_one(
    stage: Stage,
    key: str,
    name: str,
    login: str,
    department: str = APPLICANTS,
    roles: tuple[Role, ...] = (),
) -> Enrolled:
    """One account, enrolled as its owner would."""
    with opened(stage.settings) as server:
        return _enrol(stage.settings, server, key, name, login, department, roles)


def _enrol(
    settings: config.Settings,
    server: AccountServer,
    key: str,
    name: str,
    login: str,
    department: str = APPLICANTS,
    roles: tuple[Role, ...] = (),
) -> Enrolled:
    with server.database.unit_of_work() as work:
        made = server.administering.create(
            work,
            actor=operator(settings),
            department=department,
            roles=roles,
            login=login,
            display_name=name,
        )
    offered = server.enrolling.begin(made.token)
    secret = offered.totp_secret
    for last in (False, True):
        # Of the step before: the present one is left for signing in at once. Where a step
        # begins meanwhile it is too old, and the next one is not.
        code = TOTP(secret).at(int(datetime.now(UTC).timestamp()) - 30)
        try:
            server.enrolling.finish(
                made.token,
                flow=offered.flow,
                password=PASSWORD,
                totp_code=code,
                passkey="",
            )
            break
        except InvalidArgument:
            if last:
                raise
    return Enrolled(
        key=key,
        display_name=name,
        login=login,
        password=PASSWORD,
        secret=secret,
        account=made.account.name,
        roles=roles,
        title=_title(department),
    )


def _title(department: str) -> str:
    found = {f"departments/{row['部门标识']}": row["部门名称"] for row in county_departments()}
    return found.get(department, "")
