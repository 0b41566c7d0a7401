import pytest

from search.errors import InvalidInput
from web.uploads import base_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "a.pdf"),
        ("../../etc/passwd", "passwd"),
        (r"C:\fakepath\报告 2.docx", "报告 2.docx"),
        ("..\\..\\x.txt", "x.txt"),
        ("/absolute/y.md", "y.md"),
        ("a\x00b\r\n\x1b\u202ec.txt", "abc.txt"),
        ("...", "..."),
    ],
)
def test_only_the_base_name_without_control_characters_is_left(name, expected):
    assert base_name(name) == expected


@pytest.mark.parametrize("name", ["..", "a/..", "x/", "\x01\x02", " . "])
def test_a_name_of_which_nothing_is_left_is_refused(name):
    with pytest.raises(InvalidInput, match="no usable file name"):
        base_name(name)
