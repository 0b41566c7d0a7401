"""Vector generations: folders of immutable files built from SQL, and the only door to open one.

A generation is written aside, fsynced, made read-only and renamed into place; then one transaction
inserts its manifest and moves the collection's pointer.  Whoever opens it checks the files against the
manifest first.  A crash anywhere leaves at worst a folder that no manifest names, which is swept away.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store import changes, collections, passages
from indexer.store.collections import Collection, lock
from indexer.store.sessions import Database
from indexer.store.tables import GenerationRow
from search.arrays import Ids, Vector
from search.artifacts import DamagedArtifact, describe, publish, verify
from search.centring import centred, passage_mean
from search.encoders.base import Encoder
from search.vectors.base import Mask, VectorIndex
from search.vectors.faiss_index import FlatFile, GraphFile, write_flat, write_graph
from search.vectors.rows import no_rows
from search.vectors.sparse_index import open_sparse, write_sparse
from search.views import contained

log = logging.getLogger(__name__)

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
    centring: str
    chinese_share: float
    files: dict[str, dict[str, int | str]]
    damaged: bool


_COLUMNS = sa.select(*(getattr(GenerationRow, name) for name in Manifest.__dataclass_fields__))
_BY_ID = _COLUMNS.where(GenerationRow.id == sa.bindparam("generation"))


def active(connection: Connection, collection: Collection) -> Manifest | None:
    """Return the manifest that the collection's pointer names."""
    if collection.active_generation_id is None:
        return None
    row = connection.execute(_BY_ID, {"generation": collection.active_generation_id}).one_or_none()
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
    if (manifest.fingerprint, manifest.centring) != (encoder.fingerprint, encoder.centring):
        raise DamagedArtifact(f"generation {manifest.id} was made by another encoder or with other means")
    folder = folder_of(caches, manifest)
    verify(folder, manifest.files)
    try:
        ids: Ids = np.load(folder / IDS_FILE, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:  # gone since, or not among the files that were compared
        raise DamagedArtifact(f"generation {manifest.id} has no readable ids") from error
    if ids.shape != (manifest.count,) or manifest.dimension != encoder.dimension:
        raise DamagedArtifact(f"generation {manifest.id} does not hold what its manifest says")
    if manifest.kind == "sparse":
        return open_sparse(folder, np.asarray(ids), manifest.dimension)
    kind = GraphFile if manifest.kind == "hnsw" else FlatFile
    return kind(folder / VECTORS_FILE, np.asarray(ids), manifest.dimension)


def inspect(database: Database, caches: Path, collection: Collection, encoder: Encoder) -> None:
    """Open the active generation once with all its checksums, and note it when it is damaged."""
    with database.read() as connection:
        manifest = active(connection, collection)
    if manifest is None or manifest.damaged:
        return
    try:
        open_generation(caches, manifest, encoder)
    except DamagedArtifact as damage:
        log.warning("generation %s of %s is made anew: %s", manifest.id, collection.name, damage)
        mark_damaged(database, manifest.id)


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

    The rows are read in one transaction and written centred, a block at a time.  Only an HNSW graph needs
    them all in memory.
    """
    folder = f"vectors-{collection.id}-{uuid4().hex[:12]}"
    aside = caches / f"{folder}.tmp"
    aside.mkdir(parents=True)
    try:
        with database.read() as connection:
            covers = collections.newest_change(connection, collection)
            count = passages.count(connection, collection.id)
            kind = _kind(collection, count, hnsw_threshold)
            chinese = passages.chinese_ids(connection, collection.id)
            share = chinese.size / max(count, 1)
            _write(
                connection,
                collection,
                aside,
                kind,
                count,
                passage_mean(encoder.passage_means, share),
                chinese,
            )
        files = describe(aside)
        publish(aside, caches / folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    manifest = {
        "folder": folder,
        "covers": covers,
        "kind": kind,
        "metric": METRIC,
        "count": count,
        "fingerprint": encoder.fingerprint,
        "centring": encoder.centring,
        "chinese_share": share,
        "files": files,
        "created_at": now,
    }
    try:
        return _activate(database, collection, manifest)
    except BaseException:
        remove_folder(caches / folder)  # no manifest names it, so nobody would ever sweep it away
        raise


def _kind(seen: Collection, count: int, hnsw_threshold: int) -> str:
    if seen.sparse:
        return "sparse"
    return "hnsw" if count > hnsw_threshold else "flat"


def _activate(database: Database, collection: Collection, manifest: dict[str, Any]) -> int:
    """Insert the manifest and move the pointer to it, in one transaction."""
    with database.write() as connection:
        lock(connection, collection)
        collections.require_encoder(connection, collection)
        made: int = connection.execute(
            sa.insert(GenerationRow)
            .values(
                collection_id=collection.id,
                encoder_id=collection.encoder_id,
                dimension=collection.dimension,
                damaged=False,
                **manifest,
            )
            .returning(GenerationRow.id)
        ).scalar_one()
        collections.move_pointer(connection, collection, made)
        changes.prune(connection, collection.id)
        return made


def _write(
    connection: Connection,
    collection: Collection,
    folder: Path,
    kind: str,
    count: int,
    mean: Vector | None,
    chinese: Ids,
) -> None:
    kept: list[Ids] = [np.empty(0, dtype=np.int64)]

    def rows() -> Iterator[Any]:
        for ids, block in passages.vector_blocks(connection, collection):
            kept.append(ids)
            yield block if collection.sparse else centred(block, mean)

    def in_chinese() -> Mask:
        """Tell the languages apart: searches ask for one at a time."""
        return contained(np.concatenate(kept), chinese)

    if kind == "sparse":
        write_sparse(folder, rows() if count else [no_rows(collection.dimension, sparse=True)])
    elif kind == "hnsw":
        write_graph(folder / VECTORS_FILE, collection.dimension, rows(), in_chinese)
    else:
        write_flat(folder / VECTORS_FILE, collection.dimension, count, rows(), in_chinese)
    np.save(folder / IDS_FILE, np.concatenate(kept), allow_pickle=False)


def sweep(database: Database, caches: Path, collection: Collection) -> None:
    """Delete the manifests and folders that nobody opens any more; needs the cache lock.

    The generation before the active one is kept: a search that has just read the old pointer may be
    about to open it.
    """
    with database.write() as connection:
        all_of_it = GenerationRow.collection_id == collection.id
        mine = (all_of_it, GenerationRow.encoder_id == collection.encoder_id)
        rows = connection.execute(
            sa.select(GenerationRow.id).where(*mine).order_by(GenerationRow.id.desc())
        ).all()
        old = [row.id for row in rows[2:]]
        connection.execute(sa.delete(GenerationRow).where(GenerationRow.id.in_(old)))
        left = sa.select(GenerationRow.folder).where(all_of_it)
        named = set(connection.execute(left).scalars())
    for folder in caches.glob(f"vectors-{collection.id}-*"):
        if folder.name not in named:
            remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Delete a folder of read-only files; a process that has them mapped keeps its mapping."""
    with suppress(FileNotFoundError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
