"""A lab of two exercises and an open question, as small as can be."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

from tools import cells


def marked(make, source, **marks):
    return make(source, metadata={"nbgrader": cells._metadata(marks)})


def exercise(name, answer, check, points=1):
    """The two cells of an exercise."""
    return [
        marked(new_code_cell, answer, exercise=name),
        marked(new_code_cell, check, check=name, points=points),
    ]


def hide(begin, answer, end):
    return f"{begin} BEGIN SOLUTION{end}\n{answer}\n{begin} END SOLUTION{end}"


SOLUTION = new_notebook(
    cells=[
        new_markdown_cell("# Tiny"),
        new_code_cell("import math\nTWO = 2"),
        *exercise("double", hide("###", "double = lambda x: TWO * x", ""), "assert double(2) == 4", 2),
        new_markdown_cell("Next."),
        *exercise("half", hide("###", "half = lambda x: x / TWO", ""), "assert half(2) == 1"),
        marked(new_markdown_cell, "Why?\n\n" + hide("<!--", "Because.", " -->"), question="why", points=3),
        new_markdown_cell("The end."),
    ]
)


def lab():
    """As a student gets it."""
    return cells.student_version(SOLUTION)


def filled(**answers):
    """A lab with these answers, by grade id (``half_check`` is half-check); the others are the solution's."""
    made, solved = lab(), SOLUTION
    for cell, own in zip(made.cells, solved.cells, strict=True):
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").replace("-", "_")
        lines = own.source.splitlines()
        if name and name not in answers:
            cell.source = "\n".join(line for line in lines if " SOLUTION" not in line)
        cell.source = answers.get(name, cell.source)
    return made


def dump(made):
    return writes(made).encode()
