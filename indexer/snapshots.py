"""A process's picture of each collection, brought up to date inside every search's transaction.

Vectors come from the active generation or, where it is missing or damaged, from a scan of the rows;
words from the lexical index on disk or, where that is damaged, from one built in memory.  What came or
went since then is read from the log and laid over it.  So a search sees exactly the rows of its own
transaction, whatever state the caches are in, and says when it does without one.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from indexer import generations, lexical_caches
from indexer.store import changes, passages
from indexer.store.collections import Collection
from indexer.store.filters import matching_passages
from indexer.store.sessions import Database
from indexer.store.tables import LexicalCacheRow
from search.arrays import Ids, Rows
from search.artifacts import DamagedArtifact
from search.centring import UNKNOWN_SHARE, centred, passage_mean
from search.encoders.base import Encoder
from search.errors import StorageFull, StoreBusy, StoreUnavailable
from search.languages import LanguageView
from search.lexical.tantivy_index import TantivyIndex
from search.text.analyzer import Analyzer
from search.vectors.exact_index import ExactIndex
from search.vectors.rows import index_over, no_rows, stacked
from search.vectors.scoring import mask_of
from search.vectors.sparse_index import SparseIndex
from search.views import NO_IDS, LexicalView, Selection, VectorView

log = logging.getLogger(__name__)

SELECTIONS_MAX = 16
"""Filters whose passages are remembered, for one change number."""
UNLOGGED = "document.source"
"""A column that changes without a change number, so filters that name it are not remembered."""

Report = Callable[[Database], None]
"""Writes down that a cache was found damaged."""

Identity = tuple[tuple[int, int, int], ...]
"""Inode, size and modification time of each file of a generation."""


class Behind(Exception):
    """Another thread has moved the picture past this transaction's state: begin again."""


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Vectors as of the change ``covers``; replaced as a whole, never changed."""

    view: VectorView
    covers: int
    files: Path | None
    identity: Identity
    manifest: generations.Manifest | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Words:
    """Words as of the change ``covers``."""

    view: LexicalView
    index: TantivyIndex
    covers: int
    folder: str | None
    problem: str | None
    refused: tuple[str, int] | None = None
    """Folder and change of the index that was found damaged, so that it is not tried by every search."""


@dataclass(frozen=True, slots=True)
class _Languages:
    """Languages as of the change ``covers``."""

    view: LanguageView
    covers: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one search works with."""

    vectors: VectorView
    words: LexicalView
    languages: LanguageView
    selection: Selection | None
    degraded: tuple[str, ...]


