"""What a query asks for: series and labels that must be exported, and the labels of its answer."""

from collections.abc import Mapping

import promql_parser as promql
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    Matcher,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
)

from support.exported import Labels

NONE: Labels = frozenset()

# Of a number, and of what holds for all series: it goes together with any labels.
_SETS = ("and", "or", "unless")
_NO_LABELS = ("absent", "absent_over_time", "scalar", "time", "vector")


class QueryError(Exception):
    """A query asks for what nobody exports, or for labels that what it asks has not."""


def labels_of(query: str, exported: Mapping[str, Labels]) -> Labels:
    """Return the labels of what a query answers.

    Raises:
        QueryError: it is no PromQL, or a series or label that it names is not there.
    """
    try:
        expression = promql.parse(query)
    except ValueError as error:
        raise QueryError(f"no PromQL: {error}") from error
    return _labels(expression, exported)


def _labels(expression: Expr, exported: Mapping[str, Labels]) -> Labels:
    match expression:
        case VectorSelector():
            labels = _selected(expression, exported)
        case MatrixSelector():
            labels = _selected(expression.vector_selector, exported)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            labels = _labels(expression.expr, exported)
        case NumberLiteral() | StringLiteral():
            labels = NONE
        case AggregateExpr():
            labels = _aggregated(expression, exported)
        case Call():
            labels = _called(expression, exported)
        case BinaryExpr():
            labels = _combined(expression, exported)
        case _:
            raise QueryError(f"nobody knows yet what labels {type(expression).__name__} has")
    return labels


def _selected(selector: VectorSelector, exported: Mapping[str, Labels]) -> Labels:
    name = selector.name
    if name is None:
        raise QueryError("a selector names no series")
    if name not in exported:
        raise QueryError(f"no service exports {name}")
    labels = exported[name]
    matched = [matcher.name for matcher in selector.matchers.matchers]
    _demand(matched, labels, f"{name} has no label")
    return labels


def _aggregated(expression: AggregateExpr, exported: Mapping[str, Labels]) -> Labels:
    labels = _labels(expression.expr, exported)
    modifier = expression.modifier
    if modifier is None:
        return NONE
    _demand(modifier.labels, labels, "what is aggregated has no label")
    named = frozenset(modifier.labels)
    return named if modifier.type == AggModifierType.By else labels - named


def _called(expression: Call, exported: Mapping[str, Labels]) -> Labels:
    arguments = [_labels(argument, exported) for argument in expression.args]
    name = expression.func.name
    if name in _NO_LABELS:
        return NONE
    labels = frozenset[str]().union(*arguments)
    if name == "histogram_quantile":
        _demand(["le"], labels, "a histogram has no label")
        return labels - {"le"}
    if name.startswith("label_"):
        raise QueryError(f"nobody knows yet what labels {name} gives")
    return labels


def _combined(expression: BinaryExpr, exported: Mapping[str, Labels]) -> Labels:
    left, right = _labels(expression.lhs, exported), _labels(expression.rhs, exported)
    modifier, operator = expression.modifier, str(expression.op)
    matching = modifier.matching if modifier else None
    if matching is None:
        if left and right and left != right and operator != "or":
            raise QueryError(f"{sorted(left)} never match {sorted(right)}: {expression.prettify()}")
        return left | right
    if matching.type == LabelModifierType.Include:
        for side in (left, right):
            _demand(matching.labels, side, "one of the sides has no label")
        common = frozenset(matching.labels)
    else:
        common = (left | right) - frozenset(matching.labels)
        if common - left or common - right:
            raise QueryError(f"the sides differ in more than {matching.labels}")
    if operator in _SETS:
        return left | right if operator == "or" else left
    if modifier is not None and modifier.card == VectorMatchCardinality.ManyToOne:
        return left | frozenset(modifier.group_labels or ())
    if modifier is not None and modifier.card == VectorMatchCardinality.OneToMany:
        return right | frozenset(modifier.group_labels or ())
    return common


def _demand(wanted: list[str], there: Labels, complaint: str) -> None:
    missing = sorted(set(wanted) - there)
    if missing:
        raise QueryError(f"{complaint} {', '.join(missing)}; it has {sorted(there)}")


def series_of(query: str) -> set[str]:
    """Return the names of all series that a query asks for."""
    found: set[str] = set()

    def visit(expression: Expr) -> None:
        if isinstance(expression, MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, VectorSelector) and expression.name:
            found.add(expression.name)

    promql.walk(promql.parse(query), visit)
    return found


def matchers_of(query: str) -> list[Matcher]:
    """Return all that a query demands of labels."""
    found: list[Matcher] = []

    def visit(expression: Expr) -> None:
        if isinstance(expression, MatrixSelector):
            expression = expression.vector_selector
        if isinstance(expression, VectorSelector):
            found.extend(expression.matchers.matchers)

    promql.walk(promql.parse(query), visit)
    return found
