import numpy as np

from search.encoders.fitted.vocabulary import learn_vocabulary
from search.encoders.fitted.word_vectors_training import word_vectors

# Days and beasts never share a passage; within a theme any two may.
THEMES = (("monday", "tuesday", "friday", "sunday"), ("panda", "tiger", "wolf", "bear"))
DRAWN = np.random.default_rng(2)
TEXTS = [[str(word) for word in DRAWN.choice(THEMES[number % 2], 6)] for number in range(300)]


def test_words_of_one_theme_are_nearer_than_those_of_another(fit_of, passages):
    vocabulary, _ = learn_vocabulary(TEXTS, 100)
    vectors = word_vectors(fit_of(passages), TEXTS, vocabulary, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(8), atol=1e-6)
    days, beasts = (vectors[vocabulary.numbers(theme)] for theme in THEMES)
    assert min((days @ days.T).min(), (beasts @ beasts.T).min()) > (days @ beasts.T).max()


def test_what_a_killed_training_has_made_is_not_made_again(fit_of, passages):
    vocabulary, _ = learn_vocabulary(TEXTS, 100)
    first = fit_of(passages)
    vectors = word_vectors(first, TEXTS, vocabulary, 16)
    resumed = fit_of(passages, checkpoints=first.checkpoints)
    # Other texts would give other vectors, if they were read.
    assert word_vectors(resumed, TEXTS[:50], vocabulary, 16).tobytes() == vectors.tobytes()
    assert word_vectors(fit_of(passages), TEXTS[:50], vocabulary, 16).tobytes() != vectors.tobytes()
