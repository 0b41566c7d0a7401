"""DOCX: the text of a Word document in reading order, with headings and tables.

The XML is read here and not through python-docx, whose paragraphs leave out what stands in content
controls and tracked insertions.  Deleted text, field codes, comments, page headers and footers are left
out on purpose; footnotes and endnotes come last.

Called through ``catalog.py`` for ``.docx``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from indexer.readers import archive
from indexer.readers.archive import Archive
from indexer.readers.base import Extracted, Limits, Refused
from indexer.readers.bounded import read_whole
from indexer.readers.composing import BLOCK_BREAK, Composer, one_line
from indexer.readers.plain import name_as_title
from indexer.readers.signatures import HEAD_BYTES, OLE, looks_like
from indexer.readers.typed import moment
from indexer.readers.word_xml import WordBlock, blocks, local, styles_of
from search.errors import BrokenFile, EncryptedFile, NoText, TooLarge, UnknownFileType

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
RELATIONS, CORE = "_rels/.rels", "docProps/core.xml"
FIELDS = {
    "creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "category": "category",
    "description": "description",
}
"""Which core property becomes which metadata field."""


@dataclass(frozen=True, slots=True)
class DocxReader:
    """Reads one Word document."""

    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the one document.

        Raises:
            UnknownFileType: the archive is no Word document.
            BrokenFile: it is damaged or cut short.
            TooLarge: it unpacks to too much; nothing is unpacked then.
            EncryptedFile: its parts need a password.
            NoText: it holds no text.
        """
        limits = self.limits
        data = read_whole(stream, name, limits.file_bytes)
        check_container(data, name)
        opened = archive.opened(data, name, limits.part_bytes, limits.unpacked_bytes)
        found = list(word_blocks(opened))
        composer = Composer()
        compose(found, composer)
        if not composer.length:
            raise NoText(f"{name} is a document without text; pictures of text need recognition (OCR) first")
        if composer.length > limits.text_characters:
            raise TooLarge(f"{name} holds more than {limits.text_characters} characters of text")
        core = core_properties(opened)
        titled = (one_line(block.text) for block in found if block.titles)
        yield Extracted(
            text=composer.text,
            title=core.get("title") or next(filter(None, titled), "") or name_as_title(name),
            media_type=MEDIA_TYPE,
            headings=tuple(composer.headings),
            language=core.get("language"),
            created_at=moment(core.get("created", "")),
            modified_at=moment(core.get("modified", "")),
            fields={field: core[source] for source, field in FIELDS.items() if source in core},
        )


def check_container(data: bytes, name: str) -> None:
    """Refuse what Word writes instead of a ZIP archive: a protected document, or one of the old format."""
    if looks_like(data[:HEAD_BYTES]) != OLE:
        return
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise EncryptedFile(f"{name} is protected by a password; save it without one")
    raise UnknownFileType(f"{name} is no .docx; its content looks like {OLE}; save it as .docx")


def word_blocks(opened: Archive) -> Iterator[WordBlock]:
    """Yield the blocks of the body, then those of the notes."""
    main = main_part(opened)
    folder = main.rpartition("/")[0]
    styles_part = f"{folder}/styles.xml"
    styles = styles_of(xml(opened, styles_part)) if opened.has(styles_part) else {}
    for part in (main, f"{folder}/footnotes.xml", f"{folder}/endnotes.xml"):
        if opened.has(part):
            yield from blocks(xml(opened, part), styles)


def main_part(opened: Archive) -> str:
    """Return the path of the document's body, which the package's relations name."""
    relations = xml(opened, RELATIONS) if opened.has(RELATIONS) else ()
    targets = [
        relation.get("Target", "").lstrip("/")
        for relation in relations
        if relation.get("Type", "").endswith("/officeDocument")
    ]
    if not targets or not targets[0].startswith("word/"):
        raise archive.unexpected(opened, "Word document")
    if not opened.has(targets[0]):
        raise archive.broken(opened.name)
    return targets[0]


def xml(opened: Archive, part: str) -> Element:
    """Return the tree of a part; entities and document types, which no Word file has, are refused."""
    data = opened.part(part)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise BrokenFile(f"{opened.name} declares XML entities, which no Word document does") from error
    except (ParseError, ValueError, LookupError) as error:  # the last for encodings that do not exist
        raise archive.broken(opened.name) from error
    return root


def compose(found: Iterable[WordBlock], composer: Composer) -> None:
    """Write blocks into ``composer``, items of a list and rows of a table close together."""
    group = None
    for block in found:
        if block.level is None:
            close = block.group is not None and block.group == group
            composer.block(block.text, "\n" if close else BLOCK_BREAK)
        else:
            composer.heading(block.text, block.level)
        group = block.group


def core_properties(opened: Archive) -> Mapping[str, str]:
    """Return the document's own title, dates and so on by their names, those that say anything."""
    if not opened.has(CORE):
        return {}
    texts = {local(element): one_line(element.text or "") for element in xml(opened, CORE)}
    return {name: text for name, text in texts.items() if text}
