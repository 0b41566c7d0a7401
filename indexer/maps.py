"""Maps of collections: drawn from a vector generation, cached, and shown over the rows as they are now.

A map is drawn of all passages of a generation and kept until the collection has another one.  What went since
then is left out when it is shown; what came is placed by the same axes where the method allows that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
from sqlalchemy.engine import Connection

from indexer.clock import Clock
from indexer.map_files import ASIDE, folder_name, read_map, sweep_maps, write_map
from indexer.map_records import BY_CLUSTER, METHODS, POINTS_MAX, CollectionMap, MapRequest
from indexer.map_view import shown
from indexer.models import Models
from indexer.records import TaskInfo
from indexer.searching import Searching
from indexer.snapshots import Snapshot
from indexer.store import collections, fields, passages, tasks
from indexer.store.collections import Collection
from indexer.store.sessions import Database
from indexer.store.storable import is_text
from search.arrays import Ids
from search.child import FULL, Progress
from search.errors import InvalidInput, NotMapped, StorageFull, TooLittleToLearn
from search.maps.drawing import (
    CLUSTERS_MAX,
    SEED,
    DrawnMap,
    Meaning,
    clusters_of,
    evenly,
    row_blocks,
    usual_clusters,
)
from search.maps.plane import Places, principal_plane
from search.maps.telling_words import CountedCluster, counted, telling_words
from search.maps.umap_plane import FEWEST, PLACED_MAX, require_umap, umap_places
from search.text.analyzer import Analyzer
from search.vectors.base import VectorIndex

AT_ONCE_MAX = 100_000
"""Passages up to which a request draws a map by PCA itself, which takes it some seconds."""
READ_OF_CLUSTER = 200
"""Passages whose words a cluster is named after: those nearest to its centre."""
DOCUMENT_FACTS = ("document.language", "document.media_type", "document.updated_at")
"""What every document has, beside its fields."""
WORDS, TYPICAL = 8, 3
"""Of each cluster."""
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Material:
    """What a map is drawn of."""

    found: Collection
    generation: int
    rows: Meaning
    method: str
    clusters: int

    @property
    def folder(self) -> str:
        """What the cached map is called."""
        settings = f"{self.found.fingerprint} {self.method} {self.clusters}"
        return folder_name(self.found.id, self.generation, settings)


class Maps:
    """Draws and shows the maps of one installation; safe for several threads."""

    def __init__(
        self,
        database: Database,
        searching: Searching,
        models: Models,
        analyzer: Analyzer,
        caches: Path,
        clock: Clock,
    ) -> None:
        self._database = database
        self._models = models
        self._searching = searching
        self._analyzer = analyzer
        self._caches = caches
        self._clock = clock

    def show(self, collection: str, asked: MapRequest) -> CollectionMap:
        """Return a map, drawn now where that takes seconds.

        Raises:
            UnknownCollection, UnknownEncoder: there is none.
            InvalidInput: the request is wrong.
            NotMapped: a worker has to draw this map, or to index the passages, first.
        """
        return self._shown(collection, asked, self._drawn_at_once)

    def draw(self, collection: str, asked: MapRequest, progress: Progress = lambda _: None) -> CollectionMap:
        """Return a map, drawn now however long that takes; told about the steps, ``progress`` may raise.

        Raises:
            UnknownCollection, UnknownEncoder, InvalidInput, NotMapped: as ``show`` does.
            TooLittleToLearn: there are too few passages for this method.
            ModelUnavailable: the child process was killed.
            StorageFull: the disk cannot hold the map.
        """
        return self._shown(collection, asked, lambda material: self._cached(material, progress))

    def enqueue(self, collection: str, asked: MapRequest) -> TaskInfo:
        """Enqueue the drawing of a map, which a worker does; one that is under way stands for it.

        Raises:
            UnknownCollection, UnknownEncoder: there is none.
            InvalidInput: the request is wrong.
        """
        _check(asked)
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            seen = found if asked.encoder is None else collections.through(connection, found, asked.encoder)
            _require_dense(seen)
            options = {"encoder": seen.encoder, "method": asked.method, "clusters": asked.clusters}
            for task in tasks.newest(connection, collection, limit=1000):
                under_way = task.kind == tasks.MAPPING and task.state in ("enqueued", "processing")
                if under_way and task.options == options:
                    return task
            return tasks.enqueue(connection, tasks.MAPPING, collection, options, tasks.PARTS, self._clock())

    def colours(self, collection: str) -> list[str]:
        """Return what a map of the collection can be coloured by; raise ``UnknownCollection``."""
        with self._database.read() as connection:
            found = collections.get(connection, collection)
            return [BY_CLUSTER, *fields.names(connection, found.id), *DOCUMENT_FACTS]

    def _shown(
        self, collection: str, asked: MapRequest, drawn_by: Callable[[Material], DrawnMap]
    ) -> CollectionMap:
        _check(asked)
        for _ in range(ATTEMPTS):
            look = partial(self._material, asked=asked)
            material = self._searching.at_snapshot(collection, asked.encoder, look)
            drawn = None if material is None else drawn_by(material)
            generation = None if material is None else material.generation
            seen: CollectionMap | None = self._searching.at_snapshot(
                collection,
                asked.encoder,
                partial(shown, asked=asked, generation=generation, drawn=drawn, meaning=self._meaning),
            )
            if seen is not None:
                return seen
        raise NotMapped(f"the index of {collection!r} is made anew again and again; ask for the map later")

    def _material(
        self, found: Collection, snapshot: Snapshot, _: Connection, asked: MapRequest
    ) -> Material | None:
        """Return what a map is drawn of; None of an empty collection."""
        _require_dense(found)
        view = snapshot.vectors
        if view.generation is None:
            if not view.all_ids().size:
                return None
            raise NotMapped(
                f"the passages of {found.name!r} are not indexed yet by {found.encoder}; the worker of "
                "`xunyi serve` does that in the background, and `xunyi worker --once` now"
            )
        clusters = asked.clusters or usual_clusters(view.base.ids.size)
        rows = self._meaning(found, view.base)
        return Material(found, view.generation, rows, asked.method, clusters)

    def _meaning(self, found: Collection, index: VectorIndex) -> Meaning:
        return Meaning(index, self._models.encoder_of(found).passage_means)

    def _drawn_at_once(self, material: Material) -> DrawnMap:
        known = read_map(self._caches / material.folder)
        if known is not None:
            return known
        if material.method != "pca" or material.rows.ids.size > AT_ONCE_MAX:
            name = material.found.name
            raise NotMapped(
                f"this map of {name!r} is not made yet; `xunyi map -c {name}` with the same options, "
                "POST to the address of its map, or the button on its page makes it"
            )
        return self._cached(material, lambda _: None)

    def _cached(self, material: Material, progress: Progress) -> DrawnMap:
        """Return a map that is cached, or draw and cache it."""
        folder = self._caches / material.folder
        known = read_map(folder)
        if known is not None:
            return known
        drawn = self._drawn(material, progress)
        try:
            write_map(folder, drawn)
        except OSError as error:
            if error.errno in FULL:
                raise StorageFull("the disk cannot hold the map; free some space and ask again") from error
            raise
        with self._database.read() as connection:
            seen = collections.encoders_of(connection, material.found)
        living = {one.active_generation_id for one in seen} | {material.generation}
        sweep_maps(self._caches, material.found.id, living, self._clock())
        return drawn

    def _drawn(self, material: Material, progress: Progress) -> DrawnMap:
        index, ids, axes = material.rows, material.rows.ids, None
        if material.method == "umap":
            ids = evenly(ids, PLACED_MAX)
            places = self._by_umap(material, ids, progress)
        else:
            axes, places = principal_plane(row_blocks(index, ids), material.found.dimension)
        clusters = clusters_of(index, ids, material.clusters)
        nearest = [clusters.nearest_rows(number, READ_OF_CLUSTER) for number in range(len(clusters.centres))]
        return DrawnMap(
            ids=np.array(ids),
            places=places,
            members=clusters.members,
            centres=clusters.centres,
            axes=axes,
            words=telling_words([self._read(ids[rows]) for rows in nearest], WORDS),
            typical=[ids[rows[:TYPICAL]].tolist() for rows in nearest],
        )

    def _by_umap(self, material: Material, ids: Ids, progress: Progress) -> Places:
        if ids.size < FEWEST:
            raise TooLittleToLearn(f"umap takes {FEWEST} passages or more; choose the method pca")
        order = self._caches / f"map-{material.found.id}-{material.generation}-{uuid4().hex[:8]}{ASIDE}"
        shape = (ids.size, material.found.dimension)
        return umap_places(order, row_blocks(material.rows, ids), shape, SEED, progress)

    def _read(self, ids: Ids) -> CountedCluster:
        """Return the words of passages; those that were deleted meanwhile have none."""
        with self._database.read() as connection:
            texts = passages.indexed_texts(connection, ids.tolist())
        return counted((f"{text.title}\n{text.heading}\n{text.text}" for text in texts), self._analyzer)


def _check(asked: MapRequest) -> None:
    if asked.method not in METHODS:
        raise InvalidInput(
            f"there is no method {asked.method[:100]!r}; choose one of: {', '.join(METHODS)}",
            known=list(METHODS),
        )
    if asked.method == "umap":
        require_umap()
    if asked.clusters is not None and not 1 <= asked.clusters <= CLUSTERS_MAX:
        raise InvalidInput(f"clusters is {asked.clusters}; give a number from 1 to {CLUSTERS_MAX}")
    if not 0 <= asked.points <= POINTS_MAX:
        raise InvalidInput(f"points is {asked.points}; give a number from 0 to {POINTS_MAX}")
    if not is_text(asked.colour):
        raise InvalidInput("colour holds a character that is no text (NUL or half a character)")


def _require_dense(seen: Collection) -> None:
    if seen.sparse:
        raise InvalidInput(
            f"{seen.encoder} has a dimension for each word, which no plane shows; choose an encoder of few "
            "dimensions, such as lsi, which is made of tfidf"
        )
