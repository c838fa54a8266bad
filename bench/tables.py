# SPDX-License-Identifier: BSD-3-Clause
"""Text tables: columns aligned for a terminal, or Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def plain(head: Row, rows: Sequence[Row], left: int = 1) -> str:
    """Columns two spaces apart; the first `left` of them begin at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown(head: Row, rows: Sequence[Row], left: int = 1) -> str:
    rule = ["---" if i < left else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])
