import inspect

import grpc
import pytest

from runtime import errors, status

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.DomainError) and cls is not errors.DomainError
]


class FailedCall(grpc.RpcError):
    """What a channel raises, as far as `from_rpc_error` looks."""

    def __init__(self, code, details, metadata=()):
        self._code, self._details, self._metadata = code, details, metadata

    def code(self):
        return self._code

    def details(self):
        return self._details

    def trailing_metadata(self):
        return self._metadata


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_comes_back_as_itself(cls):
    error = cls(
        "say what to do",
        reason="SOME_REASON",
        message_zh="说明怎么办",
        violations=[errors.FieldViolation("key", "too long")],
        retry_after=1.5,
        item="name",
    )
    packed = status.to_status(error)
    again = status.from_rpc_error(
        FailedCall(
            status.code_of(error),
            error.message,
            ((status.DETAILS_KEY, packed.SerializeToString()),),
        )
    )
    assert type(again) is cls
    assert (again.reason, again.message, again.message_zh) == (
        "SOME_REASON",
        "say what to do",
        "说明怎么办",
    )
    assert again.violations == error.violations
    assert again.retry_after == 1.5
    assert again.metadata == {"item": "name"}


def test_every_error_has_a_code_of_its_own():
    assert len({status.code_of(cls("x")) for cls in CLASSES}) == len(CLASSES)


def test_a_subclass_is_told_as_its_base():
    class Special(errors.NotFound):
        pass

    assert status.code_of(Special("x")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", "NODE_UNREACHABLE"),
        (
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: Socket closed",
            "TLS_HANDSHAKE_FAILED",
        ),
        (grpc.StatusCode.UNAVAILABLE, "Ssl handshake failed", "TLS_HANDSHAKE_FAILED"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.UNIMPLEMENTED, "no", "UNIMPLEMENTED"),
    ],
)
def test_a_failure_below_the_rpc_says_what_to_look_at(code, text, reason):
    assert status.from_rpc_error(FailedCall(code, text)).reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Socket closed", "NODE_UNREACHABLE"),
        ("Ssl handshake failed", "TLS_HANDSHAKE_FAILED"),
    ],
)
def test_a_node_that_is_not_reached_is_named(text, reason):
    by_grpc = FailedCall(grpc.StatusCode.UNAVAILABLE, f"ipv4:127.0.0.1:7443: {text}")
    by_client = FailedCall(grpc.StatusCode.UNAVAILABLE, text)
    by_client.node = "127.0.0.1:7443"
    for failed in (by_grpc, by_client):
        told = status.from_rpc_error(failed)
        assert told.reason == reason
        for words in (told.message, told.message_zh):
            assert "127.0.0.1:7443" in words
            assert ("--node" in words) is (reason == "TLS_HANDSHAKE_FAILED")


@pytest.mark.parametrize("size", [10, 60, 300, 9_000])
@pytest.mark.parametrize("message", ["say what to do", "签发内容有误" * 2_000])
def test_an_error_with_many_faults_fits_the_trailers_of_every_client(size, message):
    """gRPC drops answers at random above 8 KiB of metadata, and always above 16."""
    faults = [errors.FieldViolation(f"rows[{n}].{'f' * size}", "wrong") for n in range(1_000)]
    error = errors.InvalidArgument(message, message_zh=message, violations=faults, many="1000")
    packed = status.to_status(error)
    assert len(packed.SerializeToString()) + 3 * len(packed.message.encode()) < 7_500
    again = status.from_rpc_error(
        FailedCall(
            status.code_of(error),
            packed.message,
            ((status.DETAILS_KEY, packed.SerializeToString()),),
        )
    )
    assert again.violations == tuple(faults[: len(again.violations)])
    assert bool(again.violations) is (size < 9_000)
    assert again.metadata == {"many": "1000"}
    assert again.message_zh.startswith(message[:100])
