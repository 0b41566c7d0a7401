"""What a model must bring to be prepared, wherever it comes from.

``source_e5`` and ``source_hub`` make these, ``assembly`` turns them into a prepared folder.  Only
preparation's child process imports this, since torch comes with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from search.encoders.base import Language, Role
from search.encoders.prepared import Pooling
from search.encoders.tokenization import TokenizerKind

E5_PROMPTS: Mapping[Role, str] = {"query": "query: ", "passage": "passage: "}
NO_PROMPTS: Mapping[Role, str] = {"query": "", "passage": ""}


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A float32 model with all that is needed to prepare it."""

    transformer: torch.nn.Module
    """Maps ``input_ids`` to an output that has ``last_hidden_state``."""
    pooling: Pooling
    prompts: Mapping[Role, str]
    begin_ids: list[int]
    end_ids: list[int]
    sequence_tokens: int
    """Longest input of the model, special tokens and prompt included."""
    tokenizer_kind: TokenizerKind
    tokenizer: bytes
    languages: tuple[Language, ...]
    origin: str
