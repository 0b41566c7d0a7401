"""The Transformers that were fine-tuned on collections: where they lie, and which are still needed.

They lie in a folder of the data folder and not among the prepared models, which may be shared by many and can
be made again at any time: a fine-tuned one is made of texts that only this installation has.
"""

import re
import shutil
from collections.abc import Container
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.tables import CollectionEncoderRow, CollectionRow, EncoderRow
from search.artifacts import DamagedArtifact, publish
from search.encoders.base import Transformer
from search.encoders.names import tuned_folder_name, tuned_name
from search.encoders.onnx_runtime import OnnxEncoder
from search.encoders.prepared import PreparedModel, read_prepared
from search.errors import ModelUnavailable

_ORDER = ".tuning-"
_OURS = re.compile(rf"(?:{re.escape(_ORDER)})?([0-9]+)-")


class TunedModels:
    """The folder of fine-tuned models of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> Transformer:
        """Open a model by its name after checking every byte of it.

        Raises:
            ModelUnavailable: it is not there, or damaged.
        """
        return OnnxEncoder(self.read(name))

    def read(self, name: str) -> PreparedModel:
        """Return a model by its name; raises what ``open`` does."""
        try:
            return self._read(name)
        except DamagedArtifact as damage:
            raise ModelUnavailable(
                f"the files of the model {name} are out of use ({damage}); restore them from a backup, or "
                "fine-tune the model once more",
                model=name,
            ) from None

    def _read(self, name: str) -> PreparedModel:
        folder = tuned_folder_name(name)
        if folder is None:
            raise ValueError("a fine-tuned model has another name")
        model = read_prepared(self._folder / folder)
        if not folder.endswith(f"-{model.fingerprint[:16]}"):
            raise DamagedArtifact("it is another one than its name says")
        return model

    def made_of(self, collection_id: int, digest: str) -> str | None:
        """Return the name of the model that was fine-tuned on just this, if it is there and whole."""
        for folder in sorted(self._folder.glob(f"{collection_id}-*")):
            name = f"tuned:{folder.name}"
            try:
                if self._read(name).report.get("made_of") == digest:
                    return name
            except (DamagedArtifact, ValueError):
                continue  # it is made again
        return None

    def add(self, collection_id: int, model: PreparedModel) -> str:
        """Publish a model that was prepared elsewhere in this folder; return its name."""
        name = tuned_name(collection_id, model.fingerprint)
        final = self._folder / str(tuned_folder_name(name))
        shutil.rmtree(final, ignore_errors=True)  # a damaged one, or it had been found
        publish(model.folder, final)
        return name

    def sweep(
        self, connection: Connection, collection_id: int | None = None, keep: Container[str] = ()
    ) -> None:
        """Delete what no collection has any more: models, and what killed trainings have left.

        What was made for another living collection than this one may be about to be taken, and stays.
        """
        needed = {tuned_folder_name(name) for name in _names(connection)}
        living = set(connection.execute(sa.select(CollectionRow.id)).scalars()) - {collection_id}
        for left in self._folder.iterdir() if self._folder.is_dir() else ():
            made_for = _OURS.match(left.name)
            if not made_for or int(made_for[1]) in living:
                continue
            if left.name not in needed and left.name not in keep:
                shutil.rmtree(left, ignore_errors=True)

    def order(self, collection_id: int, seed: int) -> Path:
        """Return the folder in which a model is fine-tuned."""
        return self._folder / f"{_ORDER}{collection_id}-{seed}"


def _names(connection: Connection) -> set[str]:
    """Return the names of all Transformers that collections have."""
    used = sa.union(sa.select(CollectionEncoderRow.encoder_id), sa.select(CollectionRow.encoder_id))
    query = sa.select(EncoderRow.name).where(EncoderRow.kind == "transformer", EncoderRow.id.in_(used))
    return set(connection.execute(query).scalars())
