"""What the tests of models share: torch, and a BERT small enough to be made for each test."""

from importlib import import_module

import pytest


@pytest.fixture(scope="module")
def torch():
    library = import_module("torch")
    library.set_num_threads(1)
    return library


@pytest.fixture
def bert(torch):
    """A function that makes a BERT with states of 32 numbers that has learned nothing, always the same."""
    transformers = import_module("transformers")

    def made(words, layers):
        torch.manual_seed(5)
        config = transformers.BertConfig(
            vocab_size=words,
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=40,
        )
        return transformers.BertModel(config, add_pooling_layer=False).eval()

    return made
