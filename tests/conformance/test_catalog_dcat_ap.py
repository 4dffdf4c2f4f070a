"""The exported catalog before other people's software: an RDF library, and a SHACL validator.

`shapes.ttl` says what DCAT-AP 3.0 asks; neither library is ours.
"""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pyshacl
import pytest
from hypothesis import HealthCheck, example, given, settings
from rdflib import DCAT, DCTERMS, FOAF, RDF, Graph, Literal, URIRef

from flows.forms import dcat, dcat_reading, vocabulary, workbook, workbook_reading
from runtime.errors import InvalidArgument
from tests.builders import catalogs
from tests.builders.catalog import credit_code

SHAPES = Graph().parse(Path(__file__).parent / "dcat_ap" / "shapes.ttl")
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
ENDPOINT = "https://node.example:7443"
RESIDENTS = URIRef(f"urn:tongban:{catalogs.RESIDENTS}")
SOME = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


#: The RDF library uses what it has deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A context that is fetched fails the test."""

    def fetch(*_args, **_more):
        raise AssertionError("something is fetched")

    monkeypatch.setattr(socket, "getaddrinfo", fetch)
    monkeypatch.setattr(socket.socket, "connect", fetch)


def exported(snapshot) -> bytes:
    return dcat.write(snapshot, endpoint=ENDPOINT, at=AT, published={catalogs.RESIDENTS: AT})


def graph_of(data: bytes) -> Graph:
    return Graph().parse(data=data.decode(), format="json-ld")


def judged(graph: Graph, *, warnings_too: bool = True) -> tuple[bool, str]:
    conforms, _, text = pyshacl.validate(
        graph, shacl_graph=SHAPES, allow_warnings=not warnings_too, inference="none"
    )
    return conforms, text


def test_the_countys_catalog_conforms_recommendations_included():
    conforms, text = judged(graph_of(exported(catalogs.snapshot())))
    assert conforms, text


@SOME
@given(catalogs.snapshots())
def test_any_catalog_conforms(snapshot):
    conforms, text = judged(graph_of(exported(snapshot)))
    assert conforms, text


@pytest.mark.parametrize(
    ("subject", "predicate"),
    [
        (URIRef("urn:tongban:catalog"), DCTERMS.publisher),
        (URIRef("urn:tongban:catalog"), DCTERMS.description),
        (RESIDENTS, DCTERMS.title),
        (RESIDENTS, DCAT.theme),
        (URIRef(f"{RESIDENTS}/distribution"), DCAT.accessURL),
        (URIRef("urn:tongban:services/exchange"), DCAT.endpointURL),
        (URIRef(f"urn:tongban:{catalogs.CIVIL}"), FOAF.name),
        (URIRef(f"urn:tongban:{catalogs.CIVIL}"), DCTERMS.identifier),
    ],
)
def test_the_shapes_find_what_is_missing(subject, predicate):
    graph = graph_of(exported(catalogs.snapshot()))
    assert (subject, predicate, None) in graph
    graph.remove((subject, predicate, None))
    assert not judged(graph)[0]


def test_the_shapes_find_a_word_of_no_vocabulary():
    graph = graph_of(exported(catalogs.snapshot()))
    graph.set((RESIDENTS, DCTERMS.accessRights, URIRef("urn:tongban:secret")))
    assert not judged(graph)[0]


