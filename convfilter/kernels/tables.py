"""One table of a kernel file, checked and made into a kernel."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from convfilter.errors import KernelError
from convfilter.kernels.checks import FieldError, choice, flat, kind_of, named
from convfilter.kernels.generators import GENERATORS, generate
from convfilter.kernels.kernel import AXES, NAME, NAMES, Kernel, is_zero_sum
from convfilter.messages import propose

__all__ = ["kernel_from_table"]

_FORMS = ("weights", "parts", "generator")
_COMMON_KEYS = ("summary", "source", "offset", "range")
_KEYS = (*_FORMS, *_COMMON_KEYS, "combine", "parameters", "axes", "divisor")


def kernel_from_table(name: str, table: Any) -> Kernel:
    """Return the kernel that one table of a file describes.

    Raises
    ------
    FieldError
        If anything in the table is wrong; its field is the key to blame, or ``name`` or ``table``
        where none is.
    """
    if not NAME.fullmatch(name):
        raise FieldError("name", NAMES)
    if not isinstance(table, dict):
        raise FieldError("table", f"{kind_of(table)} where a table of keys belongs")
    for key, value in table.items():
        if key not in _KEYS:
            raise FieldError(key, _about_unknown_key(name, key, value))
    forms = [form for form in _FORMS if form in table]
    if not forms:
        raise FieldError("weights", f"missing; a kernel has one of {' '.join(_FORMS)}")
    if len(forms) > 1:
        raise FieldError(forms[1], f"cannot stand beside {forms[0]}; a kernel has one of them")
    form = forms[0]
    common = {key: table[key] for key in _COMMON_KEYS if key in table}
    try:
        if form == "generator":
            return _generated(name, table, common)
        return _written(name, table, form, common)
    except FieldError as error:
        keys = {"divisors": "divisor", "parts": "parameters" if form == "generator" else form}
        raise FieldError(keys.get(error.field, error.field), error.reason) from None


def _about_unknown_key(name: str, key: str, value: object) -> str:
    """Return why a key is refused, and what was probably meant."""
    if isinstance(value, dict):
        return f'unknown key; a name with a dot is written in quotes: ["{named(name)}.{named(key)}"]'
    return f"unknown key{propose(key, _KEYS)}"


def _generated(name: str, table: dict[str, Any], common: dict[str, Any]) -> Kernel:
    """Return the kernel of a table with a generator."""
    for key in ("axes", "divisor", "combine"):
        if key in table:
            raise FieldError(key, "does not go with a generator, which settles it")
    generator = _blamed("generator", choice, table["generator"], tuple(GENERATORS))
    made = _blamed("parameters", generate, generator, table.get("parameters", {}))
    return Kernel(
        name,
        parts=(made.weights,),
        divisors=(made.divisor,),
        parameters=made.parameters,
        generator=generator,
        **common,
    )


def _written(name: str, table: dict[str, Any], form: str, common: dict[str, Any]) -> Kernel:
    """Return the kernel of a table with its weights written down."""
    if "parameters" in table:
        raise FieldError("parameters", "goes with a generator only")
    if form == "weights" and "combine" in table:
        raise FieldError("combine", "goes with parts only")
    parts = table[form] if form == "parts" else [table[form]]
    if not isinstance(parts, list) or not parts:
        what = "empty" if parts == [] else kind_of(parts)
        raise FieldError(form, f"{what} where a list of tables belongs")
    axes = _axes(table, form, parts[0])
    divisor = table.get("divisor", 1)
    if isinstance(divisor, str):
        _blamed("divisor", choice, divisor, ("sum",))
    divisors = (1 if divisor == "sum" else divisor,) * len(parts)
    combine = table.get("combine")
    kernel = Kernel(name, parts=tuple(parts), axes=axes, divisors=divisors, combine=combine, **common)
    return replace(kernel, divisors=_own_sums(kernel)) if divisor == "sum" else kernel


def _axes(table: dict[str, Any], form: str, part: object) -> tuple[str, ...]:
    """Return the axes that a table states, or that follow from how deep its numbers are."""
    depth = 0
    inner = part
    while isinstance(inner, list) and depth < 6:
        depth += 1
        inner = inner[0] if inner else None
    if "axes" in table:
        axes = tuple(str(_blamed("axes", choice, table["axes"], AXES)).split(","))
        if depth != len(axes) and part != []:
            raise FieldError("axes", f"{','.join(axes)} needs lists {len(axes)} deep, not {depth}")
        return axes
    if depth == 0:
        raise FieldError(form, f"{kind_of(part)} where a list of numbers belongs")
    if depth > 2:
        raise FieldError("axes", f"missing; lists {depth} deep need one of {' '.join(AXES[2:])}")
    return ("column",) if depth == 1 else ("row", "column")


def _own_sums(kernel: Kernel) -> tuple[int | float, ...]:
    """Return each part's own sum, as a divisor."""
    sums: list[int | float] = []
    for part in kernel.parts:
        weights = flat(part)
        exact = all(isinstance(weight, int) for weight in weights)
        total = sum(weights) if exact else math.fsum(weights)
        if total == 0 or (not exact and is_zero_sum(weights)):
            raise FieldError("divisor", "the weights sum to zero, so they cannot be divided by their sum")
        sums.append(total)
    return tuple(sums)


def _blamed(key: str, check: Any, *arguments: Any) -> Any:
    """Return what the check returns; a refusal is laid on the key."""
    try:
        return check(*arguments)
    except KernelError as error:
        raise FieldError(key, str(error)) from None
