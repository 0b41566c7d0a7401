"""The fit of an encoder on a collection: what it learns from, the child process, and the vectors after it.

Passages are written out, a child process learns from them, and its files are published.  From then on what is
stored is read by the new encoder too, while the passages that were there before are read a batch at a time.
Only when none is left do searches use it, in place of the fit of its kind before.

Killed at any moment it loses nothing: training goes on from its last checkpoint where the collection is still
the same, and what was read stays read.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from indexer.fitted import (
    ENCODING,
    READING,
    STEPS,
    checked_kind,
    checked_options,
    folder_name,
    reads_fields,
)
from indexer.records import FitSummary
from indexer.service import Service
from indexer.store import collections, fitted_vectors, passages
from indexer.store.collections import Collection
from indexer.store.field_inputs import lacking_fields, learning_fields
from indexer.store.vector_bytes import packed
from indexer.training_tasks import Note, alone, as_task, noted
from search.artifacts import DamagedArtifact, fingerprint_of, publish
from search.child import Killed, Step
from search.encoders.fitted.base import SparseEncoder
from search.encoders.fitted.catalog import OF_FIELDS
from search.encoders.fitted.fitting import (
    forget_passages,
    open_fitted,
    run,
    write_passages,
)
from search.errors import CacheLocked, ModelUnavailable, TooLittleToLearn

BATCH_PASSAGES = 256


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a child process has made of a collection."""

    folder: Path
    fingerprint: str
    passages: int


def fit(
    service: Service,
    collection: str,
    kind: str,
    seed: int = 0,
    note: Note = lambda _: None,
    task: int | None = None,
    fields: Sequence[Mapping[str, Any]] = (),
) -> FitSummary:
    """Fit an encoder on a collection and let searches use it once it has read every passage.

    The same passages and seed give the same encoder, so that one which is there already stays.

    Args:
        service: of the data folder.
        collection: what it learns from and is for.
        kind: of encoder.
        seed: of every draw.
        note: told about every step; may raise to stop the fit, which goes on from there another time.
        task: which a worker has taken; None to make one for this fit.
        fields: of documents, declared for a kind that reads them.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: there is no such kind, or its fields are wrong.
        TooLittleToLearn: the collection has too few passages or words for it.
        Canceled: the task was stopped.
    """
    options = checked_options(checked_kind(kind), fields)
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    with alone(service, note), _steps(service, found, note, task) as step:
        seen, unchanged = Fitting(service, found, kind, seed, step, options).run()
    return FitSummary(
        collection=found.name,
        encoder=kind,
        dimension=seen.dimension,
        passages=_count(service, found),
        fingerprint=seen.fingerprint,
        unchanged=unchanged,
        seconds=perf_counter() - started,
    )


def _steps(service: Service, found: Collection, note: Note, task: int | None) -> AbstractContextManager[Note]:
    if task is None:
        return as_task(service, found, STEPS, note)
    return nullcontext(noted(service, task, STEPS, note))


