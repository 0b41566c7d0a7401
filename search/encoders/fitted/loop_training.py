"""The one training loop of all neural encoders: epochs of batches until a held-out part stops gaining.

AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.  Early
stopping: the parameters that did best on the held-out examples are the result.  One thread, because sums
that are shared out add up in another order.  After each epoch all that the next depends on is kept
(parameters, moments, both generators), so that a killed and resumed training ends with the same bytes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from search.encoders.fitted.base import Fit
from search.encoders.fitted.checkpoints_training import Checkpoint, Tensors, checkpoint

Rows = NDArray[np.int64]
"""Numbers of examples ``(batch,)``."""

Loss = Callable[[Rows, np.random.Generator], torch.Tensor]
"""Mean loss of a batch, a scalar; all that is drawn outside the model is drawn from the generator."""

_HELD_OUT_SHARE = 0.1
_FEWEST_TO_HOLD_OUT = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast a model learns."""

    epochs: int
    rate: float
    """Learning rate of AdamW."""
    decay: float
    """Weight decay of AdamW."""
    batch: int = 64
    patience: int = 2
    """How many epochs without a gain on the held-out part are borne in a row."""
    most: int = 10_000
    """Examples of one epoch: a large collection is seen in part each time, so that time has a bound."""
    clip: float = 1.0
    """Longest gradient; recurrent nets need one (Pascanu et al., ICML 2013, algorithm 1)."""


@dataclass(slots=True)
class _Reached:
    epoch: int = 0
    best: float = float("inf")
    without_gain: int = 0
    parameters: Tensors = field(default_factory=dict)
    """Those of the best epoch."""

    def judge(self, loss: float | None, model: nn.Module) -> None:
        """Count an epoch; without a held-out part (None) the last is the best."""
        self.epoch += 1
        self.without_gain += 1
        if loss is None or loss < self.best:
            self.best = self.best if loss is None else loss
            self.without_gain = 0
            self.parameters = {name: tensor.clone() for name, tensor in model.state_dict().items()}


def seed_everything(seed: int) -> None:
    """Make what torch draws from now on depend on ``seed`` alone, and its sums on no other thread."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)


def learn(fit: Fit, kind: str, model: nn.Module, loss: Loss, examples: int, plan: Plan) -> None:
    """Train ``model`` in place on examples numbered from 0; it ends with its best parameters, in eval mode.

    Args:
        fit: seed, checkpoints and progress.
        kind: names the checkpoint.
        model: with its first parameters, drawn after ``seed_everything``.
        loss: reads ``model`` itself.
        examples: how many there are; of few nothing is held out, and all epochs are run.
        plan: epochs, batches and rates.
    """
    kept = checkpoint(fit, kind, asdict(plan))
    learn_on(kept, fit.seed, fit.progress, model, loss, examples, plan)


def learn_on(
    kept: Checkpoint,
    seed: int,
    progress: Callable[[int, int], None],
    model: nn.Module,
    loss: Loss,
    examples: int,
    plan: Plan,
) -> None:
    """Do what ``learn`` does for a training that is no fit, from where its checkpoint stands."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=plan.decay)
    generator = np.random.default_rng(seed)
    reached = _resume(kept, model, optimizer, generator)
    learned, held_out = _split(examples, seed)
    while reached.epoch < plan.epochs and reached.without_gain <= plan.patience:
        progress(reached.epoch, plan.epochs)
        _epoch(model, optimizer, loss, learned, generator, plan)
        reached.judge(_validate(model, loss, held_out, seed, plan.batch), model)
        _keep(kept, reached, model, optimizer, generator)
    progress(plan.epochs, plan.epochs)
    model.load_state_dict(reached.parameters)
    model.eval()


def _split(examples: int, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng([seed, 1]).permutation(examples)
    if examples < _FEWEST_TO_HOLD_OUT:
        return order, order[:0]
    count = min(1000, int(examples * _HELD_OUT_SHARE))
    return order[count:], order[:count]


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    learned: Rows,
    generator: np.random.Generator,
    plan: Plan,
) -> None:
    model.train()
    order = generator.permutation(learned)[: plan.most]
    for rows in _batches(order, plan.batch):
        optimizer.zero_grad()
        loss(rows, generator).backward()
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()


def _validate(model: nn.Module, loss: Loss, held_out: Rows, seed: int, batch: int) -> float | None:
    """Return the mean loss of the held-out examples, which are drawn alike each time; None without any."""
    if not len(held_out):
        return None
    model.eval()
    generator = np.random.default_rng([seed, 2])
    with torch.no_grad():
        total = sum(float(loss(rows, generator)) * len(rows) for rows in _batches(held_out, batch))
    return total / len(held_out)


def _batches(rows: Rows, size: int) -> list[Rows]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _keep(
    kept: Checkpoint,
    reached: _Reached,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: np.random.Generator,
) -> None:
    moments = {
        f"{number}.{name}": tensor
        for number, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }
    parts = {"model": model.state_dict(), "best": reached.parameters, "moments": moments}
    tensors = {f"{part}:{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
    tensors["generator:torch"] = torch.get_rng_state()
    facts = {
        "epoch": reached.epoch,
        "best": reached.best,
        "without_gain": reached.without_gain,
        "generator": generator.bit_generator.state,
    }
    kept.write(tensors, facts)


def _resume(
    kept: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, generator: np.random.Generator
) -> _Reached:
    """Return how far a training came, and put everything as it stood then."""
    found = kept.read()
    if found is None:
        return _Reached()
    tensors, facts = found
    parts: dict[str, Tensors] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition(":")
        parts.setdefault(part, {})[name] = tensor
    model.load_state_dict(parts["model"])
    state: dict[int, Tensors] = {}
    for key, tensor in parts["moments"].items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(parts["generator"]["torch"])
    generator.bit_generator.state = facts["generator"]
    return _Reached(facts["epoch"], facts["best"], facts["without_gain"], parts["best"])
