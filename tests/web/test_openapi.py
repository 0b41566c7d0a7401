"""The OpenAPI document says what is served: every route, and for each answer the schema it obeys."""

import io
import re
from datetime import datetime
from typing import ClassVar

import pytest

from indexer import evaluation_records, records
from search import model


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/v1/openapi.json").json


class Check:
    """The part of JSON Schema that the document uses; an unknown keyword is an ``AttributeError``."""

    kinds: ClassVar = {
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "array": list,
        "object": dict,
        "null": type(None),
    }
    silent: ClassVar = {"title", "description", "default", "required"}

    def __init__(self, schemas):
        self.schemas = schemas

    def faults(self, value, schema, at="$"):
        """Yield where ``value`` breaks ``schema``."""
        for keyword, rule in schema.items():
            if keyword not in self.silent:
                yield from getattr(self, f"{keyword.strip('$')}_")(value, rule, schema, at)

    def ref_(self, value, rule, schema, at):
        yield from self.faults(value, self.schemas[rule.rpartition("/")[2]], at)

    def anyOf_(self, value, rule, schema, at):
        if all(list(self.faults(value, choice, at)) for choice in rule):
            yield f"{at}: {value!r} is none of the choices"

    def enum_(self, value, rule, schema, at):
        if value not in rule:
            yield f"{at}: {value!r} is not listed"

    def type_(self, value, rule, schema, at):
        if not isinstance(value, self.kinds[rule]) or (isinstance(value, bool) and rule != "boolean"):
            yield f"{at}: {value!r} is no {rule}"
        elif rule == "object":
            yield from self.members(value, schema, at)

    def format_(self, value, rule, schema, at):
        assert rule == "date-time"
        utc = isinstance(value, str) and value.endswith("Z")
        if not utc or datetime.fromisoformat(value).utcoffset().total_seconds() != 0:
            yield f"{at}: {value!r} is no time in UTC"

    def items_(self, value, rule, schema, at):
        for number, element in enumerate(value if isinstance(value, list) else ()):
            yield from self.faults(element, rule, f"{at}/{number}")

    def properties_(self, value, rule, schema, at):
        for name in rule if isinstance(value, dict) else ():
            if name not in value:
                continue
            yield from self.faults(value[name], rule[name], f"{at}/{name}")

    def additionalProperties_(self, value, rule, schema, at):
        for name in value if isinstance(value, dict) else ():
            if isinstance(rule, dict) and name not in schema.get("properties", {}):
                yield from self.faults(value[name], rule, f"{at}/{name}")

    def members(self, value, schema, at):
        """Yield what is missing, and what an object of ours should not have."""
        yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        if "additionalProperties" not in schema:
            unknown = value.keys() - schema.get("properties", {}).keys()
            yield from (f"{at}: {name} is not in the schema" for name in unknown)


def test_it_is_openapi_3_1_and_lists_every_route_of_the_api(app, document):
    assert document["openapi"] == "3.1.0"
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/v1", "/healthz", "/readyz"))
    }
    assert documented == served - {("GET", "/v1/openapi.json")}


def test_every_reference_leads_somewhere_and_every_operation_has_a_name(document):
    schemas = document["components"]["schemas"]
    references = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document))
    assert references and set(references) <= set(schemas)
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


def test_every_record_of_the_service_is_in_it_with_all_its_fields(document):
    schemas = document["components"]["schemas"]
    for record in (
        model.SearchResult,
        model.Hit,
        records.DocumentDetail,
        records.TaskInfo,
        records.LineStatus,
        evaluation_records.Comparison,
        evaluation_records.EvaluationInfo,
    ):
        assert list(schemas[record.__name__]["properties"]) == list(record.__dataclass_fields__)


def test_it_says_what_a_media_type_may_be(document):
    pattern = document["components"]["schemas"]["DocumentBody"]["properties"]["media_type"]["pattern"]
    assert re.search(pattern, "text/markdown") and not re.search(pattern, "Text/Markdown; x=y")


@pytest.mark.parametrize("wrong", [{}, {"start": "1"}, {"start": True}, {"start": 1, "end": 2}, [1], None])
def test_the_check_finds_what_is_wrong(wrong):
    span = {"type": "object", "properties": {"start": {"type": "integer"}}, "required": ["start"]}
    check = Check({"Span": span})
    reference = {"anyOf": [{"$ref": "#/components/schemas/Span"}, {"type": "string", "enum": ["all"]}]}
    assert list(check.faults({"start": 1}, reference)) == list(check.faults("all", reference)) == []
    assert list(check.faults(wrong, reference))


def test_real_answers_obey_their_schemas(client, document, library, collection):
    here, there = f"/v1/collections/{library}", f"/v1/collections/{collection}"
    upload = {"file": (io.BytesIO(b"alpha"), "a.txt")}
    calls = [
        ("GET", "/v1/collections", "/v1/collections", {}),
        ("POST", "/v1/collections", "/v1/collections", {"json": {"name": collection}}),
        ("GET", here, "/v1/collections/{collection}", {}),
        ("GET", f"{here}/documents?limit=2", "/v1/collections/{collection}/documents", {}),
        (
            "PUT",
            f"{there}/documents/k",
            "/v1/collections/{collection}/documents/{key}",
            {"json": {"text": "x", "metadata": {"n": 1, "list": ["a"]}}},
        ),
        ("GET", f"{there}/documents/k", "/v1/collections/{collection}/documents/{key}", {}),
        ("GET", f"{there}/documents/unknown", "/v1/collections/{collection}/documents/{key}", {}),
        (
            "POST",
            f"{there}/documents/delete",
            "/v1/collections/{collection}/documents/delete",
            {"json": {"keys": ["k"]}},
        ),
        (
            "POST",
            f"{here}/search",
            "/v1/collections/{collection}/search",
            {"json": {"query": "bread", "explain": True}},
        ),
        ("POST", f"{here}/search", "/v1/collections/{collection}/search", {"json": {"colour": 1}}),
        ("GET", f"{here}/search?q=bread", "/v1/collections/{collection}/search", {}),
        (
            "POST",
            f"{here}/similar",
            "/v1/collections/{collection}/similar",
            {"json": {"like": ["sky/eclipse.md"]}},
        ),
        ("POST", f"{there}/documents", "/v1/collections/{collection}/documents", {"data": upload}),
        ("GET", "/v1/tasks", "/v1/tasks", {}),
        ("GET", "/healthz", "/healthz", {}),
        ("GET", "/readyz", "/readyz", {}),
    ]
    check = Check(document["components"]["schemas"])
    for method, address, path, body in calls:
        answer = client.open(address, method=method, **body)
        promised = document["paths"][path][method.lower()]["responses"]
        response = promised.get(str(answer.status_code), promised["default"])
        schema = response["content"][answer.mimetype]["schema"]
        found = list(check.faults(answer.json, schema))
        assert found == [], f"{method} {address} {answer.status_code}"
        assert answer.status_code < 500
