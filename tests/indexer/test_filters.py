"""Filters against an oracle in Python, on both databases; malformed ones against their sentences."""

import operator
import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.store import filters
from indexer.store.tables import INDEXED_CHARACTERS, DocumentRow, FieldRow, PassageRow
from search.errors import InvalidFilter
from tests.contracts.stored import LATER, NOW, document, new_collection, put

pytest_plugins = ["tests.contracts.databases"]

LONG = "长" * (INDEXED_CHARACTERS - 1)
TEXTS = [
    "tea",
    "Tea",
    "teapot",
    "",
    "茶",
    "😀",
    'it\'s "so" %s; DROP TABLE documents --',
    "2024-05-01",
    "2024-05-01T00:00:00Z",
    LONG,
    LONG + "一",
    LONG + "一二",
    LONG + "一三",
]
NUMBERS = [0, -0.0, 1, 1.0, 1.5, -3, 2**53, -(2**53), 2**53 - 1, 0.1, 1e300, 5e-324]
TIMES = [
    datetime(2024, 5, 1, tzinfo=UTC),
    datetime(2024, 5, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2024, 4, 30, 22, 0, tzinfo=UTC),
]
TIME_TEXTS = ["2024-05-01", "2024-05-01T00:00:00.000001", "2024-05-01T06:00:00+08:00", "1999-12-31T23:59:59Z"]

# What a field of each name may hold; a list is one field of several elements.
FIELDS = {
    "n": NUMBERS,
    "tag": TEXTS,
    "flag": [True, False],
    "when": TIMES,
    "mixed": [*TEXTS, *NUMBERS],
    'it\'s "q" %s %(x)s ? :y \\': TEXTS,
    "name') OR 1=1 --": NUMBERS,
}
NAMES = [*FIELDS, "never stored", "N", "document"]


def random_metadata(chooser):
    def value(name):
        if chooser.random() < 0.3:
            return chooser.choices(FIELDS[name], k=chooser.randrange(4))
        return chooser.choice(FIELDS[name])

    return {name: value(name) for name in FIELDS if chooser.random() < 0.6}


FOLDERS = ["a", "B", "键", "%", "o'clock"]


def stored_documents():
    """Return 50 documents of every kind of metadata, and columns that differ."""
    chooser = random.Random(20240501)
    return [
        document(
            f"{chooser.choice(FOLDERS)}/{number:02}",
            title=chooser.choice(TEXTS[:6]),
            source=chooser.choice(["api", "folder/a", "folder/b"]),
            language=chooser.choice(["en", "zh"]),
            media_type=chooser.choice(["text/plain", "text/html"]),
            authored_at=chooser.choice([None, *TIMES]),
            modified_at=chooser.choice([None, NOW, LATER]),
            metadata=random_metadata(chooser),
        )
        for number in range(50)
    ]


DOCUMENTS = stored_documents()


@pytest.fixture
def connection(database):
    """A transaction over the documents above, and over a collection whose fields must not matter."""
    collection = new_collection(database)
    put(database, collection, *DOCUMENTS, now=LATER)
    other = new_collection(database, "other")
    put(database, other, document("x", metadata={"n": "text here", "never stored": True, "tag": 7}))
    with database.read() as connection:
        yield connection


def found(connection, given):
    """Return the keys of the documents that meet a filter, by SQL."""
    condition = filters.compile_filter(connection, 1, given)
    query = sa.select(DocumentRow.key).where(DocumentRow.collection_id == 1, condition)
    return sorted(connection.execute(query).scalars())


# The oracle

ORDERED = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
COLUMNS = {
    "document.key": lambda it: it.key,
    "document.title": lambda it: it.title,
    "document.source": lambda it: it.source,
    "document.media_type": lambda it: it.media_type,
    "document.language": lambda it: it.language,
    "document.authored_at": lambda it: it.authored_at,
    "document.modified_at": lambda it: it.modified_at,
    "document.created_at": lambda it: LATER,
    "document.updated_at": lambda it: LATER,
}


def elements(it, name):
    value = COLUMNS[name](it) if name in COLUMNS else it.metadata.get(name)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def is_there(it, name):
    return COLUMNS[name](it) is not None if name in COLUMNS else name in it.metadata


def time_of(text):
    try:
        moment = datetime.fromisoformat(text) if len(text) >= 10 else None
    except ValueError:
        return None
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def comparable(element, value):
    """Return the pair that a comparison is about, or None where the kinds differ."""
    if isinstance(element, bool) or isinstance(value, bool):
        return (element, value) if isinstance(element, bool) and isinstance(value, bool) else None
    if isinstance(element, datetime):
        moment = time_of(value) if isinstance(value, str) else None
        return moment and (element, moment)
    return (element, value) if isinstance(element, str) == isinstance(value, str) else None


