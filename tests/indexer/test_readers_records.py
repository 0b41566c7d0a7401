"""Records: typed fields by one rule, CSV and JSON read one by one, a bad one costing only itself."""

import hashlib
import io
import itertools
import json
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.readers.base import MIB, Extracted, Limits, RecordFields, Refused
from indexer.readers.jsonl import JsonLinesReader, JsonReader
from indexer.readers.records import record_document
from indexer.readers.tabular import CsvReader
from indexer.readers.typed import typed
from search.errors import InvalidEncoding, InvalidRecord, NoText, TooLarge

USUAL = RecordFields()
NO_LIMITS = Limits()


def jsonl(data, limits=NO_LIMITS, fields=USUAL):
    data = data if isinstance(data, bytes) else data.encode()
    return list(JsonLinesReader(fields, limits).read(io.BytesIO(data), "a.jsonl"))


def json_file(data):
    return list(JsonReader(USUAL, NO_LIMITS).read(io.BytesIO(data.encode()), "a.json"))


def csv(data, limits=NO_LIMITS, fields=USUAL):
    data = data if isinstance(data, bytes) else data.encode()
    return list(CsvReader(fields, limits).read(io.BytesIO(data), "a.csv"))


def fields_of(record):
    return record_document({"text": "x", **record}, USUAL, "application/json").fields


def summary(found):
    """Keys of documents; place, code and sentence of refusals."""
    return [
        (one.where, one.error.code, str(one.error)) if isinstance(one, Refused) else one.key for one in found
    ]


# What becomes of a record


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"a": 1, "b": "x", "c": True, "d": 2.5}, {"a": 1, "b": "x", "c": True, "d": 2.5}),
        ({"a": {"b": {"c": 1}, "d": "x"}}, {"a.b.c": 1, "a.d": "x"}),
        ({"metadata": {"a": 1, "b": {"c": 2}}}, {"a": 1, "b.c": 2}),
        ({"a": {"metadata": {"b": 1}}}, {"a.metadata.b": 1}),
        ({"metadata": "words"}, {"metadata": "words"}),
        ({"metadata": [{"a": 1}, {"a": 2}]}, {"a": [1, 2]}),
        ({"a": [1, 2], "b": ["x"], "c": [True, False]}, {"a": [1, 2], "b": ["x"], "c": [True, False]}),
        ({"a": [1, 2.5]}, {"a": [1.0, 2.5]}),
        ({"a": [{"n": "Lin", "y": 1}, {"n": "Wu"}]}, {"a.n": ["Lin", "Wu"], "a.y": [1]}),
        ({"a": [[1, 2], [3]]}, {"a": [1, 2, 3]}),
        ({"a": None, "b": [], "c": {}, "d": [None], "e": {"f": None}}, {}),
        ({"a": "2024-05-01", "b": "2024-05-01T08:30:00+08:00"},
         {"a": datetime(2024, 5, 1, tzinfo=UTC), "b": datetime(2024, 5, 1, 0, 30, tzinfo=UTC)}),
        ({"b": "007", "c": "1", "d": ""}, {"b": "007", "c": "1", "d": ""}),
        ({"a": ["2024-05-01"]}, {"a": ["2024-05-01"]}),
        ({"a": 2**53, "b": -(2**53)}, {"a": 2**53, "b": -(2**53)}),
    ],
)  # fmt: skip
def test_everything_else_becomes_typed_fields(record, fields):
    found = fields_of(record)
    assert found == fields
    assert {name: type(value) for name, value in found.items()} == {
        name: type(fields[name]) for name in fields
    }


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"a": [1, "x"]}, "the list in 'a' mixes a number and text"),
        ({"a": [1, True]}, "mixes a number and true or false"),
        ({"a": 1, "metadata": {"a": 2}}, "two values under the name 'a'"),
        ({"a": [1], "metadata": {"a": [2]}}, "two values under the name 'a'"),
        ({"a.b": 1, "a": {"b": 2}}, "two values under the name 'a.b'"),
        ({"a": 2**53 + 1}, "'a' is a whole number beyond 2\\*\\*53"),
        ({"a": float("nan")}, "'a' holds a number that is not finite"),
        ({"a": "x\0"}, "'a' holds a character that is no text"),
        ({"a": "\ud800"}, "'a' holds a character that is no text"),
        ({"\ud800": 1}, "holds a character that is no text"),
        ({"a": {"\0": ["x"]}}, "holds a character that is no text"),
        ({"title": "\ud800"}, "'title' holds a character that is no text"),
        ({"title": 1984}, "'title' must be text, not a number"),
        ({"text": ["x"]}, "'text' must be text, not a list"),
        ({"text": {"en": "x"}}, "'text' must be text, not an object"),
        ({"text": "x\0y"}, "'text' holds a character that is no text"),
        ({"id": 1.5}, "the key in 'id' must be text or a whole number, not a fraction"),
        ({"id": True}, "must be text or a whole number, not true or false"),
        ({"id": ["a"]}, "must be text or a whole number, not a list"),
    ],
)
def test_what_would_be_lost_or_changed_is_refused(record, told):
    with pytest.raises(InvalidRecord, match=told) as caught:
        fields_of(record)
    str(caught.value).encode()
    json.dumps(caught.value.details).encode()


