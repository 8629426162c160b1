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
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
