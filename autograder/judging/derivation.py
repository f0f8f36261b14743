"""Checking a derivation line by line.

Theory of operation
-------------------
Lines are text in SymPy's syntax.  Text from students is never evaluated: it is parsed with
Python's `ast`, and only numbers, the exercise's symbols, + − * / **, and a few functions are
turned into SymPy expressions.  Two lines are equal if they agree, to thirty digits, at fixed
points with the exercise's relations put in; the first pair that does not is where the
derivation breaks, and the values on both sides are shown.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from autograder.judging.exercise import Derivation
from autograder.judging.syntax import parse_expression

MAX_LINE = 500
POINTS = 6
DIGITS = 30
MAX_POWER = 4096
MAX_EXPONENT = 1e6
"""Exponents beyond these take for ever to evaluate."""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": sympy.exp,
    "sqrt": sympy.sqrt,
    "log": sympy.log,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "Rational": sympy.Rational,
}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class LineError(ValueError):
    """A line that cannot be read; the message says why, for the student."""


@dataclass(frozen=True)
class LineReport:
    """One line of a derivation: its text, whether it follows, and what to say if it doesn't."""

    text: str
    follows: bool
    says: str = ""


def options(kind: Derivation) -> dict[str, Any]:
    """Return a derivation's statement as plain data, without what belongs to the answer."""
    return {
        "symbols": dict(kind.symbols),
        "start": kind.start,
        "goal": kind.goal,
        "relations": dict(kind.relations),
        "without": list(kind.without),
        "min_steps": kind.min_steps,
    }


def parse(text: str, symbols: Mapping[str, Any], relations: Mapping[str, str] | None = None) -> sympy.Expr:
    """Turn a line into a SymPy expression without evaluating it as Python.

    Parameters
    ----------
    symbols : the names that it may use.
    relations : symbol name to expression, put in before a ``diff``.

    Raises
    ------
    LineError
        If it is too long, is not an expression, or uses a name or sign that the task has not.
    """
    if len(text) > MAX_LINE:
        raise LineError(f"is longer than {MAX_LINE} characters")
    try:
        body = parse_expression(text.strip())
        return sympy.sympify(_Builder(symbols, relations or {}).build(body))
    except (SyntaxError, MemoryError, RecursionError):
        raise LineError("is not an expression that Python could read; check brackets and operators") from None
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise LineError(f"cannot be computed: {error}") from None


