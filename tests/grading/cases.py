"""Submissions of lab 01 whose grades are known: honest ones, damaged ones, hostile ones.

What the lab is made of (exercises, points, order, solutions) is read from the built notebook. Only the
exercises ``sigmoid``, the first one, and ``gates``, in the middle, are known by name.
"""

import csv
import functools
import json
import re
from dataclasses import dataclass
from urllib.parse import quote

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.handin import grade_id
from tools import course

LAB = "01_neurons"


@functools.cache
def _text(folder, name=LAB):
    return (course.ROOT / folder / f"{name}.ipynb").read_text(encoding="utf-8")


def lab():
    return nbformat.reads(_text("labs"), as_version=4)


def solution():
    return nbformat.reads(_text("solutions"), as_version=4)


def points(kind):
    """The maximum for each exercise that tests decide (code), or for each open question (markdown)."""
    marks = [c.metadata.nbgrader for c in solution().cells if grade_id(c) and c.cell_type == kind]
    return {mark.grade_id.removesuffix("-check"): mark.points for mark in marks if mark.grade}


POINTS, QUESTIONS = points("code"), points("markdown")
MAXIMA, MAXIMUM = POINTS | QUESTIONS, sum(POINTS.values())  # of all; by tests
QUESTION = next(iter(QUESTIONS))
EVERY = tuple(POINTS)
BEFORE_GATES = EVERY[: EVERY.index("gates")]
WITHOUT_GATES = tuple(name for name in EVERY if name != "gates")
SOURCES = {grade_id(cell): cell.source for cell in solution().cells}
ANSWERS = {name: SOURCES[name] for name in (*EVERY, *QUESTIONS)}
WRONG = {name: re.match(r"\w+", SOURCES[f"{name}-check"])[0] + " = lambda *_, **__: 0" for name in EVERY}
WRONG["sigmoid"] = "def sigmoid(x):\n    return np.tanh(x)"


@dataclass(frozen=True)
class Case:
    """What to hand in, and what must come of it."""

    content: bytes
    right: tuple[str, ...] | None = ()  # the exercises that earn their points; None: whatever it forges
    status: str = "graded"
    words: str = ""  # a part of the remarks

    @property
    def total(self):
        return sum(POINTS[name] for name in self.right)

    def differs(self, row):
        """What is not as it is known in a line of the table of grades; nothing if all is."""
        earned = {name for name in POINTS if row[name] not in ("0", "")}
        is_right = self.right is None or earned == set(self.right)
        is_right = is_right and row["status"].split(", ")[0] == self.status and self.words in row["remarks"]
        return {} if is_right else row


def rows(folder):
    """The table of grades: student → line."""
    with (folder / "grades.csv").open(encoding="utf-8-sig", newline="") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


@functools.cache
def idle():
    """The lab's own code that no graded cell needs: figures, data, trainings."""
    own = [cell.source for cell in solution().cells if cell.cell_type == "code" and not grade_id(cell)]
    return {source for source in own if not re.search(r"(?m)^(import|from|def|class) ", source)}


def lean(content):
    """The notebook without what takes half of the time and earns no points."""
    try:
        made = json.loads(content.decode("utf-8-sig"))
        kept = [cell for cell in made["cells"] if "".join(cell["source"]) not in idle()]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content
    return content[: content.index(b"{")] + json.dumps(made | {"cells": kept}).encode()


def notebook(right=EVERY, question=True, **changed):
    """A lab with the named exercises solved; ``changed`` gives other sources by grade id."""
    made = lab()
    for cell in made.cells:
        name = grade_id(cell)
        if name in right or (name in QUESTIONS and question):
            cell.source = ANSWERS[name]
        cell.source = changed.get(name.replace("-", "_"), cell.source)
    return made


def dump(made):
    return json.dumps(made).encode()


def honest():
    """The cases of an ordinary class."""
    wrong = {name.replace("-", "_"): source for name, source in WRONG.items()}
    return {
        "right": Case(dump(notebook()), EVERY),
        "half": Case(dump(notebook(BEFORE_GATES, False)), BEFORE_GATES),
        "wrong": Case(dump(notebook((), False, **wrong))),
        "empty": Case(dump(lab())),
    }


def gates(source):
    """All right but for the cell of the gates."""
    return dump(notebook(gates=source))


def version_4_2():
    """As editors save it that know no cell ids: they stay, though the format has none. Before it a mark.

    The first answer is right and writes to the error stream while it is checked.
    """
    talk = "    import logging, sys\n    print(1, file=sys.stderr)\n    logging.warning(2)\n"
    again = f"\nright = sigmoid\ndef sigmoid(x):\n{talk}    return right(x)"
    made = notebook(sigmoid=ANSWERS["sigmoid"] + again) | {"nbformat_minor": 2}
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x", "metadata": {}}]
    return b"\xef\xbb\xbf" + json.dumps(made).encode()


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HTML = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


def picture(source, *names):
    """A text cell with pictures pasted into it."""
    links = "".join(f"\n![](attachment:{quote(name)})" for name in (*names, "not handed in.png"))
    return new_markdown_cell(source + links, attachments={name: {"image/png": PIXEL} for name in names})


def with_pictures(**changed):
    """Pictures in answers, and HTML that would like to run in the instructor's browser."""
    made = notebook(**changed)
    show = "from IPython.display import HTML, Javascript, display\n"
    show += f"display(HTML({HTML!r}), Javascript('1'))\nprint({HTML!r})"
    for cell in made.cells:
        if grade_id(cell) == QUESTION:
            cell.update(picture(cell.source + HTML, "8b1c.png"), metadata=cell.metadata, id=cell.id)
    own = [picture("Own", "a b.png"), new_markdown_cell(HTML), new_code_cell(show)]
    return dump(made | {"cells": [*made.cells, *own]})


