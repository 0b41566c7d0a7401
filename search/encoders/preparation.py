"""Has a model prepared by a child process, once, and reports the steps.

torch and transformers take hundreds of megabytes and seconds to import, so they live and die in
``python -m search.encoders.prepare``.  The child speaks JSON lines on its standard output: steps,
and at most one deliberate failure, which is raised here as the same class with the same
sentence.  Whatever libraries print goes to a log that is shown only if the child dies of a bug.

``open_encoder`` calls ``prepare`` every time; a model that is there and whole costs one hash.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from search.artifacts import DamagedArtifact
from search.encoders.names import check_name, display_name, folder_name
from search.encoders.prepared import PreparedModel, read_prepared
from search.errors import ModelUnavailable, SearchError


@dataclass(frozen=True, slots=True)
class Step:
    """One named part of a preparation, from 1 to ``total``; 0 while another process prepares the model."""

    name: str
    number: int
    total: int


Progress = Callable[[Step], None]


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
    # -P: a folder called "search" where the user happens to stand must not be imported.
    command = [sys.executable, "-P", "-m", "search.encoders.prepare", name, str(models_folder.resolve())]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, encoding="utf-8"
        ) as child,
    ):
        try:
            failure = _follow(_messages(child.stdout), progress)
            status = child.wait()
        except BaseException:
            child.kill()
            raise
        log.seek(0)
        _raise_failure(display_name(name), status, failure, log)


def _messages(stream: IO[str] | None) -> Iterator[Mapping[str, Any]]:
    for line in stream or ():
        yield json.loads(line)


def _follow(messages: Iterator[Mapping[str, Any]], progress: Progress) -> SearchError | None:
    failure = None
    for message in messages:
        if "step" in message:
            progress(Step(**message["step"]))
        else:
            failure = _rebuilt(**message["failure"])
    return failure


def _rebuilt(code: str, message: str, details: Mapping[str, Any]) -> SearchError:
    kinds = {kind.code: kind for kind in SearchError.__subclasses__()}
    return kinds[code](message, **details)


def _raise_failure(name: str, status: int, failure: SearchError | None, log: IO[str]) -> None:
    if failure:
        raise failure
    if status < 0:
        raise ModelUnavailable(
            f"preparing the model {name} was killed by signal {-status}, often for want of memory; free some "
            f"and try again",
            model=name,
            signal=-status,
        )
    if status:
        raise RuntimeError(f"preparing the model {name} failed with status {status}:\n{log.read()}")
