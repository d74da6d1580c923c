"""The class's report: one page with the distribution of points, the exercises, and what to teach again."""

from __future__ import annotations

import base64
import html
import io
import time
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from grading.coursefolder import CourseFolder
from grading.grades import GRADED, Row, exercise, write
from grading.outputs import NO_HINTS, NOT_DONE

MOST_HINTS = 12
PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<title>{lab}: the class</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; max-width: 62em; margin: 1.5em auto; padding: 0 1em }}
h1 {{ margin: 0 }} h2 {{ font-size: 1.1em; margin: 1.2em 0 .3em }} img {{ max-width: 100% }}
table {{ border-collapse: collapse; margin: .3em 0 }} th, td {{ padding: .15em .7em; text-align: left }}
tr {{ border-bottom: 1px solid #ddd }} td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
@media print {{ body {{ margin: 0; font-size: 11px }} @page {{ size: A4; margin: 12mm }} }}
</style></head>
<body><h1>{lab}</h1>
<p>{students} students, {date}. Mean {mean}; quartiles {quartiles}. {left_out}{by_hand}</p>
<img alt="Left: histogram of the points of {students} students, mean {mean}. Right: points earned in each
 exercise, in per cent; the same numbers are in the table below." src="data:image/png;base64,{picture}">
<h2>What to teach again: the hints that were given most often</h2>
{hints}
<h2>Exercises</h2>
{exercises}
<h2>Statuses</h2>
{statuses}
<h2>Points</h2>
{points}
<details><summary>{odd} submissions to look at, not graded or not counted</summary>
{look}
</details></body></html>
"""


def write_report(folder: CourseFolder, rows: list[Row], maxima: dict[str, float]) -> None:
    """Write ``report.html``: one page, with the picture inside."""
    picture = draw([row for row in rows if row.counts], maxima, folder.lab)
    write(folder.root / "report.html", page(folder.lab, rows, maxima, picture))


def earned(rows: list[Row], name: str) -> list[float]:
    """Return the known points of one exercise."""
    grades = [row.grades[name] for row in rows if name in row.grades]
    return [grade.points for grade in grades if not grade.by_hand]


def draw(rows: list[Row], maxima: dict[str, float], title: str) -> bytes:
    """Return the picture as PNG: left how many students have how many points, right the exercises."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    maximum = sum(maxima.values())
    bins = np.linspace(0, maximum, 12)
    left.hist([row.total for row in rows], bins=bins, color="#0072b2", edgecolor="white")
    left.set(xlabel=f"points of {maximum:g}", ylabel="students", title=f"{title}: {len(rows)} students")
    known = {name: earned(rows, name) for name in maxima if earned(rows, name)}
    shares = [100 * np.mean(points) / maxima[name] for name, points in known.items()]
    bars = right.barh([*map(exercise, known)], shares, color="#56b4e9")
    right.bar_label(bars, fmt="%.0f %%", padding=3)
    right.set(xlim=(0, 115), xlabel="points earned, in % of the maximum", title="Exercise by exercise")
    right.invert_yaxis()
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def page(lab: str, every: list[Row], maxima: dict[str, float], picture: bytes) -> str:
    """Return the page. All that students wrote is escaped, and no script is allowed."""
    rows = [row for row in every if row.counts]
    totals = np.array([row.total for row in rows] or [0.0])
    by_hand = sum(bool(row.by_hand) for row in rows)
    odd = [row for row in every if row.record.status != GRADED or not row.current]
    look = [(row.record.given, row.record.status, "; ".join(row.remarks)) for row in odd]
    stale = sum(not row.current for row in every)
    refused = len(every) - len(rows) - stale
    left_out = [f"{refused} not graded"] * (refused > 0) + [f"{stale} of an earlier run only"] * (stale > 0)
    counts, edges = np.histogram(totals, bins=np.linspace(0, sum(maxima.values()), 6))
    classes = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
    return PAGE.format(
        lab=html.escape(lab),
        students=len(rows),
        date=time.strftime("%Y-%m-%d"),
        mean=f"{totals.mean():.3g} of {sum(maxima.values()):g} points",
        quartiles=", ".join(f"{value:.3g}" for value in np.percentile(totals, [25, 50, 75])),
        left_out=f"Not counted: {', '.join(left_out)}. " if left_out else "",
        by_hand=f"{by_hand} have questions to grade by hand, not counted yet." if by_hand else "",
        picture=base64.b64encode(picture).decode(),
        hints=table(["exercise", "hint", "students"], hints(rows)[:MOST_HINTS]),
        exercises=table(
            ["exercise", "points", "full", "none", "not done", "earned"], exercises(rows, maxima)
        ),
        statuses=table(["status", "students"], Counter(row.record.status for row in every).most_common()),
        points=table(["points", "students"], zip(classes, counts.tolist(), strict=True)),
        odd=len(odd),
        look=table(["student", "status", "why"], look),
    )


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
        share = f"{np.mean(points) / maximum:.0%}" if points else ""
        share += f" ({waiting} to grade by hand)" if waiting else ""
        undone = sum(row.record.hints.get(name) == NOT_DONE for row in rows)
        lines.append((exercise(name), f"{maximum:g}", full, none, undone, share))
    return lines


def table(header: list[str], lines: Iterable[tuple]) -> str:
    """Return an HTML table; numbers stand on the right."""
    head = "".join(f'<th scope="col">{title}</th>' for title in header)
    body = "\n".join(f"<tr>{''.join(map(_field, line))}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _field(value: object) -> str:
    kind = ' class="number"' if isinstance(value, (int, float)) else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"
