"""The child process that trains one kind of attention: ``python -m search.ranking.training LESSONS OUTPUT``.

``LESSONS`` is a folder of ``search/ranking/lessons.py``, ``OUTPUT`` an empty one.

Every kind starts near ``Simple``: W_Q and W_K are the identity times what makes its temperature, W_V is the
identity.  What is learned is the difference from that, and it decays towards nothing.  For each question
the documents of its lesson are held against one another by the very score that is served: the weighted sum of
what the pieces see, beside the other parts of the score; a document counts by its best passage.  The loss
is the cross-entropy of each answer among the documents that are none, mined from the first look.  Attention
weights are dropped at random, so that no score hangs on one link alone.

``Causal`` cannot start as ``Simple``: a token sees itself, and nothing is more like it.  It starts from
the one of ``CAUSAL_TEMPERATURES`` with which the lessons' loss is least, and what it loses to the query is
made up for by a factor of W_V.

Measured (nDCG@10 of ``trainable`` above ``simple`` on judged questions of three collections, two epochs over
670 questions of the collection's own or fewer):

    loss at temperature .03: rate 1e-4 +.001 -.001 +.001, only W_V at 3e-4 +.002 +.010 +.005, only W_Q and
        W_K .000 .000 .000; all of them, low rank at 3e-3: -.020 on the first
    loss at temperature .1, all of them at 3e-4: +.005 +.006 +.004

Sources:
    Vaswani et al., Attention Is All You Need, 2017, sections 3.2 (the kinds) and 5.4 (dropout).
    van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018, section
        2.3 (the loss).
    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (the decay).
"""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from search.child import Channel, Step, reported
from search.ranking.attention import Simple
from search.ranking.learned import HEADS, write_learned
from search.ranking.lessons import SCHEDULE, Lesson, Lessons

TRAINING = "training"
CAUSAL_TEMPERATURES = (0.06, 0.1, 0.2, 0.3)
WARM_UP_BATCHES = 10
PROBED = 48
"""Lessons by which a causal attention finds where to start."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What to learn, and how."""

    kind: str
    seed: int
    epochs: int = 2
    batch: int = 16
    """Questions of one step."""
    rate: float = 3e-4
    temperature_rate: float = 3e-3
    decay: float = 0.1
    dropout: float = 0.1
    """Share of the attention weights that are dropped while training."""
    loss_temperature: float = 0.1

    @property
    def heads(self) -> int:
        """How many attentions there are beside each other."""
        return HEADS if self.kind == "multihead" else 1


