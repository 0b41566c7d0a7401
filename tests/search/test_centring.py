import numpy as np

from search.arrays import unit_rows
from search.centring import centred, mean_of_all, passage_mean, query_centre, query_mean

EN, ZH = np.array([0.2, 0.4], dtype=np.float32), np.array([-0.6, 0.0], dtype=np.float32)
MEANS = {"en": EN, "zh": ZH}


def test_rows_lose_the_mean_and_are_of_unit_length_again():
    rows = np.array([[1, 0], [0, 1]], dtype=np.float32)
    # (1, 0) - (.2, .4) = (.8, -.4), of length sqrt(.8); (0, 1) - (.2, .4) = (-.2, .6), of length sqrt(.4).
    expected = [[0.8 / 0.8**0.5, -0.4 / 0.8**0.5], [-0.2 / 0.4**0.5, 0.6 / 0.4**0.5]]
    np.testing.assert_allclose(centred(rows, EN), expected, rtol=1e-6)
    assert centred(rows, EN).dtype == np.float32


def test_a_text_without_a_vector_keeps_having_none():
    rows = np.array([[0, 0], [0.2, 0.4], [1, 0]], dtype=np.float32)
    np.testing.assert_array_equal(centred(rows, EN)[:2], [[0, 0], [0, 0]])
    assert centred(np.empty((0, 2), dtype=np.float32), EN).shape == (0, 2)


def test_a_row_comes_out_the_same_in_any_company():
    """A generation, its tail and a scan of the rows are centred in blocks of other sizes."""
    generator = np.random.default_rng(20240501)
    rows = unit_rows(generator.standard_normal((500, 384)).astype(np.float32))
    mean = generator.standard_normal(384).astype(np.float32) / 40
    together = centred(rows, mean)
    for size in (1, 7, 256):
        parts = [centred(rows[start : start + size], mean) for start in range(0, 500, size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


def test_the_passage_mean_follows_the_share_of_each_language():
    np.testing.assert_array_equal(passage_mean(MEANS, 0.0), EN)
    np.testing.assert_array_equal(passage_mean(MEANS, 1.0), ZH)
    np.testing.assert_allclose(passage_mean(MEANS, 0.25), [0.0, 0.3], atol=1e-7)
    assert passage_mean(MEANS, 0.25).dtype == np.float32
    np.testing.assert_array_equal(passage_mean({"en": EN}, 0.9), EN)


def test_a_query_loses_the_mean_of_its_language_or_of_all():
    np.testing.assert_array_equal(query_mean(MEANS, "zh"), ZH)
    np.testing.assert_array_equal(query_mean({"en": EN}, "zh"), EN)
    np.testing.assert_allclose(mean_of_all(MEANS), [-0.2, 0.2], atol=1e-7)


def test_a_query_gives_up_its_language_and_nine_tenths_of_the_rest():
    means = {"en": np.array([0.5, 0.2], dtype=np.float32), "zh": np.array([-0.3, 0.2], dtype=np.float32)}
    np.testing.assert_allclose(query_centre(means, "en"), [0.5, 0.18], atol=1e-7)
    np.testing.assert_allclose(query_centre(means, "zh"), [-0.3, 0.18], atol=1e-7)
    np.testing.assert_allclose(query_centre(means, None), [0.1, 0.18], atol=1e-7)


def test_a_query_to_an_encoder_of_one_language_gives_up_nine_tenths_of_its_mean():
    np.testing.assert_allclose(query_centre({"en": EN}, "zh"), [0.18, 0.36], atol=1e-7)
