"""From documents to searchable passages: cut, encode what is new, commit a batch at a time.

Every way in (files, bulk requests, single documents, uploads) goes through ``Pipeline.store``.  A batch
is encoded before its transaction opens, so the database is never locked while a model runs, and the
commit is the acknowledgement.  Stopping at any moment loses at most the batch that was not committed;
running again skips what is stored unchanged.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from indexer.chunking import CHUNKER_VERSION, Chunk, chunk, passage_input
from indexer.clock import Clock
from indexer.fitted import reads_fields
from indexer.readers.base import Extracted
from indexer.records import Stored
from indexer.store import collections
from indexer.store import documents as store
from indexer.store.collections import Collection
from indexer.store.documents import PreparedDocument, PreparedPassage, Reading
from indexer.store.fields import checked_metadata
from indexer.store.sessions import Database
from indexer.store.storable import is_text
from indexer.store.tables import KEY_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from indexer.store.vector_bytes import packed
from indexer.token_states import input_hash, readings
from search.encoders.base import Transformer, token_encoder
from search.encoders.fitted.document_fields import written
from search.encoders.fitted.served import Served
from search.errors import (
    EncoderMismatch,
    InvalidRecord,
    ModelRefused,
    ModelUnavailable,
    NoText,
    UnknownName,
)
from search.text.language import language

log = logging.getLogger(__name__)

BATCH_DOCUMENTS = 32
BATCH_CHARACTERS = 64_000
UNOPENED = (ModelUnavailable, ModelRefused, EncoderMismatch, UnknownName)
"""Why an encoder cannot be opened."""
MEDIA_TYPE = (
    "^(application|audio|font|haptics|image|message|model|multipart|text|video)"
    "/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$"
)
"""A registered type and a well-formed subtype (RFC 6838, section 4.2), in the one spelling for filters."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document on its way in: its key, what was read of it, and where that was."""

    key: str
    extracted: Extracted
    source: str
    """What a user calls the place: a path relative to the ingested folder, a file name, ``api``."""
    origin: str | None = None
    """Real path of the file, for a later sync; None for what came over the wire."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stores documents in one collection, read by all of its encoders."""

    database: Database
    collection: Collection
    transformer: Callable[[Collection], Transformer]
    """Returns the pretrained encoder that a collection is seen through."""
    clock: Clock
    fitted: Callable[[Collection], Served]
    """Returns the one that was fit on it."""

    def store(self, batch: Sequence[Incoming]) -> list[Stored]:
        """Store documents of distinct keys in one transaction and return what became of each.

        Raises:
            StorageFull, StoreBusy: nothing of the batch is stored.
            UnknownCollection: the collection was deleted in the meantime.
        """
        hashes = [content_hash(incoming, self.collection) for incoming in batch]
        while True:
            with self.database.read() as connection:
                collections.newest_change(connection, self.collection)  # it may be gone
                own, *others = collections.encoders_of(connection, self.collection)
                keys = [incoming.key for incoming in batch]
                known = store.content_hashes(connection, self.collection.id, keys)
            prepared = self._prepared(batch, hashes, known, own, others)
            brought = self._brought(prepared, others)
            try:
                with self.database.write() as connection:
                    return store.store(connection, own, prepared, self.clock(), brought)
            except store.ChangedMeanwhile:
                continue  # another process was faster; look again what is stored, and read by which encoders

    def _brought(self, prepared: Sequence[PreparedDocument], others: Sequence[Collection]) -> dict[int, bool]:
        """Return encoder -> whether every passage brings its vector by it."""
        made = [passage.others for document in prepared for passage in document.passages or ()]
        return {seen.encoder_id: all(seen.encoder_id in each for each in made) for seen in others}

    def _prepared(
        self,
        batch: Sequence[Incoming],
        hashes: Sequence[str],
        known: Mapping[str, str],
        own: Collection,
        others: Sequence[Collection],
    ) -> list[PreparedDocument]:
        pairs = list(zip(batch, hashes, strict=True))
        fresh = [(incoming, digest) for incoming, digest in pairs if known.get(incoming.key) != digest]
        encoded = {document.key: document for document in self._encoded(fresh, own, others)}
        return [encoded.get(incoming.key) or _document(incoming, digest, None) for incoming, digest in pairs]

    def _encoded(
        self, fresh: Sequence[tuple[Incoming, str]], own: Collection, others: Sequence[Collection]
    ) -> Iterator[PreparedDocument]:
        encoder = self.transformer(own)
        cut = [self._cut(incoming.extracted, encoder) for incoming, _ in fresh]
        inputs = [
            passage_input(incoming.extracted.title, piece.heading, text_of(incoming.extracted, piece))
            for (incoming, _), pieces in zip(fresh, cut, strict=True)
            for piece in pieces
        ]
        read = readings(self.database, encoder, own.encoder_id, inputs)
        by_others = self._read_by_others(list(read), [seen for seen in others if not reads_fields(seen)])
        fields = [written(incoming.extracted.fields) for incoming, _ in fresh]
        of_fields = self._read_by_others(fields, [seen for seen in others if reads_fields(seen)])
        place = iter(inputs)
        for (incoming, digest), pieces, told in zip(fresh, cut, fields, strict=True):
            passages = [
                _passage(
                    incoming.extracted, piece, input_hash(text), read[text], by_others[text] | of_fields[told]
                )
                for piece, text in ((piece, next(place)) for piece in pieces)
            ]
            yield _document(incoming, digest, passages)

    def _read_by_others(
        self, inputs: Sequence[str], others: Sequence[Collection]
    ) -> dict[str, dict[int, Reading]]:
        """Return input -> encoder -> what that makes of it; one that cannot be opened makes nothing."""
        made: dict[str, dict[int, Reading]] = {text: {} for text in inputs}
        for seen in others if inputs else ():
            try:
                read = read_by(self.database, seen, self.transformer, self.fitted, inputs)
            except UNOPENED as error:
                log.warning("%s", error)
                continue
            for text in inputs:
                made[text][seen.encoder_id] = read[text]
        return made

    def _cut(self, extracted: Extracted, encoder: Transformer) -> list[Chunk]:
        return chunk(
            extracted,
            encoder.tokenizer.count,
            self.collection.passage_tokens,
            self.collection.overlap_tokens,
        )


