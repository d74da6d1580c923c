"""Submissions of lab 01 whose grades are known: honest ones, damaged ones, hostile ones."""

import copy
import functools
import json
from dataclasses import dataclass
from urllib.parse import quote

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import course

LAB = "01_neurons"
POINTS = {
    "sigmoid": 2,
    "threshold": 1,
    "tanh-slope": 1,
    "neuron": 2,
    "gates": 2,
    "gradient": 3,
    "train": 3,
    "xor-weights": 2,
}
MAXIMUM = sum(POINTS.values())  # by tests; the open question has 3 more
QUESTION = "xor-friends"
BEFORE_GATES = ("sigmoid", "threshold", "tanh-slope", "neuron")
WITHOUT_GATES = tuple(name for name in POINTS if name != "gates")
WRONG = {
    "sigmoid": "def sigmoid(x):\n    return np.tanh(x)",
    "threshold": "def threshold(x, beta):\n    return (x > beta).astype(float)",
    "tanh-slope": "def tanh_slope(x):\n    return 1 - np.tanh(x)",
    "neuron": "def neuron(X, w, b, phi):\n    return phi(X @ w)",
    "gates": "def gates():\n    w = np.ones(2)\n    return dict.fromkeys(('AND', 'OR', 'NAND'), (w, -0.5))",
    "gradient": "def gradient(w, b, X, y):\n    e = neuron(X, w, b, sigmoid)\n    return X.T @ e, e.sum()",
    "train": "def train(X, y, rate, epochs):\n    return np.zeros(X.shape[1]), 0.0, []",
    "xor-weights": "def xor_weights():\n    return np.eye(2), np.zeros(2), np.ones(2), 0.0",
}


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


@functools.cache
def _text(folder, name=LAB):
    return (course.ROOT / folder / f"{name}.ipynb").read_text(encoding="utf-8")


def lab():
    return nbformat.reads(_text("labs"), as_version=4)


def solution():
    return nbformat.reads(_text("solutions"), as_version=4)


def lecture():
    return _text("notebooks").encode()


def lean(content):
    """The notebook without the figures and the iris, which take half of the time and no points."""
    mark = b"\xef\xbb\xbf"
    if content.startswith(mark):
        return mark + lean(content.removeprefix(mark))
    try:
        notebook = json.loads(content.decode())
        cells = notebook["cells"][:]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content
    words = ("plt.", "plots.", "load_iris", "petals", "losses[")
    texts = [json.dumps(cell["source"]) for cell in cells]
    kept = [cell for cell, text in zip(cells, texts, strict=True) if not any(word in text for word in words)]
    text = json.dumps(notebook | {"cells": kept})
    return text.replace("import matplotlib.pyplot as plt\\n", "").encode()


@functools.cache
def answers():
    """The source of each solution cell, by grade id."""
    marks = [(cell.metadata.get("nbgrader", {}), cell.source) for cell in solution().cells]
    return {mark["grade_id"]: source for mark, source in marks if mark.get("solution")}


def grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def is_test(cell):
    return grade_id(cell).endswith("-check")


def notebook(right=tuple(POINTS), question=True, **changed):
    """A lab with the named exercises solved; ``changed`` gives other sources by grade id."""
    made, solved = lab(), answers()
    changed = {name.replace("_", "-"): source for name, source in changed.items()}
    for cell in made.cells:
        name = grade_id(cell)
        if name in right or (name == QUESTION and question):
            cell.source = solved[name]
        cell.source = changed.get(name, cell.source)
    return made


def dump(made):
    return nbformat.writes(made).encode()


def honest(seed=0):
    """The cases of an ordinary class; ``seed`` varies what does not matter."""
    comment = f"\n# {seed}"
    some = {name: source + comment for name, source in answers().items() if name in POINTS}
    half = {name.replace("-", "_"): some[name] for name in BEFORE_GATES}
    return {
        "right": Case(
            dump(notebook(**{name.replace("-", "_"): source for name, source in some.items()})), tuple(POINTS)
        ),
        "half": Case(dump(notebook((), question=False, **half)), BEFORE_GATES),
        "wrong": Case(
            dump(notebook((), **{name.replace("-", "_"): s + comment for name, s in WRONG.items()}))
        ),
        "empty": Case(dump(lab())),
    }


def with_cells(made, change):
    made.cells = change(list(made.cells))
    return made


def gates(source):
    """All right but for the cell of the gates."""
    return dump(notebook(gates=source))


def first(source, **changed):
    """A cell of the student's own before all others."""
    return dump(with_cells(notebook(**changed), lambda cells: [new_code_cell(source), *cells]))


def metadata_edited():
    made = notebook(BEFORE_GATES)
    for cell in made.cells:
        if is_test(cell):
            cell.metadata.nbgrader.update(points=100, locked=False)
        elif grade_id(cell) == "gates":
            cell.metadata.nbgrader.update(grade=True, points=50)
    return dump(made)


def marks_lost():
    made = notebook()
    for cell in made.cells:
        cell.metadata.pop("nbgrader", None)
        cell.pop("id", None)
    made.nbformat_minor = 4
    return dump(made)


