"""Weights beside attention: their likelihood by a plain loop, its gradient, and what is learned."""

import numpy as np
import pytest

from search import mix_fitting
from search.mix_fitting import STRENGTH, WEIGHT_MIN, MixLesson, fit_weights

USUAL, NOTHING = np.array([0.3, 0.1]), np.zeros(2)


def lessons(count, tells, seed=1, passages=12):
    """Return questions whose one answer is where ``tells`` says: weights of two encoders and of the base."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        base, cosines = generator.normal(0, 0.1, passages), generator.normal(0, 0.2, (passages, 2))
        noise = generator.normal(0, 0.02, passages)
        answer = np.argmax(tells[0] * base + cosines @ tells[1:] + noise)
        made.append(MixLesson(base, cosines, np.arange(passages) == answer))
    return made


def plainly(made, weights, sharpness):
    """Return what is minimised, question by question."""
    base = np.concatenate([lesson.base - lesson.base.mean() for lesson in made])
    parts = np.concatenate([lesson.parts - lesson.parts.mean(axis=0) for lesson in made])
    units = np.sqrt((parts**2).mean(axis=0)) / np.sqrt((base**2).mean())
    total = STRENGTH * (((weights - USUAL) * units) ** 2).sum()
    for lesson in made:
        powers = np.exp(sharpness * (lesson.base + lesson.parts @ weights))
        total -= np.log(powers[lesson.answers].sum() / powers.sum())
    return total / len(made)


def test_the_loss_is_that_of_a_plain_loop_and_its_gradient_that_of_differences():
    made = lessons(20, np.array([1.0, 0.5, 0.0]))
    made[0] = MixLesson(made[0].base, made[0].parts, np.arange(12) < 3)
    likelihood = mix_fitting._Likelihood(made, USUAL)
    at = np.array([0.2, 0.4, np.log(30)])
    value, gradient = likelihood(at)
    assert value == pytest.approx(plainly(made, at[:2], 30), rel=1e-12)
    for place, step in enumerate(np.eye(3) * 1e-6):
        slope = (likelihood(at + step)[0] - likelihood(at - step)[0]) / 2e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-5)


def test_no_weights_near_the_found_ones_are_likelier():
    made = lessons(300, np.array([1.0, 0.5, 0.2]))
    found = fit_weights(made, USUAL)
    likelihood = mix_fitting._Likelihood(made, USUAL)

    def best(weights):
        return min(
            likelihood(np.append(weights, log_sharpness))[0] for log_sharpness in np.arange(1, 8, 0.01)
        )

    reached = best(found)
    for step in ([0.02, 0], [-0.02, 0], [0, 0.02], [0, -0.02]):
        assert best(found + step) > reached


def test_weights_go_to_the_encoder_that_tells_answers():
    first, second = fit_weights(lessons(2000, np.array([1.0, 0.5, 0.0])), NOTHING)
    assert 0.35 < first < 0.6  # drawn to 0 from 0.5
    assert second < 0.05


def test_an_encoder_that_points_away_from_answers_weighs_nothing():
    assert fit_weights(lessons(300, np.array([1.0, 0.5, -0.5])), NOTHING)[1] == 0.0


def test_few_questions_say_less_than_many():
    few, many = (fit_weights(lessons(count, np.array([1.0, 0.5, 0.0])), NOTHING)[0] for count in (20, 1000))
    assert WEIGHT_MIN < few < many


def test_the_same_questions_give_the_same_weights():
    one, other = (fit_weights(lessons(200, np.array([1.0, 0.5, 0.3])), USUAL) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_questions_without_right_or_without_wrong_candidates_say_nothing():
    made = lessons(50, np.array([1.0, 0.5, 0.3]))
    silent = [MixLesson(lesson.base, lesson.parts, np.zeros(12, bool)) for lesson in made]
    sure = [MixLesson(lesson.base, lesson.parts, np.ones(12, bool)) for lesson in made]
    assert fit_weights([*silent, *sure], USUAL).tolist() == USUAL.tolist()
    assert fit_weights([*made, *silent], USUAL).tobytes() == fit_weights(made, USUAL).tobytes()


def test_an_encoder_that_says_the_same_of_all_passages_weighs_nothing():
    made = [
        MixLesson(lesson.base, lesson.parts * [1, 0] + [0, 0.25], lesson.answers)
        for lesson in lessons(100, np.array([1.0, 0.5, 0.3]))
    ]
    assert fit_weights(made, NOTHING)[1] == 0.0
    assert fit_weights(made, USUAL)[1] == pytest.approx(USUAL[1])
