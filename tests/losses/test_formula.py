"""Formula: what it equals, what it refuses, and that it comes back from text, YAML and Keras."""

import keras
import numpy as np
import pytest

import lossforge
from lossforge import Formula, spec
from lossforge.errors import RecipeError
from lossforge.testing import gradient_of, values_of

FOCAL = "-(1-p)**gamma * y*log(p)"
FOCAL_BOTH = "-alpha*(1-p)**gamma*y*log(p) - (1-alpha)*p**gamma*(1-y)*log(1-p)"
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0.0, 5.0, (20, 4))
IDS = RNG.integers(0, 4, 20)
BITS = RNG.integers(0, 2, (20, 4))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("from_logits", [True, False])
def test_focal_as_a_formula_equals_focal(gamma, from_logits):
    y_pred = LOGITS if from_logits else np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    formula = Formula(FOCAL, gamma=gamma, from_logits=from_logits)
    focal = lossforge.Focal(gamma=gamma, from_logits=from_logits)
    expected = values_of(focal, IDS, y_pred)
    np.testing.assert_allclose(values_of(formula, IDS, y_pred), expected, rtol=1e-5, atol=1e-6)


def test_binary_focal_as_a_formula_equals_focal():
    options = {"task": "multilabel", "from_logits": True, "gamma": 2.0, "alpha": 0.25}
    formula, focal = Formula(FOCAL_BOTH, **options), lossforge.Focal(**options)
    for of in (values_of, gradient_of):
        np.testing.assert_allclose(
            of(formula, BITS, 1e3 * LOGITS), of(focal, BITS, 1e3 * LOGITS), rtol=1e-5, atol=1e-6
        )


def test_regression_formula_equals_squared_error():
    values = values_of(Formula("(y-p)**2", task="regression"), BITS, LOGITS)
    np.testing.assert_allclose(values, ((BITS - LOGITS) ** 2).mean(-1), rtol=1e-6)


def test_a_confidently_wrong_logit_keeps_value_and_slope():
    """Where clipped probabilities end at 16.1 with gradient 0."""
    logits = np.array([[1e4, 0.0, 0.0]])
    loss = Formula("-y*log(p) - (1-y)*log(1-p)", task="multiclass", from_logits=True)
    assert values_of(loss, [1], logits) == pytest.approx(2e4, rel=1e-3)
    gradient = gradient_of(loss, np.array([1]), logits)
    assert gradient[0, 0] == pytest.approx(2.0) and gradient[0, 1] < -1.0


@pytest.mark.parametrize(
    "text",
    [
        FOCAL.replace("gamma", "0.3"),
        "-log(p) + y/p",
        "y/(p*p) + (1-y)/(1-p)",
        "(y/p)**2 + log(log(1/p))",
        "sqrt(1-p)*y + sqrt(p)",
        "y*(1-p)**.1 - log(p*y)",
        "p**p + p**y + 2**p",
        "exp(x) + exp(exp(-x)) + log(x) + sqrt(x) + 1/x + x**0.5 + x**-2 + abs(x)**-0.5",
        "sigmoid(x)/sigmoid(-x) + log(1 - sigmoid(x)) + log(1-tanh(x))",
        "max(log(p), log(1-p), x) + min(0, 1, x)",
    ],
)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_value_and_gradient_are_finite_at_extremes(text, task):
    loss = Formula(text, task=task, from_logits=True)
    y_true = np.array([0, 1]) if task == "multiclass" else np.array([[1, 0, 0], [0, 1, 1]])
    for size in (0.0, 1.0, 100.0, 1e4):
        for signs in ([1, 1, 1], [-1, -1, -1], [1, -1, 1], [-1, 1, -1]):
            logits = np.broadcast_to(size * np.array(signs, float), (2, 3))
            assert np.all(np.isfinite(values_of(loss, y_true, logits))), (size, signs)
            assert np.all(np.isfinite(gradient_of(loss, y_true, logits))), (size, signs)


@pytest.mark.parametrize("text", ["-y*log(p)", "y/p", "sqrt(p)", "(1-p)**0.5", "1/(p-1)"])
def test_gradient_is_finite_at_probabilities_of_0_and_1(text):
    for p in (0.0, 1.0):
        gradient = gradient_of(Formula(text), np.array([[1.0]]), np.array([[p]]))
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "source",
    [
        "Formula('-(1-p)**gamma * y*log(p)', gamma=2.0)",
        "0.5*Formula('-y*log(p)') + Focal(gamma=1.5)",
        "Formula('softplus(-x)*a + x*b', from_logits=True, a=1.0, b=-2.5)",
        "HardExamples(Formula('(y-p)**2', task='regression'), keep=0.5)",
    ],
)
def test_text_comes_back_the_same(source):
    loss = spec.parse(source)
    assert spec.text(loss) == source
    assert spec.load(spec.dump({"slot": loss}))["slot"].get_config() == loss.get_config()


