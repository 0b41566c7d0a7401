"""Examples of a collection made a question: whose passages they are, and what of them asks.

Everything is read in the transaction of the search, and no model runs: the vectors and token states of the
examples are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy.engine import Connection

from indexer.fitted import reads_fields
from indexer.snapshots import Snapshot
from indexer.store import listing, passages
from indexer.store.collections import Collection
from indexer.store.field_inputs import siblings
from search.arrays import Ids, Vector, unit_rows
from search.attending import DamagedStates, whole
from search.centring import without_language
from search.encoders.base import Encoder, Language, token_encoder
from search.engine import Answer, Engine, without_attention
from search.errors import InvalidInput, UnknownDocument
from search.likeness import EXAMPLES_MAX, Asking, Example, asking
from search.model import SIMILAR_MODES, Hit, SimilarRequest
from search.question import (
    Question,
    checked_diversity,
    checked_group,
    checked_limit,
    without_states,
)
from search.ranking.token_flaws import misplaced
from search.views import Selection

EXAMPLES_GIVEN_MAX = 1000
"""Keys and passages of one request."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Passages to be near to, and to be far from; ascending."""

    like: Ids
    unlike: Ids

    @property
    def all(self) -> Ids:
        """Return both."""
        return np.union1d(self.like, self.unlike)


def prepared(request: SimilarRequest, seen: Collection, encoder: Encoder) -> Question:
    """Return all of a question but what its examples say; raise ``InvalidInput`` where a request is wrong.

    Encoders that were fit on the collection compare meaning unless attention is asked for: among whole texts
    it gains by some of them alone.
    """
    checked_limit(request.limit)
    checked_group(request.group_by)
    diversity = checked_diversity(request.diversity)
    if not 1 <= len(request.like) + len(request.unlike) <= EXAMPLES_GIVEN_MAX or not request.like:
        raise InvalidInput(f"give 1 to {EXAMPLES_GIVEN_MAX} examples, at least one of them under like")
    attentive = token_encoder(encoder) is not None
    if request.mode is not None and request.mode not in SIMILAR_MODES:
        raise InvalidInput(
            f"similar has no mode {request.mode!r}; choose one of: {', '.join(SIMILAR_MODES)}",
            known=list(SIMILAR_MODES),
        )
    if request.mode == "attention" and not attentive:
        raise without_states("dense")
    return Question(
        mode=request.mode or ("attention" if attentive and seen.kind == "transformer" else "dense"),
        limit=request.limit,
        group_by=request.group_by,
        explain=request.explain,
        terms=[],
        vector=None,
        language="en",
        highlight=request.highlight,
        balanced=True,
        by_examples=True,
        diversity=diversity,
    )


def examples_of(connection: Connection, found: Collection, request: SimilarRequest) -> Examples:
    """Return the passages of the examples.

    Raises:
        UnknownDocument: nothing is stored under one of the keys.
        UnknownPassage: the collection has no passage of one of the numbers.
        InvalidInput: a passage would be on both sides.
    """
    sides = [_passages_of(connection, found, given) for given in (request.like, request.unlike)]
    if reads_fields(found):  # all passages of a document are one example, and one alone is the document
        sides = [np.array(siblings(connection, side.tolist()), dtype=np.int64) for side in sides]
    examples = Examples(*sides)
    if np.intersect1d(examples.like, examples.unlike).size:
        raise InvalidInput("one example is under like and under unlike; leave it out on one side")
    return examples


