"""A loss as text and as YAML, both ways. Text is parsed, never run.

    0.7*Focal(gamma=1.5) + Dice()                       a weighted sum
    HardExamples(Focal(gamma=0.0), keep=0.25)           a wrapper
    Mined(Triplet(), BatchEasyHardMiner())              a wrapper with a miner

>>> text(parse("Focal(gamma=1.5) + 0.5*CrossEntropy()"))
'Focal(gamma=1.5) + 0.5*CrossEntropy()'
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lossforge.errors import RecipeError, unknown_name

LONGEST = 10_000


def parse(source: str) -> Any:
    """The Loss that a text describes.

    Raises:
        RecipeError: for text that is not a loss, an unknown name (with a suggestion), an unknown
            argument, or a value that the loss refuses.
    """
    if len(source) > LONGEST:
        raise RecipeError(f"A loss of {len(source)} characters is too long; at most {LONGEST}.")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise RecipeError(f"'{source[:80]}' is not a loss: {reason}.") from None
    terms = list(_terms(tree, source))
    if len(terms) == 1 and terms[0][0] == 1.0:
        return terms[0][1]
    from lossforge.losses.composite import Composite

    named: dict[str, tuple[float, Any]] = {}
    for weight, loss in terms:
        name, number = loss.name, 2
        while name in named:
            name, number = f"{loss.name}_{number}", number + 1
        named[name] = (weight, loss)
    return _build(Composite, named)


def parse_balance(source: str) -> Any:
    """The Balance that a text describes: `"Uncertainty(learning_rate=0.02)"`, or only its name.

    Raises:
        RecipeError: for text that is no Balance, an unknown name or argument, or a value that the
            Balance refuses.
    """
    from lossforge.balance import BALANCES

    return _made(source, "Balance", BALANCES)


def parse_callback(source: str) -> Any:
    """The callback that a text describes: `"LossWarmup('box', begin=200)"`.

    A schedule is a text of its own: `"Anneal('box.gamma', linear(2.0, 0.5, steps=1000))"`.

    Raises:
        RecipeError: for text that is no callback, an unknown name or argument, or a value that the
            callback refuses.
    """
    from lossforge import callbacks

    return _made(source, "callback", {n: getattr(callbacks, n) for n in callbacks.__all__})


SCHEDULES = ("constant", "linear", "cosine", "exponential", "piecewise")


def _made(source: str, what: str, classes: Any) -> Any:
    """An object of a flat table of classes from `Name(arguments)`, with literal arguments."""
    try:
        node = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise RecipeError(f"'{source[:80]}' is not a {what}: {reason}.") from None
    call = ast.Call(func=node, args=[], keywords=[]) if isinstance(node, ast.Name) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise RecipeError(f"'{source[:80]}' is not a {what}; write it like 'Name(number=1.0)'.")
    if call.func.id not in classes:
        raise RecipeError(unknown_name(what, call.func.id, classes))
    return _called(classes[call.func.id], call)


def _called(function: Any, call: ast.Call) -> Any:
    parameters = inspect.signature(function).parameters
    for keyword in call.keywords:
        if keyword.arg not in parameters:
            name = call.func.id  # type: ignore[attr-defined]
            raise RecipeError(unknown_name(f"argument of {name}", str(keyword.arg), parameters))
    values = [_value(node) for node in call.args]
    named = {str(keyword.arg): _value(keyword.value) for keyword in call.keywords}
    try:
        return function(*values, **named)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{call.func.id}: {error}") from None  # type: ignore[attr-defined]


def _value(node: ast.expr) -> Any:
    """A literal, or a schedule."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SCHEDULES:
        from lossforge import schedules

        return _called(getattr(schedules, node.func.id), node)
    return _literal(node)


def text(loss: Any) -> str:
    """The text of a loss; `parse` gives an equal loss back."""
    from lossforge.losses.composite import Composite

    if not isinstance(loss, Composite):
        return _call(loss)
    parts = []
    for name, term in loss.losses.items():
        if isinstance(term, Composite):
            raise RecipeError(
                f"Term '{name}' is a Composite: nested ones have no text, save them as YAML."
            )
        weight = loss.weights[name]
        parts.append(_call(term) if weight == 1.0 else f"{weight!r}*{_call(term)}")
    joined = " + ".join(parts)
    return f"1.0*{joined}" if len(parts) == 1 and loss.weights[name] == 1.0 else joined


