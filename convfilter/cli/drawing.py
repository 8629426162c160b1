"""What ``convfilter explain`` draws: one value worked out, or the kernel sliding over a small input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from numpy.typing import NDArray

from convfilter.drawing.canvas import as_seen, check_drawing, full_scale, save_animation, save_drawing
from convfilter.drawing.explained import draw_explanation, sliding_frames
from convfilter.errors import OptionError
from convfilter.explaining import Explanation
from convfilter.filtering import FilterOptions
from convfilter.geometry import Axis, axes_of
from convfilter.images.picture import Picture
from convfilter.kernels import Kernel
from convfilter.messages import shown
from convfilter.outputs import STREAM, refuse_input

__all__ = ["animate", "axes_to_slide", "check_outputs", "draw"]

_MOST_FRAMES = 256
_MILLISECONDS = 700


def check_outputs(image: str | None, options: dict[str, Any]) -> None:
    """Refuse outputs that cannot be written before anything is worked out."""
    if options["output"] == options["animate"] == STREAM:
        raise OptionError("standard output takes one picture: name a file for the other one")
    for path, animated in ((options["output"], False), (options["animate"], True)):
        if path is not None:
            refuse_input(path, [] if image is None else [image])
            check_drawing(path, overwrite=options["overwrite"], animated=animated)


def draw(
    told: Sequence[Explanation], names: tuple[str, ...], picture: Picture | None, options: dict[str, Any]
) -> None:
    """Draw the first value that was worked out."""
    seen = None if picture is None else as_seen(picture.pixels, picture.mode)
    full = full_scale(picture.pixels if picture is not None else told[0].parts[0].slices[0].samples)
    save_drawing(
        options["output"], draw_explanation(told[0], names, seen, full), overwrite=options["overwrite"]
    )
    click.echo(f"convfilter: drawn to {shown(options['output'])}", err=True)


def axes_to_slide(
    shape: tuple[int, ...], kernels: Sequence[Kernel], filtering: FilterOptions
) -> tuple[Axis, ...]:
    """Return the axes that the kernel slides along; refuse what would be no animation."""
    if len(kernels) > 1 or len(shape) > 3:
        raise OptionError("--animate draws one kernel over one picture: give one -k without frames")
    axes = axes_of(
        shape[:2], (kernels[0].height, kernels[0].width), padding=filtering.padding, stride=filtering.stride,
        dilation=filtering.dilation,
    )  # fmt: skip
    if axes[0].output * axes[1].output > _MOST_FRAMES:
        raise OptionError(
            f"{axes[0].output} x {axes[1].output} values come out: --animate draws at most {_MOST_FRAMES}, "
            "so give a small picture or --values"
        )
    return axes


def animate(
    values: NDArray[Any],
    axes: Sequence[Axis],
    explain: Callable[[tuple[int, int]], Explanation],
    options: dict[str, Any],
) -> None:
    """Draw the kernel sliding over all of a small input."""
    count = axes[0].output * axes[1].output
    frames = sliding_frames(values, axes, explain, full_scale(values))
    save_animation(options["animate"], frames, count, _MILLISECONDS, overwrite=options["overwrite"])
    click.echo(f"convfilter: drawn to {shown(options['animate'])}", err=True)