def read_by(
    database: Database,
    seen: Collection,
    transformer: Callable[[Collection], Transformer],
    fitted: Callable[[Collection], Served],
    inputs: Sequence[str],
) -> dict[str, Reading]:
    """Return input -> what the encoder that ``seen`` names makes of it, whichever kind it is."""
    if seen.kind == "transformer":
        return readings(database, transformer(seen), seen.encoder_id, inputs)
    encoder = fitted(seen)
    if token_encoder(encoder):
        return readings(database, encoder, seen.encoder_id, inputs)
    vectors = packed(encoder.rows(inputs))
    return {text: Reading(vector, None) for text, vector in zip(inputs, vectors, strict=True)}


def text_of(extracted: Extracted, piece: Chunk) -> str:
    """Return the words of a passage."""
    return extracted.text[piece.start : piece.end]


def content_hash(incoming: Incoming, collection: Collection) -> str:
    """Return the digest of all that a document's passages and fields are made from."""
    extracted = incoming.extracted
    content = [
        CHUNKER_VERSION,
        collection.passage_tokens,
        collection.overlap_tokens,
        extracted.title,
        extracted.text,
        extracted.media_type,
        [asdict(heading) for heading in extracted.headings],
        extracted.page_starts,
        extracted.created_at,
        extracted.modified_at,
        dict(extracted.fields),
    ]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return f"time {value.isoformat()}"  # a text of the same letters is another value
    raise TypeError(f"{type(value).__name__} has no place in a content hash")


def checked(incoming: Incoming) -> Incoming:
    """Return a document that can be stored.

    Raises:
        NoText: there is nothing in it to search for.
        InvalidRecord: its key, title, media type or metadata cannot be stored as they are.
    """
    key = incoming.key
    if not is_key(key):
        raise InvalidRecord(
            f"a document's key has 1 to {KEY_CHARACTERS_MAX} characters, none of them control characters",
            key=key[:100].encode("ascii", "backslashreplace").decode(),
        )
    for name, text in (("title", incoming.extracted.title), ("text", incoming.extracted.text)):
        if not is_text(text):
            raise InvalidRecord(f"the {name} holds a character that is no text (NUL or half a character)")
    if len(incoming.extracted.title) > TITLE_CHARACTERS_MAX:
        raise InvalidRecord(
            f"the title has {len(incoming.extracted.title)} characters; "
            f"give one of at most {TITLE_CHARACTERS_MAX}"
        )
    media_type = incoming.extracted.media_type
    if not re.fullmatch(MEDIA_TYPE, media_type):
        raise InvalidRecord(
            f"{media_type[:200]!r} is no media type; give a type and subtype in lower case "
            "without parameters, such as text/markdown"
        )
    if not incoming.extracted.text.strip():
        raise NoText("the document has no text; there is nothing to search for in it")
    checked_metadata(incoming.extracted.fields)
    return incoming


def is_key(key: str) -> bool:
    """Return whether a document can have this key."""
    return 1 <= len(key) <= KEY_CHARACTERS_MAX and all(map(_storable, key))


def _storable(character: str) -> bool:
    return character >= " " and character != "\x7f" and not "\ud800" <= character <= "\udfff"


def _passage(
    extracted: Extracted, piece: Chunk, digest: str, reading: Reading, others: Mapping[int, Reading]
) -> PreparedPassage:
    text = text_of(extracted, piece)
    return PreparedPassage(
        start=piece.start,
        end=piece.end,
        text=text,
        heading=piece.heading,
        page=piece.page,
        language=language(text),
        input_hash=digest,
        vector=reading.vector,
        states=reading.states,
        others=others,
    )


def _document(
    incoming: Incoming, digest: str, passages: Sequence[PreparedPassage] | None
) -> PreparedDocument:
    extracted = incoming.extracted
    return PreparedDocument(
        key=incoming.key,
        title=extracted.title,
        source=incoming.source,
        origin=incoming.origin,
        media_type=extracted.media_type,
        language=language(extracted.text),
        text=extracted.text,
        content_hash=digest,
        authored_at=extracted.created_at,
        modified_at=extracted.modified_at,
        metadata=extracted.fields,
        passages=passages,
    )