class CollectionPicture:
    """One collection as this process sees it; safe for several threads."""

    def __init__(self, database: Database, caches: Path, encoder: Encoder, analyzer: Analyzer) -> None:
        self._database = database
        self._caches = caches
        self._encoder = encoder
        self._analyzer = analyzer
        self._lock = Lock()
        self._reporting = Lock()
        self._reports: dict[str, Report] = {}
        self._vectors: _Vectors | None = None
        self._words: _Words | None = None
        self._languages: _Languages | None = None
        self._selections: dict[str, Selection] = {}
        self._selections_at = -1

    def snapshot(
        self, connection: Connection, collection: Collection, given: Any, patient: bool = True
    ) -> Snapshot:
        """Return the collection as the transaction of ``connection`` sees it, under the filter ``given``.

        Args:
            connection: of a read transaction.
            collection: as that transaction sees it.
            given: the filter, or None.
            patient: whether a lexical index that goes to another change than its row may be just being
                written; if not, it is out of use.

        Raises:
            Behind: the picture is ahead of this transaction, which must begin again.
            InvalidFilter: the filter cannot be compiled.
        """
        with self._lock:
            vectors = self._vectors = self._current_vectors(connection, collection)
            words = self._words = self._current_words(connection, collection, patient)
            languages = self._languages = self._current_languages(connection, collection, vectors.view)
            selection = self._selection(connection, collection, given)
            problems = self.problems()
        return Snapshot(vectors.view, words.view, languages.view, selection, problems)

    def vectors(self, connection: Connection, collection: Collection) -> VectorView:
        """Return the vectors alone as a transaction sees them; raise ``Behind`` as ``snapshot`` does."""
        with self._lock:
            self._vectors = self._current_vectors(connection, collection)
            return self._vectors.view

    def report(self) -> None:
        """Write down which caches were found damaged, so that their keeper makes them anew.

        To be called after the search's transaction, and once more by every search until it succeeds: a
        search neither waits for a writer nor fails because nothing can be written.
        """
        if not self._reports or not self._reporting.acquire(blocking=False):
            return
        try:
            for cache, write in list(self._reports.items()):
                write(self._database.impatient)
                self._reports.pop(cache, None)
        except (StoreBusy, StorageFull, StoreUnavailable) as error:
            log.warning("a damaged cache is reported by a later search: %s", error)
        finally:
            self._reporting.release()

    def problems(self) -> tuple[str, ...]:
        """Return which caches the last search did without, in words."""
        states = (self._vectors, self._words)
        return tuple(state.problem for state in states if state and state.problem)

    # Vectors

    def _current_vectors(self, connection: Connection, collection: Collection) -> _Vectors:
        state = self._vectors
        manifest = generations.active(connection, collection)
        if state is not None and (
            state.covers > collection.change_number or _older(manifest, state.manifest)
        ):
            raise Behind
        if state is None or _superseded(state, manifest):
            state = self._open_vectors(connection, collection, manifest)
        elif state.files and state.manifest and _identity(state.files, state.manifest) != state.identity:
            state = self._without_generation(
                connection, collection, state.manifest, "its files were changed while they were in use"
            )
        try:
            return self._advance_vectors(connection, collection, state)
        except changes.LogPruned:
            return self._advance_vectors(
                connection, collection, self._scanned(connection, collection, manifest, state.problem)
            )

    def _open_vectors(
        self, connection: Connection, collection: Collection, manifest: generations.Manifest | None
    ) -> _Vectors:
        if manifest is None:
            return self._scanned(connection, collection, None, None)
        folder = generations.folder_of(self._caches, manifest)
        try:
            identity = _identity(folder, manifest)
            index = generations.open_generation(self._caches, manifest, self._encoder)
        except DamagedArtifact as damage:
            return self._without_generation(connection, collection, manifest, str(damage))
        view = VectorView(index, _no_tail(collection), None, manifest.id)
        return _Vectors(view, manifest.covers, folder, identity, manifest, None)

    def _without_generation(
        self, connection: Connection, collection: Collection, manifest: generations.Manifest, reason: str
    ) -> _Vectors:
        log.warning("generation %s of %s is out of use: %s", manifest.id, collection.name, reason)
        if not manifest.damaged:
            self._reports[f"generation {manifest.id}"] = partial(
                generations.mark_damaged, generation_id=manifest.id
            )
        problem = f"vector generation {manifest.id} is out of use ({reason}); the rows are searched instead"
        return self._scanned(connection, collection, manifest, problem)

    def _scanned(
        self,
        connection: Connection,
        collection: Collection,
        manifest: generations.Manifest | None,
        problem: str | None,
    ) -> _Vectors:
        """Read all vectors into memory, centred as a generation has them, so that answers are alike."""
        blocks = [(NO_IDS, no_rows(collection.dimension, collection.sparse))]
        for ids, block in passages.vector_blocks(connection, collection):
            blocks.append((ids, self._centred(collection, block, manifest)))
        all_ids = np.concatenate([ids for ids, _ in blocks])
        index = index_over(all_ids, stacked([block for _, block in blocks]))
        view = VectorView(index, _no_tail(collection), None, None)
        return _Vectors(view, collection.change_number, None, (), manifest, problem)

    def _centred(self, seen: Collection, rows: Rows, manifest: generations.Manifest | None) -> Rows:
        """Return rows as the generation has them."""
        share = manifest.chinese_share if manifest else UNKNOWN_SHARE
        return rows if seen.sparse else centred(rows, passage_mean(self._encoder.passage_means, share))

    def _advance_vectors(self, connection: Connection, collection: Collection, state: _Vectors) -> _Vectors:
        if state.covers == collection.change_number:
            return state
        change = changes.since(connection, collection.id, state.covers, collection.change_number)
        view = state.view
        added_ids, added = passages.vectors_of(connection, collection, change.added.tolist())
        kept = view.tail.ids[~np.isin(view.tail.ids, change.removed)]
        rows = stacked([view.tail.take(kept), self._centred(collection, added, state.manifest)])
        live = view.live
        gone = mask_of(view.base.ids, change.removed)
        if gone.any():
            live = ~gone if live is None else live & ~gone
        # New ids are larger than all before, so the tail stays in ascending order.
        tail = index_over(np.concatenate([kept, added_ids]), rows)
        return replace(state, view=replace(view, tail=tail, live=live), covers=change.covers)

    # Words

    def _current_words(self, connection: Connection, collection: Collection, patient: bool) -> _Words:
        state = self._words
        if state is not None and state.covers > collection.change_number:
            raise Behind
        if state is None or self._moved(connection, collection, state):
            state = self._open_words(connection, collection, patient)
        try:
            return self._advance_words(connection, collection, state)
        except changes.LogPruned:
            return self._in_memory(connection, collection, state.problem)

    def _moved(self, connection: Connection, collection: Collection, state: _Words) -> bool:
        """Return whether another index on disk should be used, or the one in use has got damaged."""
        row = lexical_caches.row_of(connection, collection.id)
        if row is None:
            return False
        usable = None if row.damaged or (row.folder, row.covers) == state.refused else row.folder
        if usable != state.folder:
            return True
        if state.folder is None:
            return False
        return row.covers != state.index.marker or not state.index.intact()

    def _open_words(self, connection: Connection, collection: Collection, patient: bool) -> _Words:
        row = lexical_caches.row_of(connection, collection.id)
        if row is None:
            return _words(TantivyIndex.in_memory((), covers=0), None, None)
        try:
            index = lexical_caches.open_index(self._caches, row, self._analyzer)
            return _words(index, row.folder, None)
        except DamagedArtifact as damage:
            if patient and (isinstance(damage, lexical_caches.Unnoted) or self._replaced(row)):
                raise Behind from damage
            log.warning("the lexical index of %s is out of use: %s", collection.name, damage)
            if not row.damaged:
                self._reports[row.folder] = partial(lexical_caches.mark_damaged, found=row)
            problem = f"the lexical index is out of use ({damage}); one in memory answers instead"
            state = self._in_memory(connection, collection, problem)
            return replace(state, refused=(row.folder, row.covers))

    def _replaced(self, row: LexicalCacheRow) -> bool:
        """Return whether the index was made anew after this transaction began, and the old folder is gone."""
        with self._database.read() as connection:
            newest = lexical_caches.row_of(connection, row.collection_id)
        return newest is None or newest.folder != row.folder

    def _in_memory(self, connection: Connection, collection: Collection, problem: str | None) -> _Words:
        index = lexical_caches.index_in_memory(connection, collection, self._analyzer)
        return _words(index, None, problem)

    def _advance_words(self, connection: Connection, collection: Collection, state: _Words) -> _Words:
        if state.covers == collection.change_number:
            return state
        change = changes.since(connection, collection.id, state.covers, collection.change_number)
        texts = passages.indexed_texts(connection, change.added.tolist())
        view = state.view
        keep = ~np.isin(view.tail_ids, change.removed)
        tail_terms = [terms for terms, kept in zip(view.tail_terms, keep, strict=True) if kept]
        tail_terms += [lexical_caches.terms_of(self._analyzer, text) for text in texts]
        added = np.array([text.id for text in texts], dtype=np.int64)
        tail_ids = np.concatenate([view.tail_ids[keep], added])
        gone = np.setdiff1d(change.removed, view.tail_ids)  # what was in the tail is not in the index
        view = view.following(tail_ids, tail_terms, np.union1d(view.removed, gone))
        return replace(state, view=view, covers=change.covers)

    # Languages

    def _current_languages(
        self, connection: Connection, collection: Collection, vectors: VectorView
    ) -> _Languages:
        state, newest = self._languages, collection.change_number
        if state is not None and state.covers == newest:
            return state
        if state is None:
            chinese = passages.chinese_ids(connection, collection.id)
        else:
            try:
                change = changes.since(connection, collection.id, state.covers, newest)
                added = passages.chinese_ids(connection, collection.id, change.added.tolist())
                kept = state.view.chinese[~np.isin(state.view.chinese, change.removed)]
                chinese = np.concatenate([kept, added])
            except changes.LogPruned:
                chinese = passages.chinese_ids(connection, collection.id)
        return _Languages(LanguageView(vectors.all_ids(), chinese), newest)

    # Filters

    def _selection(self, connection: Connection, collection: Collection, given: Any) -> Selection | None:
        if given is None or given == {}:
            return None
        if UNLOGGED in repr(given):
            return Selection(_matching(connection, collection, given))
        if self._selections_at != collection.change_number:
            self._selections.clear()
            self._selections_at = collection.change_number
        name = hashlib.sha256(repr(given).encode()).hexdigest()
        if name not in self._selections:
            if len(self._selections) >= SELECTIONS_MAX:
                self._selections.pop(next(iter(self._selections)))
            self._selections[name] = Selection(_matching(connection, collection, given))
        return self._selections[name]


