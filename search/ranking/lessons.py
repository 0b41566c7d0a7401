"""What attention learns from: questions, passages that may answer them, and which of them do.

Whoever knows the collection writes a folder of lessons, and the training, a process of its own, reads it:

    lessons.safetensors    the arrays of all lessons, one lesson behind another
    states.bin             stored token states, as the database has them, one passage behind another
    schedule.json          what to learn from them, and how

A passage of a lesson has the bytes that serving reads and the score that everything but attention gives it,
so what is trained is the very score that is served.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from search.arrays import Matrix
from search.ranking.token_codec import StoredStates, unpacked

ARRAYS, STATES, SCHEDULE = "lessons.safetensors", "states.bin", "schedule.json"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question with passages, at least one of which answers it and one does not."""

    query: Matrix
    """States of its pieces ``(n, d)``."""
    weights: NDArray[np.float32]
    """What each piece weighs ``(n,)``, 1 in all."""
    passages: NDArray[np.int64]
    """Numbers of the passages ``(p,)`` among all of the folder."""
    beside: NDArray[np.float32]
    """What the parts of the score beside attention give each passage ``(p,)``."""
    documents: NDArray[np.int64]
    """Which document of the lesson each passage belongs to ``(p,)``, from 0; its best one stands for it."""
    answers: NDArray[np.bool_]
    """Which passages belong to a document that answers ``(p,)``."""


class LessonWriter:
    """Writes lessons one after another; what they share of token states is written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._states: BinaryIO = (folder / STATES).open("wb")
        self._ends: list[int] = []
        self._numbers: dict[object, int] = {}
        self._lessons: list[Lesson] = []

    def __len__(self) -> int:
        return len(self._lessons)

    def passage(self, name: object, states: bytes) -> int:
        """Return the number of a passage's states; those of a known ``name`` are not written again."""
        if name not in self._numbers:
            self._numbers[name] = len(self._ends)
            self._states.write(states)
            self._ends.append(self._states.tell())
        return self._numbers[name]

    def add(self, lesson: Lesson) -> None:
        """Take a lesson, whose passages have been given."""
        self._lessons.append(lesson)

    def close(self) -> None:
        """Write what the lessons consist of."""
        self._states.close()
        lessons = self._lessons
        arrays = {
            name: np.concatenate([getattr(lesson, name) for lesson in lessons])
            for name in ("query", "weights", "passages", "beside", "documents", "answers")
        }
        arrays["pieces"] = np.array([len(lesson.weights) for lesson in lessons])
        arrays["counts"] = np.array([len(lesson.passages) for lesson in lessons])
        arrays["ends"] = np.array(self._ends)
        save_file(arrays, self._folder / ARRAYS)


class Lessons:
    """The lessons of a folder; token states stay on the disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        arrays = load_file(folder / ARRAYS)
        self._ends = arrays.pop("ends")
        self._states = np.memmap(folder / STATES, dtype=np.uint8, mode="r")
        self.all: Sequence[Lesson] = list(_parted(arrays))

    @property
    def dimension(self) -> int:
        """Length of a state."""
        return int(self.all[0].query.shape[1])

    def states_of(self, passage: int) -> StoredStates:
        """Return the states of a passage by its number."""
        start = 0 if passage == 0 else int(self._ends[passage - 1])
        return unpacked(self._states[start : int(self._ends[passage])].tobytes())


def _parted(arrays: dict[str, NDArray[np.generic]]) -> Iterator[Lesson]:
    pieces, counts = (np.cumsum(arrays.pop(name).astype(np.int64))[:-1] for name in ("pieces", "counts"))
    by_piece = {"query", "weights"}
    parted = {name: np.split(array, pieces if name in by_piece else counts) for name, array in arrays.items()}
    for place in range(len(counts) + 1):
        yield Lesson(**{name: parts[place] for name, parts in parted.items()})
