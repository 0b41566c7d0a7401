"""Ingesting sources: files, folders, streams; what was refused is told, and the rest is stored.

Documents stream through in batches (``Pipeline``), so the size of a source does not matter.  A source
that cannot be read costs itself alone.  The worker ingests uploads with the same class.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import BinaryIO, Self

from indexer.counted_stream import counted
from indexer.keeping import keep_caches
from indexer.pipeline import BATCH_CHARACTERS, BATCH_DOCUMENTS, Incoming, Pipeline, checked
from indexer.readers.base import Extracted, RecordFields, Refused
from indexer.readers.catalog import read_source
from indexer.readers.walk import FoundFile, printable, walk
from indexer.records import IngestSummary, Problem, Stored
from indexer.replaced import Replaced
from indexer.seen_keys import SeenKeys
from indexer.service import Service
from indexer.store.collections import Collection
from indexer.store.passages import newest_id
from indexer.sync import Synced, delete_missing
from search.errors import DuplicateKey, ReaderFailed, SearchError, TooManyDeletions, UnreadablePath

log = logging.getLogger(__name__)

USUAL_RECORDS = RecordFields()
PROBLEMS_MAX = 1000
"""Refusals that are told one by one; beyond, they are only counted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest has come."""

    bytes_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    passages: int = 0
    refused: int = 0
    problems: Sequence[Problem] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """Documents that are stored now."""
        return self.created + self.updated + self.unchanged


class Ingest:
    """One run into one collection; a context manager, for one thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        records: RecordFields,
        note: Callable[[Progress], None],
        file_bytes_max: int,
    ) -> None:
        self._pipeline = pipeline
        self._records = records
        self._note = note
        self._file_bytes_max = file_bytes_max
        self._pending: list[Incoming] = []
        self._characters = 0
        self.progress = Progress()
        self.seen = SeenKeys()
        self.replaced = Replaced()
        self.refused_origins: set[str] = set()
        """Files in which something was refused; a sync deletes nothing that came from them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.seen.__exit__(kind, error, trace)

    def path(self, path: Path, recursive: bool) -> Synced:
        """Ingest a file, or all files of a folder; return what a sync must know of it."""
        whole = True
        for found in walk(path, recursive):
            if isinstance(found, Refused):
                self.refuse(found.where, found.error, None)
                whole = False
            else:
                self._file(found)
        return Synced(printable(os.path.realpath(path)), recursive, whole)

    def _file(self, found: FoundFile) -> None:
        origin = printable(found.origin)
        try:
            stream = found.path.open("rb")
        except OSError as error:
            self.refuse(printable(found.shown), unreadable(printable(found.shown), error), origin)
            return
        with stream:
            self.stream(stream, found.key, found.key, origin)

    def stream(self, stream: BinaryIO, name: str, key: str, origin: str | None = None) -> None:
        """Ingest what ``stream`` holds; ``key`` is for a document that has none of its own.

        Raises:
            StorageFull, StoreBusy: the batch at hand is not stored, all before it is.
        """
        followed = counted(stream, self._bytes_moved)
        for found in self._read(followed, name, origin):
            if isinstance(found, Refused):
                self.refuse(found.where, found.error, origin)
            else:
                self._take(found, name, found.key or key, origin)

    def _read(self, stream: BinaryIO, name: str, origin: str | None) -> Iterator[Extracted | Refused]:
        """Yield what a reader finds; only its own failure is the source's fault, never that of the store."""
        found = read_source(stream, name, self._records, self._file_bytes_max)
        while True:
            try:
                yield next(found)
            except StopIteration:
                return
            except SearchError as error:
                self.refuse(name, error, origin)
                return
            except OSError as error:
                self.refuse(name, unreadable(name, error), origin)
                return
            except Exception:
                # Whatever it is, the other files are to be stored.
                log.exception("the reader of %s failed", name)
                told = f"{name} made its reader fail, which is a bug of xunyi; the log has the cause"
                self.refuse(name, ReaderFailed(told), origin)
                return

    def _take(self, extracted: Extracted, name: str, key: str, origin: str | None) -> None:
        where = name if key == name else f"{name}: {key}"
        try:
            incoming = checked(Incoming(key, extracted, name, origin))
        except SearchError as error:
            self.refuse(where, error, origin)
            return
        if not self.seen.add(key):
            message = f"a document with the key {key!r} came earlier in this run; give each its own"
            self.refuse(where, DuplicateKey(message, key=key), origin)
            return
        self._pending.append(incoming)
        self._characters += len(extracted.text)
        if len(self._pending) >= BATCH_DOCUMENTS or self._characters >= BATCH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Store what is pending, and tell how far this run has come."""
        if self._pending:
            stored = self._pipeline.store(self._pending)
            self.replaced.note(self._pending, stored)
            self._count(stored)
            self._pending, self._characters = [], 0
        self._note(self.progress)

    def _count(self, stored: Sequence[Stored]) -> None:
        outcomes = [row.outcome for row in stored]
        now = self.progress
        self.progress = replace(
            now,
            created=now.created + outcomes.count("created"),
            updated=now.updated + outcomes.count("updated"),
            unchanged=now.unchanged + outcomes.count("unchanged"),
            passages=now.passages + sum(row.passages for row in stored),
        )

    def _bytes_moved(self, count: int) -> None:
        self.progress = replace(self.progress, bytes_read=self.progress.bytes_read + count)

    def refuse(self, where: str, error: SearchError, origin: str | None) -> None:
        """Note what is not done, and why; ``origin`` is the file in which it stands."""
        now = self.progress
        problem = Problem(where, error.code, str(error))
        told = [*now.problems, problem] if len(now.problems) < PROBLEMS_MAX else now.problems
        self.progress = replace(now, refused=now.refused + 1, problems=told)
        if origin is not None:
            self.refused_origins.add(origin)


def unreadable(name: str, error: OSError) -> UnreadablePath:
    """Return in words why a source cannot be opened, or not be read to its end."""
    return UnreadablePath(f"{name} cannot be read: {error.strerror}")


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What a caller may choose about an ingest of paths."""

    records: RecordFields = USUAL_RECORDS
    encoder: str | None = None
    recursive: bool = True
    sync: bool = False
    yes: bool = False
    """Let a sync delete more than half."""


