import numpy as np
import pytest
import torch

from search.encoders.fitted.loop_training import Plan, learn, seed_everything

PLAN = Plan(epochs=6, rate=1e-2, decay=1e-2, batch=8, patience=6)
EXAMPLES = torch.from_numpy(np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32))


class Killed(Exception):
    pass


def train(fit, plan=PLAN, examples=EXAMPLES):
    """Return the parameters of a small net with dropout that learned to rebuild noisy rows."""
    seed_everything(fit.seed)
    net = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(4, 4))

    def loss(rows, generator):
        noise = torch.from_numpy(generator.normal(size=(len(rows), 4)).astype(np.float32))
        return ((net(examples[rows] + noise / 9) - examples[rows]) ** 2).mean()

    learn(fit, "net", net, loss, len(examples), plan)
    return {name: tensor.numpy().tobytes() for name, tensor in net.state_dict().items()}


def dies_at(epoch):
    def progress(done, total):
        if done == epoch:
            raise Killed

    return progress


def test_a_killed_and_resumed_training_ends_with_the_bytes_of_an_undisturbed_one(fit_of, passages):
    whole = train(fit_of(passages))
    killed = fit_of(passages, progress=dies_at(3))
    with pytest.raises(Killed):
        train(killed)
    seen = []
    resumed = fit_of(passages, checkpoints=killed.checkpoints, progress=lambda done, total: seen.append(done))
    assert train(resumed) == whole
    assert seen == [3, 4, 5, 6]


@pytest.mark.parametrize("other", ["seed", "passages", "plan"])
def test_a_checkpoint_of_another_fit_is_not_read(fit_of, passages, other):
    first = fit_of(passages)
    train(first)
    seen = []
    second = fit_of(
        passages[1:] if other == "passages" else passages,
        seed=8 if other == "seed" else 7,
        checkpoints=first.checkpoints,
        progress=lambda done, total: seen.append(done),
    )
    train(second, Plan(epochs=6, rate=2e-2, decay=1e-2, batch=8, patience=6) if other == "plan" else PLAN)
    assert seen == [0, 1, 2, 3, 4, 5, 6]


def test_training_stops_when_the_held_out_part_gains_no_more_and_keeps_the_best(fit_of, passages):
    seen = []
    fit = fit_of(passages, progress=lambda done, total: seen.append((done, total)))
    steps = Plan(epochs=50, rate=0.3, decay=0.0, batch=8, patience=1, clip=1e9)
    seed_everything(1)
    point = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        point.weight.fill_(3.0)
    # Adam walks down by about the rate a step; past 2.0 the held-out loss rises while learning goes on.
    walked = []

    def loss(rows, generator):
        value = point.weight.sum()
        if point.training:
            return value
        walked.append(value.item())
        return (value - 2.0) ** 2

    learn(fit, "point", point, loss, 20, steps)
    assert point.weight.item() == min(walked, key=lambda value: (value - 2.0) ** 2)
    assert len(seen) < 20 and seen[-1] == (50, 50)


@pytest.mark.parametrize(("examples", "run"), [(19, [0, 1, 2, 3, 4, 5]), (20, [0, 1, 5])])
def test_of_few_examples_none_is_held_out_and_every_epoch_is_run(fit_of, passages, examples, run):
    seen = []
    fit = fit_of(passages, progress=lambda done, total: seen.append(done))
    seed_everything(1)
    point = torch.nn.Linear(1, 1, bias=False)

    def loss(rows, generator):
        # Every step of learning makes the held-out loss worse.
        return point.weight.sum() * (1 if point.training else -1)

    learn(fit, "point", point, loss, examples, Plan(epochs=5, rate=0.1, decay=0.0, patience=0))
    assert seen == run
