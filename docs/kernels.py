"""Make ``kernels.md``, the table of all shipped kernels, out of the kernels themselves."""

from __future__ import annotations

from pathlib import Path

import convfilter as cf
from convfilter.cli.kernels import GROUPS
from convfilter.cli.report import parameters_in_words, size_in_words

PAGE = Path(__file__).resolve().with_name("kernels.md")

HEAD = """\
# The kernels

Each is a table in [kernels.toml](../kernels.toml). `convfilter kernels NAME` shows its weights, the range of
its values, its symmetry and how it is computed; with `-o` it draws them. Parameters follow the name:
`gaussian:sigma=3`, `motion:length=15,angle=30`. To write your own, see [kernel files](kernel-files.md).

![The weights of gaussian:sigma=2 and its frequency response](gaussian.png)

![The weights of sobel-x and its frequency response](sobel.png)
"""

TAIL = """\
## Undoing a blur

`deblur:of=KERNEL` sharpens what a known blur made. Of all filters of its size it comes closest to the sharp
image in the mean square, if images have a spectrum of 1/f² and the noise is `noise` times their contrast (a
Wiener filter). The blur's own parameters stand in brackets; a larger `noise` sharpens less and amplifies less
noise. The weights sum to 1.

![A blurred and a noisy image, sharpened by unsharp and by deblur](deblur.png)

```console
$ convfilter apply sample_images/coffee.png -k disk:3 -o blurred.png -q
$ convfilter apply blurred.png -k "deblur:disk(radius=3)" -o sharp.png -q
$ convfilter apply blurred.png -k "deblur:of=motion(length=9,angle=30),size=31,noise=0.05" -o other.png -q
```

The camera and coffee images, blurred by `gaussian:1.5`, `disk:3` or `motion:9`, come 3.6 to 6.3 dB closer to
the original with the default noise, and 1.7 to 3.1 dB with `noise=0.07` if noise of 2 levels is added after
the blur.
"""


def page() -> str:
    """Return the page."""
    kernels = cf.load_kernels()
    parts = [HEAD]
    for heading, names in GROUPS.items():
        sheet = f"kernels-{heading.lower().replace(' ', '-')}.png"
        parts += [f"## {heading}\n", f"![An image filtered with these kernels]({sheet})\n"]
        parts.append("| kernel | size | what it does | parameters | source |\n|---|---|---|---|---|")
        for name in names:
            kernel = kernels[name]
            parameters = parameters_in_words(kernel)
            cells = (f"`{name}`", size_in_words(kernel), kernel.summary, parameters, kernel.source)
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join([*parts, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