@pytest.mark.parametrize("record", [{}, {"title": "only"}, {"text": ""}, {"text": " \n"}, {"text": None}])
def test_a_record_without_text(record):
    with pytest.raises(NoText, match="has no text; it is expected under text, content or body"):
        record_document(record, USUAL, "application/json")


def test_the_first_name_that_says_something_wins_and_the_others_are_metadata():
    document = record_document(
        {
            "key": " ",
            "_id": 7,
            "id": "x",
            "text": None,
            "content": "words\r\nmore",
            "body": "b",
            "title": " T ",
        },
        USUAL,
        "application/json",
    )
    assert (document.key, document.text, document.title) == ("7", "words\nmore", "T")
    assert document.fields == {"key": " ", "id": "x", "body": "b"}


def test_which_fields_are_taken_is_configurable():
    fields = RecordFields(key=("url",), title=("name",), text=("正文", "text"))
    document = record_document(
        {"url": "u", "name": "n", "正文": "词", "text": "t", "id": 1}, fields, "text/csv"
    )
    assert (document.key, document.title, document.text) == ("u", "n", "词")
    assert document.fields == {"text": "t", "id": 1}


def test_a_key_is_made_of_all_that_a_record_holds():
    canonical = '{"a":1,"text":"词"}'
    key = f"a.jsonl#{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
    assert summary(jsonl('{"text": "词", "a": 1}\n{"a": 1,  "text": "词"}\n{"text": "词", "a": 2}')) == [
        key,
        key,
        summary(jsonl('{"a": 2, "text": "词"}'))[0],
    ]
    assert summary(jsonl('{"text": "x", "\\ud800": null}'))[0].startswith("a.jsonl#")


# Text that is a number, a truth value or a date


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("-7", -7), ("0", 0), ("999999999999999", 999999999999999),
        ("4.10", 4.1), ("-0.5", -0.5), ("true", True), ("FALSE", False),
        ("2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-05-01 08:30", datetime(2024, 5, 1, 8, 30, tzinfo=UTC)),
        ("2024-05-01T08:30:00.25Z", datetime(2024, 5, 1, 8, 30, 0, 250000, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_plain_values_are_typed(text, value):
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["007", "+49", "1e5", "1,234", "1.", ".5", "-", "NaN", "inf", "yes", "no", "tRUE", "0x1F", "1_000",
     "１２", "110105199003071234", "2024-02-30", "2024-5-1", "24-05-01", "0001-01-01T00:00+14:00", " 7"],
)  # fmt: skip
def test_everything_doubtful_stays_text(text):
    assert typed(text) == text


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_typed_says_what_was_written(number):
    value = typed(str(number))
    assert value == number or value == str(number)


# JSON Lines


def test_a_broken_line_costs_itself():
    lines = [f'{{"id": {n}, "text": "line {n}"}}' for n in range(1, 10)]
    lines[6] = '{"id": 7, "text": "line 7'
    assert summary(jsonl("\n".join(lines))) == [
        "1", "2", "3", "4", "5", "6",
        ("a.jsonl, line 7", "invalid_record", "it is no JSON: Unterminated string starting at (column 19)"),
        "8", "9",
    ]  # fmt: skip
    assert jsonl("\n".join(lines))[6].error.details == {"line": 7}


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ('{"id": 1, "id": 2, "text": "x"}', "invalid_record", "an object names the same field twice"),
        ('{"a": {"b": 1, "b": 2}, "text": "x"}', "invalid_record", "an object names the same field twice"),
        ('{"text": "x", "a": NaN}', "invalid_record", "NaN is no JSON number"),
        ('{"text": "x", "a": -Infinity}', "invalid_record", "-Infinity is no JSON number"),
        ('{"text": "x", "a": 1e999}', "invalid_record", "not finite"),
        ('{"text": "x", "a": ' + "9" * 5000 + "}", "invalid_record", "too many digits"),
        ('{"text": "\\ud800"}', "invalid_record", "no text"),
        ('{"text": "a\\u0000b"}', "invalid_record", "no text"),
        ("[1]", "invalid_record", "no JSON object"),
        ("null", "invalid_record", "no JSON object"),
        ("[" * 100_000, "invalid_record", "nests objects or lists too deeply"),
        ('{"text": "x"} {"text": "y"}', "invalid_record", "Extra data (column 15)"),
        (b'{"text": "caf\xe9"}', "invalid_encoding", "not valid UTF-8: see byte 14"),
        ("{'text': 'x'}", "invalid_record", "double quotes"),
    ],
)
def test_a_line_that_is_no_record(line, code, told):
    line = line if isinstance(line, bytes) else line.encode()
    refused, good = jsonl(line + b'\n{"id": "ok", "text": "x"}')
    assert (refused.where, refused.error.code) == ("a.jsonl, line 1", code)
    assert told in str(refused.error)
    assert good.key == "ok"


