"""What every reader promises, over all of them: golden documents, clean text, true offsets, own errors."""

import io
import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from indexer.readers.base import Extracted, Limits, RecordFields, Refused
from indexer.readers.catalog import OF_RECORDS, READERS, kind_by_extension, read_source, reader_of
from search.errors import EmptyInput, SearchError, TooLarge

FILES = Path(__file__).parent.parent / "files" / "readers"
GOLDEN = Path(__file__).parent.parent / "golden" / "readers"
SAMPLES = sorted(FILES.glob("harbour*"), key=lambda path: path.name)


def read(path):
    with path.open("rb") as stream:
        return list(read_source(stream, path.name))


def plain(value):
    return f"time {value.isoformat()}" if isinstance(value, datetime) else value


def shown(found):
    if isinstance(found, Refused):
        return {"where": found.where, "code": found.error.code, "detail": str(found.error)}
    return {
        "key": found.key,
        "title": found.title,
        "media_type": found.media_type,
        "language": found.language,
        "created_at": plain(found.created_at),
        "modified_at": plain(found.modified_at),
        "fields": {name: plain(value) for name, value in found.fields.items()},
        "headings": [[heading.start, heading.level, heading.text] for heading in found.headings],
        "page_starts": list(found.page_starts),
        "text": found.text.split("\n"),
    }


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_gives_its_golden_documents(path, request):
    actual = [shown(found) for found in read(path)]
    golden = GOLDEN / f"{path.name}.json"
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(json.dumps(actual, ensure_ascii=False, indent=1) + "\n", "utf-8")
    assert actual == json.loads(golden.read_text("utf-8"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_text_is_clean_and_offsets_point_at_what_they_name(path):
    documents = [found for found in read(path) if isinstance(found, Extracted)]
    assert documents
    for document in documents:
        text = document.text
        assert text.strip() and "\r" not in text and "\0" not in text
        assert text.encode().decode() == text
        for heading in document.headings:
            line = text[heading.start :].split("\n", 1)[0]
            assert line == heading.text
            assert heading.start == 0 or text[heading.start - 1] == "\n"
        starts = [heading.start for heading in document.headings]
        assert starts == sorted(set(starts))
        assert list(document.page_starts) == sorted(document.page_starts)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_pipe_reads_like_a_file(path):
    class Pipe(io.RawIOBase):
        def __init__(self, data):
            self.data = data

        def readable(self):
            return True

        def readinto(self, buffer):
            piece, self.data = self.data[: min(7, len(buffer))], self.data[min(7, len(buffer)) :]
            buffer[: len(piece)] = piece
            return len(piece)

    pipe = io.BufferedReader(Pipe(path.read_bytes()), 16)
    assert not pipe.seekable()
    assert [shown(found) for found in read_source(pipe, path.name)] == [shown(found) for found in read(path)]


@pytest.mark.parametrize("kind", sorted(READERS.targets))
def test_nothing_at_all_is_empty_input(kind):
    with pytest.raises(EmptyInput, match=r"it\.x is empty"):
        list(reader_of(kind, RecordFields(), Limits()).read(io.BytesIO(), "it.x"))


@pytest.mark.parametrize("kind", sorted(set(READERS.targets) - (OF_RECORDS - {"json"})))
def test_a_file_that_has_to_be_read_whole_has_a_limit(kind):
    reader = reader_of(kind, RecordFields(), Limits(file_bytes=1000))
    stream = io.BytesIO(b"a" * 5000)
    with pytest.raises(TooLarge, match="larger than 1000 bytes") as caught:
        list(reader.read(stream, "it.x"))
    assert caught.value.details == {"limit_bytes": 1000}
    assert stream.tell() <= 1001


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_damage_is_an_error_of_ours_and_never_an_exception_of_a_library(path):
    data = path.read_bytes()
    steps = range(0, len(data), max(1, len(data) // 40))
    for at in steps:
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]):
            try:
                for found in read_source(io.BytesIO(damaged), path.name):
                    assert isinstance(found, Extracted | Refused)
            except SearchError as error:
                assert re.fullmatch(r"\S.+[^.\s]", str(error)), "one sentence without a final dot"
                assert str(FILES) not in str(error)


def test_every_extension_has_a_reader_that_can_be_built():
    for extension in (".txt", ".md", ".html", ".pdf", ".docx", ".csv", ".tsv", ".jsonl", ".ndjson", ".json"):
        kind = kind_by_extension(f"a{extension}")
        assert hasattr(reader_of(kind, RecordFields(), Limits()), "read")