def dump(
    losses: dict[str, Any],
    path: str | Path | None = None,
    balance: str | None = None,
    callbacks: Sequence[str] = (),
) -> str:
    """The YAML `loss_config` of {slot: Loss}; written to `path` when given.

    `balance` and `callbacks` are texts, which `load_dynamics` reads.
    """
    tree: dict[str, Any] = {"loss_config": {slot: _tree(loss) for slot, loss in losses.items()}}
    if balance:
        tree["balance"] = balance
    if callbacks:
        tree["callbacks"] = list(callbacks)
    content = yaml.safe_dump(tree, sort_keys=False)
    if path is not None:
        Path(path).write_text(content, encoding="utf-8")
    return content


def load(source: str | Path) -> dict[str, Any]:
    """{slot: Loss} of a YAML file, or of YAML text with a `loss_config`.

    Raises:
        RecipeError: for a missing file, text that is not YAML, or losses that do not exist.
    """
    return {slot: _from_tree(tree) for slot, tree in _config(source)["loss_config"].items()}


def load_dynamics(source: str | Path) -> tuple[str | None, list[str]]:
    """(text of the Balance or None, texts of callbacks) of a YAML file or text, checked.

        loss_config: ...
        balance: Uncertainty(learning_rate=0.02)
        callbacks: ["LossWarmup('box', begin=200)"]

    Raises:
        RecipeError: as `load`, `parse_balance` and `parse_callback`.
    """
    config = _config(source)
    balance, callbacks = config.get("balance"), config.get("callbacks") or []
    if not isinstance(callbacks, list):
        raise RecipeError(f"'callbacks:' in a loss spec is a list of texts, got {callbacks!r}.")
    if balance is not None:
        parse_balance(str(balance))
    for callback in callbacks:
        parse_callback(str(callback))
    return None if balance is None else str(balance), [str(callback) for callback in callbacks]


def _config(source: str | Path) -> dict[str, Any]:
    content = str(source)
    if "loss_config" not in content:
        try:
            content = Path(source).read_text(encoding="utf-8")
        except OSError as error:
            raise RecipeError(f"Can't read the loss spec '{source}': {error.strerror}.") from None
    try:
        config = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise RecipeError(f"The loss spec is not YAML: {' '.join(str(error).split())}") from None
    slots = config.get("loss_config") if isinstance(config, dict) else None
    if not isinstance(slots, dict) or not slots:
        raise RecipeError("A loss spec holds 'loss_config:' with one loss a slot.")
    return config


def _terms(node: ast.expr, source: str, weight: float = 1.0):
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _terms(node.left, source, weight)
        yield from _terms(node.right, source, weight)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        number, loss = node.left, node.right
        if isinstance(number, ast.Call):
            number, loss = loss, number
        yield from _terms(loss, source, weight * _weight(number))
    else:
        loss = _loss(node)
        if not hasattr(loss, "kinds"):
            raise RecipeError(
                f"{type(loss).__name__} is a miner, not a loss; write it like "
                f"'Mined(Triplet(), {type(loss).__name__}())'."
            )
        yield weight, loss