def test_blank_lines_count_and_marks_do_not():
    data = b'\xef\xbb\xbf\n{"id": 1, "text": "x"}\r\n\r\n{"id": 2}'
    assert summary(jsonl(data)) == [
        "1",
        ("a.jsonl, line 4", "no_text", "the record has no text; it is expected under text, content or body"),
    ]


def test_utf16_is_refused_as_a_whole():
    with pytest.raises(InvalidEncoding, match="JSON Lines is always UTF-8"):
        jsonl('{"text": "x"}'.encode("utf-16"))


def test_an_overlong_line_is_never_held_and_reading_goes_on():
    class Endless(io.RawIOBase):
        """A good line, one of 50 MB, a good line; made while it is read."""

        def __init__(self):
            line = b'{"id": 1, "text": "x"}\n'
            self.pieces = itertools.chain(
                [line, b'{"text": "'], (b"x" * 65536 for _ in range(800)), [b'"}\n', line]
            )
            self.left = b""

        def readable(self):
            return True

        def readinto(self, buffer):
            self.left = self.left or next(self.pieces, b"")
            piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(piece)] = piece
            return len(piece)

    stream = io.BufferedReader(Endless())
    tracemalloc.start()
    found = list(JsonLinesReader(USUAL, Limits(record_bytes=MIB)).read(stream, "a.jsonl"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.where if isinstance(one, Refused) else one.key for one in found] == [
        "1",
        "a.jsonl, line 2",
        "1",
    ]
    assert isinstance(found[1].error, TooLarge)
    assert "longer than 1 MiB" in str(found[1].error)
    assert peak < 5 * MIB


def test_a_line_of_exactly_the_limit_is_read():
    line = b'{"id": 1, "text": "xxxx"}'
    assert summary(jsonl(line + b"\n" + line, Limits(record_bytes=len(line) + 1))) == ["1", "1"]
    assert jsonl(line + b"\n" + line, Limits(record_bytes=len(line)))[0].error.code == "too_large"


@pytest.mark.parametrize("read", [JsonLinesReader, CsvReader])
def test_memory_stays_flat_however_many_records(read):
    class Records(io.RawIOBase):
        def __init__(self, count):
            body = "潮水 " * 300
            rows = (f'{{"id": {n}, "text": "{body}"}}\n' for n in range(count))
            if read is CsvReader:
                rows = itertools.chain(["id,text\n"], (f'{n},"{body}"\n' for n in range(count)))
            self.rows, self.left = (row.encode() for row in rows), b""

        def readable(self):
            return True

        def readinto(self, buffer):
            self.left = self.left or next(self.rows, b"")
            piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(piece)] = piece
            return len(piece)

    peaks = []
    for count in (500, 4_000):
        tracemalloc.start()
        found = read(USUAL, NO_LIMITS).read(io.BufferedReader(Records(count)), "a")
        assert sum(isinstance(one, Extracted) for one in found) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + MIB / 2


# JSON


