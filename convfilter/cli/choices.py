"""Options as the command line gives them, as the records that the rooms below take."""

from __future__ import annotations

from typing import Any

import click

from convfilter.filtering import FilterOptions, check_options
from convfilter.kernels import Kernel, get_kernel, load_kernels

__all__ = ["chosen_filter"]


def chosen_filter(
    options: dict[str, Any], further: tuple[Kernel, ...] = ()
) -> tuple[tuple[Kernel, ...], FilterOptions]:
    """Return the kernels and how to filter with them.

    Parameters
    ----------
    options : dict
        Of a command with `kernel_option`, `kernel_file_option` and `filtering_options`.
    further : tuple of Kernel
        Kernels that were given otherwise; they come last.

    Raises
    ------
    ConvfilterError
        If there is no such kernel, or it cannot be used with the options.
    """
    known = load_kernels(options["kernel_file"])
    kernels = (*(get_kernel(name, known) for name in options["kernels"]), *further)
    border, fill = options["border"]
    if not 0 <= fill <= 1 and not options.get("quiet"):
        click.echo(
            f"convfilter: warning: --border constant={fill:g} is {fill:g} times full scale: V is a fraction, "
            "such as constant=0.5",
            err=True,
        )
    filtering = FilterOptions(
        padding=options["padding"],
        border=border,
        fill=fill,
        stride=options["stride"],
        dilation=options["dilation"],
        flip=options["flip"],
        channels=options["channels"],
        range=options["range_"],
        alpha=options["alpha"],
        linear=options["linear"],
        depth=options.get("depth"),
    )
    check_options(filtering, kernels)
    return kernels, filtering
