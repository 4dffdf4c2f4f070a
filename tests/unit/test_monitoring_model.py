"""The rules of alerts, and what is recorded of purposes and keys."""

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest

from exchange.monitoring import feeding, model
from exchange.monitoring.claiming import VERIFY
from exchange.monitoring.model import AlertKind, CallRecord, Rules, Watch, number_of
from runtime import config, workdays
from runtime.errors import InvalidArgument
from runtime.idcodes import citizen_check_character

GRANT = "departments/housing/grants/one"
SYSTEM = "departments/housing/systems/desk"
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)  # noon in China, a Wednesday


def call(at: datetime = NOON, *, code: str = "OK", rows: int = 1, **more) -> CallRecord:
    begin = int(at.timestamp() * 1e6)
    return CallRecord(
        system=SYSTEM, method="/x/Query", request_in=begin, handler_begin=begin, handler_end=begin,
        response_out=begin, request_bytes=1, response_bytes=1, code=code, rows=rows,
        **{"grant": GRANT, **more},
    )  # fmt: skip


def citizen_number(serial: int) -> str:
    born = date(1970, 1, 1) + timedelta(days=serial // 1000)
    body = f"990101{born:%Y%m%d}{serial % 1000:03d}"
    return body + citizen_check_character(body)


def watch(**rules) -> Watch:
    return Watch(Rules(**rules), workdays.shipped)


def kinds(made: Watch) -> dict[AlertKind, int]:
    return {alert.kind: alert.count for alert in made.raised()}


def test_a_grant_is_measured_by_its_own_hours():
    made = watch(volume_floor=10)
    made.remember(GRANT, [(hour, 40) for hour in range(10)])
    for _ in range(200):
        made.see(call())
    assert kinds(made) == {}
    made.see(call())
    assert kinds(made) == {AlertKind.VOLUME: 201}
    made.see(call(rows=99))
    (again,) = made.raised()
    assert (again.count, again.window_start) == (300, NOON)


def test_without_history_the_floor_holds():
    made = watch(volume_floor=10)
    made.see(call(rows=50))
    assert kinds(made) == {}
    made.see(call())
    assert kinds(made) == {AlertKind.VOLUME: 51}


@pytest.mark.parametrize("step", [1, -1, 3, 1000])
def test_keys_in_sequence_are_noticed(step):
    made = watch()
    for serial in range(40):
        key = citizen_number(300 + serial) if step == 1 else f"A{500_000 + serial * step}"
        made.see(call(), [key])
    assert kinds(made)[AlertKind.SEQUENCE] >= 20


def test_keys_of_daily_work_are_not():
    made, chance = watch(volume_floor=10_000), random.Random(6)
    for _ in range(2000):
        made.see(call(), [citizen_number(chance.randrange(18_000_000))])
    same = citizen_number(7)
    for _ in range(100):
        made.see(call(), [same])
    assert kinds(made) == {}


def test_numbers_of_keys():
    assert number_of("110101199003070011") == 11010119900307001
    assert number_of("A0017") == 17
    assert number_of("") is None
    assert number_of("一") is None
    assert number_of("7" * 65) is None


def test_hours_of_work_follow_the_calendar():
    made = watch()
    made.see(call())
    assert kinds(made) == {}
    made.see(call(NOON + timedelta(hours=9, minutes=30)))  # 21:30
    made.see(call(NOON + timedelta(hours=10)))
    assert kinds(made) == {AlertKind.OFF_HOURS: 2}
    holiday = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)
    assert not workdays.shipped().is_workday(date(2026, 10, 1))
    made.see(call(holiday))
    assert kinds(made) == {AlertKind.OFF_HOURS: 1}
    made = watch(hours=None)
    made.see(call(holiday))
    assert kinds(made) == {}


@pytest.mark.parametrize("back", [0, 3, 90])
def test_one_watch_tells_off_hours_as_one_that_sees_a_single_call(back):
    made, hours = watch(hours=(time(8, 45), time(17, 20))), []
    for minutes in range(0, 6 * 24 * 60, 7):
        # What is noted later may have begun earlier.
        at = NOON + timedelta(minutes=minutes - (back if minutes % 2 else 0))
        alone = watch(hours=(time(8, 45), time(17, 20)))
        alone.see(call(at))
        made.see(call(at))
        starts = [[alert.window_start for alert in one.raised()] for one in (made, alone)]
        assert starts[0] == starts[1], at
        hours += starts[0]
    assert 0 < len(set(hours)) <= 7


def test_refusals_are_counted_by_system_and_window():
    made = watch()
    for n in range(9):
        made.see(call(code="NOT_FOUND" if n % 2 else "PERMISSION_DENIED", grant=""))
    made.see(call(code="INVALID_ARGUMENT"))
    assert kinds(made) == {}
    made.see(call(code="RESOURCE_EXHAUSTED"))
    (alert,) = made.raised()
    assert (alert.kind, alert.subject, alert.count) == (AlertKind.REFUSED, SYSTEM, 10)
    made.see(call(NOON + timedelta(minutes=10), code="NOT_FOUND"))
    assert kinds(made) == {}


def test_state_is_bounded(monkeypatch):
    monkeypatch.setattr(model, "GREATEST_SUBJECTS", 100)
    made = watch()
    for n in range(1000):
        made.see(call(grant=f"departments/a/grants/{n}"), [str(n)])
    assert {len(made._volumes), len(made._sequences)} == {100}


def test_many_claims_about_one_record_are_noticed_and_its_key_is_not_kept():
    made = watch()
    key = citizen_number(7)
    for _ in range(20):
        made.see(call()._replace(method=VERIFY), [key])
        made.see(call(), [key])  # asked for, not guessed at
    assert kinds(made) == {}
    made.see(call()._replace(method=VERIFY), [key])
    (alert,) = made.raised()
    assert (alert.kind, alert.subject, alert.count) == (AlertKind.CLAIMS, GRANT, 21)
    assert not any(key.encode() in held for held in made._claims._held)
    made.see(call(NOON + timedelta(hours=1))._replace(method=VERIFY), [key])
    assert kinds(made) == {}


def test_claims_about_many_records_are_not():
    made = watch(volume_floor=10_000)
    for serial in range(0, 2_000_000, 2_000):
        chance = random.Random(serial).randrange(18_000_000)
        made.see(call()._replace(method=VERIFY), [citizen_number(chance)])
    assert kinds(made) == {}


def test_a_syslog_message_escapes_what_rfc_5424_says():
    alert = model.Alert(
        kind=AlertKind.REFUSED, subject='a"]\\', system=SYSTEM, window_start=NOON,
        window_end=NOON, count=10, threshold=10,
    )  # fmt: skip
    text = feeding.syslog_message(alert).decode()
    assert text.startswith("<108>1 ")
    assert 'subject="a\\"\\]\\\\"' in text
    assert " tongban - ALERT [tongban@32473 alert=" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": "21:00-07:00"},
        {"hours": "x"},
        {"webhooks": ["http://a.example/"], "webhook_hosts": ["a.example"]},
        {"webhooks": ["https://b.example/"], "webhook_hosts": ["a.example"]},
        {"webhooks": ["https://a.example/"], "webhook_hosts": ["a.example"]},
        {"syslog": ["udp://host"]},
        {"syslog": ["http://host:1"]},
        {"traces": "grpc://host:1"},
    ],
)
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(InvalidArgument, match="monitoring"):
        config.load(monitoring=wrong)
