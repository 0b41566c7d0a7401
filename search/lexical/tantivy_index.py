"""The lexical index on tantivy: an immutable picture that is searched, and the one writer that makes them.

A picture is opened from a checked snapshot or built in memory.  tantivy finds the best passages fast and
breaks ties by the order of its files, which merges change; here ties go by ascending id, and so the same
passages give the same page however the index came to be.  A filter of few ids goes into the query as a
set of terms; one of many is cheaper to apply to a longer list of hits, which grows until the page is full
or the hits are at an end.

``indexer`` writes, opens and builds these; ``search/views.py`` asks them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import tantivy

from search.arrays import Ids, Vector
from search.artifacts import DamagedArtifact, Description, verify_sealed
from search.lexical import tantivy_snapshots as snapshots
from search.lexical.bm25 import Statistics, Terms, distinct, weighted
from search.lexical.tantivy_format import (
    COVERS,
    ID,
    MARKER_TERM,
    TERMS,
    commit,
    new_index,
    opened_index,
    tantivy_reads,
    term_query,
)

_SPARE = 16
"""Hits fetched beyond ``k``, so that a tie at the edge of the page is mostly seen at once."""
_GROWTH = 4
_SET_BEYOND = 1000
"""Ids beyond which tantivy finds them sooner as a set than one by one; of 200, a set takes thrice as long."""

Identity = tuple[tuple[int, int, int], ...]
"""Inode, size and modification time of each file of a snapshot."""


class TantivyIndex:
    """A ``LexicalIndex``."""

    def __init__(self, index: tantivy.Index, files: Sequence[Path] = (), identity: Identity = ()) -> None:
        """Take an index that holds one commit; ``files`` are what it is made of, none in memory."""
        self._index = index
        self._files = files
        self._identity = identity
        with tantivy_reads():
            self._searcher = index.searcher()
            hits = self._searcher.search(term_query(index, MARKER_TERM), 1).hits
            if not hits:
                raise DamagedArtifact("the lexical index has no marker")
            marker = hits[0][1]
            self._marker: int = self._searcher.fast_field_values(COVERS, [marker])[0]
            explanation = term_query(index, MARKER_TERM).explain(self._searcher, marker).to_json()
        self._documents, self._average_length = _totals(explanation)

    @classmethod
    def open(cls, folder: Path) -> "TantivyIndex":
        """Open the newest snapshot in ``folder`` after comparing its files with their checksums.

        Raises:
            DamagedArtifact: there is none, its files are not what was written, or tantivy refuses it.
        """
        while True:
            snapshot = snapshots.newest(folder)
            try:
                return cls._opened(snapshot)
            except DamagedArtifact:
                if snapshots.newest(folder) == snapshot:
                    raise
                # A writer has put a newer one in its place meanwhile.

    @classmethod
    def _opened(cls, snapshot: Path) -> "TantivyIndex":
        described = verify_sealed(snapshot)
        files = [snapshot / name for name in described]
        return cls(opened_index(snapshot), files, _identity(files))

    @classmethod
    def in_memory(cls, passages: Iterable[tuple[int, Sequence[str]]], covers: int) -> "TantivyIndex":
        """Build an index of ids and their terms that answers like one on disk and leaves no trace."""
        index = new_index(None)
        commit(index, passages, (), covers)
        index.reload()
        return cls(index)

    @property
    def marker(self) -> int:
        """Number of the last change that is in the index."""
        return self._marker

    @property
    def count(self) -> int:
        """How many passages it holds."""
        living: int = self._searcher.num_docs
        return living - 1

    def ids(self) -> Ids:
        """Return the ids of all passages it holds, ascending; reads the whole index."""
        found, _ = self._fetched(tantivy.Query.exists_query(ID), max(self.count, 1))
        return np.sort(found)

    def intact(self) -> bool:
        """Return whether the files it was opened from are still there, untouched; cheap."""
        return _identity(self._files) == self._identity

    def search(self, terms: Terms, k: int, allowed: Ids | None = None) -> tuple[Ids, Vector]:
        """Return ids and BM25 scores of the ``k`` best matches, best first, ties by ascending id."""
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        known = self._known(terms)
        if not known or (allowed is not None and not allowed.size):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if allowed is None:
            return self._best(self._any_of(known), k, k + _SPARE)
        return self._best_among(known, k, allowed)

    def scores(self, terms: Terms, ids: Ids) -> Vector:
        """Return the BM25 scores ``(len(ids),)`` of distinct ``ids``; 0 where no term occurs."""
        scores = np.zeros(ids.size, dtype=np.float32)
        known = self._known(terms)
        if not known or not ids.size:
            return scores
        found, values = self._fetched(self._restricted(known, ids), ids.size)
        order = np.argsort(ids)
        scores[order[np.searchsorted(ids[order], found)]] = values
        return scores

    def statistics(self, terms: Terms) -> Statistics:
        """Return what tantivy scores with: deleted passages weigh until a merge, and so does the marker."""
        frequencies = {term: self._searcher.doc_freq(TERMS, term) for term in distinct(terms)}
        return Statistics(self._documents, self._average_length, frequencies)

    def _known(self, terms: Terms) -> Mapping[str, float]:
        """Return what the terms weigh that some passage holds; the marker's is of no passage."""
        return {
            term: weight
            for term, weight in weighted(terms).items()
            if term != MARKER_TERM and self._searcher.doc_freq(TERMS, term)
        }

    def _any_of(self, terms: Mapping[str, float]) -> tantivy.Query:
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(term_query(self._index, term), weight))
            for term, weight in terms.items()
        ]
        return tantivy.Query.boolean_query(clauses)

    def _restricted(self, terms: Mapping[str, float], ids: Ids) -> tantivy.Query:
        silent = tantivy.Query.const_score_query(self._among(ids), 0.0)
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, self._any_of(terms)), (tantivy.Occur.Must, silent)]
        )

    def _among(self, ids: Ids) -> tantivy.Query:
        schema = self._index.schema
        if ids.size > _SET_BEYOND:
            return tantivy.Query.term_set_query(schema, ID, ids.tolist())
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(schema, ID, passage, "basic"))
                for passage in ids.tolist()
            ]
        )

    def _best(self, query: tantivy.Query, k: int, wanted: int) -> tuple[Ids, Vector]:
        """Fetch ``wanted`` hits or more, until the best ``k`` are among them with all that tie with them."""
        while True:
            ids, scores = self._fetched(query, wanted)
            if ids.size < wanted or scores[-1] < scores[k - 1]:
                return _ordered(ids, scores, k)
            wanted *= _GROWTH

    def _best_among(self, terms: Mapping[str, float], k: int, allowed: Ids) -> tuple[Ids, Vector]:
        """Fetch hits and keep the allowed ones; ask for those alone once the list would be the longer one."""
        query = self._any_of(terms)
        wanted = max(k + _SPARE, (k + _SPARE) * self.count // allowed.size)
        while wanted <= allowed.size:
            ids, scores = self._fetched(query, wanted)
            inside = np.isin(ids, allowed)
            found = int(inside.sum())
            if ids.size < wanted or (found >= k and scores[-1] < scores[inside][k - 1]):
                return _ordered(ids[inside], scores[inside], k)
            wanted *= _GROWTH
        return self._best(self._restricted(terms, allowed), k, k + _SPARE)

    def _fetched(self, query: tantivy.Query, limit: int) -> tuple[Ids, Vector]:
        """Return ids and scores of tantivy's first ``limit`` hits."""
        with tantivy_reads():
            hits = self._searcher.search(query, limit, count=False).hits
            ids = self._searcher.fast_field_values(ID, [address for _, address in hits])
        scores = np.fromiter((score for score, _ in hits), dtype=np.float32, count=len(hits))
        return np.array(ids, dtype=np.int64), scores


class TantivyWriter:
    """Writes snapshots into a folder; for whoever holds the cache lock.  A context manager.

    Each ``apply`` is one commit and one snapshot: it is there as a whole or not at all.
    """

    def __init__(self, folder: Path, index: tantivy.Index, known: Description, marker: int) -> None:
        """Take an index that lies in the writing folder of ``folder``; ``create`` and ``open`` make one."""
        self._folder = folder
        self._index = index
        self._known = known
        self._marker = marker
        self._unpublished = False

    @classmethod
    def create(cls, folder: Path) -> "TantivyWriter":
        """Begin an index in the existing ``folder``; readers see nothing of it before the first ``apply``."""
        return cls(folder, new_index(snapshots.writing_folder(folder)), {}, 0)

    @classmethod
    def open(cls, folder: Path) -> "TantivyWriter":
        """Go on from the newest snapshot.

        Raises:
            DamagedArtifact: it is missing or damaged; the index must be created anew.
        """
        writing, described = snapshots.checked_out(folder)
        index = opened_index(writing)
        return cls(folder, index, described, TantivyIndex(index).marker)

    @property
    def marker(self) -> int:
        """Number of the last change that is in the newest snapshot; 0 before there is one."""
        return self._marker

    def apply(self, added: Iterable[tuple[int, Sequence[str]]], removed: Iterable[int], covers: int) -> None:
        """Add passages (id and terms), remove ids, and note that changes up to ``covers`` are in.

        Ids that are added must not be in the index; ids to be removed need not.  Memory stays bounded
        however many there are.
        """
        if self._unpublished:
            raise RuntimeError("the last commit was never published; close this writer and open a new one")
        commit(self._index, added, removed, covers)
        self._unpublished = True
        self._known = snapshots.publish_snapshot(self._folder, self._known)
        self._unpublished = False
        self._marker = covers

    def __enter__(self) -> "TantivyWriter":
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the writing folder; what was applied is published."""
        snapshots.close(self._folder)


def _totals(explanation: str) -> tuple[int, float]:
    """Return N and the average length that tantivy scores with; only its explanations tell."""
    told: dict[str, float] = {}
    nodes = [json.loads(explanation)]
    while nodes:
        node = nodes.pop()
        told[node["description"].partition(",")[0]] = node["value"]
        nodes += node.get("details", [])
    return int(told["N"]), told["avgdl"]


def _ordered(ids: Ids, scores: Vector, k: int) -> tuple[Ids, Vector]:
    """Return the first ``k``: highest score first, ties by ascending id."""
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def _identity(files: Sequence[Path]) -> Identity:
    """Return what tells files from others of the same names; nothing where one is missing."""
    try:
        facts = [path.stat() for path in files]
    except OSError:
        return ()
    return tuple((fact.st_ino, fact.st_size, fact.st_mtime_ns) for fact in facts)