def holds(it, name, operator_, operand):
    compare = ORDERED.get(operator_, operator.eq)
    values = operand if operator_ in ("$in", "$nin") else [operand]
    if operator_ == "$exists":
        return is_there(it, name) is operand
    pairs = [comparable(element, value) for element in elements(it, name) for value in values]
    met = any(compare(*pair) for pair in pairs if pair)
    return not met if operator_ in ("$ne", "$nin") else met


def meets(it, given):
    return all(clause_holds(it, name, value) for name, value in given.items())


def clause_holds(it, name, value):
    if name == "$not":
        return not meets(it, value)
    if name in ("$and", "$or"):
        return (all if name == "$and" else any)(meets(it, part) for part in value)
    conditions = value if isinstance(value, dict) else {"$eq": value}
    return all(holds(it, name, operator_, operand) for operator_, operand in conditions.items())


def kind_of(value):
    if isinstance(value, bool):
        return "booleans"
    return {str: "text", datetime: "times"}.get(type(value), "numbers")


HELD = {name: {kind_of(e) for it in DOCUMENTS for e in elements(it, name)} for name in NAMES}


def is_refused(given):
    """Return whether a field is compared with a kind that it never holds; only in filters drawn below."""
    return any(clause_refused(name, value) for name, value in given.items())


def clause_refused(name, value):
    if name == "$not":
        return is_refused(value)
    if name in ("$and", "$or"):
        return any(is_refused(part) for part in value)
    conditions = value if isinstance(value, dict) else {"$eq": value}
    return any(
        not kinds_of_value(each) & HELD[name]
        for operator_, operand in conditions.items()
        if operator_ != "$exists" and HELD.get(name)
        for each in (operand if operator_ in ("$in", "$nin") else [operand])
    )


def kinds_of_value(value):
    return {"text", "times"} if isinstance(value, str) and time_of(value) else {kind_of(value)}


# Filters drawn by lot

scalars = st.sampled_from([*TEXTS, *NUMBERS, *TIME_TEXTS, True, False])
ordered_scalars = st.sampled_from([*TEXTS, *NUMBERS, *TIME_TEXTS])
conditions = st.one_of(
    scalars,
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), scalars, min_size=1),
    st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(scalars, min_size=1, max_size=6), min_size=1),
    st.dictionaries(st.sampled_from(list(ORDERED)), ordered_scalars, min_size=1),
    st.builds(lambda there: {"$exists": there}, st.booleans()),
)
column_texts = st.sampled_from([*TEXTS[:6], "en", "zh", "api", "folder/a", "text/html", "B/01", "键/03", "%"])
text_columns = st.sampled_from([name for name in COLUMNS if not name.endswith("_at")])
time_columns = st.sampled_from([name for name in COLUMNS if name.endswith("_at")])


def column_conditions(values):
    return st.one_of(
        values,
        st.dictionaries(st.sampled_from(["$eq", "$ne", *ORDERED]), values, min_size=1),
        st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(values, min_size=1), min_size=1),
        st.builds(lambda there: {"$exists": there}, st.booleans()),
    )


fields = st.dictionaries(st.sampled_from(NAMES), conditions, min_size=1, max_size=2)
columns = st.one_of(
    st.dictionaries(text_columns, column_conditions(column_texts), min_size=1, max_size=2),
    st.dictionaries(time_columns, column_conditions(st.sampled_from(TIME_TEXTS)), min_size=1, max_size=2),
)
drawn = st.recursive(
    st.one_of(st.just({}), fields, columns),
    lambda inner: st.one_of(
        st.builds(lambda part: {"$not": part}, inner),
        st.dictionaries(
            st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1
        ),
    ),
    max_leaves=5,
)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=drawn)
def test_a_filter_finds_what_it_says(connection, asked):
    if is_refused(asked):
        with pytest.raises(InvalidFilter, match="compare it with that"):
            found(connection, asked)
    else:
        assert found(connection, asked) == sorted(it.key for it in DOCUMENTS if meets(it, asked))


@pytest.mark.parametrize("name", FIELDS)
def test_every_operator_on_every_field(connection, name):
    """Each comparison once, whatever the lot above has drawn."""
    for value in FIELDS[name]:
        value = value.isoformat() if isinstance(value, datetime) else value
        orders = () if isinstance(value, bool) else ORDERED
        for asked in [{op: value} for op in ("$eq", "$ne", *orders)] + [{"$in": [value]}, {"$nin": [value]}]:
            expected = [it.key for it in DOCUMENTS if meets(it, {name: asked})]
            assert found(connection, {name: asked}) == sorted(expected), asked
    with_it = sum(name in it.metadata for it in DOCUMENTS)
    assert 0 < with_it < len(DOCUMENTS)
    assert len(found(connection, {name: {"$exists": True}})) == with_it
    assert len(found(connection, {name: {"$exists": False}})) == len(DOCUMENTS) - with_it


