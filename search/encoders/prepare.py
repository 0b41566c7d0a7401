"""The child process that prepares one model: ``python -m search.encoders.prepare NAME MODELS_FOLDER``.

A lock on a file in the models folder lets one process prepare a model while others wait; it dies
with its process, and what a killed one left behind is swept up by the next.  The folder is
made aside and moved into place whole.  ``search.encoders.preparation`` starts this and reads its
messages.
"""

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import torch

from search.artifacts import DamagedArtifact, publish
from search.child import Channel, Step, reported
from search.encoders.assembly import AVERAGING, CHECKING, EXPORTING, QUANTISING, assemble
from search.encoders.names import display_name, folder_name, source_target
from search.encoders.prepared import read_prepared
from search.encoders.source_model import SourceModel

WAITING = "waiting for another process that prepares it"
READING, STORING = "reading the model", "storing it"
STEPS = (WAITING, READING, EXPORTING, QUANTISING, CHECKING, AVERAGING, STORING)


def main() -> None:
    """Prepare the model that the command line names; status 1 after a reported failure."""
    name, models_folder = sys.argv[1], Path(sys.argv[2])
    channel = Channel()
    # On a busy machine torch's threads wait for each other longer than they compute.
    torch.set_num_threads(1)

    def begin(step: str) -> None:
        channel.step(Step(step, STEPS.index(step), len(STEPS) - 1))

    with (
        reported(channel, "the disk is full; free some space and the model can be prepared"),
        locked(models_folder / f".{folder_name(name)}.lock", begin),
    ):
        prepare_once(name, models_folder, begin)


@contextmanager
def locked(file: Path, begin: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock on ``file``, waiting for whoever has it."""
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            begin(WAITING)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def prepare_once(name: str, models_folder: Path, begin: Callable[[str], None]) -> None:
    """Prepare ``name`` unless another process did so meanwhile; the lock is held."""
    folder = models_folder / folder_name(name)
    if _is_whole(folder):
        return
    aside, scratch = (models_folder / f".{folder.name}.{use}" for use in ("preparing", "scratch"))
    # The quantiser keeps a float32 copy among temporary files; it belongs on the disk with the room.
    tempfile.tempdir = str(scratch)
    try:
        for empty in (aside, scratch):
            _remove(empty)
            empty.mkdir()
        begin(READING)
        assemble(display_name(name), load_source(name), aside, scratch, begin)
        begin(STORING)
        _replace(folder, aside)
    finally:
        _remove(aside)
        _remove(scratch)


def load_source(name: str) -> SourceModel:
    """Return the float32 model ``name``."""
    module, _, function = source_target(name).partition(":")
    source: SourceModel = getattr(import_module(module), function)(name)
    return source


def _is_whole(folder: Path) -> bool:
    try:
        read_prepared(folder)
    except DamagedArtifact:
        return False
    return True


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _replace(folder: Path, aside: Path) -> None:
    """Publish ``aside`` as ``folder``; whoever maps the files of a damaged predecessor keeps them."""
    damaged = folder.with_name(f".{folder.name}.damaged")
    _remove(damaged)
    if folder.exists():
        folder.rename(damaged)
    publish(aside, folder)
    _remove(damaged)


if __name__ == "__main__":
    main()