def test_keras_saves_and_loads_it(tmp_path):
    loss = Formula(FOCAL, gamma=1.5, from_logits=True)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").loss
    assert again.get_config() == loss.get_config()
    assert np.array_equal(values_of(again, IDS, LOGITS), values_of(loss, IDS, LOGITS))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-y*log(p", "is not a formula"),
        ("", "is not a formula"),
        ("p = 1", "is not a formula"),
        ("p; y", "is not a formula"),
        ("p\0", "is not a formula"),
        ("(" * 500 + ")" * 500, "is not a formula"),
        ("p" + "+p" * 600, "1201 characters are too many"),
        ("-" * 400 + "p", "operations inside each other"),
        ("p" + "+p" * 400, "operations inside each other"),
        ("q*log(p)", "No name is called 'q'.*There are: p, y"),
        ("gama*p", "Did you mean 'gamma'"),
        ("lgo(p)", "Did you mean 'log'"),
        ("log*p", "log is a function"),
        ("x*p", "x is the logit"),
        ("log(p, 2)", "log takes one value"),
        ("log(*p)", "log takes one value"),
        ("log(x=p)", "log takes one value"),
        ("min(p)", "min takes two values"),
        ("__import__('os').system('true')", r"not allowed \(Call\)"),
        ("__import__('os')", "No function is called '__import__'"),
        ("eval('p')", "No function is called 'eval'"),
        ("p.__class__", r"'p.__class__' is not allowed \(Attribute\)"),
        ("p[0]", "Subscript"),
        ("(lambda: p)()", "Call"),
        ("lambda p: p", "Lambda"),
        ("[p for p in y]", "ListComp"),
        ("sum(p for p in y)", "No function is called 'sum'"),
        ("p if y else 1", "IfExp"),
        ("p and y", "BoolOp"),
        ("p < y", "Compare"),
        ("p // y", "BinOp"),
        ("p @ y", "BinOp"),
        ("~p", "UnaryOp"),
        ("(p := y)", "NamedExpr"),
        ("f'{p}'", "JoinedStr"),
        ("(p, y)", "Tuple"),
        ("p + 'a'", "'a'. is not a number"),
        ("p + 1j", "is not a number"),
        ("p + True", "is not a number"),
        ("p + None", "is not a number"),
        ("p*1e999", "is not a finite number"),
        ("p*9**9**9**9", "is not a finite number"),
        ("p + log(0)", "is not a finite number"),
        ("p + (-8)**0.5", "is not a finite number"),
        ("p + 1/0", "is not a finite number"),
        ("p/(1 - 1)", "divides by zero"),
        ("(-2)**p", "a base above 0"),
        ("1 + 1", "does not depend on the prediction"),
        ("y", "does not depend on the prediction"),
        ("\u0440*y", "is not a plain letter"),
        ("p + \u00b2", "is not a plain letter"),
        ("\uff50*y", "is not a plain letter"),
        ("p" + "(" * 10_000 + ")" * 10_000, "20001 characters are too many"),
        ("aq(p)", "aq takes two values"),
        ("prior*p", "give prior="),
        (3.0, "must be text"),
    ],
)
def test_what_is_not_a_formula_is_one_clear_line(text, message):
    constants = {"gamma": 2.0} if "gama" in str(text) else {}
    with pytest.raises(ValueError, match=message) as error:
        Formula(text, **constants)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": float("nan")}, "gamma must be a finite number, got nan"),
        ({"gamma": float("inf")}, "gamma must be a finite number, got inf"),
        ({"gamma": 1e39}, "gamma must be a finite number"),
        ({"gamma": "2"}, "gamma must be a finite number, got '2'"),
        ({"gamma": True}, "gamma must be a finite number, got True"),
        ({"gamma": 2.0, "from_logit": 1}, "does not use from_logit. .*mean 'from_logits'"),
        ({"gamma": 2.0, "weight": 1.0}, "can be called weight"),
        ({"gamma": 2.0, "log": 1.0}, "can be called log"),
        ({"gamma": 2.0, "y": 1.0}, "can be called y"),
        ({"gamma": 2.0, "task": "ranking"}, "task must be one of"),
        ({"gamma": 2.0, "task": "regression", "from_logits": True}, "reads no logits"),
        ({"gamma": 2.0, "task": "boxes"}, "No name is called 'p'. There are: gamma, ioe, iou"),
        ({"gamma": 2.0, "prior": [0.5, 0.5]}, "does not use prior"),
        ({"gamma": 2.0, "prior": [0.5, 0.0]}, "list of shares in"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Formula(FOCAL, **arguments)


def test_a_bad_formula_in_a_spec_is_a_recipe_error():
    with pytest.raises(RecipeError, match="not allowed"):
        spec.parse("Formula('p.real')")
    with pytest.raises(RecipeError, match="does not use gamma"):
        spec.load("loss_config: {a: {class: Formula, formula: -y*log(p), gamma: 2.0}}")


def test_other_losses_still_refuse_unknown_arguments():
    with pytest.raises(RecipeError, match="Did you mean 'gamma'"):
        spec.parse("Focal(gama=1.0)")


def test_losses_found_by_search_have_their_optimum():
    """Baikal's is 1 / sqrt C; the shipped SparseLSR's is .775 for xi = .25 and C = 10."""
    c = 10
    baikal = Formula("(y/p - log(p))/n", n=c, from_logits=True, task="multiclass")
    sparse = Formula(
        "-y*((1 - xi + xi/n)*log(p) + xi*(n-1)/n*log((1-p)/(n-1)))",
        n=c,
        xi=0.25,
        from_logits=True,
        task="multiclass",
    )
    p = np.linspace(0.2, 0.99, 1581)
    logits = np.zeros((len(p), c))
    logits[:, 0] = np.log(p * (c - 1) / (1 - p))
    for loss, optimum in ((baikal, c**-0.5), (sparse, 0.775)):
        values = values_of(loss, np.zeros(len(p), int), logits)
        assert p[values.argmin()] == pytest.approx(optimum, abs=5e-3)


def test_prior_of_another_number_of_classes_is_refused():
    loss = Formula("-y*log(p)*prior", prior=[0.5, 0.5], task="multiclass")
    with pytest.raises(ValueError, match="prior has 2 shares, predictions have 4 classes"):
        loss(IDS, LOGITS)


def test_a_prior_makes_logit_adjustment():
    """log(p_c prior_c / sum p prior) is cross-entropy of adjusted logits."""
    prior = [0.1, 0.2, 0.3, 0.4]
    adjusted = values_of(lossforge.CrossEntropy(from_logits=True), IDS, LOGITS + np.log(prior))
    weighted = Formula("-y*log(p*prior)", prior=prior, from_logits=True, task="multiclass")
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    normaliser = np.log((p * prior).sum(-1))
    np.testing.assert_allclose(
        values_of(weighted, IDS, LOGITS) + normaliser, adjusted, rtol=1e-4, atol=1e-5
    )


def test_a_slot_keeps_the_constants_of_a_formula():
    from lossforge.recipe import Slot

    slot = Slot("classes", ("multiclass",), {"from_logits": True, "task": "multiclass"})
    fitted = slot.fit(Formula(FOCAL, gamma=1.5))
    assert fitted.constants == {"gamma": 1.5} and fitted.from_logits


@pytest.mark.parametrize("found", ["A", "B"])
def test_the_scale_free_box_losses_of_a_search_as_formulas(found):
    text = {"A": "2 - iou - ioe", "B": "-3/(3 - ioe - uoe)"}[found]
    y_true = np.array([[0.0, 0, 2, 2], [1, 1, 3, 4]])
    y_pred = np.array([[1.0, 0, 3, 2], [5, 1, 7, 4]])
    ours = values_of(Formula(text, task="boxes"), y_true, y_pred)
    np.testing.assert_allclose(ours, values_of(lossforge.AutoBox(found), y_true, y_pred), rtol=1e-5)


@pytest.mark.parametrize("task", ["regression", "image"])
def test_r_is_the_residual(task):
    y, p = BITS[None, :, :, None] * 1.0, LOGITS[None, :, :, None]
    same = Formula("square(y - p) + abs(y - p)", task=task)
    for of in (values_of, gradient_of):
        found = of(Formula("square(r) + abs(r)", task=task), y, p)
        np.testing.assert_allclose(found, of(same, y, p), rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="No name is called 'r'"):
        Formula("square(r)", task="multiclass")


def test_a_slot_of_several_kinds_gives_a_formula_what_its_task_reads():
    """Boxes, and not the offsets that losses of regression read in the same slot."""
    from lossforge.recipe import Slot

    slot = Slot("box", ("boxes", "regression"), {"reduction": "sum"})
    assert slot.fit(Formula("1 - iou", task="boxes")).kinds == ("boxes",)
    assert slot.fit(Formula("abs(y - p)", task="regression")).kinds == ("regression",)
    with pytest.raises(RecipeError, match="Formula reads multiclass"):
        slot.fit(Formula("-y*log(p)", task="multiclass"))
