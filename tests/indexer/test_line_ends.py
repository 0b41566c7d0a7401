from hypothesis import given
from hypothesis import strategies as st

from indexer.line_ends import PAPER_MIN, paper_joined, shown

ENGLISH = """Habitat
Giant pandas live in the mountains of central China, and most of
them are found in Sichuan. They once roamed the lowlands as well-
known forest dwellers.
What they eat:
- bamboo
- carrion
An adult chews bamboo for about twelve hours a day, because the
grass gives so little energy.

Next page"""


def test_full_lines_are_joined_and_short_ones_are_left():
    assert shown(paper_joined(ENGLISH)).split("\n") == [
        "Habitat",
        "Giant pandas live in the mountains of central China, and most of them are found in Sichuan. "
        "They once roamed the lowlands as well-known forest dwellers.",
        "What they eat:",
        "- bamboo",
        "- carrion",
        "An adult chews bamboo for about twelve hours a day, because the grass gives so little energy.",
        "",
        "Next page",
    ]


def test_chinese_lines_are_joined_without_a_space():
    lines = (
        "大熊猫一天里大部分时间都在吃竹子，它生活",
        "在四川、陕西和甘肃的山区，竹林长在高大",
        "的针叶树下。",
        "第二段",
    )
    text = "\n".join(lines)
    assert shown(paper_joined(text)).split("\n") == [
        "大熊猫一天里大部分时间都在吃竹子，它生活在四川、陕西和甘肃的山区，竹林长在高大的针叶树下。",
        "第二段",
    ]


def test_an_empty_text_stays_empty():
    assert paper_joined("") == ""


@given(st.text(alphabet="ab 竹-\n", max_size=60))
def test_offsets_hold_and_only_white_space_changes(text):
    joined = paper_joined(text)
    assert len(joined) == len(text)
    assert all(new == old or old.isspace() for new, old in zip(joined, text, strict=True))


def test_narrow_lines_and_items_of_lists_stay():
    narrow = "Plant | Water\nTomato | daily\nCactus | monthly"
    assert paper_joined(narrow) == narrow
    wide = "- " + "x" * PAPER_MIN  # the widest, and so full
    assert paper_joined(f"{wide}\n{wide}\n1. {wide}\n* {wide}\n-{wide}") == (
        f"{wide}\n{wide}\n1. {wide}\n* {wide} -{wide}"
    )


def test_a_long_run_of_blanks_is_read_once():
    # Looked for again from each of its blanks, it would take minutes.
    text = "a" * 20 + " " * 300_000 + "b\n" + "c" * 20 + "\u3000\t" * 100_000
    assert paper_joined(text) == text.replace("\n", " ")