def _weight(node: ast.expr) -> float:
    value = _literal(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(f"A weight must be a number, got '{ast.unparse(node)}'.")
    from lossforge.losses.composite import check_weight

    try:
        return check_weight("loss", value)
    except ValueError as error:
        raise RecipeError(str(error)) from None


def _loss(node: ast.expr) -> Any:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise RecipeError(
            f"'{ast.unparse(node)[:80]}' is not a loss; write it like 'Focal(gamma=1.5)'."
        )
    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise RecipeError("A loss takes arguments by name; '**' is not read.")
        arguments[keyword.arg] = _argument(keyword.value)
    return _build(_class(node.func.id), *map(_argument, node.args), **arguments)


def _argument(node: ast.expr) -> Any:
    return _loss(node) if isinstance(node, ast.Call) else _literal(node)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    if isinstance(node, ast.Name) and node.id == "inf":
        return float("inf")
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        raise RecipeError(f"'{ast.unparse(node)[:80]}' is not a number or a literal.") from None


def _class(name: str) -> type:
    from lossforge.losses import LOSSES
    from lossforge.miners.pair_miners import MINERS

    known = {**LOSSES, **MINERS}
    if name not in known:
        similar = MINERS if name.endswith("Miner") else LOSSES
        raise RecipeError(unknown_name("miner" if similar is MINERS else "loss", name, similar))
    return known[name]


def _build(cls: type[Any], *arguments: Any, **named: Any) -> Any:
    from lossforge.losses.base import Loss, argument_names

    is_loss = issubclass(cls, Loss)
    known = [*argument_names(cls), *(("name", "reduction", "dtype") if is_loss else ())]
    for name in named:
        if name not in known and not (is_loss and cls.open_arguments):
            raise RecipeError(unknown_name(f"argument of {cls.__name__}", name, known))
    try:
        return cls(*arguments, **named)
    except (TypeError, ValueError) as error:
        raise RecipeError(str(error)) from None


def _is_part(value: Any) -> bool:
    """Whether an argument is a loss or a miner."""
    from lossforge.losses.base import Loss
    from lossforge.miners.pair_miners import Miner

    return isinstance(value, Loss | Miner)


def _changed(loss: Any) -> dict[str, Any]:
    """The arguments of a loss or miner that differ from their defaults; its parts as objects."""
    from lossforge.losses.base import Loss, snake_case

    parameters = inspect.signature(type(loss).__init__).parameters
    is_loss = isinstance(loss, Loss)
    if is_loss:
        _check_that_text_holds(loss)
    config = loss.get_config()
    changed = {}
    for name, value in (loss.arguments() if is_loss else config).items():
        if _is_part(value):
            changed[name] = value
        elif name not in parameters or config[name] != parameters[name].default:
            changed[name] = config[name]
    if not is_loss:
        return changed
    defaults = {
        "name": snake_case(type(loss).__name__),
        "reduction": "sum_over_batch_size",
        "dtype": "float32",
    }
    return changed | {n: config[n] for n, default in defaults.items() if config[n] != default}


def _check_that_text_holds(loss: Any) -> None:
    import keras

    for name, value in loss.arguments().items():
        if isinstance(value, keras.Model):
            raise RecipeError(
                f"{type(loss).__name__}({name}=...): a text holds no model; save '{value.name}' as "
                f".keras and give its path, {name}='{value.name}.keras'."
            )


def _call(loss: Any) -> str:
    required = _required(type(loss))

    def shown(name, value):
        value = _call(value) if _is_part(value) else repr(value)
        return value if name in required else f"{name}={value}"

    arguments = ", ".join(shown(name, value) for name, value in _changed(loss).items())
    return f"{type(loss).__name__}({arguments})"


def _required(cls: type) -> list[str]:
    """The arguments without a default, which text gives by place."""
    parameters = inspect.signature(cls).parameters.values()
    empty = inspect.Parameter.empty
    return [p.name for p in parameters if p.default is empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def _tree(loss: Any) -> dict[str, Any]:
    from lossforge.losses.composite import Composite

    if isinstance(loss, Composite):
        terms = {n: _term_tree(loss.weights[n], t) for n, t in loss.losses.items()}
        return {"class": "Composite", "terms": terms}
    changed = _changed(loss).items()
    plain = {n: _tree(v) if _is_part(v) else v for n, v in changed}
    return {"class": type(loss).__name__, **plain}


def _term_tree(weight: Any, loss: Any) -> dict[str, Any]:
    """A term of a Composite; a loss with a weight of its own stands apart, under `loss`."""
    tree = _tree(loss)
    return {"weight": weight, "loss": tree} if "weight" in tree else {"weight": weight, **tree}


def _from_tree(tree: Any) -> Any:
    if isinstance(tree, str):
        return parse(tree)
    if not isinstance(tree, dict) or "class" not in tree:
        raise RecipeError(
            f"A loss in YAML is text like 'Focal(gamma=1.5)' or has 'class:', got {tree!r}."
        )
    cls = _class(str(tree["class"]))
    arguments = {str(n): v for n, v in tree.items() if n != "class"}
    if "terms" in arguments and isinstance(arguments["terms"], dict):
        arguments["terms"] = {
            str(name): _weighted_term(str(name), term) for name, term in arguments["terms"].items()
        }
    for name, value in arguments.items():
        if isinstance(value, dict) and "class" in value:
            arguments[name] = _from_tree(value)
    return _build(cls, **arguments)


def _weighted_term(name: str, term: Any) -> tuple[Any, Any]:
    if not isinstance(term, dict):
        return 1.0, _from_tree(term)
    loss = {n: v for n, v in term.items() if n != "weight"}
    apart = "loss" in loss and "class" not in loss
    return term.get("weight", 1.0), _from_tree(loss["loss"] if apart else loss)
