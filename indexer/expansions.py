"""The expansion of a collection: in which modes questions get further words, and whether they still may.

In mode attention what words weigh depends on what stands beside them.  Where that is another by now,
questions are asked there as they are, and answers say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from indexer import mixes
from indexer.mixes import Mix
from indexer.store import collections, expansions
from indexer.store.collections import Collection
from search.model import Mode

Shares = Mapping[Mode, float]
"""Mode -> what further words weigh in it, of all words."""
MIX = "mix"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What further words weigh, mode by mode."""

    shares: Shares = field(default_factory=dict)
    problem: str | None = None
    """Why mode attention goes without them, where it should not."""


def of_collection(connection: Connection, found: Collection, mix: Mix) -> Expansion:
    """Return how questions to a collection are expanded.

    In mode attention they are only where its own encoder ranks, which was tested.

    Args:
        connection: of the transaction that answers.
        found: the collection as it is asked.
        mix: what weighs beside attention.
    """
    stored = expansions.of_collection(connection, found)
    if stored is None:
        return Expansion()
    if "attention" not in stored.shares or stored.made_of == made_of(connection, found, mix):
        return Expansion(stored.shares)
    left: Shares = {mode: share for mode, share in stored.shares.items() if mode != "attention"}
    if collections.get(connection, found.name).encoder_id != found.encoder_id:
        return Expansion(left)
    return Expansion(
        left,
        "questions get no further words in mode attention (what ranks has changed since) until "
        f"`xunyi train expansion -c {found.name} --judgements DIR` tests them again",
    )


def made_of(connection: Connection, found: Collection, mix: Mix) -> dict[str, str]:
    """Return the names of all that a test of mode attention depends on."""
    return {**mixes.made_of(connection, found, {}), MIX: "usual" if mix.id is None else str(mix.id)}