def test_facts_are_said_in_dcats_words():
    graph = graph_of(exported(catalogs.snapshot()))
    eu = "http://publications.europa.eu/resource/authority/"

    def said(subject: URIRef, predicate: URIRef) -> set:
        return set(graph.objects(subject, predicate))

    assert (RESIDENTS, RDF.type, DCAT.Dataset) in graph
    assert said(RESIDENTS, DCTERMS.title) == {Literal("常住人口信息", lang="zh")}
    assert said(RESIDENTS, DCTERMS.accrualPeriodicity) == {URIRef(f"{eu}frequency/DAILY")}
    assert said(RESIDENTS, DCTERMS.accessRights) == {URIRef(f"{eu}access-right/RESTRICTED")}
    assert [str(day) for day in said(RESIDENTS, DCTERMS.issued)] == ["2026-01-05"]
    assert [at.toPython() for at in said(RESIDENTS, DCTERMS.modified)] == [AT]
    closed = URIRef(f"urn:tongban:{catalogs.HOUSING}/resources/files")
    assert said(closed, DCTERMS.accessRights) == {URIRef(f"{eu}access-right/NON_PUBLIC")}
    assert not said(closed, DCAT.distribution)
    (law,) = said(closed, URIRef("http://data.europa.eu/r5r/applicableLegislation"))
    assert said(law, URIRef("http://data.europa.eu/eli/ontology#title")) == {
        Literal("示范县档案管理办法第三条", lang="zh")
    }
    regions = URIRef(f"urn:tongban:{catalogs.CIVIL}/resources/regions")
    assert said(regions, DCTERMS.accessRights) == {URIRef(f"{eu}access-right/PUBLIC")}
    assert said(RESIDENTS, DCTERMS.relation) == {regions}
    civil = URIRef(f"urn:tongban:{catalogs.CIVIL}")
    assert said(civil, DCTERMS.identifier) == {Literal(credit_code(1))}
    assert said(civil, DCTERMS.spatial) == {URIRef("urn:tongban:regions/990101")}
    assert said(RESIDENTS, DCTERMS.conformsTo) == {URIRef("urn:tongban:standards/GB%2011643")}


def test_the_catalog_comes_back_whole_and_in_any_form():
    held = catalogs.snapshot()
    read = dcat_reading.read(exported(held))
    assert read == held
    assert workbook_reading.read(workbook.write(read)) == held


@SOME
@given(catalogs.snapshots())
@example(catalogs.snapshot())
def test_any_catalog_comes_back_whole(snapshot):
    assert dcat_reading.read(exported(snapshot)) == snapshot


def test_what_other_software_has_read_and_written_again_is_read():
    held = catalogs.snapshot()
    again = graph_of(exported(held)).serialize(
        format="json-ld", context=vocabulary.CONTEXT, auto_compact=True
    )
    document = json.loads(again)
    assert document["@context"] == vocabulary.CONTEXT
    assert dcat_reading.read(again.encode()) == held


def changed(change) -> bytes:
    document = json.loads(exported(catalogs.snapshot()))
    change(document)
    return json.dumps(document).encode()


def _node(document: dict, name: str) -> dict:
    return next(one for one in document["@graph"] if one["@id"] == f"urn:tongban:{name}")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"{",
        changed(lambda d: d.update({"@context": "https://example.com/context.jsonld"})),
        changed(lambda d: d.update({"@graph": []})),
        changed(lambda d: d.update({"@graph": 7})),
        changed(lambda d: _node(d, catalogs.RESIDENTS).pop("dct:title")),
        changed(lambda d: _node(d, catalogs.RESIDENTS).update({"tb:sharingType": "perhaps"})),
        changed(lambda d: _node(d, catalogs.RESIDENTS).update({"tb:quality": {"a": 1}})),
        changed(lambda d: _node(d, catalogs.RESIDENTS).update({"@id": "https://elsewhere/x"})),
    ],
)  # fmt: skip
def test_what_is_no_such_document_is_refused(data):
    with pytest.raises(InvalidArgument) as refused:
        dcat_reading.read(data)
    assert refused.value.reason == "CATALOG_FILE_INVALID"


@pytest.mark.parametrize("frequency", [None, {"@id": "urn:nonesuch"}, "urn:nonesuch"])
def test_a_frequency_that_is_not_known_is_refused_on_reading(frequency):
    def break_it(document: dict) -> None:
        node = _node(document, catalogs.RESIDENTS)
        node.pop("dct:accrualPeriodicity")
        if frequency:
            node["dct:accrualPeriodicity"] = frequency

    with pytest.raises(InvalidArgument) as refused:
        dcat_reading.read(changed(break_it))
    assert [violation.field for violation in refused.value.violations] == [
        f"urn:tongban:{catalogs.RESIDENTS} dct:accrualPeriodicity",
    ]


def test_every_fault_is_told_at_once():
    def break_two(document: dict) -> None:
        _node(document, catalogs.RESIDENTS).pop("dct:title")
        _node(document, catalogs.CIVIL).pop("dct:identifier")

    with pytest.raises(InvalidArgument) as refused:
        dcat_reading.read(changed(break_two))
    assert [violation.field for violation in refused.value.violations] == [
        f"urn:tongban:{catalogs.CIVIL} dct:identifier",
        f"urn:tongban:{catalogs.RESIDENTS} dct:title",
    ]
