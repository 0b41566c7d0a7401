"""Vector generations: folders of immutable files built from SQL, and the only door to open one.

A generation is written aside, fsynced, made read-only and renamed into place; then one transaction
inserts its manifest and moves the collection's pointer.  Whoever opens it checks the files against the
manifest first.  A crash anywhere leaves at worst a folder that no manifest names, which is swept away.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store import changes, passages
from indexer.store.collections import Collection, lock
from indexer.store.sessions import Database
from indexer.store.tables import CollectionRow, GenerationRow
from search.arrays import Ids, Matrix, Vector
from search.artifacts import DamagedArtifact, describe, publish, verify
from search.centring import centred, passage_mean
from search.encoders.base import Encoder
from search.vectors.base import VectorIndex
from search.vectors.faiss_index import FlatFile, GraphFile, write_flat, write_graph

VECTORS_FILE = "vectors.faiss"
IDS_FILE = "ids.npy"
METRIC = "inner product"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What SQL says of a generation."""

    id: int
    folder: str
    covers: int
    kind: str
    count: int
    dimension: int
    fingerprint: str
    passage_mean: bytes
    files: dict[str, dict[str, int | str]]
    damaged: bool

    @property
    def mean(self) -> Vector:
        """The mean ``(d,)`` that its rows have lost."""
        return np.frombuffer(self.passage_mean, dtype="<f4").astype(np.float32)


def active(connection: Connection, collection: Collection) -> Manifest | None:
    """Return the manifest that the collection's pointer names."""
    if collection.active_generation_id is None:
        return None
    columns = [getattr(GenerationRow, name) for name in Manifest.__dataclass_fields__]
    query = sa.select(*columns).where(GenerationRow.id == collection.active_generation_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Manifest(*row)


def folder_of(caches: Path, manifest: Manifest) -> Path:
    """Return where a generation's files lie."""
    return caches / manifest.folder


def open_generation(caches: Path, manifest: Manifest, encoder: Encoder) -> VectorIndex:
    """Open a generation's files.

    Raises:
        DamagedArtifact: a file is missing or differs from the manifest, or the generation belongs to
            another encoder.
    """
    if manifest.damaged:
        raise DamagedArtifact(f"generation {manifest.id} was found damaged before")
    if (manifest.fingerprint, manifest.dimension) != (encoder.fingerprint, encoder.dimension):
        raise DamagedArtifact(f"generation {manifest.id} was made by another encoder")
    folder = folder_of(caches, manifest)
    verify(folder, manifest.files)
    ids: Ids = np.load(folder / IDS_FILE, mmap_mode="r", allow_pickle=False)
    if ids.shape != (manifest.count,):
        raise DamagedArtifact(f"generation {manifest.id} does not hold {manifest.count} ids")
    kind = GraphFile if manifest.kind == "hnsw" else FlatFile
    return kind(folder / VECTORS_FILE, np.asarray(ids))


def sizes_match(caches: Path, manifest: Manifest) -> bool:
    """Return whether every file of a generation is there in its full size; cheap enough for each search."""
    folder = folder_of(caches, manifest)
    try:
        return all((folder / name).stat().st_size == facts["bytes"] for name, facts in manifest.files.items())
    except OSError:
        return False


def mark_damaged(database: Database, generation_id: int) -> None:
    """Note that a generation's files cannot be trusted, so that whoever keeps the caches rebuilds it."""
    with database.write() as connection:
        row = sa.update(GenerationRow).where(GenerationRow.id == generation_id)
        connection.execute(row.values(damaged=True))


def build(
    database: Database,
    caches: Path,
    collection: Collection,
    encoder: Encoder,
    hnsw_threshold: int,
    now: datetime,
) -> int:
    """Build a generation of all rows there are, make it the active one, and return its number.

    The rows are read in one transaction, twice: once for their mean and once to be written centred, a
    block at a time.  Only an HNSW graph needs them all in memory.
    """
    folder = f"vectors-{collection.id}-{uuid4().hex[:12]}"
    aside = caches / f"{folder}.tmp"
    aside.mkdir(parents=True)
    try:
        with database.read() as connection:
            covers, count, mean = _survey(connection, collection, encoder)
            kind = "hnsw" if count > hnsw_threshold else "flat"
            _write(connection, collection, aside, kind, count, mean)
        files = describe(aside)
        publish(aside, caches / folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    with database.write() as connection:
        lock(connection, collection)
        made: int = connection.execute(
            sa.insert(GenerationRow)
            .values(
                collection_id=collection.id,
                encoder_id=collection.encoder_id,
                folder=folder,
                covers=covers,
                kind=kind,
                metric=METRIC,
                count=count,
                dimension=collection.dimension,
                fingerprint=encoder.fingerprint,
                passage_mean=mean.astype("<f4").tobytes(),
                files=files,
                damaged=False,
                created_at=now,
            )
            .returning(GenerationRow.id)
        ).scalar_one()
        pointer = sa.update(CollectionRow).where(CollectionRow.id == collection.id)
        connection.execute(pointer.values(active_generation_id=made))
        changes.prune(connection, collection.id)
    return made


def _survey(connection: Connection, collection: Collection, encoder: Encoder) -> tuple[int, int, Vector]:
    """Return the change number these rows stand at, how many they are, and their mean."""
    covers = connection.execute(
        sa.select(CollectionRow.change_number).where(CollectionRow.id == collection.id)
    ).scalar_one()
    count, total = 0, np.zeros(collection.dimension, dtype=np.float64)
    for ids, rows in _blocks(connection, collection):
        count += ids.size
        total += rows.sum(axis=0, dtype=np.float64)
    return covers, count, passage_mean(total, count, encoder.passage_mean)


def _write(
    connection: Connection, collection: Collection, folder: Path, kind: str, count: int, mean: Vector
) -> None:
    kept: list[Ids] = []

    def rows() -> Iterator[Matrix]:
        for ids, block in _blocks(connection, collection):
            kept.append(ids)
            yield centred(block, mean)

    if kind == "hnsw":
        write_graph(folder / VECTORS_FILE, collection.dimension, rows())
    else:
        write_flat(folder / VECTORS_FILE, collection.dimension, count, rows())
    ids = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
    np.save(folder / IDS_FILE, ids, allow_pickle=False)


def _blocks(connection: Connection, collection: Collection) -> Iterator[tuple[Ids, Matrix]]:
    return passages.vector_blocks(connection, collection.id, collection.encoder_id, collection.dimension)


def sweep(database: Database, caches: Path, collection: Collection) -> None:
    """Delete the manifests and folders that nobody opens any more; needs the cache lock.

    The generation before the active one is kept: a search that has just read the old pointer may be
    about to open it.
    """
    with database.write() as connection:
        mine = GenerationRow.collection_id == collection.id
        rows = connection.execute(
            sa.select(GenerationRow.id, GenerationRow.folder).where(mine).order_by(GenerationRow.id.desc())
        ).all()
        old = [row.id for row in rows[2:]]
        connection.execute(sa.delete(GenerationRow).where(GenerationRow.id.in_(old)))
        named = {row.folder for row in rows[:2]}
    for folder in caches.glob(f"vectors-{collection.id}-*"):
        if folder.name not in named:
            remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder of read-only files; a process that has them mapped keeps its mapping."""
    with suppress(FileNotFoundError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
