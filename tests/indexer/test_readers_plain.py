"""Encodings of plain text: told apart on short Chinese, and never guessed where nothing fits."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.readers.base import Limits
from indexer.readers.decoding import PLAUSIBLE, decode, detect, detect_lines, plausibility
from indexer.readers.plain import PlainReader, name_as_title
from search.errors import InvalidEncoding, NoText, UnknownFileType

SIMPLIFIED = (
    "退潮时渔船搁在泥滩上。",
    "今天天气很好，我们去公园散步吧",
    "数据库在断电之后仍然完好",
    "你好",
    "谢谢大家",
    "春眠不觉晓，处处闻啼鸟",
    "请在二十四小时内回复",
    "熊猫吃竹子",
    "温度是25℃，湿度60％",
    "价格：￥199（含税）",
    "Python 很容易学",
    "订单编号 A-1024 已发货",
    "他说：“明天见！”",
)
TRADITIONAL = (
    "退潮時漁船擱在泥灘上。",
    "今天天氣很好，我們去公園散步吧",
    "資料庫在斷電之後仍然完好",
    "謝謝大家",
    "春眠不覺曉，處處聞啼鳥",
    "請在二十四小時內回覆",
    "熊貓吃竹子",
    "台灣的圖書館",
    "為什麼這裡沒有人",
    "Python 很容易學",
    "他說：「明天見！」",
)


@pytest.mark.parametrize("text", SIMPLIFIED + TRADITIONAL)
def test_gb18030_is_found_on_one_line(text):
    assert decode(text.encode("gb18030"), "a.txt") == text


@pytest.mark.parametrize("text", TRADITIONAL)
def test_big5_is_found_on_one_line(text):
    assert decode(text.encode("big5"), "a.txt") == text


@pytest.mark.parametrize("text", (*SIMPLIFIED, *TRADITIONAL, "plain ASCII", "naïve café", "emoji 🐼"))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_found(text, encoding):
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_both_byte_orders_of_utf16(mark):
    assert decode("\ufeff潮汐 tide".encode(mark), "a.txt") == "潮汐 tide"
    assert decode("no mark, but zero bytes. 潮汐".encode(mark), "a.txt") == "no mark, but zero bytes. 潮汐"


def test_utf16_of_chinese_alone_without_a_mark():
    text = "今天天气很好，我们去公园散步吧。"
    assert decode(text.encode("utf-16-le"), "a.txt") == text
    assert decode(text.encode("utf-16-be"), "a.txt") == text


def test_every_cut_of_four_characters_is_told_apart():
    wrong = total = 0
    for texts, encoding in ((SIMPLIFIED, "gb18030"), (TRADITIONAL, "gb18030"), (TRADITIONAL, "big5")):
        han = "".join(character for text in texts for character in text if "\u4e00" <= character <= "\u9fff")
        for start in range(len(han) - 3):
            cut = han[start : start + 4]
            total += 1
            wrong += decode_or_none(cut.encode(encoding)) != cut
    assert total > 150
    assert wrong / total <= 0.01


def decode_or_none(data):
    try:
        return decode(data, "a.txt")
    except InvalidEncoding:
        return None


@pytest.mark.parametrize(
    "data",
    [
        "naïve café, über alles".encode("latin-1"),
        "it’s “fine”".encode("cp1252"),
        "吾輩は猫である。名前はまだ無い。".encode("shift_jis"),
        "Привет, мир. Это обычный текст.".encode("koi8-r"),
        "退潮时渔船搁在泥滩上，等潮水回来。".encode()[:-1],
        b"the \xff\xfe middle",
    ],
    ids=["latin-1", "cp1252", "shift-jis", "koi8-r", "utf-8 cut short", "stray bytes"],
)
def test_what_is_text_in_no_known_encoding_is_refused_and_not_guessed(data):
    with pytest.raises(InvalidEncoding, match=r"a\.txt is text in none of UTF-8, UTF-16, GB18030 and Big5"):
        decode(data, "a.txt")


def test_a_damaged_file_with_a_mark_says_where():
    with pytest.raises(InvalidEncoding, match="not valid UTF-8: see byte 4") as caught:
        decode(b"\xef\xbb\xbfa\xffb", "a.txt")
    assert caught.value.details == {"byte": 4}
    with pytest.raises(InvalidEncoding, match="not valid UTF-16"):
        decode(b"\xff\xfe\x00\xd8a\x00", "a.txt")


@pytest.mark.parametrize(
    "data",
    [b"abc\0def", bytes(range(256)), b"\1\2\3\4\5\6 almost", b"\0" * 50, "x\0y".encode("utf-16")],
)
def test_binary_data_is_no_text(data):
    with pytest.raises((UnknownFileType, InvalidEncoding)) as caught:
        decode(data, "a.txt")
    assert b"\0" not in data or caught.type is UnknownFileType


def test_a_single_zero_makes_a_long_text_binary():
    with pytest.raises(UnknownFileType, match="binary data"):
        decode(("words " * 1000 + "\0").encode("utf-16"), "a.txt")


def test_a_few_control_characters_do_not_make_text_binary():
    text = "page one\fpage two\x1b[0m" + " words" * 100 + "\x07"
    assert decode(text.encode(), "a.txt") == text


def test_a_sample_may_end_inside_a_character():
    for encoding, expected in (("utf-8", "utf-8"), ("gb18030", "gb18030")):
        data = "退潮时渔船搁在泥滩上，等潮水回来。".encode(encoding)[:-1]
        assert detect(data, "a", complete=False) == expected


def test_a_few_damaged_lines_do_not_hide_utf8():
    good = "潮水回来了\n".encode()
    assert detect_lines(good * 5 + b"\xff\xfe\n" + good, "a", complete=True) == "utf-8"
    with pytest.raises(InvalidEncoding):
        detect_lines(good + b"\xff\xfe\n" * 3, "a", complete=True)


def test_plausibility_by_hand():
    # 的 is among the most frequent (1), 鳖 in the first level of GB 2312 (.3), ， a symbol (.5) and
    # Ж a stranger (-.5).
    assert plausibility("的鳖，Ж and ASCII") == pytest.approx((1 + 0.3 + 0.5 - 0.5) / 4)
    assert plausibility("ASCII alone") == -1
    assert plausibility("涓枃鐨") < PLAUSIBLE  # UTF-8 read as GB18030


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1))
def test_any_utf8_comes_back(text):
    assert decode(text.encode(), "a.txt") == text.removeprefix("\ufeff")


def test_line_ends_become_newlines():
    assert decode(b"a\r\nb\rc\n\r\nd", "a.txt") == "a\nb\nc\n\nd"


def test_the_title_is_the_name():
    document = next(PlainReader(Limits()).read(io.BytesIO(b"words"), "notes/2024/low tide.txt"))
    assert (document.title, document.text, document.media_type) == ("low tide", "words", "text/plain")
    assert name_as_title("潮汐.md") == "潮汐"


@pytest.mark.parametrize("data", [b" \n\t\r\n", "\u3000\n".encode(), b"\xef\xbb\xbf"])
def test_white_space_is_no_text(data):
    with pytest.raises(NoText, match="white space only"):
        next(PlainReader(Limits()).read(io.BytesIO(data), "a.txt"))