def without_mark(cell, name):
    if grade_id(cell) == name:
        del cell.metadata["nbgrader"]
    return cell


def version_3():
    """The same lab in the format of ten years ago."""
    cells = []
    for cell in notebook().cells:
        old = {"cell_type": cell.cell_type, "metadata": cell.metadata}
        old |= (
            {"input": cell.source, "language": "python", "outputs": [], "collapsed": False}
            if (cell.cell_type == "code")
            else {"source": cell.source}
        )
        cells.append(old)
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }
    return json.dumps(old).encode()


def version_4_2():
    """As editors save it that know no cell ids: they stay, though the format has none."""
    made = json.loads(dump(notebook()))
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x", "metadata": {}}]
    return json.dumps(made | {"nbformat_minor": 2}).encode()


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def picture(source, *names):
    """A text cell with pictures pasted into it."""
    links = "".join(f"\n![](attachment:{quote(name)})" for name in (*names, "not handed in.png"))
    return new_markdown_cell(source + links, attachments={name: {"image/png": PIXEL} for name in names})


def with_pictures():
    made = notebook()
    for cell in made.cells:
        if grade_id(cell) == QUESTION:
            cell.update(picture(cell.source, "8b1c.png"), metadata=cell.metadata, id=cell.id)
    return dump(with_cells(made, lambda cells: [*cells, picture("Own", "a b.png")]))


def answer_beside(make):
    """The question untouched, and ``make(cells, place)`` puts the answer somewhere."""
    made = notebook(question=False)
    place = next(i for i, cell in enumerate(made.cells) if grade_id(cell) == QUESTION)
    return dump(with_cells(made, lambda cells: make(cells, place)))


def behind(*own):
    return lambda cells, place: [*cells[: place + 1], *own, *cells[place + 1 :]]


def in_next_text(cells, place):
    cells[place + 1].source += "\n\nAnn: no. Ben: no. Cleo: yes."
    return cells


def copied(cells, place):
    return [new_markdown_cell(cells[place].source + "\n\nCleo: yes."), *cells]


def beside():
    """Places where an open question is answered, other than its cell."""
    return {
        "text-behind": answer_beside(behind(new_markdown_cell("Cleo: yes."))),
        "code-behind": answer_beside(behind(new_code_cell("# Cleo: yes."))),
        "next-text": answer_beside(in_next_text),
        "copied": answer_beside(copied),
    }


def talkative():
    """Right answers that write to the error stream while they are checked."""
    talk = "    import logging, sys\n    print(1, file=sys.stderr)\n    logging.warning(2)\n"
    return dump(
        notebook(train=answers()["train"].replace("    w, b, losses =", f"{talk}    w, b, losses =", 1))
    )


def large():
    made = notebook()
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    code[3].outputs = [new_output("stream", text="x" * 50_000_000)]
    return dump(made)


def scripts():
    """HTML that would like to run in the instructor's browser."""
    html = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    show = "from IPython.display import HTML, Javascript, display\n"
    show += f"display(HTML({html!r}), Javascript('1'))\nprint({html!r})"
    made = notebook(**{"xor_friends": f"My answer {html}"})
    return dump(with_cells(made, lambda cells: [*cells, new_markdown_cell(html), new_code_cell(show)]))


def spy():
    """Look for what it must not see, write where it must not; the answers stay right."""
    return first(
        "import nnlabs, os, pathlib, socket\n"
        f"tops = map(pathlib.Path, ('/home', '/root', '/tmp', '/srv', '/mnt', {str(course.ROOT.parent)!r}))\n"
        "seen = [str(p) for top in tops for p in top.rglob('*')\n"
        "        if p.suffix in ('.ipynb', '.db') or p.name in ('lessons', 'solutions', 'submitted')]\n"
        "print('SEEN', [p for p in seen if 'site-packages' not in p and 'share/jupyter' not in p])\n"
        "print('SECRET', os.environ.get('GRADER_SECRET'))\n"
        "try:\n"
        "    socket.create_connection(('1.1.1.1', 53), timeout=2)\n"
        "    print('NETWORK there')\n"
        "except OSError:\n"
        "    print('NETWORK cut')\n"
        "for target in (nnlabs.__file__, '/usr/owned', '/owned'):\n"
        "    try:\n"
        "        open(target, 'a').write('# owned')\n"
        "        print('WROTE', target)\n"
        "    except OSError:\n"
        "        print('REFUSED')"
    )


def damaged():
    """What needs no execution, and ends in a status."""
    other = _text("labs", "02_multilayer_perceptron").encode()
    return {
        "not-json": Case(b"{'cells': ", status="not graded", words="not valid JSON"),
        "no-bytes": Case(b"", status="not graded", words="empty"),
        "nested": Case(b"[" * 100_000, status="not graded", words="not valid JSON"),
        "no-cells": Case(b'{"cells": 3}', status="not graded", words="without cells"),
        "another": Case(other, status="not graded", words="another lab"),
        "lecture": Case(lecture(), status="not graded", words="none of the lab's marks"),
        "marks-lost": Case(marks_lost(), status="not graded", words="an editor has removed them"),
        "utf-16": Case(dump(lab()).decode().encode("utf-16"), status="not graded", words="UTF-16"),
        "conflict": Case(b"<<<<<<< a\n{}\n>>>>>>> b", status="not graded", words="conflict"),
    }


