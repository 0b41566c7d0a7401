"""The encoders that are fit on collections: which kinds there are, and those that this process has opened."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from indexer.store.collections import Collection
from search.arrays import one_thread_each
from search.artifacts import DamagedArtifact
from search.encoders.fitted.base import FittedEncoder
from search.encoders.fitted.catalog import IMPORTED, LEARN_ON, OF_FIELDS, TRAINERS, WITH_STATES
from search.encoders.fitted.features import declared
from search.encoders.fitted.fitting import FITTING, open_fitted
from search.encoders.fitted.served import Served, ServedWithStates
from search.encoders.fitted.words import Words
from search.errors import InvalidInput, ModelUnavailable
from search.registry import slip
from search.text.analyzer import Analyzer

READING, ENCODING = "reading passages", "encoding passages"
STEPS = (READING, FITTING, ENCODING)
"""Of a fit."""


def kinds() -> list[str]:
    """Return the kinds of encoder that can be fit."""
    return [kind for kind in TRAINERS.targets if kind != IMPORTED]


def checked_kind(kind: str) -> str:
    """Return ``kind``; raise ``InvalidInput`` for one that there is not."""
    if kind == IMPORTED:
        raise InvalidInput(
            f"{IMPORTED} are made elsewhere; `xunyi words import FILE` makes an encoder of them"
        )
    if kind not in kinds():
        raise InvalidInput(
            f"no encoder {kind[:100]!r} can be fit on a collection{slip(kind, kinds())}; "
            f"choose one of: {', '.join(kinds())}"
        )
    return kind


def checked_to_learn_on(kind: str) -> None:
    """Raise ``InvalidInput`` for a kind that cannot start from the fit before."""
    if kind not in LEARN_ON:
        raise InvalidInput(
            f"{kind} always learns anew; only {' and '.join(LEARN_ON)} can continue from the fit before"
        )


def command(kind: str, collection: str) -> str:
    """Return the command that makes an encoder of a collection."""
    made = "words import FILE" if kind == IMPORTED else f"train {kind}"
    return f"xunyi {made} -c {collection}"


def checked_options(kind: str, fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of a fit: the declared fields of a kind that reads them.

    Raises:
        InvalidInput: they are wrong, or this kind takes none.
    """
    if kind in OF_FIELDS:
        return {"fields": [asdict(field) for field in declared(fields)]}
    if fields:
        raise InvalidInput(
            f"fields are declared for {', '.join(OF_FIELDS)}; {kind} reads words and takes none"
        )
    return {}


def reads_fields(seen: Collection) -> bool:
    """Return whether the encoder that a collection is seen through reads fields of documents, not words."""
    return seen.kind != "transformer" and seen.encoder in OF_FIELDS


def has_states(seen: Collection) -> bool:
    """Return whether the encoder that a collection is seen through has token states to attend to."""
    return seen.kind == "transformer" or seen.encoder in WITH_STATES


def kinds_of_text() -> list[str]:
    """Return the kinds of encoder that can be fit and read words, so that questions can be put to them."""
    return [kind for kind in kinds() if kind not in OF_FIELDS]


def folder_name(kind: str, fingerprint: str) -> str:
    """Return the folder of a fit; equal fits have one between them."""
    return f"{kind}-{fingerprint[:16]}"


class FittedEncoders:
    """Opens fits on first use and keeps the newest of each collection; safe for several threads."""

    def __init__(self, folder: Path, analyzer: Analyzer) -> None:
        self._folder = folder
        self._analyzer = analyzer
        one_thread_each()  # so that a text has the same vector in every process
        self._lock = Lock()
        self._opened: dict[tuple[int, str], tuple[str, FittedEncoder]] = {}
        """Collection and kind -> fingerprint and encoder."""
        self._words: dict[tuple[int, str], tuple[str, Words]] = {}

    def of(self, seen: Collection) -> Served:
        """Return the encoder that a collection is seen through; its files are read once it is needed."""
        serve = ServedWithStates if seen.encoder in WITH_STATES else Served
        return serve(seen.fingerprint, seen.dimension, lambda: self._open(seen))

    def words(self, seen: Collection) -> Words:
        """Return the words of a collection seen through an encoder that knows words.

        Raises:
            ModelUnavailable: its files are damaged.
        """
        key = (seen.id, seen.encoder)
        with self._lock:
            known = self._words.get(key)
            if known is None or known[0] != seen.fingerprint:
                folder = self.proved(seen)  # the files may have changed since they were opened
                known = self._words[key] = (seen.fingerprint, Words(folder, self._analyzer))
            return known[1]

    def proved(self, seen: Collection) -> Path:
        """Return the folder of a fit after checking every byte of it; raise ``ModelUnavailable``."""
        self._read(seen)
        return self._folder / folder_name(seen.encoder, seen.fingerprint)

    def _open(self, seen: Collection) -> FittedEncoder:
        key = (seen.id, seen.encoder)
        with self._lock:
            known = self._opened.get(key)
            if known is None or known[0] != seen.fingerprint:
                known = self._opened[key] = (seen.fingerprint, self._read(seen))
            return known[1]

    def _read(self, seen: Collection) -> FittedEncoder:
        folder = self._folder / folder_name(seen.encoder, seen.fingerprint)
        try:
            return open_fitted(seen.encoder, folder, seen.fingerprint, self._analyzer)
        except DamagedArtifact as damage:
            raise ModelUnavailable(
                f"the files of the encoder {seen.encoder!r} of {seen.name!r} are out of use ({damage}); "
                f"`{command(seen.encoder, seen.name)}` makes them anew",
                encoder=seen.encoder,
            ) from None

    def drop(self, names: set[str]) -> None:
        """Delete the folders of fits that no collection has any more."""
        for name in names:
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def drop_unfinished(self, collection_id: int) -> None:
        """Delete what a fit of a deleted collection has left."""
        for order in self._folder.glob(f".fitting-{collection_id}-*"):
            shutil.rmtree(order, ignore_errors=True)
