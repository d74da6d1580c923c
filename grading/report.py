"""The class's report: one page with the distribution of points, the exercises, and what to teach again."""

from __future__ import annotations

import base64
import html
import io
import time
from collections import Counter
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure

from grading.coursefolder import CourseFolder
from grading.grades import GRADED, Row, exercise, write
from grading.outputs import NO_HINTS, NOT_DONE

MOST_HINTS = 12
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; max-width: 62em; margin: 1.5em auto; padding: 0 1em }
h1 { margin: 0 } h2 { font-size: 1.1em; margin: 1.2em 0 .3em } img { max-width: 100% }
table { border-collapse: collapse; margin: .3em 0 } th, td { padding: .15em .7em; text-align: left }
tr { border-bottom: 1px solid #ddd } td.number { text-align: right; font-variant-numeric: tabular-nums }
@media print { body { margin: 0; font-size: 11px } @page { size: A4; margin: 12mm } }
"""


def write_report(folder: CourseFolder, rows: list[Row], maxima: dict[str, float]) -> None:
    """Write ``report.html`` (one page, the picture inside) and ``report.png``."""
    picture = draw([row for row in rows if row.counts], maxima, folder.lab)
    write(folder.root / "report.png", picture)
    write(folder.root / "report.html", page(folder.lab, rows, maxima, picture))


def left_out(rows: list[Row]) -> str:
    """Return how many rows the report does not count, and why; nothing if it counts all."""
    refused = sum(row.current and not row.counts for row in rows)
    stale = sum(not row.current for row in rows)
    parts = [f"{refused} not graded"] if refused else []
    parts += [f"{stale} of an earlier run only"] if stale else []
    return f"Not counted: {', '.join(parts)}. " if parts else ""


def earned(rows: list[Row], name: str) -> list[float]:
    """Return the known points of one exercise."""
    grades = [row.grades[name] for row in rows if name in row.grades]
    return [grade.points for grade in grades if not grade.by_hand]


def success(rows: list[Row], name: str, maximum: float) -> float:
    """Return the share of the points of one exercise that the class earned, or nan if none is known."""
    points = earned(rows, name)
    return float(np.mean(points)) / maximum if points and maximum else float("nan")


def draw(rows: list[Row], maxima: dict[str, float], title: str) -> bytes:
    """Return the picture as PNG: left how many students have how many points, right the exercises."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    maximum = sum(maxima.values())
    left.hist(
        [row.total for row in rows], bins=np.linspace(0, maximum, 12), color="#0072b2", edgecolor="white"
    )
    left.set(xlabel=f"points of {maximum:g}", ylabel="students", title=f"{title}: {len(rows)} students")
    names = [name for name in maxima if earned(rows, name)]
    shares = [100 * success(rows, name, maxima[name]) for name in names]
    bars = right.barh([exercise(name) for name in names], shares, color="#56b4e9")
    right.bar_label(bars, fmt="%.0f %%", padding=3)
    right.set(xlim=(0, 115), xlabel="points earned, in % of the maximum", title="Exercise by exercise")
    right.invert_yaxis()
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def page(lab: str, rows: list[Row], maxima: dict[str, float], picture: bytes) -> str:
    """Return the page. All that students wrote is escaped, and no script is allowed."""
    every, rows = rows, [row for row in rows if row.counts]
    totals = np.array([row.total for row in rows]) if rows else np.zeros(1)
    quartiles = ", ".join(f"{value:.3g}" for value in np.percentile(totals, [25, 50, 75]))
    statuses = Counter(row.record.status for row in every)
    by_hand = sum(bool(row.by_hand) for row in rows)
    mean = f"{totals.mean():.3g} of {sum(maxima.values()):g}"
    encoded = base64.b64encode(picture).decode()
    alternative = (
        f"Left: histogram of the points of {len(rows)} students, mean {mean}. "
        f"Right: points earned in each exercise, in per cent; the same numbers are in the table below."
    )
    parts = [
        f"<h1>{html.escape(lab)}</h1><p>{len(rows)} students, {time.strftime('%Y-%m-%d')}. "
        f"Mean {mean} points; quartiles {quartiles}. {left_out(every)}"
        + (f"{by_hand} submissions have questions to grade by hand, not counted yet." if by_hand else "")
        + "</p>",
        f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{encoded}">',
        "<h2>What to teach again: the hints that were given most often</h2>",
        rows_of(["exercise", "hint", "students"], hints(rows)[:MOST_HINTS]),
        "<h2>Exercises</h2>",
        rows_of(["exercise", "points", "full points", "none", "not done", "earned"], exercises(rows, maxima)),
        "<h2>Statuses</h2>",
        rows_of(["status", "students"], statuses.most_common()),
        "<h2>Points</h2>",
        rows_of(["points", "students"], distribution(totals, sum(maxima.values()))),
    ]
    odd = [row for row in every if row.record.status != GRADED or not row.current]
    if odd:
        parts += [f"<details><summary>{len(odd)} submissions to look at, not graded or not counted</summary>"]
        lines = [(row.record.given, row.record.status, "; ".join(row.remarks)) for row in odd]
        parts += [rows_of(["student", "status", "why"], lines), "</details>"]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f"<title>{html.escape(lab)}: the class</title>",
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<style>{STYLE}</style></head>\n<body>",
    ]
    return "\n".join([*head, *parts, "</body></html>\n"])


def hints(rows: list[Row]) -> list[tuple[str, str, int]]:
    """Return exercise, hint and how many students got it, the most frequent first."""
    given = [(exercise(name), text) for row in rows for name, text in row.record.hints.items()]
    counts = Counter((name, text) for name, text in given if text not in NO_HINTS)
    return [(name, text, count) for (name, text), count in counts.most_common()]


def exercises(rows: list[Row], maxima: dict[str, float]) -> list[tuple]:
    """Return for each exercise: points, how many have all and none of them, share earned."""
    lines = []
    for name, maximum in maxima.items():
        points = earned(rows, name)
        waiting = sum(name in row.by_hand for row in rows)
        full, none = sum(p >= maximum for p in points), sum(p == 0 for p in points)
        share = f"{success(rows, name, maximum):.0%}" if points else ""
        share += f" ({waiting} to grade by hand)" if waiting else ""
        undone = sum(row.record.hints.get(name) == NOT_DONE for row in rows)
        lines.append((exercise(name), f"{maximum:g}", full, none, undone, share))
    return lines


def distribution(totals: np.ndarray, maximum: float) -> list[tuple[str, int]]:
    """Return the histogram of the totals as a table, five classes."""
    edges = np.linspace(0, maximum, 6)
    counts, _ = np.histogram(totals, bins=edges)
    labels = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    return list(zip(labels, counts.tolist(), strict=True))


def rows_of(header: list[str], lines: list[tuple]) -> str:
    """Return an HTML table."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in header)
    body = "\n".join(f"<tr>{''.join(map(_field, line))}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _field(value: object) -> str:
    kind = ' class="number"' if isinstance(value, (int, float)) else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"
