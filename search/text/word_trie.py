"""jieba's dictionary as a trie in three flat columns, mapped from a file that all processes share.

Nodes stand in breadth-first order with the children of a node side by side, ascending by character, so
a child is found by bisection and a node is 16 bytes: its character, its first child, and the logarithm
of its word's probability (minus infinity where no word ends).  Half a million nodes are 8 MB, none of
them a Python object.

The file is made once per dictionary and proves itself on opening; it can be deleted at any time.
``chinese.py`` is the only caller.
"""

import logging
import shutil
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from math import inf, log
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray

from search.artifacts import DamagedArtifact, digest, publish, seal, verify_sealed

logger = logging.getLogger(__name__)

FORMAT = 1
_FILE = "nodes.npy"
_NODE = np.dtype([("character", "<u4"), ("children", "<u4"), ("weight", "<f8")])

Nodes = NDArray[np.void]


class WordTrie:
    """The words of a dictionary with the logarithms of their probabilities; never changes."""

    def __init__(self, nodes: Nodes) -> None:
        """Take ``nodes (n + 1,)``: the last one only closes the children of the one before it.

        Their number is that of the dictionary's distinct beginnings of words; ``weight`` of the last
        is the logarithm of the probability of an unknown character, which counts as seen once.
        """
        self._nodes = nodes  # keeps the mapping alive
        self._characters = nodes["character"].data
        self._children = nodes["children"].data
        self._weights = nodes["weight"].data
        self.unknown = self._weights[-1]
        self._roots = {self._characters[node]: node for node in range(self._children[0])}

    @classmethod
    def open(cls, dictionary: Path, cache_folder: Path | None) -> "WordTrie":
        """Map the trie of ``dictionary`` from ``cache_folder``, making it first where it is not there.

        Without a folder, or where the folder cannot be written, it is built into this process's memory.
        """
        if cache_folder is None:
            return cls(build(dictionary))
        folder = cache_folder / f"words-{FORMAT}-{digest(dictionary)[:16]}"
        try:
            return cls(_mapped(folder))
        except DamagedArtifact:
            nodes = build(dictionary)
        try:
            _save(nodes, folder)
            return cls(_mapped(folder))
        except OSError as error:
            logger.warning(
                "the word dictionary stays in memory, no file can be made: %s", error.strerror or error
            )
            return cls(nodes)

    def words_at(self, points: Sequence[int], start: int, longest: int) -> list[tuple[int, float]]:
        """Return end and log probability of each word of the text ``points`` that begins at ``start``.

        Words of more than ``longest`` characters are left out.
        """
        characters, children, weights = self._characters, self._children, self._weights
        found: list[tuple[int, float]] = []
        node = self._roots.get(points[start])
        end, stop = start + 1, min(len(points), start + longest)
        while node is not None:
            weight = weights[node]
            if weight > -inf:
                found.append((end, weight))
            if end == stop:
                break
            last = children[node + 1]
            node = bisect_left(characters, points[end], children[node], last)
            if node == last or characters[node] != points[end]:
                break
            end += 1
        return found


def build(dictionary: Path) -> Nodes:
    """Return the nodes of a dictionary whose lines are ``word count part-of-speech``."""
    counts, total = _read(dictionary)
    words = sorted(counts)
    weights = np.array([log(counts[word]) - log(total) if counts[word] else -inf for word in words])
    points = np.array(words).view(np.uint32).reshape(len(words), -1)  # (words, longest), 0 behind the end
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    nodes = np.concatenate([*_levels(points, lengths, weights), np.zeros(1, dtype=_NODE)])
    nodes["weight"][-1] = log(1) - log(total)
    # ``children`` holds counts so far: a node's first child comes after all children of nodes before it.
    roots = np.unique(points[:, 0]).size
    nodes["children"] = roots + np.concatenate([[0], np.cumsum(nodes["children"][:-1])])
    return nodes


def _read(dictionary: Path) -> tuple[dict[str, int], int]:
    """Return the count of each word, and of all lines: a word that stands twice counts as last given."""
    counts: dict[str, int] = {}
    total = 0
    with dictionary.open(encoding="utf-8") as lines:
        for line in lines:
            word, count, *_ = line.split(" ")
            counts[word] = int(count)
            total += counts[word]
    return counts, total


def _levels(
    points: NDArray[np.uint32], lengths: NDArray[np.int64], weights: NDArray[np.float64]
) -> list[Nodes]:
    """Return the nodes of each depth, in order, with the number of their children.

    The words are sorted, so those with the same beginning are neighbours and a node is a step in them.
    """
    levels: list[Nodes] = []
    parents = np.zeros(len(points), dtype=np.int64)  # of each word, its node one level up
    for depth in range(points.shape[1]):
        reaching = np.flatnonzero(lengths > depth)
        characters, above = points[reaching, depth], parents[reaching]
        begins = np.ones(len(reaching), dtype=bool)
        begins[1:] = (characters[1:] != characters[:-1]) | (above[1:] != above[:-1])
        places = np.cumsum(begins) - 1
        level = np.zeros(int(begins.sum()), dtype=_NODE)
        level["character"] = characters[begins]
        level["weight"] = -inf
        ending = lengths[reaching] == depth + 1
        level["weight"][places[ending]] = weights[reaching[ending]]
        if levels:
            levels[-1]["children"] = np.bincount(above[begins], minlength=len(levels[-1]))
        parents[reaching] = places
        levels.append(level)
    return levels


def _mapped(folder: Path) -> Nodes:
    verify_sealed(folder)
    nodes: Nodes = np.load(folder / _FILE, mmap_mode="r", allow_pickle=False)
    return nodes


def _save(nodes: Nodes, folder: Path) -> None:
    """Publish ``nodes`` as ``folder`` in place of a damaged one; other processes may do the same now."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    aside = Path(mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        np.save(aside / _FILE, nodes, allow_pickle=False)
        seal(aside)
        with suppress(FileExistsError):
            publish(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
