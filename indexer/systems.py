"""Which ways of answering a question can be measured, and which of them a collection has."""

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from indexer.fitted import kinds_of_text
from indexer.store import collections, rankers
from indexer.store.collections import OWN, Collection
from search.encoders.fitted.catalog import OF_FIELDS, WITH_STATES
from search.errors import InvalidInput
from search.expansion import EXPANDED
from search.model import MODES, Mode
from search.ranking.learned import KINDS, LEARNED
from search.registry import slip

RAW = "dense:raw"
"""Cosines between raw vectors, to see what centring is worth."""
ATTENTIONS = {f"attention:{kind}": kind for kind in KINDS}
THROUGH_STATES = {f"{kind}:attention": kind for kind in WITH_STATES}
"""System -> encoder that was fit on a collection, by whose token states it ranks."""
MIX = "mix"
"""What weighs beside attention, fitted by cross-validation on the very questions that are put."""
EXPANSIONS: Mapping[str, Mode] = {f"{mode}:expanded": mode for mode in EXPANDED}
"""Modes with further words, which weigh what cross-validation on the very questions that are put chooses."""
SYSTEMS = (*MODES, *ATTENTIONS, *EXPANSIONS, RAW, *kinds_of_text(), *THROUGH_STATES, OWN, MIX)


def checked_systems(names: Sequence[str]) -> list[str]:
    """Return the systems of a list, each once; raise ``InvalidInput`` for an unknown one, or for none."""
    for name in names:
        if name in OF_FIELDS:
            raise InvalidInput(f"{name} reads the fields of documents and answers no questions; leave it out")
        if name not in SYSTEMS:
            near = slip(name, SYSTEMS)
            raise InvalidInput(f"there is no system {name[:100]!r}{near}; choose among: {', '.join(SYSTEMS)}")
    if not names:
        raise InvalidInput(f"no system is named; choose among: {', '.join(SYSTEMS)}")
    return list(dict.fromkeys(names))


def fitted_encoder(system: str) -> str | None:
    """Return the encoder, fit on the collection, that a system answers by; None where it is the own one."""
    return system if system in kinds_of_text() else THROUGH_STATES.get(system)


def check_there(connection: Connection, found: Collection, system: str) -> None:
    """Raise unless a collection can answer by a system as it is.

    Raises:
        UnknownEncoder: it has no such encoder.
        InvalidInput: it was not trained in such attention.
    """
    kind = ATTENTIONS.get(system)
    if system == MIX:
        raise InvalidInput(
            "mix is cross-validated by `xunyi evaluate DIR`; what `xunyi train mix` has fitted for a "
            "collection answers in mode attention, so measure that",
            system=system,
        )
    if system in EXPANSIONS:
        raise InvalidInput(
            f"{system} is cross-validated by `xunyi evaluate DIR`; what `xunyi train expansion` has let into "
            f"use in a collection answers in mode {EXPANSIONS[system]}, so measure that",
            system=system,
        )
    encoder = fitted_encoder(system)
    if encoder is not None:
        collections.through(connection, found, encoder)
    elif kind in LEARNED and rankers.newest(connection, found, kind) is None:
        raise InvalidInput(
            f"{found.name!r} was not trained in {kind} attention; "
            f"`xunyi train attention --kind {kind} -c {found.name}` does that",
            system=system,
        )


def systems_of(connection: Connection, found: Collection) -> list[str]:
    """Return the systems that a collection can answer by as it is."""
    trained = {kind for kind in LEARNED if rankers.newest(connection, found, kind) is not None}
    has = {seen.encoder for seen in collections.encoders_of(connection, found) if seen.complete}
    lacking = {f"attention:{kind}" for kind in LEARNED if kind not in trained}
    lacking |= {MIX, *EXPANSIONS}
    return [
        system
        for system in SYSTEMS
        if system not in lacking and (fitted_encoder(system) is None or fitted_encoder(system) in has)
    ]
