"""What is asked of a map of a collection, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

MapMethod = Literal["pca", "umap"]
METHODS: tuple[MapMethod, ...] = get_args(MapMethod)
BY_CLUSTER = "cluster"
POINTS_MAX = 100_000

GroupKind = Literal["cluster", "value", "range", "other", "missing"]


@dataclass(frozen=True, slots=True)
class MapRequest:
    """Which map of a collection, and how much of it."""

    encoder: str | None = None
    """By default the collection's own."""
    method: MapMethod = "pca"
    clusters: int | None = None
    """By default as many as suit the number of passages."""
    colour: str = BY_CLUSTER
    """``cluster``, or the name of a field of the documents."""
    points: int = POINTS_MAX
    """At most so many, spread evenly over the passages."""


@dataclass(frozen=True, slots=True)
class MapGroup:
    """The points of one colour."""

    label: str
    """Words of a cluster, a value, a range of values; empty where the kind says all."""
    kind: GroupKind
    """``missing``: their documents do not have the field; ``other``: rarer values than the others."""
    passages: int


@dataclass(frozen=True, slots=True)
class MapPoints:
    """Passages on the map; the lists are parallel."""

    ids: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]
    group: Sequence[int]
    """Places in the list of groups."""


@dataclass(frozen=True, slots=True)
class TypicalPassage:
    """A passage near the middle of its cluster."""

    id: int
    key: str
    title: str
    heading: str
    ordinal: int
    text: str
    """Its beginning."""


@dataclass(frozen=True, slots=True)
class MapCluster:
    """Passages that lie together in all dimensions, the largest cluster first."""

    passages: int
    words: Sequence[str]
    """That tell it from the others, the most telling first."""
    typical: Sequence[TypicalPassage]


@dataclass(frozen=True, slots=True)
class CollectionMap:
    """A collection in two dimensions."""

    collection: str
    encoder: str
    method: MapMethod
    generation: int | None
    """The vector generation it was made of; None of an empty collection."""
    passages: int
    """That the collection has now."""
    missing: int
    """That came after the map was made and are not on it, since its method cannot place them."""
    explained: Sequence[float] | None
    """Shares of all differences that lie along x and y, from 0 to 1; None of ``umap``."""
    colour: str
    groups: Sequence[MapGroup]
    clusters: Sequence[MapCluster]
    points: MapPoints