def test_not_equal_holds_where_the_field_is_missing(connection):
    everything = sorted(it.key for it in DOCUMENTS)
    for asked in ({"$ne": 1}, {"$nin": [1, 2]}, {"$exists": False}):
        assert found(connection, {"never stored": asked}) == everything
        assert found(connection, {"$not": {"never stored": asked}}) == []
    for asked in (1, "x", True, {"$gt": 1}, {"$lte": "x"}, {"$in": [1]}, {"$exists": True}):
        assert found(connection, {"never stored": asked}) == []
        assert found(connection, {"$not": {"never stored": asked}}) == everything
    undated = sorted(it.key for it in DOCUMENTS if it.authored_at is None)
    assert 0 < len(undated) < len(DOCUMENTS)
    assert set(undated) < set(found(connection, {"document.authored_at": {"$ne": "2024-05-01"}}))
    assert set(undated) < set(found(connection, {"$not": {"document.authored_at": {"$gt": "2024-05-01"}}}))


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01",
        "2024-05-01T00:00",
        "2024-05-01T00:00:00Z",
        "2024-05-01 08:00:00+08:00",
        "2024-04-30T19:00:00-05:00",
    ],
)
def test_one_moment_may_be_written_in_many_ways(connection, text):
    expected = sorted(it.key for it in DOCUMENTS if TIMES[0] in elements(it, "when"))
    assert expected and found(connection, {"when": text}) == expected
    assert found(connection, {"document.authored_at": {"$in": [text]}}) == sorted(
        it.key for it in DOCUMENTS if it.authored_at == TIMES[0]
    )


def test_times_between_two_moments(connection):
    asked = {"document.modified_at": {"$gte": NOW.isoformat(), "$lt": (NOW + timedelta(hours=1)).isoformat()}}
    assert found(connection, asked) == sorted(it.key for it in DOCUMENTS if it.modified_at == NOW)


def test_the_passages_of_matching_documents_come_ascending(connection):
    query = filters.matching_passages(connection, 1, {"document.language": "zh"})
    ids = list(connection.execute(query).scalars())
    rows = connection.execute(
        sa.select(PassageRow.id)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .where(DocumentRow.language == "zh", DocumentRow.collection_id == 1)
    )
    assert ids == sorted(rows.scalars()) != []


REFUSED = {
    "no object": ([1], "a filter is an object of fields and conditions such as .*, not \\[1\\]"),
    "an empty list": ([], "a filter is an object"),
    "text": ("n = 1", "a filter is an object"),
    "null value": (
        {"n": None},
        '\'n\' cannot be compared with null; documents without it meet ."n": ..\\$exists": false',
    ),
    "list value": ({"n": [1]}, "'n' is compared with text, a number or a boolean, not with \\[1\\]"),
    "null in a list": ({"n": {"$in": [1, None]}}, "cannot be compared with null"),
    "no condition": ({"n": {}}, "the field 'n' has no condition"),
    "unknown operator": ({"n": {"$regex": "x"}}, "unknown operator '\\$regex' on the field 'n'; use one of"),
    "no operator": ({"n": {"m": 1}}, "unknown operator 'm' on the field 'n'"),
    "unknown combiner": (
        {"$nor": []},
        "unknown operator '\\$nor'; here stand field names or \\$and, \\$or, \\$not",
    ),
    "empty and": ({"$and": []}, "\\$and takes a list of 1 to 100 filters"),
    "or of no list": ({"$or": {"n": 1}}, "\\$or takes a list of 1 to 100 filters"),
    "or of no filters": ({"$or": [1]}, "a filter is an object"),
    "not of a list": ({"$not": [{"n": 1}]}, "a filter is an object"),
    "in of no list": ({"n": {"$in": 1}}, "\\$in on 'n' takes a list of 1 to 1000 values, not 1"),
    "in of nothing": ({"n": {"$nin": []}}, "\\$nin on 'n' takes a list of 1 to 1000 values"),
    "exists of no boolean": ({"n": {"$exists": 1}}, "\\$exists on 'n' takes true or false, not 1"),
    "order of booleans": ({"flag": {"$gt": True}}, "\\$gt on 'flag': true and false have no order"),
    "number for text": ({"tag": 5}, "'tag' holds text; compare it with that, not with 5"),
    "text for number": ({"n": {"$gte": "many"}}, "'n' holds numbers; compare it with that, not with 'many'"),
    "boolean for number": ({"n": True}, "'n' holds numbers; .* not with true"),
    "number for boolean": ({"flag": {"$in": [True, 1]}}, "'flag' holds booleans; .* not with 1"),
    "no time": ({"when": "tomorrow"}, "'when' holds times; .* not with 'tomorrow'"),
    "several kinds": ({"mixed": False}, "'mixed' holds text or numbers; .* not with false"),
    "deep inside": ({"$or": [{}, {"$not": {"tag": {"$ne": 1}}}]}, "'tag' holds text"),
    "unknown column": ({"document.size": 1}, "a document has no 'document.size'; it has document.key, "),
    "number for a column": ({"document.title": 3}, "'document.title' is compared with text, not with 3"),
    "no time for a column": (
        {"document.created_at": "new"},
        "'document.created_at' is a time; .* 2024-05-01T",
    ),
    "time before time": (
        {"document.created_at": "0001-01-01T00:00:00+09:00"},
        "is a time; compare it with one",
    ),
    "not a number": ({"n": float("nan")}, "'n': nan is not a finite number"),
    "infinite": ({"n": {"$lt": float("inf")}}, "'n': inf is not a finite number"),
    "whole but not exact": ({"n": 2**53 + 1}, "'n': 9007199254740993 is beyond 2\\*\\*53"),
    "astronomic": ({"n": {"$gt": -(10**400)}}, "beyond 2\\*\\*53"),
    "half a character": ({"tag": "\ud83d"}, "'\\\\ud83d' holds a character that is no text"),
    "NUL": ({"document.key": {"$gt": "a\x00"}}, "holds a character that is no text"),
    "a name of half a character": ({"\ud83d": 1}, "name '\\\\ud83d' holds a character that is no text"),
    "too many values": ({"n": {"$in": list(range(1001))}}, "compares with more than 1000 values"),
    "too many filters": ({"$or": [{"n": 1}] * 101}, "a list of 1 to 100 filters"),
    "too many conditions": ({"$and": [{"$or": [{"n": 1}] * 51}] * 2}, "more than 100 conditions"),
    "too many filters that say nothing": ({"$or": [{"$or": [{}] * 100}] * 3}, "more than 200 filters"),
    "lists that multiply": ({"$and": [{"$not": {"$or": [{}] * 100}}] * 100}, "more than 200 filters"),
    "too many values in all": (
        {"$or": [{"n": {"$in": list(range(501))}}] * 2},
        "compares with more than 1000 values",
    ),
}


