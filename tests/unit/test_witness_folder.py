"""A witness remembers before it signs, and keeps to its log, its name and its key."""

import pytest

from exchange.audit.note import Checkpoint, WitnessVerifier, checkpoint_text, cosigners, sign_note
from runtime.errors import DataLoss, FailedPrecondition, InvalidArgument
from runtime.signing import KEY_FILE
from tests.builders.audit import ORIGIN, log_key
from tongban.witnessing import WitnessFolder

KEY = log_key()


class Shown:
    """A log of one checkpoint."""

    def __init__(self, key=KEY, size=0, root=b"\1" * 32):
        text = checkpoint_text(Checkpoint(origin=ORIGIN, size=size, root=root))
        self.note = sign_note(text, ORIGIN, key.key_id, key.sign)

    def checkpoint(self):
        return self.note


def opened(folder, **how):
    return WitnessFolder(folder, **{"name": "w.example/w", "log_key": KEY.verifier_key, **how})


def test_it_remembers_before_it_signs(tmp_path, monkeypatch):
    watch, shown = opened(tmp_path / "watch"), Shown(size=5)

    def die(_self, _text):
        raise RuntimeError("the power goes")

    monkeypatch.setattr("runtime.signing.LogKey.sign", die)
    with pytest.raises(RuntimeError):
        watch.look(shown, at=1)
    assert watch.last() == shown.note


def test_what_it_signs_is_counted(tmp_path):
    watch = opened(tmp_path / "watch")
    shown = Shown(size=5)
    assert watch.look(shown, at=7).line
    cosigned = (tmp_path / "watch" / "cosigned-checkpoint").read_text()
    verifier = WitnessVerifier(watch.verifier_key)
    assert cosigners(cosigned, [verifier]) == {"w.example/w": 7}
    again = WitnessFolder(tmp_path / "watch")
    assert (again.name, again.verifier_key) == (watch.name, watch.verifier_key)
    assert again.look(shown, at=9).before == 5


def test_it_signs_no_other_log(tmp_path):
    watch = opened(tmp_path / "watch")
    with pytest.raises(DataLoss) as forged:
        watch.look(Shown(log_key(2)), at=1)
    assert forged.value.reason == "CHECKPOINT_FORGED"
    assert watch.last() == ""
    for how, reason in (
        ({"log_key": log_key(2).verifier_key}, "LOG_KEY_CHANGED"),
        ({"name": "other.example/w"}, "WITNESS_NAME"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            opened(tmp_path / "watch", **how)
        assert refused.value.reason == reason
    with pytest.raises(InvalidArgument):
        opened(tmp_path / "another", log_key="nonsense")


def test_a_lost_key_is_not_made_anew(tmp_path):
    watch = opened(tmp_path / "watch")
    watch.look(Shown(size=5), at=1)
    (tmp_path / "watch" / KEY_FILE).unlink()
    with pytest.raises(FailedPrecondition):
        opened(tmp_path / "watch")


def test_only_its_owner_reads_its_secrets(tmp_path):
    opened(tmp_path / "watch")
    for name in (KEY_FILE, "passphrase"):
        assert (tmp_path / "watch" / name).stat().st_mode & 0o077 == 0