def _no_tail(seen: Collection) -> ExactIndex | SparseIndex:
    return index_over(NO_IDS, no_rows(seen.dimension, seen.sparse))


def _matching(connection: Connection, collection: Collection, given: Any) -> Ids:
    rows = connection.execute(matching_passages(connection, collection.id, given)).scalars()
    return np.fromiter(rows, dtype=np.int64)


def _words(index: TantivyIndex, folder: str | None, problem: str | None) -> _Words:
    return _Words(LexicalView(index, NO_IDS, [], NO_IDS), index, index.marker, folder, problem)


def _superseded(state: _Vectors, manifest: generations.Manifest | None) -> bool:
    """Return whether the database names another generation, or calls the one in use damaged."""
    if manifest is None or state.manifest is None:
        return manifest is not state.manifest
    return manifest.id != state.manifest.id or (manifest.damaged and state.files is not None)


def _older(manifest: generations.Manifest | None, known: generations.Manifest | None) -> bool:
    """Return whether a transaction began before the generation in use was made the active one."""
    return known is not None and (manifest is None or manifest.id < known.id)


def _identity(folder: Path, manifest: generations.Manifest) -> Identity:
    """Return what tells files from others of the same name; nothing where one is missing."""
    try:
        facts = [(folder / name).stat() for name in sorted(manifest.files)]
    except OSError:
        return ()
    return tuple((fact.st_ino, fact.st_size, fact.st_mtime_ns) for fact in facts)
