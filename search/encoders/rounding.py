"""Rounds the weights of a tamed Transformer to the steps of int8 so that their errors cancel.

Rounded one by one, the weights of a product err independently of each other.  Here the inputs are taken
in turn, and what rounding the weight of one loses is made up by the weights of those that follow, as far as
the inputs go together in typical texts (GPTQ, Frantar et al. 2022, arXiv:2210.17323, algorithm 1, with the
inputs in descending order of their energy).  Serving costs the same.  Only preparation's child process
imports this.
"""

from collections.abc import Sequence
from typing import Any

import torch

from search.encoders.export import WEIGHT_STEPS, stays_float
from search.encoders.taming import Tamed

# Share of the mean energy added to every input, without which rare inputs are fitted to their noise.
DAMPING = 0.01
BLOCK = 128


def round_weights(transformer: torch.nn.Module, texts: Sequence[Sequence[int]]) -> torch.nn.Module:
    """Round the int8 weights of ``transformer``, which ``tamed`` made, in place, and return it.

    Args:
        transformer: takes ``input_ids (1, n)``.
        texts: ids of typical inputs, special tokens included.
    """
    for linear, moments in _second_moments(transformer, texts):
        linear.weight = torch.nn.Parameter(rounded(linear.weight.detach(), moments), requires_grad=False)
    return transformer


def rounded(weight: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Return ``weight (outputs, inputs)`` on the steps of its rows, for inputs of these second moments.

    A row's step is its largest magnitude divided by ``WEIGHT_STEPS``, by which the quantiser finds it again.
    """
    steps = weight.abs().amax(dim=1, keepdim=True) / WEIGHT_STEPS
    # A row of zeros has nothing to round.
    steps = torch.where(steps == 0, 1, steps)
    order = moments.diagonal().argsort(descending=True)
    whole = torch.empty_like(weight)
    whole[:, order] = _in_turn(weight[:, order] / steps, _inverse_root(moments[order][:, order]))
    return _with_largest(whole, weight) * steps


def _second_moments(
    transformer: torch.nn.Module, texts: Sequence[Sequence[int]]
) -> list[tuple[Tamed, torch.Tensor]]:
    """Return every layer that becomes int8 and ``Σ x xᵀ (inputs, inputs)`` of what its weights multiply."""
    moments: dict[Tamed, torch.Tensor] = {}

    def note(module: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        inputs = module.multiplied(arguments[0]).flatten(0, -2)
        moments[module] += (inputs.T @ inputs).double()

    for name, part in transformer.named_modules():
        if isinstance(part, Tamed) and not stays_float(name):
            inputs = part.weight.shape[1]
            moments[part] = torch.zeros(inputs, inputs, dtype=torch.float64)
    hooks = [part.register_forward_pre_hook(note) for part in moments]
    with torch.inference_mode():
        for ids in texts:
            transformer(input_ids=torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return list(moments.items())


def _inverse_root(moments: torch.Tensor) -> torch.Tensor:
    """Return the upper Cholesky factor of the inverse of the damped ``moments``."""
    # Inputs that are never other than zero leave a mean of zero only if all are.
    damping = DAMPING * moments.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    damped = moments + damping * torch.eye(len(moments), dtype=moments.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True).float()


def _in_turn(exact: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
    """Round the columns of ``exact``, in units of a step, each after the errors of those before it."""
    left, whole = exact.clone(), torch.empty_like(exact)
    for start in range(0, exact.shape[1], BLOCK):
        block = slice(start, min(start + BLOCK, exact.shape[1]))
        errors = torch.empty_like(left[:, block])
        for column in range(block.start, block.stop):
            whole[:, column] = left[:, column].round().clamp(-WEIGHT_STEPS, WEIGHT_STEPS)
            error = (left[:, column] - whole[:, column]) / root[column, column]
            left[:, column : block.stop] -= error[:, None] * root[column, column : block.stop]
            errors[:, column - start] = error
        # Columns beyond the block are corrected once for all of it: many times faster, and the same sum.
        left[:, block.stop :] -= errors @ root[block, block.stop :]
    return whole


def _with_largest(whole: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Put the largest weight of each row back on the last step, from which its scale is read."""
    rows, largest = torch.arange(len(weight)), weight.abs().argmax(dim=1)
    kept = whole.clone()
    kept[rows, largest] = WEIGHT_STEPS * weight[rows, largest].sign()
    return kept
