"""The one door through which an encoder is opened.

The first opening prepares the model under the models folder, in a child process; later ones only
prove and load what is there.  ``indexer.service`` calls ``open_encoder``; the names it takes are
explained in ``search.encoders.names``.
"""

from pathlib import Path

from search.child import Progress
from search.encoders.base import Transformer
from search.encoders.names import DEFAULT_ENCODER
from search.encoders.onnx_runtime import OnnxEncoder
from search.encoders.preparation import prepare

__all__ = ["DEFAULT_ENCODER", "open_encoder"]


def open_encoder(name: str, models_folder: Path, progress: Progress) -> Transformer:
    """Return the encoder ``name``, preparing it first where that was not done yet.

    Raises:
        UnknownName: no model can be called so.
        ModelUnavailable: its package is not installed, or the hub could not be reached.
        ModelRefused: it is malformed, of an unsupported kind, or unfaithful once exported.
        StorageFull: the disk cannot hold it.
    """
    return OnnxEncoder(prepare(name, models_folder, progress))
