"""What may be said of an endpoint, and how its secret is kept."""

from dataclasses import replace

import pytest

from exchange.connecting import model
from exchange.connecting.model import Endpoint, Kind, Platform, Prefix, check, etag_of, place_of
from runtime.authority import Authority
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.identity import Role
from runtime.vault import Vault
from tests.builders.catalog import ADMINISTRATOR, AUDITOR, CIVIL, HOUSING, NOON, RESIDENTS, caller

PLATFORM = Platform(prefix=Prefix.GJZWFWPT, rid="r-1", sid="s-1", key_parameter="sfzh")


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> str:
    made = Authority.create(
        tmp_path_factory.mktemp("ca"), name="source", passphrase=b"long enough", now=NOON
    )
    return made.pem.decode()


@pytest.fixture
def endpoint(pem) -> Endpoint:
    return Endpoint(
        resource=RESIDENTS,
        kind=Kind.HTTP_JSON,
        address="https://data.example:8443/records",
        authority=pem,
    )


def wrong(endpoint: Endpoint) -> set[str]:
    with pytest.raises(InvalidArgument) as refused:
        check(endpoint)
    assert refused.value.reason == "ENDPOINT_INVALID"
    return {violation.field for violation in refused.value.violations}


def test_one_that_may_be(endpoint):
    check(endpoint)
    check(replace(endpoint, kind=Kind.GRPC, address="https://data.example:8443"))
    check(replace(endpoint, kind=Kind.PLATFORM, platform=PLATFORM))
    check(replace(endpoint, address="https://[::1]:8443/a/b"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://data.example/records",
        "HTTPS://data.example/",
        "ftp://data.example",
        "unix:///run/x",
        "https://",
        "https:///x",
        "https://user@data.example/",
        "https://data.example@10.0.0.1/",
        "https://data.example/?q=1",
        "https://data.example/#x",
        "https://data.example:0/",
        "https://data.example:65536/",
        "https://data.example:8443:1/",
        "https://data.example/%0d%0a",
        "https://data.example/a b",
        "https://data.example/\r\nx: y",
        "https://数据.example/",
        "https://DATA.example/",
        "https://data.example\\@10.0.0.1/",
        "https://data.example/" + "x" * 500,
    ],
)
def test_an_address_is_https_and_nothing_else(endpoint, address):
    assert wrong(replace(endpoint, address=address)) == {"address"}


def test_what_else_is_wrong(endpoint, pem):
    assert wrong(replace(endpoint, kind=Kind.GRPC)) == {"address"}
    assert wrong(replace(endpoint, authority="")) == {"authority"}
    assert wrong(replace(endpoint, authority="-----BEGIN CERTIFICATE-----\nx\n")) == {"authority"}
    assert wrong(replace(endpoint, authority=pem * 40)) == {"authority"}
    key = pem + "-----BEGIN PRIVATE KEY-----\n"
    assert wrong(replace(endpoint, authority=key)) == {"authority"}
    for name, values in (
        ("timeout_ms", (99, 30_001, -1)),
        ("max_in_flight", (-1, 257)),
        ("failures", (-1, 101)),
        ("cool_down_seconds", (-1, 301)),
    ):
        for value in values:
            assert wrong(replace(endpoint, **{name: value})) == {name}
    assert wrong(replace(endpoint, platform=PLATFORM)) == {"platform"}
    assert wrong(replace(endpoint, kind=Kind.PLATFORM)) == {"platform"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rid": ""}, "rid"),
        ({"rid": "a\r\nx: y"}, "rid"),
        ({"sid": "s" * 101}, "sid"),
        ({"key_parameter": "a b"}, "key_parameter"),
        ({"record_path": "a..b"}, "record_path"),
        ({"status_path": "a.b.c.d.e.f.g"}, "status_path"),
        ({"success_values": ("ok", "")}, "success_values"),
        ({"fields": {"name": "x y"}}, "fields"),
        ({"fields": {f"i{n}": "x" for n in range(201)}}, "fields"),
    ],
)
def test_what_is_wrong_with_a_platform(endpoint, change, field):
    made = replace(endpoint, kind=Kind.PLATFORM, platform=replace(PLATFORM, **change))
    assert wrong(made) == {f"platform.{field}"}


def test_defaults(endpoint):
    sent = replace(endpoint, timeout_ms=0, max_in_flight=0, failures=0, cool_down_seconds=0)
    assert model.with_defaults(sent) == endpoint
    bare = replace(PLATFORM, record_path="", status_path="", success_values=())
    assert model.with_defaults(replace(endpoint, platform=bare)).platform == PLATFORM


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://data.example", "data.example:443"),
        ("https://data.example/x", "data.example:443"),
        ("https://data.example:8443/x", "data.example:8443"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_what_is_approved_is_name_and_port(address, place):
    assert place_of(address) == place
    assert model.check_place(place) == place


@pytest.mark.parametrize("host", ["", "data.example", "data.example:0", "data.example:99999",
                                  "https://data.example:1", "*.example:443", "a b:1"])  # fmt: skip
def test_no_host(host):
    with pytest.raises(InvalidArgument):
        model.check_place(host)


def test_an_etag_changes_with_content_and_secret(endpoint):
    first = etag_of(endpoint)
    assert etag_of(replace(endpoint, etag="x", update_time=NOON)) == first
    for changed in (
        replace(endpoint, address="https://data.example:8443/other"),
        replace(endpoint, secret=b"x"),
        replace(endpoint, timeout_ms=100),
        replace(endpoint, platform=PLATFORM),
    ):
        assert etag_of(changed) != first
    assert b"secret" not in model.content_of(replace(endpoint, secret=b"secret"))


def test_who_keeps_and_who_sees():
    own, other = caller(CIVIL), caller(HOUSING)
    counter = caller(CIVIL, Role.COUNTER)
    told = {
        who.system: (model.may_keep(who, RESIDENTS), model.may_see(who, RESIDENTS))
        for who in (own, other, ADMINISTRATOR, AUDITOR)
    }
    assert list(told.values()) == [(True, True), (False, False), (True, True), (False, True)]
    assert not model.may_see(counter, RESIDENTS)


def test_the_vault_opens_what_it_closed_for_the_same_name_only():
    vault = Vault(lambda: b"long enough")
    sealed = vault.close(b"app secret", name=RESIDENTS)
    assert b"app secret" not in sealed
    assert vault.open(sealed, name=RESIDENTS) == b"app secret"
    assert vault.close(b"app secret", name=RESIDENTS) != sealed
    other = Vault(lambda: b"another one")
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for opened, text, name in (
        (vault, sealed, f"{HOUSING}/resources/x"),
        (other, sealed, RESIDENTS),
        (vault, broken, RESIDENTS),
        (vault, b"", RESIDENTS),
        (vault, b"\x02" + sealed[1:], RESIDENTS),
    ):
        with pytest.raises(FailedPrecondition) as refused:
            opened.open(text, name=name)
        assert refused.value.reason == "SECRET_UNREADABLE"
