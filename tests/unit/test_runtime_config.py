import os

import pytest

from runtime import config
from runtime.clock import FixedClock, china_date
from runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from runtime.records import canonical, commit, make_record


def test_arguments_come_before_variables_before_the_file(tmp_path, monkeypatch):
    file = tmp_path / "node.toml"
    file.write_text('listen = "file:1"\norigin = "from.file/log"\nlog_level = "ERROR"\n')
    monkeypatch.setenv("TONGBAN_CONFIG", str(file))
    monkeypatch.setenv("TONGBAN_ORIGIN", "from.variable/log")
    settings = config.load(listen="argument:1")
    assert (settings.listen, settings.origin, settings.log_level) == (
        "argument:1",
        "from.variable/log",
        "ERROR",
    )


def test_a_wrong_setting_is_named(tmp_path, monkeypatch):
    file = tmp_path / "node.toml"
    file.write_text("lisen = 1\n")
    monkeypatch.setenv("TONGBAN_CONFIG", str(file))
    with pytest.raises(InvalidArgument) as caught:
        config.load()
    assert caught.value.reason == "BAD_SETTING"
    assert "lisen" in caught.value.message
    file.write_text("listen = \n")
    with pytest.raises(InvalidArgument, match="not TOML"):
        config.load()
    monkeypatch.setenv("TONGBAN_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(InvalidArgument, match="no file"):
        config.load()


@pytest.mark.parametrize(
    "text",
    ["foo", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:65536", "127.0.0.1:-1", "a b:1", "::1"],
)
def test_an_address_is_a_host_and_a_port_that_there_is(text):
    for name in ("listen", "metrics"):
        with pytest.raises(InvalidArgument, match=name) as caught:
            config.load(**{name: text})
        assert caught.value.reason == "BAD_SETTING"


@pytest.mark.parametrize(
    "text", ["127.0.0.1:0", "localhost:65535", ":7443", "[::]:7443", "a.gov:1"]
)
def test_addresses_that_are_good(text):
    assert config.load(listen=text, metrics=text).listen == text


def test_who_only_looks_makes_no_passphrase(tmp_path):
    with pytest.raises(FailedPrecondition) as caught:
        config.load(data=tmp_path / "none").passphrase(make=False)
    assert caught.value.reason == "PASSPHRASE_MISSING"
    assert os.listdir(tmp_path) == []


def test_the_passphrase_is_made_once_and_kept_private(tmp_path):
    settings = config.load(data=tmp_path)
    first = settings.passphrase()
    assert settings.passphrase() == first
    assert (tmp_path / "secrets" / "passphrase").stat().st_mode & 0o077 == 0
    with pytest.raises(FailedPrecondition):
        config.load(data=tmp_path, passphrase_file=tmp_path / "none").passphrase()


def test_a_passphrase_to_wipe_is_the_same(tmp_path):
    (tmp_path / "file").write_bytes(b"  a long \t passphrase\r\n\n")
    settings = config.load(data=tmp_path, passphrase_file=tmp_path / "file")
    assert settings.passphrase() == b"a long \t passphrase"
    assert settings.passphrase_to_wipe() == bytearray(b"a long \t passphrase")


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ('hsm = "file:/x"', "hsm"),
        ('maker_key = "/vault/maker.key"', "maker_key"),
        ('maker_key = "file:/vault/maker.key"', "maker_halves"),
        ('maker_halves = ["a", "b"]', "maker_key"),
        ('maker_key = "file:/m"\nmaker_halves = ["a", "a"]', "two"),
        ('maker_key = "file:/m"\nmaker_halves = ["a"]', "two"),
        ('maker_key = "file:/m"\nmaker_halves = ["a", "b", "c"]', "two"),
        ('maker_key = "file:/m"\nmaker_halves = ["a", "b"]\nmaker_passphrase_file = "c"', "one of"),
        ('maker_key = "pkcs11:object=m"\nmaker_passphrase_file = "c"', "file:"),
        ("maker = 1", "maker"),
    ],
)
def test_what_is_said_about_the_seal_keys_goes_together(tmp_path, monkeypatch, part, named):
    file = tmp_path / "node.toml"
    file.write_text(f"[seal]\n{part}\n")
    monkeypatch.setenv("TONGBAN_CONFIG", str(file))
    with pytest.raises(InvalidArgument) as caught:
        config.load()
    assert caught.value.reason == "BAD_SETTING"
    assert named in caught.value.message


def test_the_seal_keys_are_placed_by_the_file_and_by_variables(tmp_path, monkeypatch):
    file = tmp_path / "node.toml"
    file.write_text('[seal]\nkeys = "/keys"\nmaker_key = "file:/m"\nmaker_halves = ["a", "b"]\n')
    monkeypatch.setenv("TONGBAN_CONFIG", str(file))
    monkeypatch.setenv("TONGBAN_SEAL__HSM", "pkcs11:token=t")
    settings = config.load(data=tmp_path)
    assert str(settings.seal_keys()) == "/keys"
    assert (settings.seal.hsm, len(settings.seal.maker_halves)) == ("pkcs11:token=t", 2)
    monkeypatch.delenv("TONGBAN_CONFIG")
    assert config.load(data=tmp_path).seal_keys() == tmp_path / "keys" / "seal"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/data"):
        with pytest.raises(InvalidArgument) as wrong:
            config.prepare_data_folder(tmp_path / place)
        assert wrong.value.reason == "NO_FOLDER"
    with pytest.raises(Unavailable) as caught:
        config.prepare_data_folder(tmp_path / ("long" * 100))
    assert caught.value.reason == "DATA_FOLDER_UNWRITABLE"
    config.prepare_data_folder(tmp_path / "data")
    assert os.listdir(tmp_path / "data") == []


def test_a_record_holds_commitments_and_no_values():
    from datetime import UTC, datetime

    record = make_record(
        "query",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        actor="departments/a/systems/b",
        facts={"grant": "departments/a/grants/g"},
        commitments={"key": "机密".encode()},
    )
    assert "机密".encode() not in record.leaf
    assert commit(record.salt, "key", "机密".encode()).encode() in record.leaf
    assert canonical({"b": 1, "a": "中"}) == '{"a":"中","b":1}'.encode()


def test_a_day_is_a_day_in_china():
    from datetime import UTC, datetime

    clock = FixedClock(datetime(2026, 1, 1, 16, 30, tzinfo=UTC))
    assert china_date(clock.now()) == "2026-01-02"
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001