def test_a_file_of_an_array_or_an_object():
    assert summary(json_file('{"id": "a", "text": "x"}')) == ["a"]
    assert summary(json_file('\ufeff[{"id": 1, "text": "x"}, 2, {"id": 3, "text": "y"}]')) == [
        "1",
        ("a.json, record 2", "invalid_record", "the record is no JSON object"),
        "3",
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('{"text": "x"}\n{"text": "y"}', "(line 2, column 1); if every line is an object of its own, name"),
        ("[1, 2", "a.json cannot be read: it is no JSON"),
        ("3", "a.json is neither a JSON object nor an array of objects"),
        ('"x"', "a.json is neither"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_json(data, told):
    with pytest.raises(InvalidRecord) as caught:
        json_file(data)
    assert told in str(caught.value)


# CSV


def test_cells_are_typed_and_empty_ones_say_nothing():
    (document,) = csv("id,text,n,f,b,d,code,empty\n007,词,7,4.10,true,2024-05-01,007,\n")
    assert (document.key, document.text, document.media_type) == ("007", "词", "text/csv")
    assert document.fields == {
        "n": 7, "f": 4.1, "b": True, "d": datetime(2024, 5, 1, tzinfo=UTC), "code": "007",
    }  # fmt: skip


def test_ragged_and_malformed_rows_cost_themselves():
    data = (
        'id,text,n\n1,one,1\n2,two\n3,three,3,3\n4,"fo"ur,4\n\n5,"five\nlines",5\n6,,6\n'
        '"7,never closed\n8,eight,8\n'
    )
    assert summary(csv(data)) == [
        "1",
        ("a.csv, line 3", "invalid_record", "the row has 2 columns where the header has 3"),
        ("a.csv, line 4", "invalid_record", "the row has 4 columns where the header has 3"),
        ("a.csv, line 5", "invalid_record",
         "the row, which ends in line 5, is malformed: ',' expected after '\"'"),
        "5",
        ("a.csv, line 9", "no_text", "the record has no text; it is expected under text, content or body"),
        ("a.csv, line 10", "invalid_record",
         "the row, which ends in line 11, is malformed: unexpected end of data"),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found(delimiter):
    rows = [["id", "text", "note"], ["1", "a, b; c", "x"], ["2", "d;e,f", "y"]]
    data = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    assert [(one.text, one.fields) for one in csv(data)] == [
        ("a, b; c", {"note": "x"}),
        ("d;e,f", {"note": "y"}),
    ]


def test_one_column_of_sentences_is_not_cut_at_their_commas():
    assert [one.text for one in csv("text\nBoats, quays and tides.\n潮水，来了\n")] == [
        "Boats, quays and tides.",
        "潮水，来了",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5"])
def test_the_encoding_is_found(encoding):
    data = "id,text,title\n1,漁船在港口等潮水回來。,港口\n2,今天天氣很好。,天氣\n".encode(encoding)
    assert [(one.key, one.text, one.title) for one in csv(data)] == [
        ("1", "漁船在港口等潮水回來。", "港口"),
        ("2", "今天天氣很好。", "天氣"),
    ]


def test_a_row_of_other_bytes_costs_itself():
    rows = "id,text\n1,潮水\n".encode() + b"2,caf\xe9\n" + "3,渔船\n4,港口\n".encode()
    assert summary(csv(rows)) == [
        "1",
        (
            "a.csv, line 3",
            "invalid_encoding",
            "the row holds bytes that are no text in the encoding of the file",
        ),
        "3",
        "4",
    ]


def test_damage_in_utf16_ends_the_source():
    data = "id,text\n1,潮水\n".encode("utf-16-le") + b"\x00\xd8\x41\x00" + "\n".encode("utf-16-le")
    reading = CsvReader(USUAL, NO_LIMITS).read(io.BytesIO(b"\xff\xfe" + data), "a.csv")
    with pytest.raises(InvalidEncoding, match="not valid UTF-16"):
        list(reading)


@pytest.mark.parametrize(
    ("data", "error", "told"),
    [
        ("id,title\n1,x", NoText, "no text column: expected text, content or body, found id, title"),
        ("id,text,id\n1,x,2", InvalidRecord, "two columns of the same name"),
        ('id,"te"xt\n1,x', InvalidRecord, "the header of a.csv cannot be read"),
        ("id,text\n", NoText, "a.csv has a header and no rows"),
        ("\n\n", NoText, "white space only"),
    ],
)
def test_a_header_that_cannot_serve(data, error, told):
    with pytest.raises(error) as caught:
        csv(data)
    assert told in str(caught.value)


def test_an_unnamed_column_is_called_by_its_place():
    assert csv(",text\n0,x\n")[0].fields == {"column 1": 0}


def test_a_row_over_the_limit_costs_what_it_swallowed_and_reading_goes_on():
    rows = "".join(f"{n},row {n}\n" for n in range(3, 2000))
    found = csv(f'id,text\n1,one\n2,"never closed\n{rows}', Limits(record_bytes=1000))
    assert found[0].key == "1"
    assert (found[1].where, found[1].error.code) == ("a.csv, line 3", "too_large")
    assert "is a quote left open?" in str(found[1].error)
    read = [int(one.key) for one in found[2:]]
    assert read == list(range(read[0], 2000))
    assert 50 < read[0] < 150


def test_a_line_over_the_limit_is_passed_over():
    found = csv(b"id,text\n1," + b"x" * 5000 + b"\n2,two\n", Limits(record_bytes=1000))
    assert [one.where if isinstance(one, Refused) else one.key for one in found] == ["a.csv, line 2", "2"]


def test_a_long_cell_is_no_trouble():
    assert len(csv("id,text\n1," + "word " * 100_000)[0].text) == 500_000


def test_keys_made_of_content_do_not_depend_on_the_file():
    assert csv("text,n\nx,1\n")[0].key == csv("n;text\n1;x\n")[0].key
