"""The encoders that this process has opened, one of each.

A model is opened on first use, which in a server is after its forks; preparing one takes a minute, once.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from indexer.fitted import FittedEncoders
from indexer.store.collections import Collection
from indexer.tuned import TunedModels
from search.child import Step
from search.encoders.base import Encoder, Transformer
from search.encoders.catalog import open_encoder
from search.encoders.names import tuned_folder_name
from search.errors import EncoderMismatch


class Models:
    """Opens encoders by name and keeps them; safe for several threads."""

    def __init__(
        self,
        folder: Path,
        progress: Callable[[Step], None],
        fitted: FittedEncoders,
        tuned: TunedModels,
    ) -> None:
        self.fitted = fitted
        self.tuned = tuned
        self._folder = folder
        self._progress = progress
        self._opened: dict[str, Transformer] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def encoder(self, name: str) -> Transformer:
        """Return an encoder by name, preparing and opening it on first use.

        Preparing one model holds up nobody who uses another.

        Raises:
            UnknownName, ModelUnavailable, ModelRefused: it cannot be had; the sentence says why.
        """
        opened = self._opened.get(name)
        if opened is not None:
            return opened
        with self._locks[name]:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]

    def _open(self, name: str) -> Transformer:
        if tuned_folder_name(name) is not None:
            return self.tuned.open(name)
        return open_encoder(name, self._folder, self._progress)

    def encoder_of(self, seen: Collection) -> Encoder:
        """Return the encoder that a collection is seen through; see ``transformer_of``."""
        return self.transformer_of(seen) if seen.kind == "transformer" else self.fitted.of(seen)

    def transformer_of(self, found: Collection) -> Transformer:
        """Return the encoder that a collection was made with.

        Raises:
            EncoderMismatch: the model on this machine is not the one its vectors were made by.
        """
        encoder = self.encoder(found.encoder)
        if encoder.fingerprint != found.fingerprint:
            raise EncoderMismatch(
                f"the vectors of {found.name!r} were made by another version of {found.encoder}; "
                "put that model back, or ingest into a new collection",
                collection=found.name,
                stored=found.fingerprint,
                present=encoder.fingerprint,
            )
        return encoder