def ingest_paths(
    service: Service,
    collection: str,
    paths: Sequence[Path],
    options: IngestOptions = IngestOptions(),
    note: Callable[[Progress], None] = lambda _: None,
) -> IngestSummary:
    """Ingest files and folders, then bring the caches up to date if no other process keeps them.

    What is refused, a sync that would delete too much included, is told in the summary.

    Raises:
        EncoderMismatch: the collection is encoded by another model than the one asked for.
        StorageFull, StoreBusy: the batch at hand is not stored, all before it is.
    """
    started = perf_counter()
    found = service.ensure_collection(collection, options.encoder)
    with Ingest(service.pipeline(found), options.records, note, service.settings.upload_bytes_max) as ingest:
        with service.database.read() as connection:
            began = newest_id(connection)
        synced = [ingest.path(path, options.recursive) for path in paths]
        ingest.flush()
        deleted, moved = _deleted(service, found, ingest, synced, began, options) if options.sync else (0, 0)
        notes = keep_caches(service, collection)
        return _summary(collection, ingest, deleted, perf_counter() - started, [*_told_moved(moved), *notes])


def _told_moved(moved: int) -> list[str]:
    """Return a note of files that were given by another path than before, so that nobody is startled."""
    if not moved:
        return []
    files = "1 file was" if moved == 1 else f"{moved} files were"
    return [
        f"note: {files} stored before under another key, which begins with the name of the folder that was "
        "given then; stored anew, and the old documents deleted; to keep keys, give the same folder each time"
    ]


def _deleted(
    service: Service,
    found: Collection,
    ingest: Ingest,
    synced: Sequence[Synced],
    began: int,
    options: IngestOptions,
) -> tuple[int, int]:
    try:
        return delete_missing(
            service.database,
            found,
            synced,
            ingest.seen,
            ingest.refused_origins,
            began=began,
            many=options.yes,
        )
    except TooManyDeletions as error:
        ingest.refuse(f"--sync of {found.name}", error, None)
        return 0, 0


def ingest_stream(
    service: Service,
    collection: str,
    stream: BinaryIO,
    name: str,
    key: str,
    options: IngestOptions,
    note: Callable[[Progress], None] = lambda _: None,
) -> IngestSummary:
    """Ingest one stream, such as standard input; ``name`` tells its type by its ending."""
    started = perf_counter()
    found = service.ensure_collection(collection, options.encoder)
    with Ingest(service.pipeline(found), options.records, note, service.settings.upload_bytes_max) as ingest:
        ingest.stream(stream, name, key)
        ingest.flush()
        notes = keep_caches(service, collection)
        return _summary(collection, ingest, 0, perf_counter() - started, notes)


def _summary(
    collection: str, ingest: Ingest, deleted: int, seconds: float, notes: Sequence[str]
) -> IngestSummary:
    progress = ingest.progress
    return IngestSummary(
        collection=collection,
        created=progress.created,
        updated=progress.updated,
        replaced=ingest.replaced.documents,
        unchanged=progress.unchanged,
        deleted=deleted,
        passages=progress.passages,
        refused=progress.refused,
        problems=progress.problems,
        seconds=seconds,
        notes=[*ingest.replaced.told(), *notes],
    )