def answered(
    engine: Engine, snapshot: Snapshot, encoder: Encoder, examples: Examples, asked: Question
) -> Answer:
    """Return what is like some examples and unlike others, but for the examples themselves.

    Args:
        engine: of the search.
        snapshot: what the engine works with.
        encoder: of the collection.
        examples: passages of the collection.
        asked: all but what the examples say.
    """
    sought = _sought(snapshot, examples)
    others = snapshot.selection.ids if snapshot.selection else snapshot.vectors.all_ids()
    selection = Selection(np.setdiff1d(others, examples.all))
    chinese = snapshot.languages.among(examples.like, "zh").mean() > 0.5
    question = replace(
        asked,
        vector=without_language(sought[None, :], encoder.passage_means)[0],
        language="zh" if chinese else "en",
    )
    if question.mode == "dense":
        return engine.answer(question, selection)
    try:
        sides = [
            _stored(engine, _nearest(snapshot, side), encoder.dimension)
            for side in (examples.like, examples.unlike)
        ]
    except DamagedStates as damage:
        return replace(engine.answer(without_attention(question), selection), damaged=damage.passages)
    waiting = sum(side.waiting for side in sides)
    if waiting:
        return replace(engine.answer(without_attention(question), selection), waiting=waiting)
    made = asking(sides[0].examples, sides[1].examples, engine.rarity, _state_means(encoder), engine.analyzer)
    answer = engine.answer(replace(question, pieces=made.pieces, text=made.text), selection)
    return replace(answer, hits=[_placed(hit, made) for hit in answer.hits])


@dataclass(frozen=True, slots=True)
class _Side:
    """Examples of one side that have their token states, and how many have none yet."""

    examples: Sequence[Example]
    waiting: int


def _stored(engine: Engine, ids: Ids, dimension: int) -> _Side:
    """Return example passages with their states; raise ``DamagedStates`` where some are not whole."""
    states = engine.source.token_states(ids.tolist())
    known = ids[np.isin(ids, list(states))]
    stored = whole(known, states, dimension)
    found = engine.source.passages(known.tolist())
    damaged = [
        passage
        for passage, one in zip(known.tolist(), stored, strict=True)
        if misplaced(one, found[passage].encoded)
    ]
    if damaged:
        raise DamagedStates(damaged)
    examples = [Example(found[passage], one) for passage, one in zip(known.tolist(), stored, strict=True)]
    return _Side(examples, ids.size - known.size)


def _nearest(snapshot: Snapshot, ids: Ids) -> Ids:
    """Return the examples of one side that stand for it, nearest to its mean first."""
    if not ids.size:
        return ids
    nearness = snapshot.vectors.scores(_between(snapshot, ids), ids)
    return ids[np.lexsort((ids, -nearness))[:EXAMPLES_MAX]]


def _sought(snapshot: Snapshot, examples: Examples) -> Vector:
    """Return the unit vector from what is unlike to what is like."""
    vector = _between(snapshot, examples.like)
    if examples.unlike.size:
        vector = vector - _between(snapshot, examples.unlike)
    sought: Vector = unit_rows(vector[None, :])[0]
    return sought


def _between(snapshot: Snapshot, ids: Ids) -> Vector:
    """Return the unit mean of centred passage vectors."""
    between: Vector = unit_rows(snapshot.vectors.vectors(ids).mean(axis=0, keepdims=True))[0]
    return between


def _state_means(encoder: Encoder) -> Mapping[Language, Vector]:
    teller = token_encoder(encoder)
    return {} if teller is None else teller.token_passage_means


def _placed(hit: Hit, made: Asking) -> Hit:
    """Return a hit whose explanation names the places of its examples' words in their documents."""
    if not hit.explanation or "attention" not in hit.explanation:
        return hit
    told = {**hit.explanation, "attention": made.placed(hit.explanation["attention"])}
    return replace(hit, explanation=told)


def _passages_of(connection: Connection, found: Collection, given: Sequence[str | int]) -> Ids:
    """Return the ids of given passages, and of all passages of documents under given keys."""
    keys = [one for one in given if isinstance(one, str)]
    numbers = [one for one in given if isinstance(one, int)]
    stored = passages.under(connection, found.id, keys)
    for key in keys:
        if key not in stored:
            near = listing.keys_like(connection, found, key)
            cure = (
                f"the nearest there is: {', '.join(map(repr, near))}"
                if near
                else "a file's key is the name of the folder that was ingested and the path in it "
                "(papers/2019/wings.pdf); if it was just uploaded, wait for its task"
            )
            raise UnknownDocument(f"nothing is stored under the key {key[:200]!r}; {cure}", key=key[:200])
    passages.require(connection, found, numbers)
    return np.array(sorted({*numbers, *(one for key in keys for one in stored[key])}), dtype=np.int64)