class LearnedAttention(nn.Module):  # type: ignore[misc]  # mypy takes torch for Any
    """One kind of attention with its maps as differences from the identity, ``(heads, d, d)`` each."""

    def __init__(self, dimension: int, schedule: Schedule) -> None:
        super().__init__()
        self.kind, self.dropout = schedule.kind, schedule.dropout
        self.generator = torch.Generator().manual_seed(schedule.seed)
        spread = 2 ** np.linspace(-1, 1, schedule.heads) if schedule.heads > 1 else np.ones(1)
        warmth = torch.tensor(Simple().temperature * spread, dtype=torch.float32)
        self.sharpness = nn.Parameter(-torch.log(warmth))
        self.gain = nn.Parameter(torch.zeros(()), requires_grad=schedule.kind == "causal")
        shape = (schedule.heads, dimension, dimension)
        self.query, self.key, self.value = (nn.Parameter(torch.zeros(shape)) for _ in range(3))

    def start_at(self, temperature: float, gain: float = 1.0) -> None:
        """Begin with another temperature, and with W_V that many times the identity."""
        with torch.no_grad():
            self.sharpness.fill_(-math.log(temperature))
            self.gain.fill_(math.log(gain))

    def shares_and_worth(self, query: Tensor, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return a_ij and s_ij of every head ``(heads, n, p, longest passage)``; padding has no share.

        Args:
            query: ``(n, d)``.
            states: of all passages, one behind another.
            lengths: of each passage ``(p,)``.
        """
        asked = query + query @ self.query
        asked = (asked + asked @ self.key.transpose(1, 2)) * self.sharpness.exp()[:, None, None]
        worth = (query + query @ self.value.transpose(1, 2)) * self.gain.exp()
        longest = int(lengths.max())
        there = torch.arange(longest)[None] < lengths[:, None]
        place = torch.zeros(there.shape, dtype=torch.long)
        place[there] = torch.arange(len(states))

        def of_passages(rows: Tensor) -> Tensor:
            return (rows @ states.T)[:, :, place.reshape(-1)].reshape(*rows.shape[:2], *there.shape)

        similar = of_passages(asked).masked_fill(~there, -torch.inf)
        if self.kind == "causal":
            before = torch.tril(torch.ones(len(query), len(query), dtype=torch.bool))
            own = (asked @ query.T).masked_fill(~before, -torch.inf)[:, :, None]
            own = own.expand(-1, -1, len(lengths), -1)
            shares = torch.softmax(torch.cat([similar, own], dim=3), dim=3)[..., :longest]
        else:
            shares = torch.softmax(similar, dim=3)
        return shares, of_passages(worth)

    def scores(self, lesson: Lesson, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the served score of each passage of a lesson ``(p,)``; with dropout while training."""
        shares, worth = self.shares_and_worth(torch.from_numpy(lesson.query), states, lengths)
        if self.training:
            kept = torch.rand(shares.shape, generator=self.generator) >= self.dropout
            shares = shares * kept / (1 - self.dropout)
        seen = (shares * worth).sum(dim=3).mean(dim=0)
        return torch.from_numpy(lesson.weights) @ seen + torch.from_numpy(lesson.beside)

    def maps(self) -> dict[str, NDArray[np.float32]]:
        """Return the maps as the classes of ``search/ranking/attention.py`` take them."""
        with torch.no_grad():
            identity = torch.eye(self.query.shape[1])
            root = math.sqrt(len(identity))
            query = (identity + self.query) * self.sharpness.exp()[:, None, None] * root
            value = (identity + self.value) * self.gain.exp()
            maps = {"query": query, "key": identity + self.key, "value": value}
            side_by_side = {name: torch.cat(list(each), dim=1).numpy() for name, each in maps.items()}
            if self.kind == "multihead":
                heads = len(self.query)
                side_by_side["output"] = torch.cat([identity / heads] * heads).numpy()
        return {name: np.ascontiguousarray(each, dtype=np.float32) for name, each in side_by_side.items()}


class Course:
    """The lessons, and what is asked of each."""

    def __init__(self, lessons: Lessons, schedule: Schedule) -> None:
        self._lessons = lessons
        self._temperature = schedule.loss_temperature

    def __len__(self) -> int:
        return len(self._lessons.all)

    def states(self, place: int) -> tuple[Tensor, Tensor]:
        """Return the states of all passages of a lesson, one behind another, and how many each has."""
        passages = [self._lessons.states_of(number) for number in self._lessons.all[place].passages.tolist()]
        lengths = torch.tensor([len(passage.codes) for passage in passages])
        return torch.from_numpy(np.concatenate([passage.states() for passage in passages])), lengths

    def query(self, place: int) -> Tensor:
        """Return the states of a lesson's question."""
        return torch.from_numpy(self._lessons.all[place].query)

    def loss(self, attention: LearnedAttention, place: int) -> Tensor:
        """Return the cross-entropy of a lesson's answers, each among the documents that are none."""
        lesson = self._lessons.all[place]
        scores = attention.scores(lesson, *self.states(place))
        documents = torch.from_numpy(lesson.documents)
        count = int(documents.max()) + 1
        best = torch.full((count,), -torch.inf).scatter_reduce(0, documents, scores, "amax")
        answers = torch.zeros(count, dtype=torch.bool)
        answers[documents[torch.from_numpy(lesson.answers)]] = True
        best = best / self._temperature
        return functional.softplus(torch.logsumexp(best[~answers], dim=0) - best[answers]).mean()


def train(lessons: Lessons, schedule: Schedule, channel: Channel | None = None) -> LearnedAttention:
    """Return the attention that ``lessons`` teach; the same bytes for the same seed.

    Raises:
        RuntimeError: the loss is no number, which no lesson should make it.
    """
    course = Course(lessons, schedule)
    attention = LearnedAttention(lessons.dimension, schedule)
    if schedule.kind == "causal":
        _find_start(attention, course)
    optimizer = torch.optim.AdamW(
        [
            {"params": [attention.query, attention.key, attention.value], "weight_decay": schedule.decay},
            {"params": [attention.sharpness, attention.gain], "lr": schedule.temperature_rate},
        ],
        lr=schedule.rate,
        weight_decay=0.0,
    )
    batches = schedule.epochs * math.ceil(len(course) / schedule.batch)

    def pace(batch: int) -> float:
        return min(1.0, (batch + 1) / WARM_UP_BATCHES) * (1 + math.cos(math.pi * batch / batches)) / 2

    slowing = torch.optim.lr_scheduler.LambdaLR(optimizer, pace)
    generator = np.random.default_rng(schedule.seed)
    attention.train()
    done = 0
    for _ in range(schedule.epochs):
        order = generator.permutation(len(course))
        for start in range(0, len(order), schedule.batch):
            batch = order[start : start + schedule.batch].tolist()
            optimizer.zero_grad()
            for place in batch:
                loss = course.loss(attention, place)
                if not torch.isfinite(loss):
                    raise RuntimeError(f"the loss of lesson {place} is {loss.item()}")
                (loss / len(batch)).backward()
            optimizer.step()
            slowing.step()
            done += len(batch)
            if channel:
                channel.step(Step(TRAINING, done, schedule.epochs * len(course)))
    attention.eval()
    return attention


def mean_loss(attention: LearnedAttention, course: Course, places: range) -> float:
    """Return the mean loss over some lessons."""
    with torch.no_grad():
        return float(np.mean([course.loss(attention, place).item() for place in places]))


def _find_start(attention: LearnedAttention, course: Course) -> None:
    """Let a causal attention start where the loss is least, its shares scaled to 1 in all."""
    attention.eval()
    probed = range(min(PROBED, len(course)))
    starts = []
    for temperature in CAUSAL_TEMPERATURES:
        attention.start_at(temperature)
        with torch.no_grad():
            shares = [attention.shares_and_worth(course.query(k), *course.states(k))[0] for k in probed]
        gain = 1 / max(float(np.mean([each.sum(dim=3).mean().item() for each in shares])), 1e-6)
        attention.start_at(temperature, gain)
        starts.append((mean_loss(attention, course, probed), temperature, gain))
    _, temperature, gain = min(starts)
    attention.start_at(temperature, gain)


def main() -> None:
    """Train as the folder says that the command line names."""
    folder, output = map(Path, sys.argv[1:])
    channel = Channel()
    # More threads would add in another order, and so give other bytes.
    torch.set_num_threads(1)
    with reported(channel, "the disk is full; free some space and train again"):
        schedule = Schedule(**json.loads((folder / SCHEDULE).read_text("utf-8")))
        attention = train(Lessons(folder), schedule, channel)
        write_learned(output, schedule.kind, schedule.heads, attention.maps())


if __name__ == "__main__":
    main()
