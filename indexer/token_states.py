"""What an encoder makes of passages: their vectors and token states, each text read once.

The pipeline asks for readings before it stores passages, ``states_filling.py`` where states are missing.
"""

import hashlib
from collections.abc import Iterator, Sequence

from indexer.store.documents import PackedStates, Reading
from indexer.store.sessions import Database
from indexer.store.token_states import known_readings
from search.centring import mean_of_all
from search.encoders.base import Encoder, TokenEncoder, token_encoder
from search.ranking.token_codec import VERSION, packed

SLICE_TEXTS = 32
"""Texts read at a time: their raw states take 1.5 KB a piece, seventy times what is stored of them."""
STATES_MAX = 4096
"""Passages of one batch that bring their states with them: 90 MB.  Those of a book of millions of characters
beyond that wait until they are read once more."""


def codec_of(encoder: TokenEncoder) -> str:
    """Return how the states of an encoder are stored: by which version of the codec, less which means."""
    return f"{VERSION}-{encoder.centring[:16]}"


def input_hash(text: str) -> str:
    """Return the digest (128 bits, hexadecimal) under which the readings of an encoder's input are known."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def readings(
    database: Database, encoder: Encoder, encoder_id: int, inputs: Sequence[str]
) -> dict[str, Reading]:
    """Return input -> what the encoder makes of it; what it has read before, anywhere, is not read again.

    There are no states where the encoder tells none, nor beyond the first ``STATES_MAX`` inputs.
    """
    distinct = list(dict.fromkeys(inputs))
    first, beyond = distinct[:STATES_MAX], distinct[STATES_MAX:]
    found = _known_or_made(database, encoder, token_encoder(encoder), encoder_id, first)
    return found | _known_or_made(database, encoder, None, encoder_id, beyond)


def _known_or_made(
    database: Database,
    encoder: Encoder,
    teller: TokenEncoder | None,
    encoder_id: int,
    inputs: Sequence[str],
) -> dict[str, Reading]:
    hashes = {text: input_hash(text) for text in inputs}
    codec = codec_of(teller) if teller else None
    with database.read() as connection:
        known = known_readings(connection, encoder_id, codec, list(hashes.values()))
    found = {text: known[digest] for text, digest in hashes.items() if digest in known}
    missing = [text for text in inputs if text not in found]
    for start in range(0, len(missing), SLICE_TEXTS):
        part = missing[start : start + SLICE_TEXTS]
        made = _with_states(teller, part) if teller else _vectors(encoder, part)
        found |= zip(part, made, strict=True)
    return found


def _with_states(encoder: TokenEncoder, texts: Sequence[str]) -> Iterator[Reading]:
    rows, tokens = encoder.encode_tokens(texts, "passage")
    codec, centre = codec_of(encoder), mean_of_all(encoder.token_passage_means)
    for text, row, token in zip(texts, rows.astype("<f4"), tokens, strict=True):
        states = PackedStates(codec, packed(token.states, token.spans, text, centre))
        yield Reading(row.tobytes(), states)


def _vectors(encoder: Encoder, texts: Sequence[str]) -> Iterator[Reading]:
    for row in encoder.encode(texts, "passage").astype("<f4"):
        yield Reading(row.tobytes(), None)
