"""DOCX: reading order, headings and properties of real documents; bombs and other lies."""

import io
import struct
import zipfile

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from indexer.readers import archive
from indexer.readers.base import MIB, Limits
from indexer.readers.docx import DocxReader
from search.errors import BrokenFile, EncryptedFile, NoText, TooLarge, UnknownFileType

USUAL = Limits()
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def read(data, name="a.docx", limits=USUAL):
    return next(DocxReader(limits).read(io.BytesIO(data), name))


def saved(document):
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def zipped(parts, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return stream.getvalue()


def changed(data, **parts):
    """``data`` with parts replaced; ``word__document`` stands for word/document.xml."""
    names = {name.replace("__", "/") + ".xml": part for name, part in parts.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        return zipped({name: old.read(name) for name in old.namelist()} | names)


def with_body(xml):
    """A document whose body is this WordprocessingML."""
    body = f"<w:document {nsdecls('w')} {MC}><w:body>{xml}</w:body></w:document>"
    return changed(saved(docx.Document()), word__document=body)


def run(text):
    return f"<w:r><w:t>{text}</w:t></w:r>"


def p(text, properties=""):
    return f"<w:p>{properties}{run(text)}</w:p>"


def choice(first, second):
    either = f"<mc:Choice>{first}</mc:Choice><mc:Fallback>{second}</mc:Fallback>"
    return f"<mc:AlternateContent>{either}</mc:AlternateContent>"


def table(*rows):
    cells = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        (p("one") + p("") + p("two"), "one\n\ntwo"),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a\tb\nc"),
        (
            f"<w:p><w:ins>{run('new')}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            "new",
        ),
        (f"<w:p>{run('kept')}<w:del>{run(' deleted')}</w:del></w:p>", "kept"),
        (f"<w:p><w:moveFrom>{run('here ')}</w:moveFrom><w:moveTo>{run('there')}</w:moveTo></w:p>", "there"),
        (f"<w:sdt><w:sdtContent>{p('in a control')}</w:sdtContent></w:sdt>", "in a control"),
        (f"<w:p><w:hyperlink>{run('link')}</w:hyperlink></w:p>", "link"),
        (f"<w:p><w:r><w:instrText>PAGE</w:instrText></w:r>{run('7')}</w:p>", "7"),
        (f"<w:p><w:r>{choice(run('shape'), run('shape'))}</w:r></w:p>", "shape"),
        (f"<w:p><w:ruby><w:rt>{run('cháo')}</w:rt><w:rubyBase>{run('潮')}</w:rubyBase></w:ruby></w:p>", "潮"),
        (table((p("a") + p("b"), p("c")), (p("d"), p(""))) + p("e"), "a b | c\nd\n\ne"),
        (table((p("a"), p("b"))) + table((p("c"), p("d"))), "a | b\n\nc | d"),
        (table((p("framed") + p("text"),)), "framed\n\ntext"),
        (table((p("a") + table((p("b"),)), p("c"))), "a b | c"),
    ],
)
def test_visible_text_in_reading_order(xml, text):
    assert read(with_body(xml)).text == text


