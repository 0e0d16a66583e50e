"""Rules in CEL, the language in which the API server checks resources.

Only what Kubernetes 1.30 knows is used. The API server refuses a definition whose rules could cost
too much, so whatever a rule goes through has a greatest length.
"""

from nexus_core.domain.text_rules import TextRule
from tools.crds.schemas import Schema


def refusing(*rules: Schema) -> Schema:
    """Return what makes a schema refuse the values for which one of the rules is false."""
    return {"x-kubernetes-validations": list(rules)}


def rule(expression: str, message: str, field: str = "") -> Schema:
    """Return a rule: what must be true, and what to say when it is not.

    `field` is where the fault is, when that is below the place of the rule: `.limits`.
    """
    written = {"rule": " ".join(expression.split()), "message": message}
    return written | ({"fieldPath": field} if field else {})


def matching(text: TextRule, value: str = "self") -> str:
    """Return an expression for a text that a rule of the domain allows."""
    return f"{value}.matches(r'^(?:{text.pattern.pattern})$')"


def text(rules: TextRule, *, may_be_empty: bool = False) -> Schema:
    """Return what a schema adds to a string to take what a rule of the domain allows."""
    expression = matching(rules)
    if may_be_empty:
        expression = f"self == '' || {expression}"
    return {"maxLength": rules.max_length, **refusing(rule(expression, rules.message))}


def amount(value: str) -> str:
    """Return an expression for the text of an amount that may be a whole number as well.

    Not for what is text in any case: the API server takes the cost of this to have no bound there.
    """
    return f"string({value})"


def compared(left: str, operator: str, right: str) -> str:
    """Return an expression that compares the amounts which two texts stand for.

    True where one of them stands for none: another rule says so.
    """
    sides = f"quantity({left}).compareTo(quantity({right})) {operator} 0"
    return f"!isQuantity({left}) || !isQuantity({right}) || {sides}"


def against_zero(text: str, operator: str) -> str:
    """Return an expression that compares an amount with zero; true where a text stands for none."""
    return f"!isQuantity({text}) || quantity({text}).compareTo(quantity('0')) {operator} 0"


def given(path: str) -> str:
    """Return an expression for a field that is there, and all above it: `self.limits.cpu`."""
    first, *rest = path.split(".")
    checks, place = [], first
    for name in rest:
        place = f"{place}.{name}"
        checks.append(f"has({place})")
    return " && ".join(checks)