class _Builder:
    """Turns Python's syntax tree into SymPy's expressions."""

    def __init__(self, symbols: Mapping[str, Any], relations: Mapping[str, str]) -> None:
        self.symbols, self.relations = symbols, relations

    def build(self, node: ast.AST) -> Any:
        """Return the expression of a node; raises LineError for anything unknown."""
        if isinstance(node, ast.Constant):
            return _number(node)
        if isinstance(node, ast.Name):
            return _symbol(node.id, self.symbols)
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](self.build(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            left, right = self.build(node.left), self.build(node.right)
            if isinstance(node.op, ast.Pow):
                return self._power(left, right)
            return OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            arguments = [self.build(argument) for argument in node.args]
            if node.func.id == "exp" and len(arguments) == 1:
                self._check_size(arguments[0], "an exponential")
            return self._diff(arguments) if node.func.id == "diff" else _function(node.func.id)(*arguments)
        raise LineError(_not_understood(node))

    def _power(self, base: Any, exponent: Any) -> Any:
        if exponent.is_number and abs(exponent) > 64:
            raise LineError("has a power above 64")
        self._check_size(exponent * sympy.log(abs(base) + 2), "a power")
        result = base**exponent
        inner = result.as_base_exp()[1]
        if inner.is_number and abs(inner) > MAX_POWER:
            raise LineError("has powers of powers that are too large")
        return result

    def _check_size(self, exponent: Any, what: str) -> None:
        """Refuse what would take for ever to evaluate; the parts of `exponent` have been checked before."""
        value = sympy.sympify(exponent).subs(_points(self.symbols)[0]).evalf(5)
        if not abs(complex(value)) < MAX_EXPONENT:
            raise LineError(f"has {what} too large to compute")

    def _diff(self, arguments: list[Any]) -> Any:
        """Return a derivative, after the relations were put in."""
        if len(arguments) != 2 or not arguments[1].is_Symbol:
            raise LineError("has a diff that is not diff(expression, symbol)")
        others = {n: text for n, text in self.relations.items() if n != arguments[1].name}
        return sympy.diff(_settled(arguments[0], others, self.symbols), arguments[1])


def _settled(expression: Any, relations: Mapping[str, str], symbols: Mapping[str, Any]) -> Any:
    """Put the relations in, also those within relations."""
    known = {sympy.Symbol(n, positive=True): parse(text, symbols) for n, text in relations.items()}
    for _ in known:
        expression = expression.subs(known)
    return expression


def _number(node: ast.Constant) -> Any:
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        raise LineError(_not_understood(node))
    if abs(node.value) > 1e9:
        raise LineError("has a number beyond 10⁹")
    return sympy.nsimplify(node.value) if isinstance(node.value, float) else sympy.Integer(node.value)


def _symbol(name: str, symbols: Mapping[str, Any]) -> Any:
    if name == "pi":
        return sympy.pi
    if name not in symbols:
        raise LineError(f"uses {name!r}, which is not one of the symbols {', '.join(symbols)}")
    return sympy.Symbol(name, positive=True)


def _function(name: str) -> Callable[..., Any]:
    if name not in FUNCTIONS:
        raise LineError(f"uses the function {name!r}; these are known: {', '.join([*FUNCTIONS, 'diff'])}")
    return FUNCTIONS[name]


def _not_understood(node: ast.AST) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return "uses ^; write a power as **"
    if isinstance(node, (ast.Compare, ast.Tuple, ast.List)):
        return "should be one expression: no equals sign, no comma outside brackets"
    return "uses something other than numbers, symbols, + - * / ** and functions"


def _points(symbols: Mapping[str, Any]) -> list[dict[sympy.Symbol, sympy.Rational]]:
    rng = np.random.default_rng(20)
    return [
        {sympy.Symbol(n, positive=True): sympy.Rational(int(rng.integers(11, 97)), 31) for n in symbols}
        for _ in range(POINTS)
    ]


def sample(statement: Mapping[str, Any], text: str) -> np.ndarray:
    """Return a line's values at the fixed points, relations put in: shape (POINTS,), complex."""
    return np.array([complex(v) for v in _values(statement, _read(statement, text))])


def _read(statement: Mapping[str, Any], text: str) -> sympy.Expr:
    relations = tuple(statement["relations"].items())
    return _remembered_expression(text, tuple(statement["symbols"]), relations)


@functools.lru_cache(maxsize=512)
def _remembered_expression(
    text: str, symbols: tuple[str, ...], relations: tuple[tuple[str, str], ...]
) -> sympy.Expr:
    return parse(text, dict.fromkeys(symbols), dict(relations))


def _values(statement: Mapping[str, Any], expression: sympy.Expr) -> list[Any]:
    relations = tuple(statement["relations"].items())
    return list(_remembered_values(expression, tuple(statement["symbols"]), relations))


@functools.lru_cache(maxsize=512)
def _remembered_values(
    expression: sympy.Expr, symbols: tuple[str, ...], relations: tuple[tuple[str, str], ...]
) -> list[Any]:
    """Return an expression's values at the points; a class writes many lines that are the same."""
    settled = _settled(expression, dict(relations), dict.fromkeys(symbols))
    return [settled.subs(point).evalf(DIGITS) for point in _points(dict.fromkeys(symbols))]


def _agree(left: list[Any], right: list[Any]) -> bool:
    if not all(value.is_finite for value in [*left, *right]):
        return False
    return all(
        abs(a - b) <= sympy.Float(10) ** (-DIGITS + 8) * (abs(a) + abs(b))
        for a, b in zip(left, right, strict=True)
    )


def check(statement: Mapping[str, Any], lines: list[str]) -> list[LineReport]:
    """Check each line against the one above it, and the last against the goal.

    The first line may repeat the start.  The list ends with the first line that fails.
    """
    start = _read(statement, statement["start"])
    above, above_text = _values(statement, start), statement["start"]
    reports: list[LineReport] = []
    steps: list[tuple[sympy.Expr, bool]] = []
    for text in lines:
        try:
            expression = _read(statement, text)
            values = _values(statement, expression)
        except LineError as error:
            return [*reports, LineReport(text, False, f"This line {error}.")]
        if not _agree(above, values):
            return [*reports, LineReport(text, False, _difference(statement, above_text, above, values))]
        reports.append(LineReport(text, True))
        step = _step(text, expression)
        if step not in steps and step != _step(statement["start"], start):
            steps.append(step)
        above, above_text = values, text
    return _check_end(statement, reports, steps)


def _step(text: str, expression: sympy.Expr) -> tuple[sympy.Expr, bool]:
    """Return what makes a line a step of its own; a derivative that was taken differs from one that wasn't."""
    return expression, "diff" in text


def _difference(statement: Mapping[str, Any], above: str, left: list[Any], right: list[Any]) -> str:
    names = ", ".join(f"{s} = {float(v):.3g}" for s, v in _points(statement["symbols"])[0].items())
    first = f"{complex(left[0]).real:.6g}"
    second = f"{complex(right[0]).real:.6g}"
    return f"This line does not equal the one above it. At {names}: above {first}, here {second}."


def _check_end(
    statement: Mapping[str, Any], reports: list[LineReport], steps: list[tuple[sympy.Expr, bool]]
) -> list[LineReport]:
    if not reports:
        return reports
    last = reports[-1]
    goal = _values(statement, _read(statement, statement["goal"]))
    names = {str(symbol) for symbol in _read(statement, last.text).free_symbols}
    left_over = [name for name in statement["without"] if name in names]
    says = ""
    if left_over:
        says = f"So far every line follows. The last line must be free of {', '.join(left_over)}."
    elif not _agree(goal, _values(statement, _read(statement, last.text))):
        says = f"Every line follows, but the last one is not the goal, {statement['goal']}."
    elif len(steps) < statement["min_steps"]:
        says = f"Every line follows. Show at least {statement['min_steps']} steps after the start."
    return reports if not says else [*reports[:-1], LineReport(last.text, False, says)]
