import pytest

from search.errors import InvalidInput
from web.strict_json import json_object, parse


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1e999]", "the number 1e999 is too large"),
        ('{"a": 1, "b": 2, "a": 3}', "the member 'a' is given more than once"),
        (r'["\ud83d"]', r"\\ud83d is half of a surrogate pair"),
        (r'{"\uDC00": 1}', r"\\udc00 is half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 501 + "]" * 501, "nested more than 500 deep"),
        ('{"a":' * 700 + "[1]" + "}" * 700, "nested more than 500 deep"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_is_no_json_is_refused_in_words(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_what_is_json_is_read_as_it_stands():
    assert parse(r'{"a": [1, 2.5, -1e-3, true, null], "笑": "\ud83d\ude00 \\ud83d"}') == {
        "a": [1, 2.5, -0.001, True, None],
        "笑": "😀 \\ud83d",
    }


def test_as_deep_as_anything_means_is_taken():
    value = parse("[" * 500 + "]" * 500)
    for _ in range(499):
        (value,) = value
    assert value == []
    assert parse("[" + "[1]," * 5000 + "[1]]") == [[1]] * 5001


def test_a_parameter_should_hold_an_object():
    assert json_object('{"year": {"$gte": 2020}}', "filter") == {"year": {"$gte": 2020}}
    with pytest.raises(InvalidInput, match="'filter' should be a JSON object"):
        json_object("[1]", "filter")
    with pytest.raises(InvalidInput, match="'filter' is not valid JSON: Expecting value"):
        json_object("year > 2020", "filter")
