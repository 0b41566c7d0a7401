"""Write the sample files that are not text: ``python tests/files/readers/make_samples.py``.

The files are committed; this shows how they came to be.  The font of the PDF is made here as well: a box
for every character, since no Chinese font can be expected on a machine that runs the tests.
"""

import io
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import docx
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fpdf import FPDF

HERE = Path(__file__).parent
AT = datetime(2024, 5, 1, 8, 30, tzinfo=UTC)
PAGES = (
    "The harbour at low tide\nBoats lie on the mud until the water comes back.",
    "退潮时的港口\n渔船搁在泥滩上，等潮水回来。",
    "Two tides a day\nThe moon passes, and six hours later the quay is wet again.",
)


def box_font(text: str, path: Path) -> Path:
    """Write a TrueType font with a box for every character of ``text``."""
    characters = sorted({*text, " "} - {"\n"})
    names = [".notdef", *(f"u{ord(character):04X}" for character in characters)]
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for point in ((50, 700), (450, 700), (450, 0)):
        pen.lineTo(point)
    pen.closePath()
    box = pen.glyph()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(character): f"u{ord(character):04X}" for character in characters})
    font.setupGlyf(dict.fromkeys(names, box))
    font.setupHorizontalMetrics(dict.fromkeys(names, (500, 50)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    font.setupPost()
    font.save(path)
    return path


def pdf(folder: Path) -> bytes:
    """Return a PDF of three pages in both languages; its font is written into ``folder``."""
    made = FPDF()
    made.set_creation_date(AT)
    made.set_title("Harbours 港口")
    made.set_author("Lin 林")
    made.add_font("boxes", fname=box_font("".join(PAGES), folder / "boxes.ttf"))
    made.set_font("boxes", size=12)
    for page in PAGES:
        made.add_page()
        for line in page.split("\n"):
            made.cell(text=line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def word() -> bytes:
    """Return a Word document with headings of two levels, a list, a table and properties."""
    made = docx.Document()
    properties = made.core_properties
    properties.title, properties.author, properties.language = "", "Lin 林", "zh-CN"
    properties.comments, properties.keywords = "", "tide, 潮汐"
    properties.created = properties.modified = AT.replace(tzinfo=None)
    made.add_heading("The harbour 港口", 0)
    made.add_paragraph("Boats lie on the mud until the water comes back.")
    made.add_heading("Tides", 1)
    made.add_heading("潮汐表", 2)
    made.add_paragraph("每天有两次涨潮。")
    for item in ("high water", "low water"):
        made.add_paragraph(item, style="List Bullet")
    table = made.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ("time", "height", "06:12", "4.1 m"), strict=True):
        cell.text = text
    made.add_paragraph("After the table.")
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        (HERE / "harbour.pdf").write_bytes(pdf(Path(scratch)))
    (HERE / "harbour.docx").write_bytes(word())
    (HERE / "harbour-gb18030.txt").write_bytes(
        "退潮时的港口\r\n\r\n渔船搁在泥滩上，等潮水回来。\r\n".encode("gb18030")
    )
    (HERE / "harbour-big5.txt").write_bytes(
        "退潮時的港口\r\n\r\n漁船擱在泥灘上，等潮水回來。\r\n".encode("big5")
    )
