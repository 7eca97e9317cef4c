"""What the conformance kit cannot see of distillation."""

import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0.0, 2.0, (2, 6, 5))


def test_the_sum_runs_over_classes_and_the_temperature_is_squared(logits):
    t, s = (np.exp(x / 3.0) / np.sum(np.exp(x / 3.0), -1, keepdims=True) for x in logits)
    expected = 9.0 * np.sum(t * np.log(t / s), axis=-1)
    actual = values_of(lossforge.Distillation(temperature=3.0), *logits)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_gradients_do_not_fade_with_the_temperature(logits):
    sizes = [
        np.abs(gradient_of(lossforge.Distillation(temperature=t), *logits)).mean()
        for t in (10.0, 100.0)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2)


def test_decoupled_parts_add_up_to_distillation(logits):
    """With the weight 1 - t_y on the others' part it is plain distillation."""
    teacher, student = logits[:, :1]
    labels = np.eye(5)[[2]]
    both = np.stack([teacher, labels], axis=1)
    p = np.exp(teacher / 4.0) / np.sum(np.exp(teacher / 4.0))
    loss = lossforge.DecoupledDistillation(beta=float(1.0 - p[0, 2]))
    expected = values_of(lossforge.Distillation(), teacher, student)
    np.testing.assert_allclose(values_of(loss, both, student), expected, rtol=1e-5)


def test_standardised_logits_forgive_scale_and_shift(logits):
    loss = lossforge.Distillation(standardise=True)
    np.testing.assert_allclose(values_of(loss, logits[0], 3 * logits[0] + 1), 0.0, atol=1e-5)


def test_beta_goes_from_forward_to_reverse(logits):
    ends = [values_of(lossforge.Distillation(beta=b), *logits) for b in (0.0, 1.0)]
    reverse = values_of(lossforge.Distillation(), *logits[::-1])
    np.testing.assert_allclose(ends[1], reverse, rtol=1e-5)
    assert not np.allclose(ends[0], ends[1])


def test_dist_forgives_what_keeps_correlations():
    teacher = np.log([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25], [0.1, 0.6, 0.3]])
    flatter = np.log(0.5 * np.exp(teacher) + 0.5 / 3)  # linear in the probabilities
    np.testing.assert_allclose(values_of(lossforge.DIST(), teacher, flatter), 0.0, atol=1e-5)


@pytest.mark.parametrize("name", ["AttentionTransfer", "NeuronSelectivity"])
def test_the_student_may_have_other_channels(name):
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=(2, 3, 3, 8)), rng.normal(size=(2, 3, 3, 4))
    assert values_of(getattr(lossforge, name)(), teacher, student).shape == (2,)


@pytest.mark.parametrize(
    "name",
    [
        "RelationalDistance",
        "SimilarityPreserving",
        "ProbabilisticKnowledgeTransfer",
        "CorrelationCongruence",
    ],
)
def test_relations_do_not_see_a_rotation_into_more_dimensions(name):
    rng = np.random.default_rng(2)
    teacher = rng.normal(size=(5, 3))
    rotation = np.linalg.qr(rng.normal(size=(7, 3)))[0].T
    values = values_of(getattr(lossforge, name)(), teacher, teacher @ rotation)
    np.testing.assert_allclose(values, 0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lossforge.Distillation(temperature=0.0), "temperature"),
        (lambda: lossforge.Distillation(beta=1.5), "beta"),
        (lambda: lossforge.DecoupledDistillation(alpha=-1.0), "alpha"),
        (lambda: lossforge.DIST(gamma=-1.0), "gamma"),
        (lambda: lossforge.AttentionTransfer(power=0.5), "power"),
        (lambda: lossforge.NeuronSelectivity(kernel="rbf"), "'rbf'"),
        (lambda: lossforge.FactorTransfer(power=3), "3"),
        (lambda: lossforge.CorrelationCongruence(gamma=0.0), "gamma"),
        (lambda: lossforge.DecoupledDistillation()([[1.0, 2.0]], [[1.0, 2.0]]), "one-hot"),
        (
            lambda: lossforge.AttentionTransfer()(np.ones((1, 2, 2, 1)), np.ones((1, 3, 3, 1))),
            "of one size",
        ),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
