"""The class's report: one page with the distribution of points, the exercises, and what to teach again."""

from __future__ import annotations

import html
import time
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from grading.grades import REFUSED, Row, exercise
from grading.outputs import NO_HINTS, NOT_DONE

MOST_HINTS, CLASSES = 12, 10
PAGE = Path(__file__).with_name("report.html")


def page(lab: str, every: list[Row], maxima: dict[str, float]) -> str:
    """Return the page. All that students wrote is escaped, and no script is allowed."""
    rows = [row for row in every if row.current and row.record.status != REFUSED]
    totals = np.array([row.total for row in rows] or [0.0])
    counts, edges = np.histogram([row.total for row in rows], CLASSES, (0, sum(maxima.values())))
    classes = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    bars = zip(classes, counts.tolist(), counts / max(1, *counts), strict=True)
    lines = exercises(rows, maxima)
    return PAGE.read_text(encoding="utf-8").format(
        lab=html.escape(lab),
        students=len(rows),
        date=time.strftime("%Y-%m-%d"),
        mean=f"{totals.mean():.3g} of {sum(maxima.values()):g} points",
        quartiles=", ".join(f"{value:.3g}" for value in np.percentile(totals, [25, 50, 75])),
        refused=sum(row.current and row.record.status == REFUSED for row in every),
        stale=sum(not row.current for row in every),
        by_hand=sum(bool(row.by_hand) for row in rows),
        hints=table(["exercise", "hint", "students"], hints(rows)[:MOST_HINTS]),
        exercises=table(["exercise", "points", "all", "none", "not done", "earned", ""], lines),
        points=table(["points", "students", ""], bars),
    )


def hints(rows: list[Row]) -> list[tuple[str, str, int]]:
    """Return exercise, hint and how many students got it, the most frequent first."""
    given = [(exercise(name), text) for row in rows for name, text in row.record.hints.items()]
    counts = Counter((name, text) for name, text in given if text not in NO_HINTS)
    return [(name, text, count) for (name, text), count in counts.most_common()]


def exercises(rows: list[Row], maxima: dict[str, float]) -> list[tuple]:
    """Return for each exercise: points, how many have all and none of them, share earned, as a bar too."""
    lines = []
    for name, maximum in maxima.items():
        grades = [row.grades[name] for row in rows if name in row.grades]
        points = [grade.points for grade in grades if not grade.by_hand]
        waiting = len(grades) - len(points)
        full, none = sum(p >= maximum for p in points), sum(p == 0 for p in points)
        share = np.mean(points or [0]) / maximum
        told = f"{share:.0%}" * bool(points) + f" ({waiting} to grade by hand)" * bool(waiting)
        undone = sum(row.record.hints.get(name) == NOT_DONE for row in rows)
        lines.append((exercise(name), f"{maximum:g}", full, none, undone, told, share))
    return lines


def table(header: list[str], lines: Iterable[tuple]) -> str:
    """Return an HTML table; whole numbers stand on the right, a fraction becomes a bar."""
    head = "".join(f'<th scope="col">{title}</th>' for title in header)
    body = "\n".join(f"<tr>{''.join(map(_field, line))}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _field(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="bar"><div style="width: {value:.0%}"></div></td>'
    kind = ' class="number"' if isinstance(value, int) else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"
