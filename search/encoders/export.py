"""Turns a float32 Transformer into the int8 graph that is served.

The graph maps ``input_ids (batch, length)`` to ``last_hidden_state (batch, length, dimension)``:
token states, so that pooling and token-level ranking both read them.  It has no attention
mask, because serving never pads.  Matrix products are quantised dynamically, per output channel, but for
the value projections of attention: they are a twelfth of the weights and cost a quarter of what int8 loses.
Vocabularies are quantised per row before the export, since they are four fifths of a multilingual
model and exporter and quantiser each hold it several times over.  The weights lie in a file of
their own, which ONNX Runtime maps instead of copying: an open model takes some tens of megabytes of
its own instead of 150.  Only preparation's child process imports this.
"""

import warnings
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch.nn import functional

OPSET = 17
VOCABULARY_ROWS_MIN = 10_000
SMALLEST_SCALE = 1e-9
WEIGHT_STEPS = 64
"""Steps on either side of zero that the quantiser gives the weights of an output channel: seven bits."""
VALUE_NAMES = ("value", "v_lin", "v", "v_proj")
"""What BERT, DistilBERT, MPNet and most later models call the value projection."""


def stays_float(layer: str) -> bool:
    """Tell whether the linear layer of this dotted name is served in float32."""
    return layer.rpartition(".")[2] in VALUE_NAMES


class _TokenStates(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    """A transformer that gives its last states and nothing else."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the last states ``(texts, pieces, d)`` of pieces ``(texts, pieces)``."""
        states: torch.Tensor = self.transformer(input_ids=input_ids).last_hidden_state
        return states


class _Int8Embedding(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    """A lookup table in int8 with a scale per row."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.scales = table.abs().amax(dim=1, keepdim=True).clamp_min(SMALLEST_SCALE) / 127
        self.table = torch.round(table / self.scales).to(torch.int8)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the float32 rows ``(..., d)`` of numbers ``(...)``, to within half a step of each scale."""
        rows = functional.embedding(input_ids, self.table).to(torch.float32)
        return rows * functional.embedding(input_ids, self.scales)


def with_int8_vocabulary(transformer: torch.nn.Module) -> torch.nn.Module:
    """Replace the large lookup tables of ``transformer`` in place, and return it."""
    for name, part in list(transformer.named_modules()):
        if isinstance(part, torch.nn.Embedding) and part.num_embeddings >= VOCABULARY_ROWS_MIN:
            home, _, own_name = name.rpartition(".")
            setattr(transformer.get_submodule(home), own_name, _Int8Embedding(part.weight.detach()))
    return transformer


def export_graph(transformer: torch.nn.Module, graph: Path) -> None:
    """Write ``transformer`` as the ONNX file ``graph``, lengths and batch free, products in float32."""
    # The wrapper must be in evaluation mode itself: the exporter restores the mode it found.
    states = _TokenStates(transformer).eval()
    example = torch.arange(10, 26).reshape(2, 8)
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "last_hidden_state")}
    with torch.no_grad(), warnings.catch_warnings():
        # The newer exporter needs onnxscript, and neither it nor its deprecation concerns a user.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            states,
            (example,),
            str(graph),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids"],
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
        )


def quantise(graph: Path, int8_graph: Path, *, per_channel: bool = True) -> None:
    """Write the dynamic int8 form of ``graph``, its weights beside it."""
    quantize_dynamic(
        str(graph),
        str(int8_graph),
        op_types_to_quantize=["MatMul"],
        per_channel=per_channel,
        weight_type=QuantType.QInt8,
        # Seven bits lose .001 of centred cosine here; eight saturate on processors without VNNI.
        reduce_range=True,
        use_external_data_format=True,
        nodes_to_exclude=_float_products(graph),
    )


def _float_products(graph: Path) -> list[str]:
    """Return the names of the products that stay in float32; a node lies at the path of its layer."""
    nodes = onnx.load(str(graph)).graph.node
    paths = [node.name.split("/") for node in nodes if node.op_type == "MatMul"]
    return ["/".join(path) for path in paths if len(path) > 1 and stays_float(path[-2])]
