"""Make the tables of all shipped kernels at the end of ``kernels.md`` out of the kernels themselves."""

from __future__ import annotations

from pathlib import Path

import convfilter as cf
from convfilter.cli.kernels import GROUPS
from convfilter.cli.report import parameters_in_words, size_in_words

PAGE = Path(__file__).resolve().with_name("kernels.md")

MARK = "<!-- Made by docs/kernels.py, up to the end of the page. -->\n"


def page() -> str:
    """Return the page: as it is up to the mark, then the tables."""
    kernels = cf.load_kernels()
    parts = [PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK]
    for heading, names in GROUPS.items():
        sheet = f"kernels-{heading.lower().replace(' ', '-')}.png"
        parts += [f"### {heading}\n", f"![An image filtered with these kernels]({sheet})\n"]
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