def test_headings_by_style_name_by_inheritance_and_by_level():
    made = docx.Document()
    own = made.styles.add_style("章节", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = made.styles["Heading 2"]
    made.add_paragraph("Intro.")
    made.add_heading("One", 1)
    made.add_paragraph("二", style="章节")
    leveled = made.add_paragraph("Three")
    leveled._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="2"/>'))
    made.add_heading("No heading", 1)._p.get_or_add_pPr().append(
        parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="9"/>')
    )
    document = read(saved(made))
    assert [(heading.level, heading.text) for heading in document.headings] == [
        (1, "One"),
        (2, "二"),
        (3, "Three"),
    ]
    assert document.text == "Intro.\n\nOne\n\n二\n\nThree\n\nNo heading"


def test_a_circle_of_styles_ends():
    styles = (
        f"<w:styles {nsdecls('w')}>"
        '<w:style w:type="paragraph" w:styleId="a"><w:name w:val="x"/><w:basedOn w:val="b"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="b"><w:name w:val="y"/><w:basedOn w:val="a"/></w:style>'
        "</w:styles>"
    )
    styled = with_body(p("words", '<w:pPr><w:pStyle w:val="a"/></w:pPr>'))
    document = read(changed(styled, word__styles=styles))
    assert (document.text, document.headings) == ("words", ())


def test_footnotes_come_last():
    notes = f"<w:footnotes {nsdecls('w')}><w:footnote>{p('A note 注.')}</w:footnote></w:footnotes>"
    assert read(changed(with_body(p("Body.")), word__footnotes=notes)).text == "Body.\n\nA note 注."


def test_title_of_properties_then_of_style_then_of_the_name():
    made = docx.Document()
    made.add_paragraph("Words.")
    assert read(saved(made), "reports/spring.docx").title == "spring"
    made.add_heading("Styled", 0)
    assert read(saved(made)).title == "Styled"
    made.core_properties.title = "Given"
    assert read(saved(made)).title == "Given"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_document_cut_short_is_broken(share):
    data = with_body(p("words"))
    with pytest.raises(BrokenFile, match=r"a\.docx is damaged or cut short"):
        read(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "document",
    [
        "<w:document",
        "",
        "<?xml version='1.0' encoding='no-such'?><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a><a/>",
    ],
)
def test_malformed_xml_is_broken(document):
    with pytest.raises(BrokenFile):
        read(changed(with_body(p("words")), word__document=document))


def test_an_entity_bomb_never_unfolds():
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><x>&l9;</x>'
    with pytest.raises(BrokenFile, match="declares XML entities"):
        read(changed(with_body(p("words")), word__document=bomb))


def test_a_bomb_is_refused_before_anything_is_unpacked(monkeypatch):
    def unpacked(*_):
        raise AssertionError("a part was unpacked")

    big = with_body(p("words") + " " * 5 * MIB)
    monkeypatch.setattr(zipfile.ZipFile, "open", unpacked)
    with pytest.raises(TooLarge, match="over 200 times its size"):
        read(big)
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        read(big, limits=Limits(unpacked_bytes=MIB))


def test_a_bomb_that_lies_about_its_size_is_bounded_too():
    data = bytearray(with_body(p("words") + " " * 5 * MIB))
    central = data.index(b"PK\x01\x02", data.rindex(b"word/document.xml") - 46)
    struct.pack_into("<I", data, central + 24, 100)  # the declared size in the directory
    with pytest.raises((BrokenFile, TooLarge)):
        read(bytes(data))


def test_a_part_never_unpacks_to_more_than_its_limit():
    opened = archive.opened(zipped({"a": b"x" * 5000}), "a.docx", 1000, MIB)
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        opened.part("a")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"xl/workbook.xml": "<a/>"}, "a spreadsheet"),
        ({"ppt/presentation.xml": "<a/>"}, "a presentation"),
        ({"photo.jpg": "x"}, "some other ZIP archive"),
        ({"_rels/.rels": "<Relationships/>"}, "some other ZIP archive"),
    ],
)
def test_another_archive_is_told_from_a_document(parts, told):
    with pytest.raises(UnknownFileType, match=f"no Word document; its content looks like {told}"):
        read(zipped(parts))


def test_what_word_writes_instead_of_an_archive():
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000
    with pytest.raises(EncryptedFile, match="protected by a password"):
        read(ole + "EncryptedPackage".encode("utf-16-le") + b"\0" * 100)
    with pytest.raises(UnknownFileType, match=r"old binary kind .* save it as \.docx"):
        read(ole)


def test_parts_behind_a_password():
    data = bytearray(with_body(p("words")))
    for at in range(len(data) - 4):
        if data[at : at + 4] == b"PK\x01\x02":
            data[at + 8] |= 1
    with pytest.raises(EncryptedFile):
        read(bytes(data))


def test_a_document_of_pictures_has_no_text():
    with pytest.raises(NoText, match="without text"):
        read(with_body("<w:p><w:r><w:drawing/></w:r></w:p>"))


def test_depth_is_no_matter():
    depth = 20_000
    assert read(with_body("<w:sdt>" * depth + p("deep") + "</w:sdt>" * depth)).text == "deep"