def damaged():
    """What needs no execution, and ends in a status."""
    no_marks = [cell | {"metadata": {}} for cell in notebook().cells]
    contents = {
        "not-json": (b"{'cells': ", "not valid JSON"),
        "no-bytes": (b"", "empty"),
        "nested": (b"[" * 100_000, "not valid JSON"),
        "another": (_text("labs", "02_multilayer_perceptron").encode(), "another lab"),
        "lecture": (_text("notebooks").encode(), "such as the lecture"),
        "marks-lost": (dump(notebook() | {"cells": no_marks}), "an editor has removed them"),
        "utf-16": (_text("labs").encode("utf-16"), "UTF-16"),
        "conflict": (b"<<<<<<< a\n{}\n>>>>>>> b", "conflict"),
    }
    return {name: Case(content, (), "not graded", words) for name, (content, words) in contents.items()}


def edited():
    """What students do to a notebook, mostly without meaning to."""
    half, lost = notebook(BEFORE_GATES, question=False), notebook()
    for cell in half.cells:
        cell.source = "pass" if grade_id(cell).endswith("-check") else cell.source
    behind = [grade_id(cell) for cell in half.cells].index(QUESTION) + 1
    half.cells.insert(behind, new_markdown_cell("Cleo: yes."))
    for cell in lost.cells:
        cell.metadata = {} if grade_id(cell) == "gates" else cell.metadata
    return {
        "tests-edited": Case(dump(half), BEFORE_GATES, words="edited: put back"),  # and "beside"
        "mark-lost": Case(dump(lost), WITHOUT_GATES, "look at it", "have lost their marks (gates)"),
        "version-4-2": Case(version_4_2(), EVERY),
        "pictures": Case(with_pictures(), EVERY),
    }


# Look for what it must not see, write where it must not; the answers stay right.
SPY = f"""
import nnlabs, os, socket
tops = ('/home', '/root', '/tmp', '/srv', '/mnt', {str(course.ROOT.parent)!r})
seen = []
for top in tops:
    for place, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in ('site-packages', 'share')]
        names = {{*folders}} & {{'lessons', 'solutions', 'submitted'}}
        seen += [*names, *(name for name in files if name.endswith(('.ipynb', '.db')))]
print('SEEN', seen)
print('SECRET', os.environ.get('GRADER_SECRET'))
print('NETWORKS', socket.if_nameindex())
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print('RIGHTS', [status[name].strip('0 ' + chr(9) + chr(10)) for name in ('CapPrm', 'CapEff', 'CapAmb')])
for target in (nnlabs.__file__, '/usr/owned', '/owned'):
    try:
        open(target, 'a').write('# owned')
        print('WROTE', target)
    except OSError:
        print('REFUSED')
"""
ODD_MESSAGES = """
kernel = get_ipython().kernel
for kind, content in (('display_data', {'data': 5, 'metadata': 7}), ('stream', {'name': [], 'text': {}}),
                      ('error', {'ename': {}, 'evalue': 3, 'traceback': 'x'})):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
"""
NO_INTERRUPT = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
REPLACED = "class check:\n    gates = staticmethod(lambda attempt: attempt)\n"
STOPS = {  # in the cell of the gates: it ends the run with these words; what was finished before counts
    "os-exit": ("import os\nos._exit(1)", "os._exit"),
    "quit": ("get_ipython().ask_exit()", "called quit() or exit()"),
    "loop-ignores": (f"{NO_INTERRUPT}while True:\n    pass", "could not be interrupted"),
    "memory-in-steps": ("hoard = []\nwhile True:\n    hoard.append(np.ones(3 * 10**7))", "of memory"),
    "fork-bomb": ("import os\nwhile True:\n    os.fork()", "processes"),
    "prints": ("while True:\n    print('x' * 1000)", "printed more"),
    "files": ("for i in range(50): open(f'{i}', 'wb').write(bytes(10**7))\nwhile True: pass", "of files"),
    "odd-messages": (ODD_MESSAGES, "messages that are not"),
}


def hostile():
    """Attacks and accidents while it runs."""
    part, look = "graded in part", "look at it"
    patched = f"import nnlabs.checks.expect as e\ne.true = lambda *a, **k: None\n{WRONG['gates']}"
    value = f"{REPLACED}import sys\ndef gates():\n    sys.displayhook(100)"
    spied = notebook()
    spied.cells.insert(0, new_code_cell(SPY))
    stopped = {name: Case(gates(code), BEFORE_GATES, part, words) for name, (code, words) in STOPS.items()}
    return stopped | {
        "sys-exit": Case(gates("import sys\nsys.exit(1)"), WITHOUT_GATES),
        "loop": Case(gates("while True:\n    pass"), WITHOUT_GATES, part, "of computing"),
        "memory-at-once": Case(gates("def gates():\n    return np.ones(50 * 10**9 // 8)"), WITHOUT_GATES),
        "patched-checks": Case(gates(patched), None, look, "nnlabs.checks.expect"),
        "check-replaced": Case(gates(REPLACED + WRONG["gates"]), WITHOUT_GATES),
        "value": Case(gates(value), WITHOUT_GATES, look, "displayhook"),
        "spy": Case(dump(spied), EVERY),
    }
