"""The relevance of a score against hand calculations."""

from statistics import NormalDist

import numpy as np
import pytest

from search.relevance import RELEVANT, SCORES_MIN, Calibration, calibrated, evidence, refined


def normal_scores(centre, spread, count=1001):
    """Scores that lie as a normal distribution has it: at its quantiles 0.0005, 0.0015, ..."""
    normal = NormalDist(centre, spread)
    return [normal.inv_cdf((place + 0.5) / count) for place in range(count)]


def test_centre_and_spread_are_those_of_the_usual_scores():
    found = calibrated(normal_scores(0.31, 0.07))
    assert (found.centre, found.spread) == (pytest.approx(0.31, abs=5e-4), pytest.approx(0.07, abs=5e-4))
    assert found.level == RELEVANT == 0.9


def test_questions_that_have_an_answer_after_all_do_not_move_it():
    usual = sorted(normal_scores(0.31, 0.07))
    answered = [score if place < 601 else score + 0.5 for place, score in enumerate(usual)]
    assert calibrated(answered) == calibrated(usual)
    assert np.std(answered) > 2 * np.std(usual)


def test_a_relevance_is_the_share_of_the_usual_below():
    calibration = Calibration(0.3, 0.1)
    # One and two standard deviations above the centre, and one below it.
    for score, share in ((0.4, 0.8413), (0.5, 0.9772), (0.2, 0.1587), (0.3, 0.5)):
        assert calibration.relevance(score) == pytest.approx(share, abs=1e-4)


def test_it_follows_what_a_passage_says_whatever_its_language_is_held_to():
    parts = {"attention": 0.3, "dense": 0.15, "lexical": 0.05, "language": -0.2}
    assert evidence(parts) == pytest.approx(0.5)
    calibration = Calibration(0.3, 0.1)
    assert evidence(parts) == evidence(parts | {"language": 0.0})
    columns = {name: np.array([part, 2 * part]) for name, part in parts.items()}
    np.testing.assert_allclose(evidence(columns), [0.5, 1.0])
    rising = [calibration.relevance(score) for score in np.linspace(0, 1, 50)]
    assert rising == sorted(rising) and 0 <= rising[0] < rising[-1] <= 1


def test_scores_that_are_all_alike_are_a_step():
    calibration = calibrated([0.25] * 40)
    assert calibration.relevance(0.25) == pytest.approx(0.5)
    assert calibration.relevance(0.3) == 1.0


def test_judged_answers_lower_the_level_and_never_raise_it():
    calibration = Calibration(0.3, 0.1)
    # Of 41 answers at .5, .51, ... .9 the twentieth part lies at place 2: .52
    assert refined(calibration, [0.5 + place / 100 for place in range(41)]).level == pytest.approx(0.52)
    assert refined(calibration, [0.99] * 40) == calibration


def test_few_scores_say_nothing():
    few = [0.5] * (SCORES_MIN - 1)
    with pytest.raises(ValueError, match="too few"):
        calibrated(few)
    with pytest.raises(ValueError, match="too few"):
        refined(Calibration(0.3, 0.1), few)
