"""Has a model prepared by a child process, once, and reports the steps.

``python -m search.encoders.prepare`` is the child; ``search/child.py`` runs it and raises its failures.
``open_encoder`` calls ``prepare`` every time; a model that is there and whole costs one hash.
"""

from pathlib import Path

from search.artifacts import DamagedArtifact
from search.child import Killed, Progress, run_child
from search.encoders.names import check_name, display_name, folder_name
from search.encoders.prepared import PreparedModel, read_prepared
from search.errors import ModelUnavailable


def prepare(name: str, models_folder: Path, progress: Progress) -> PreparedModel:
    """Return the prepared model ``name`` of ``models_folder``, making it if it is missing or damaged.

    Safe to call from several processes at once: one prepares, the others wait and take its result.
    """
    check_name(name)
    folder = models_folder / folder_name(name)
    if folder.is_dir():
        try:
            return read_prepared(folder)
        except DamagedArtifact:
            # A prepared model is a cache of its source: a damaged one is made again, in its place.
            pass
    models_folder.mkdir(parents=True, exist_ok=True)
    _run_child(name, models_folder, progress)
    return read_prepared(folder)


def _run_child(name: str, models_folder: Path, progress: Progress) -> None:
    shown = display_name(name)
    try:
        run_child("search.encoders.prepare", [name, str(models_folder.resolve())], progress)
    except Killed as killed:
        raise ModelUnavailable(
            f"preparing the model {shown} was killed by signal {killed}, often for want of memory; free some "
            f"and try again",
            model=shown,
            signal=killed.args[0],
        ) from None