@pytest.mark.parametrize(("asked", "told"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_malformed_filter_is_refused_with_a_sentence(connection, asked, told):
    with pytest.raises(InvalidFilter, match=told) as refusal:
        found(connection, asked)
    assert refusal.value.code == "invalid_filter"
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


def nested(depth):
    asked = {"n": 1}
    for _ in range(depth):
        asked = {"$not": asked}
    return asked


def test_nesting_is_bounded(connection):
    one = sorted(it.key for it in DOCUMENTS if meets(it, {"n": 1}))
    assert found(connection, nested(filters.DEPTH_MAX)) == one
    with pytest.raises(InvalidFilter, match="nested more than 8 deep"):
        found(connection, nested(filters.DEPTH_MAX + 1))
    with pytest.raises(InvalidFilter, match="nested more than 8 deep"):
        found(connection, nested(100_000))


def test_the_largest_filters_that_are_taken_run_on_both_databases(connection):
    """SQLite gives up on expressions a thousand deep, PostgreSQL's protocol on 65,535 values."""
    texts = [f"text {number}" for number in range(998)]
    assert found(connection, {"tag": {"$in": [*texts, "tea", LONG + "一二"]}}) == found(
        connection, {"tag": {"$in": ["tea", LONG + "一二"]}}
    )
    moments = [f"2024-05-01T00:{number // 60:02}:{number % 60:02}" for number in range(1000)]
    assert found(connection, {"when": {"$in": moments}}) == found(connection, {"when": moments[0]})
    for combiner in ("$and", "$or"):
        assert found(connection, {combiner: [{"tag": "tea"}] * 100}) == found(connection, {"tag": "tea"})
        inner = {"$or": [{"tag": "tea"}] * 16}
        for _ in range(6):
            inner = {combiner: [*[{"tag": "tea"}] * 14, inner]}
        assert found(connection, inner) == found(connection, {"tag": "tea"})


def test_no_filter_and_an_empty_one_find_everything(connection):
    assert len(found(connection, None)) == len(found(connection, {})) == len(DOCUMENTS)
    assert found(connection, {"$not": {}}) == []


def test_a_field_of_empty_lists_takes_any_kind(database):
    collection = new_collection(database)
    put(database, collection, document("a", metadata={"e": []}))
    with database.read() as connection:
        assert connection.execute(sa.select(FieldRow.kind)).scalars().all() == [""]
        for value in (1, "x", True):
            assert found(connection, {"e": value}) == []
            assert found(connection, {"e": {"$ne": value}}) == ["a"]
        assert found(connection, {"e": {"$exists": True}}) == ["a"]