def edited():
    """What students do to a notebook, mostly without meaning to."""
    every = tuple(POINTS)
    half = notebook(BEFORE_GATES)
    for cell in half.cells:
        if is_test(cell):
            cell.source = "pass"
    return {
        "tests-deleted": Case(
            dump(with_cells(notebook(), lambda cells: [c for c in cells if not is_test(c)])),
            every,
            words="put back",
        ),
        "tests-edited": Case(dump(half), BEFORE_GATES, words="was edited: put back"),
        "tests-doubled": Case(
            dump(with_cells(notebook(), lambda cells: [c for cell in cells for c in twice(cell)])),
            every,
            words="more than once",
        ),
        "reversed": Case(
            dump(with_cells(notebook(), lambda cells: cells[::-1])), every, words="another order"
        ),
        "metadata": Case(metadata_edited(), BEFORE_GATES, words="marks"),
        "mark-lost": Case(
            dump(with_cells(notebook(), lambda cells: [without_mark(c, "gates") for c in cells])),
            WITHOUT_GATES,
            "look at it",
            "have lost their marks (gates)",
        ),
        "version-3": Case(version_3(), every),
        "version-4-2": Case(version_4_2(), every),
        "bom": Case(b"\xef\xbb\xbf" + dump(notebook()), every),
        "stderr": Case(talkative(), every),
        "pictures": Case(with_pictures(), every),
        "large": Case(large(), every),
        "renamed": Case(
            dump(notebook(sigmoid=answers()["sigmoid"].replace("def sigmoid", "def my_sigmoid"))),
            tuple(name for name in POINTS if name not in ("sigmoid", "gradient", "train")),
        ),
        "scripts": Case(scripts(), every),
    }


def twice(cell):
    other = copy.deepcopy(cell)
    other.id = f"{cell.id}-again"
    return [cell, other] if grade_id(cell) and cell.cell_type == "code" else [cell]


def hostile():
    """Attacks and accidents while it runs."""
    part, look = "graded in part", "look at it"
    wrong = WRONG["gates"]
    ignore = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    return {
        "sys-exit": Case(gates("import sys\nsys.exit(1)"), WITHOUT_GATES),
        "os-exit": Case(gates("import os\nos._exit(1)"), BEFORE_GATES, part, "os._exit"),
        "os-exit-later": Case(
            gates("def gates():\n    import os\n    os._exit(0)"), BEFORE_GATES, part, "os._exit"
        ),
        "quit": Case(gates("get_ipython().ask_exit()"), BEFORE_GATES, part, "called quit() or exit()"),
        "loop": Case(gates("while True:\n    pass"), WITHOUT_GATES, part, "of computing"),
        "loop-ignores": Case(
            gates(f"{ignore}while True:\n    pass"), BEFORE_GATES, part, "could not be interrupted"
        ),
        "memory-at-once": Case(gates("def gates():\n    return np.ones(50 * 10**9 // 8)"), WITHOUT_GATES),
        "memory-in-steps": Case(
            gates("hoard = []\nwhile True:\n    hoard.append(np.ones(10**7))"),
            BEFORE_GATES,
            part,
            "of memory",
        ),
        "fork-bomb": Case(gates("import os\nwhile True:\n    os.fork()"), BEFORE_GATES, part, "processes"),
        "prints": Case(gates("while True:\n    print('x' * 100_000)"), BEFORE_GATES, part, "printed more"),
        "files": Case(
            gates("for i in range(100):\n    open(f'{i}', 'wb').write(bytes(50_000_000))"),
            BEFORE_GATES,
            part,
            "of files",
        ),
        "patched-checks": Case(
            gates(f"import nnlabs.checks.expect as e\ne.true = lambda *a, **k: None\n{wrong}"),
            None,
            look,
            "nnlabs.checks.expect",
        ),
        "environment": Case(
            gates("def gates():\n    import os\n    os.environ.pop('NBGRADER_EXECUTION', None)"),
            None,
            look,
            "NBGRADER_EXECUTION",
        ),
        "own-answer": Case(gates("gates = check.gates.reference"), None, look, ".reference"),
        "check-replaced": Case(
            gates(f"class check:\n    gates = staticmethod(lambda attempt: attempt)\n{wrong}"), WITHOUT_GATES
        ),
        "value": Case(
            gates("import sys\ndef gates():\n    sys.displayhook(100)"), WITHOUT_GATES, look, "displayhook"
        ),
        "odd-messages": Case(
            gates(
                "kernel = get_ipython().kernel\n"
                "for kind, content in (('display_data', {'data': 5, 'metadata': 7}),\n"
                "                      ('error', {'ename': {}, 'evalue': 3, 'traceback': 'x'}),\n"
                "                      ('stream', {'name': [], 'text': {}})):\n"
                "    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())"
            ),
            BEFORE_GATES,
            part,
            "messages that are not",
        ),
        "spy": Case(spy(), tuple(POINTS)),
    }
