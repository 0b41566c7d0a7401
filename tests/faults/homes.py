"""Documents to store, and what a home folder really holds, read by SQLite alone."""

import json
import random
import re
import sqlite3
from contextlib import closing
from importlib.resources import files


def sentences():
    """Return every sentence of the demo's texts, in both languages."""
    lines = (files("indexer.demo") / "corpus.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    return [part.strip() for text in texts for part in re.split(r"(?<=[.!?。！？])", text) if part.strip()]


def write_documents(folder, count, seed=0, first=0):
    """Write short documents: every other one a record of a JSONL, the rest files in sub-folders.

    The same number and seed give the same document, whatever else is written.
    """
    known = sentences()
    records = []
    for number in range(first, first + count):
        lot = random.Random(f"{seed} {number}")
        text = f"{lot.choice(known)} {lot.choice(known)} No. {number}."
        if number % 2:
            path = folder / f"part-{number % 5}" / f"{number:05d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        else:
            fields = {"number": number, "even": number % 4 == 0, "tags": ["all", f"t{number % 7}"]}
            records.append({"key": f"record-{number:05d}", "title": f"第 {number} 篇", "text": text} | fields)
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


def rows(home, query):
    """Return what a query finds in a home's database; nothing where there is no such table yet."""
    path = home / "xunyi.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


def documents(home):
    """Return key -> id of all documents, none of which may be there twice."""
    found = rows(home, "SELECT key, id FROM documents")
    assert len(dict(found)) == len(found)
    return dict(found)


DOCUMENTS = """
SELECT key, title, source, media_type, language, text, content_hash, authored_at, modified_at
FROM documents ORDER BY key
"""
ORIGINS = "SELECT key, origin FROM documents ORDER BY key"
FIELDS = """
SELECT key, name, ordinal, kind, text_value, text_prefix, number_value, boolean_value, time_value
FROM document_fields AS field JOIN documents AS document ON document.id = field.document_id
ORDER BY key, name, ordinal
"""
PASSAGES = """
SELECT key, ordinal, start, "end", passage.text, passage.title, heading, page, passage.language, input_hash,
       hex(vector), codec, hex(states)
FROM passages AS passage JOIN documents AS document ON document.id = passage.document_id
LEFT JOIN embeddings AS embedding ON embedding.passage_id = passage.id
LEFT JOIN token_states ON token_states.passage_id = passage.id
ORDER BY key, ordinal
"""
STRAY = """
SELECT 'passage', passage.id FROM passages AS passage
LEFT JOIN documents AS document ON document.id = passage.document_id WHERE document.id IS NULL
UNION ALL SELECT 'vector', passage_id FROM embeddings
LEFT JOIN passages AS passage ON passage.id = passage_id WHERE passage.id IS NULL
UNION ALL SELECT 'states', passage_id FROM token_states
LEFT JOIN passages AS passage ON passage.id = passage_id WHERE passage.id IS NULL
UNION ALL SELECT 'no states', passage.id FROM passages AS passage
LEFT JOIN token_states ON passage_id = passage.id WHERE passage_id IS NULL
"""


ALL = {"documents": DOCUMENTS, "origins": ORIGINS, "fields": FIELDS, "passages": PASSAGES}
"""All a home holds but for ids, numbers of changes and times of storing, in a fixed order."""


def assert_same(home, other, names=tuple(ALL)):
    """Compare two homes to the last byte of every vector and token state."""
    for name in names:
        ours, theirs = rows(home, ALL[name]), rows(other, ALL[name])
        assert len(ours) == len(theirs), name
        assert [row for row, wanted in zip(ours, theirs, strict=True) if row != wanted] == [], name
    assert rows(home, STRAY) == []
