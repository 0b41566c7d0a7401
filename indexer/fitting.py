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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO

from indexer.filling import fill, fold, told
from indexer.fitted import (
    ENCODING,
    READING,
    STEPS,
    checked_kind,
    checked_options,
    checked_to_learn_on,
    folder_name,
)
from indexer.records import FitSummary
from indexer.service import Service
from indexer.store import collections, later_vectors, passages
from indexer.store.collections import Collection
from indexer.store.field_inputs import learning_fields
from indexer.training_tasks import Note, alone, steps_of_task
from search.artifacts import DamagedArtifact, fingerprint_of, publish
from search.child import Killed, Step
from search.encoders.fitted.base import SparseEncoder
from search.encoders.fitted.catalog import IMPORTED, OF_FIELDS
from search.encoders.fitted.fitting import (
    forget_passages,
    open_fitted,
    run,
    write_given,
    write_passages,
)
from search.errors import InvalidInput, ModelUnavailable, TooLittleToLearn


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which encoder is to be made."""

    kind: str
    seed: int = 0
    learn_on: bool = False
    """From the fit in use."""
    vectors: BinaryIO | None = None
    """Of words, made elsewhere."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the user declared."""


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
    *,
    learn_on: bool = False,
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
        learn_on: start from what the fit in use has learned, instead of anew; the same start, passages and
            seed give the same encoder.
        fields: of documents, declared for a kind that reads them.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: there is no such kind, its fields are wrong, it cannot learn on, or there is no fit to
            start from.
        ModelUnavailable: the files of the fit to start from are damaged.
        UnknownEncoder: the fit to start from, or this one, was removed in the meantime.
        TooLittleToLearn: the collection has too few passages or words for it.
        Canceled: the task was stopped.
    """
    options = checked_options(checked_kind(kind), fields)
    if learn_on:
        checked_to_learn_on(kind)
    return _fit(service, collection, Wanted(kind, seed, learn_on, options=options), note, task)


def import_vectors(
    service: Service,
    collection: str,
    vectors: BinaryIO,
    note: Note = lambda _: None,
    task: int | None = None,
) -> FitSummary:
    """Make an encoder of a collection of word vectors that were made elsewhere; see ``word_vector_text.py``.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput, TooLarge: the file is not of the format.
        TooLittleToLearn: the collection has none of its words.
        Canceled: the task was stopped.
    """
    return _fit(service, collection, Wanted(IMPORTED, vectors=vectors), note, task)


def _fit(
    service: Service, collection: str, wanted: Wanted, note: Note, task: int | None = None
) -> FitSummary:
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    with alone(service, note), steps_of_task(service, found, STEPS, note, task) as step:
        seen, unchanged = Fitting(service, found, wanted, step).run()
    return FitSummary(
        collection=found.name,
        encoder=wanted.kind,
        dimension=seen.dimension,
        passages=_count(service, found),
        fingerprint=seen.fingerprint,
        unchanged=unchanged,
        seconds=perf_counter() - started,
    )


class Fitting:
    """One fit of one kind on one collection."""

    def __init__(self, service: Service, found: Collection, wanted: Wanted, step: Note) -> None:
        self._service = service
        self._found = found
        self._wanted = wanted
        self._kind = wanted.kind
        self._seed = wanted.seed
        self._step = step
        self._options = wanted.options
        self._folder = service.settings.encoders_folder
        self._order = self._folder / f".fitting-{found.id}-{wanted.kind}-{wanted.seed}"

    def run(self) -> tuple[Collection, bool]:
        """Fit, encode and bring into use; return the collection seen through it, and whether it was there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        self._step(Step(READING, 0, 1))
        start = self._start() if self._wanted.learn_on else None
        try:
            with self._required(start):
                previous = self._service.models.fitted.proved(start) if start else None
                count, made_of = self._write_order(previous)
                seen = self._known(made_of)
                unchanged = seen is not None and seen.complete
                if seen is None:
                    seen = self._added(self._fitted(count, previous), made_of)
        finally:
            forget_passages(self._order)  # what is deleted from the collection is to be gone from here, too
        if not unchanged:
            fill(self._service, seen, collections.completed, told(self._step, ENCODING))
            fold(self._service, seen, "xunyi train")
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

    def _write_order(self, previous: Path | None) -> tuple[int, str]:
        """Write out what is to be learned from; return how many passages, and what tells them from others."""
        with self._service.database.read() as connection:
            count = passages.count(connection, self._found.id)
            learned_from = learning_fields if self._kind in OF_FIELDS else later_vectors.learning_passages
            digest = write_passages(self._order, learned_from(connection, self._found.id))
        if not count:
            raise TooLittleToLearn(f"{self._found.name!r} has no passages to learn from; store some first")
        told = f"{self._kind} {self._seed} {self._service.analyzer.version} {digest}"
        told += f" {fingerprint_of(previous)}" if previous else ""
        told += f" {write_given(self._order, self._wanted.vectors)}" if self._wanted.vectors else ""
        told += f" {json.dumps(self._options, sort_keys=True)}" if self._options else ""
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

    def _fitted(self, count: int, previous: Path | None) -> Fitted:
        try:
            output = run(
                self._order,
                self._kind,
                self._seed,
                self._service.settings.home / "dictionaries",
                previous,
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

    def _start(self) -> Collection:
        """Return the collection seen through the fit of this kind that is in use."""
        with self._service.database.read() as connection:
            encoders = collections.encoders_of(connection, self._found)
        used = [seen for seen in encoders if seen.encoder == self._kind and seen.complete]
        if not used:
            raise InvalidInput(
                f"{self._found.name!r} has no {self._kind} to continue from; train it without --continue"
            )
        return used[0]

    @contextmanager
    def _required(self, start: Collection | None) -> Iterator[None]:
        """Tell a failure in the block by its cause where the fit to start from was removed meanwhile.

        Whoever removes it deletes its files, at whatever place here or in the child process they are read.

        Raises:
            UnknownEncoder: it was removed, and the block failed.
        """
        try:
            yield
        except (DamagedArtifact, ModelUnavailable, OSError, RuntimeError):
            if start is not None:
                with self._service.database.read() as connection:
                    collections.require_encoder(connection, start)
            raise

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


def _count(service: Service, found: Collection) -> int:
    with service.database.read() as connection:
        return passages.count(connection, found.id)
