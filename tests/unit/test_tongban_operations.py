"""`--operations` of the commands of grants: comma-separated, several times, or both."""

import pytest

from exchange.v1 import grants_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.commands.grant_terms import operations_of

QUERY, EXPORT = pb.OPERATION_QUERY, pb.OPERATION_EXPORT


@pytest.mark.parametrize(
    "given", [["query,export"], ["query", "export"], ["query, export"], ["query", "query,export"]]
)
def test_operations_are_all_taken_however_they_are_given(given):
    assert operations_of(given) == [QUERY, EXPORT]


def test_none_are_none_and_an_unknown_one_is_refused():
    assert operations_of(None) == operations_of([""]) == []
    with pytest.raises(InvalidArgument):
        operations_of(["query", "steal"])
