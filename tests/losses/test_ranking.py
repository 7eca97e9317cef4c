"""Rankings, preferences and policies: what the conformance kit cannot see."""

import math

import numpy as np
import pytest

import lossforge
from lossforge.testing import gradient_of, values_of

LISTS = (
    "PairwiseRanking",
    "WARP",
    "LambdaRank",
    "ListNet",
    "ListMLE",
    "ApproxNDCG",
    "NeuralSort",
)


@pytest.mark.parametrize("name", LISTS)
def test_padding_changes_nothing(name):
    loss = getattr(lossforge, name)()
    y, s = np.array([[2.0, 0.0, 1.0]]), np.array([[0.3, 0.7, -0.2]])
    padded, scores = (
        np.array([[2.0, -1.0, 0.0, 1.0, -1.0]]),
        np.array([[0.3, 99.0, 0.7, -0.2, -9.0]]),
    )
    expected = values_of(loss, y, s)
    np.testing.assert_allclose(values_of(loss, padded, scores), expected, rtol=1e-5)
    gradient = gradient_of(loss, padded, scores)
    assert np.all(gradient[:, [1, 4]] == 0)
    np.testing.assert_allclose(
        gradient[:, [0, 2, 3]], gradient_of(loss, y, s), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", LISTS)
def test_items_may_come_in_any_order(name):
    loss = getattr(lossforge, name)()
    y, s = np.array([[2.0, 0.0, 1.0, 1.0, 3.0]]), np.array([[0.3, 0.7, -0.2, 0.1, 0.5]])
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(
        values_of(loss, y[:, order], s[:, order]), values_of(loss, y, s), rtol=1e-5
    )


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_padding_costs_nothing(name):
    loss = getattr(lossforge, name)()
    y, s = np.full((1, 3), -1.0), np.array([[0.3, 0.7, np.inf]])
    assert values_of(loss, y, s) == 0.0
    assert np.all(gradient_of(loss, y, s) == 0)


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_another_shape_are_refused(name):
    with pytest.raises(ValueError, match="reads grades and scores of shape"):
        getattr(lossforge, name)()([1.0, 0.0], [0.5, 0.1])


def test_bpr_keeps_its_slope_for_a_hopeless_pair():
    """Where log(sigmoid(gap) + 1e-10) is flat."""
    gradient = gradient_of(
        lossforge.PairwiseRanking(), np.array([[1.0, 0.0]]), np.array([[-500.0, 500.0]])
    )
    assert gradient.tolist() == [[-1.0, 1.0]]


def test_list_net_with_shares_of_one_click_is_cross_entropy():
    y, s = np.array([[0.0, 1.0, 0.0]]), np.array([[0.3, 0.7, -0.2]])
    loss = values_of(lossforge.ListNet("share"), y, s)
    expected = values_of(lossforge.CrossEntropy(from_logits=True), np.array([1]), s)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_approx_ndcg_tends_to_one_minus_ndcg():
    y, s = np.array([[3.0, 2.0, 0.0, 1.0]]), np.array([[0.0, 3.0, 1.0, 2.0]])
    gains = 2.0 ** y[0] - 1
    discount = 1 / np.log2(2 + np.arange(4))
    ndcg = gains[[1, 3, 2, 0]] @ discount / (np.sort(gains)[::-1] @ discount)
    smooth = values_of(lossforge.ApproxNDCG(temperature=0.01), y, s)
    assert smooth == pytest.approx(1 - ndcg, abs=1e-5)


def test_lambda_rank_cares_most_for_the_top():
    y = np.array([[0.0, 0.0, 0.0, 1.0, 1.0]])
    s = np.array([[4.0, 3.0, 2.0, 1.0, 0.0]])
    pull = -gradient_of(lossforge.LambdaRank(), y, s)[0]
    plain = -gradient_of(lossforge.PairwiseRanking(), y, s)[0]
    assert pull[0] / pull[2] > plain[0] / plain[2]


def test_the_dpo_family_in_numbers():
    reference, policy = np.array([[-10.0, -12.0]]), np.array([[-8.0, -13.0]])  # h = 3
    ipo = values_of(lossforge.DPO(beta=0.25, surrogate="square"), reference, policy)
    assert ipo == pytest.approx((3 - 2) ** 2)
    slic = values_of(lossforge.DPO(beta=0.25, surrogate="hinge"), reference, policy)
    assert slic == pytest.approx(0.25)
    dpo = values_of(lossforge.DPO(beta=0.25), reference, policy)
    assert dpo == pytest.approx(math.log(1 + math.exp(-0.75)), rel=1e-6)


def test_robust_dpo_is_clean_in_the_mean_over_noisy_labels():
    reference, policy = np.zeros((2, 2)), np.array([[1.0, -1.0], [-1.0, 1.0]])
    right, wrong = values_of(lossforge.DPO(label_smoothing=0.2, robust=True), reference, policy)
    clean = values_of(lossforge.DPO(), reference, policy)[0]
    assert 0.8 * right + 0.2 * wrong == pytest.approx(clean, rel=1e-5)


def test_lrml_is_the_formula_of_discopop():
    """(1 - sigmoid(r)) (-log sigmoid(b r)) + sigmoid(r) exp(-b r) with b = .05, r = beta h / b."""
    loss = lossforge.DPO(beta=0.05, surrogate="lrml")
    h = np.linspace(-5.0, 5.0, 21)
    values = values_of(loss, np.zeros((21, 2)), np.stack([h, 0 * h], axis=-1))
    q = 1 / (1 + np.exp(-h))
    expected = (1 - q) * np.log1p(np.exp(-0.05 * h)) + q * np.exp(-0.05 * h)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("surrogate", ["sigmoid", "square", "hinge", "lrml"])
def test_log_ratios_of_long_answers_stay_exact(surrogate):
    """Sums of thousands of tokens, whose ratio to the reference is small."""
    loss = lossforge.DPO(surrogate=surrogate)
    near = values_of(loss, np.array([[-1.0, -2.0]]), np.array([[-1.5, -1.5]]))
    far = values_of(loss, np.array([[-8001.0, -8002.0]]), np.array([[-8001.5, -8001.5]]))
    np.testing.assert_allclose(near, far, rtol=1e-5)


def test_clipped_policy_is_flat_only_where_enough_was_gained():
    taken = np.zeros((4, 1, 3))
    taken[:, 0, 1] = [1.0, 1.0, -1.0, -1.0]  # advantages
    policy = np.log([[1.5], [0.5], [0.5], [1.5]])
    slopes = gradient_of(lossforge.ClippedPolicy(), taken, policy)[:, 0]
    assert slopes == pytest.approx([0.0, -0.5, 0.0, 1.5])


def test_load_balance_is_worst_when_one_expert_gets_all():
    logits = np.array([[50.0, 0.0, 0.0]] * 4)
    assert values_of(lossforge.LoadBalance(), np.zeros(4), logits) == pytest.approx(np.full(4, 3.0))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("PairwiseRanking", {"surrogate": "x"}, "surrogate must be"),
        ("PairwiseRanking", {"margin": 0.0}, "margin must be"),
        ("WARP", {"margin": -1.0}, "margin must be"),
        ("ListNet", {"targets": "x"}, "targets must be"),
        ("ApproxNDCG", {"temperature": 0.0}, "temperature must be"),
        ("NeuralSort", {"temperature": 0.0}, "temperature must be"),
        ("DPO", {"beta": 0.0}, "beta must be"),
        ("DPO", {"surrogate": "x"}, "surrogate must be one of"),
        ("DPO", {"label_smoothing": 0.5}, "label_smoothing must be"),
        ("KTO", {"weight_liked": -1.0}, "weight_liked must be"),
        ("BradleyTerry", {"centring": -1.0}, "centring must be"),
        ("SimPO", {"gamma": -1.0}, "gamma must be"),
        ("CPO", {"weight": -1.0}, "weight must be"),
        ("ORPO", {"weight": -1.0}, "weight must be"),
        ("ClippedPolicy", {"epsilon": 2.0}, "epsilon must be"),
        ("LoadBalance", {"top_k": 0}, "top_k must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(lossforge, name)(**arguments)


def test_more_experts_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="top_k is 3, but there are 2 experts"):
        lossforge.LoadBalance(top_k=3)([0], [[0.0, 1.0]])