class Fitting:
    """One fit of one kind on one collection."""

    def __init__(
        self,
        service: Service,
        found: Collection,
        kind: str,
        seed: int,
        step: Note,
        options: Mapping[str, Any],
    ) -> None:
        self._service = service
        self._found = found
        self._kind = kind
        self._seed = seed
        self._step = step
        self._options = options
        self._folder = service.settings.encoders_folder
        self._order = self._folder / f".fitting-{found.id}-{kind}-{seed}"

    def run(self) -> tuple[Collection, bool]:
        """Fit, encode and bring into use; return the collection seen through it, and whether it was there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        self._step(Step(READING, 0, 1))
        try:
            count, made_of = self._write_order()
            seen = self._known(made_of)
            unchanged = seen is not None and seen.complete
            if seen is None:
                seen = self._added(self._fitted(count), made_of)
        finally:
            forget_passages(self._order)  # what is deleted from the collection is to be gone from here, too
        if not unchanged:
            fill(self._service, seen, self._step)
            self._fold(seen)
        shutil.rmtree(self._order, ignore_errors=True)
        return seen, unchanged

    def _sweep(self) -> None:
        """Delete what fits of other texts or kinds have left, and the files that no collection has."""
        with self._service.database.write() as connection:
            collections.drop_unused_encoders(connection)
            named = {folder_name(*encoder) for encoder in collections.fitted_encoders(connection)}
        for left in self._folder.iterdir():
            if left.name not in named and left != self._order:
                shutil.rmtree(left, ignore_errors=True)

    def _write_order(self) -> tuple[int, str]:
        """Write out what is to be learned from; return how many passages, and what tells them from others."""
        with self._service.database.read() as connection:
            count = passages.count(connection, self._found.id)
            learned_from = learning_fields if self._kind in OF_FIELDS else fitted_vectors.learning_passages
            digest = write_passages(self._order, learned_from(connection, self._found.id))
        if not count:
            raise TooLittleToLearn(f"{self._found.name!r} has no passages to learn from; store some first")
        told = f"{self._kind} {self._seed} {self._service.analyzer.version} {digest}"
        if self._options:
            told += f" {json.dumps(self._options, sort_keys=True)}"
        made_of = hashlib.sha256(told.encode()).hexdigest()
        mark = self._order / "made_of"
        if not mark.exists() or mark.read_text("utf-8") != made_of:  # the checkpoints are of other passages
            shutil.rmtree(self._order / "checkpoints", ignore_errors=True)
            mark.write_text(made_of, "utf-8")
        return count, made_of

    def _known(self, made_of: str) -> Collection | None:
        """Return the collection seen through an encoder that was fit on just this; None without one.

        One whose files are damaged is forgotten, to be fit again.
        """
        with self._service.database.read() as connection:
            seen = collections.fit_before(connection, self._found, made_of)
        if seen is None:
            return None
        folder = self._folder / folder_name(seen.encoder, seen.fingerprint)
        if not self._whole(folder, seen.fingerprint):  # on the disk, whatever this process has opened
            with self._service.database.write() as connection:
                collections.lock(connection, seen)
                collections.remove_encoder(connection, seen, seen.encoder_id)
                collections.drop_unused_encoders(connection)
            return None
        return seen

    def _fitted(self, count: int) -> Fitted:
        try:
            output = run(
                self._order,
                self._kind,
                self._seed,
                self._service.settings.home / "dictionaries",
                self._previous(),
                self._step,
                self._options,
            )
        except Killed as killed:
            raise ModelUnavailable(
                f"the fit was killed by signal {killed}, often for want of memory; free some, then train "
                "again to go on from its last checkpoint"
            ) from None
        fingerprint = fingerprint_of(output)
        final = self._folder / folder_name(self._kind, fingerprint)
        if not self._whole(final, fingerprint):
            shutil.rmtree(final, ignore_errors=True)
            publish(output, final)
        return Fitted(final, fingerprint, count)

    @staticmethod
    def _whole(folder: Path, fingerprint: str) -> bool:
        """Return whether just this lies there: another collection, or another seed, may have learned it."""
        try:
            return fingerprint_of(folder) == fingerprint
        except DamagedArtifact:
            return False

    def _previous(self) -> Path | None:
        """Return the files of the fit of this kind that is in use."""
        with self._service.database.read() as connection:
            for seen in collections.encoders_of(connection, self._found):
                if seen.encoder == self._kind and seen.complete:
                    folder = self._folder / folder_name(seen.encoder, seen.fingerprint)
                    return folder if folder.is_dir() else None
        return None

    def _added(self, fitted: Fitted, made_of: str) -> Collection:
        """Give the collection its encoder; from now on what is stored is read by it, too."""
        encoder = open_fitted(self._kind, fitted.folder, fitted.fingerprint, self._service.analyzer)
        kind = "sparse" if isinstance(encoder, SparseEncoder) else "dense"
        now = self._service.clock()
        with self._service.database.write() as connection:
            encoder_id = collections.ensure_encoder(
                connection, self._kind, fitted.fingerprint, encoder.dimension, now, kind
            )
            return collections.add_encoder(connection, self._found, encoder_id, fitted.passages, made_of, now)

    def _fold(self, seen: Collection) -> None:
        """Build the encoder's first generation, unless somebody else keeps the caches."""
        with (
            suppress(CacheLocked),  # whoever holds it folds what is due
            self._service.cache_lock.held("xunyi train", self._service.clock()),
        ):
            self._service.keeper.fold(seen, self._service.models.encoder_of(seen))


def fill(service: Service, seen: Collection, step: Callable[[Step], None]) -> None:
    """Make the vectors that passages lack by an encoder, and let searches use it when all are there.

    Raises:
        ModelUnavailable: the encoder's files are damaged.
        UnknownCollection: the collection was deleted in the meantime.
    """
    encoder, made = service.models.fitted.of(seen), 0
    while True:
        with service.database.read() as connection:
            lacking = lacking_fields if reads_fields(seen) else fitted_vectors.lacking
            batch = lacking(connection, seen, BATCH_PASSAGES)
            count = passages.count(connection, seen.id)
        if not batch:
            with service.database.write() as connection:
                collections.lock(connection, seen)
                if not fitted_vectors.lacking(connection, seen, 1):
                    collections.completed(connection, seen)
                    return
            continue
        vectors = packed(encoder.rows(list(batch.values())))
        with service.database.write() as connection:
            fitted_vectors.add(connection, seen, dict(zip(batch, vectors, strict=True)))
        made += len(batch)
        step(Step(ENCODING, min(made, count), count))


def _count(service: Service, found: Collection) -> int:
    with service.database.read() as connection:
        return passages.count(connection, found.id)
