"""The fitted mix of a collection: what weighs beside attention in a search, and whether it still may.

Weights hold for what they were fitted with.  Where one of the encoders was fit again or removed, or the
attention or the collection's own encoder is another one now, the usual mix ranks, and answers say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy.engine import Connection

from indexer.fitted import reads_fields
from indexer.models import Models
from indexer.store import collections, mixes, rankers
from indexer.store.collections import Collection
from search.attending import WEIGHTS, WEIGHTS_OF_FITTED
from search.engine import Engine
from search.question import Question, query_vector
from search.ranking.attention import AttentionRanker
from search.ranking.learned import SIMPLE

OWN, ATTENTION = "transformer", "attention"
"""What the fingerprints of the collection's own encoder and of its attention are noted under."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What weighs beside attention."""

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """Part -> what it weighs; see ``search/attending.py``."""
    usual: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """What it weighs where nothing was fitted."""
    encoders: Mapping[str, Collection] = field(default_factory=dict)
    """Encoder -> the collection seen through it."""
    problem: str | None = None
    """Why a fitted mix is out of use, where one is."""
    id: int | None = None
    """Of its row."""

    def ranking(self, engine: Engine, ranker: AttentionRanker) -> Engine:
        """Return an engine that ranks by this mix beside the attention of ``ranker``."""
        return replace(engine, ranker=ranker, weights=self.weights, usual_weights=self.usual)

    def same(self, other: "Mix") -> bool:
        """Return whether this is the other, whatever has come to the collection in between."""
        return (self.id, self.problem) == (other.id, other.problem)


USUAL = Mix()
USUAL_OF_FITTED = Mix(WEIGHTS_OF_FITTED, WEIGHTS_OF_FITTED)


def usual(seen: Collection) -> Mix:
    """Return what weighs beside the attention of the encoder that a collection is seen through, unfitted."""
    return USUAL if seen.kind == "transformer" else USUAL_OF_FITTED


def of_collection(connection: Connection, found: Collection) -> Mix:
    """Return what ranks a collection beside attention; a mix is fitted beside that of its own encoder."""
    stored = mixes.in_use(connection, found) if found.kind == "transformer" else None
    if stored is None:
        return usual(found)
    seen = complete_encoders(connection, found)
    mixed = {name: seen[name] for name in stored.weights if name in seen}
    now = made_of(connection, found, mixed)
    changed = [name for name, fingerprint in stored.made_of.items() if now.get(name) != fingerprint]
    if not changed:
        return Mix(stored.weights, encoders=mixed, id=stored.id)
    return Mix(
        problem=f"the fitted mix is out of use (changed since: {', '.join(changed)}); the usual one ranks "
        f"until `xunyi train mix -c {found.name} --judgements DIR` fits it again"
    )


def complete_encoders(connection: Connection, found: Collection) -> dict[str, Collection]:
    """Return the encoders fit on a collection that searches can use, by name."""
    seen = collections.encoders_of(connection, found)
    return {
        each.encoder: each
        for each in seen
        if each.complete and each.kind != "transformer" and not reads_fields(each)
    }


def made_of(connection: Connection, found: Collection, encoders: Mapping[str, Collection]) -> dict[str, str]:
    """Return the fingerprints of everything that weights are fitted with."""
    learned = rankers.in_use(connection, found)
    return {
        OWN: found.fingerprint,
        ATTENTION: learned.fingerprint if learned else SIMPLE,
        **{name: seen.fingerprint for name, seen in encoders.items()},
    }


def asked(question: Question, encoders: Mapping[str, Collection], models: Models) -> Question:
    """Return a question that further encoders have read, too."""
    read = {name: query_vector(question.text, models.encoder_of(seen)) for name, seen in encoders.items()}
    return replace(question, beside=read)
