"""What every built notebook promises: nothing leaks, figures speak, links lead somewhere."""

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
PATHS = sorted(
    path for folder in ("notebooks", "labs", "solutions") for path in ROOT.glob(f"{folder}/*.ipynb")
)
LABS = [path for path in PATHS if path.parent.name == "labs"]
EXECUTED = [path for path in PATHS if path.parent.name != "labs"]
MAX_CODE_LINES = 25
MAX_FIGURE_BYTES = 100_000
TRIVIAL_LENGTH = 12  # a shorter line, such as `return x`, says nothing


DOCUMENTS = [*ROOT.glob("*.md"), ROOT / "data" / "README.md", ROOT / "grading" / "README.md"]


def parametrize(paths):
    return pytest.mark.parametrize("path", paths, ids=[f"{p.parent.name}/{p.stem}" for p in paths])


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def markdown(path):
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


@parametrize(PATHS)
def test_cells_are_short_and_headings_in_order(path):
    for cell in code_cells(path):
        lines = [line for line in cell.source.split("\n") if line.strip()]
        assert len(lines) <= MAX_CODE_LINES, cell.source
    text = re.sub(r"```.*?```", "", markdown(path), flags=re.DOTALL)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]
    assert (levels[0], levels.count(1)) == (1, 1)
    for before, after in pairwise(levels):
        assert after <= before + 1, "a heading skips a level"


@parametrize(PATHS)
def test_images_have_alternative_text(path):
    assert re.findall(r"!\[\s*\]\(", markdown(path)) == []
    for image in re.findall(r"<img[^>]*>", markdown(path)):
        assert re.search(r'alt="[^"]+"', image), image


@parametrize(EXECUTED)
def test_figures_are_small_and_have_alternative_text(path):
    for output in outputs(path):
        for kind, content in output.get("data", {}).items():
            assert not kind.startswith("image/"), "end the figure with plots.show(alt)"
            if kind == "text/html":
                assert len(content) < MAX_FIGURE_BYTES * 4 / 3, f"a figure of {len(content)} characters"
                assert all(re.search('alt="[^"]+"', image) for image in re.findall(r"<img[^>]*>", content))


@parametrize(EXECUTED)
def test_executed_in_the_cpu_budget_without_warnings_and_targets_reached(path):
    assert all(cell.execution_count for cell in code_cells(path)), "not executed: run `make notebooks`"
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.get("text")
        assert not any("widget" in kind for kind in output.get("data", {})), "it is dead without its kernel"
    text = "".join(output.get("text", "") for output in outputs(path))
    assert re.search(r"^nnlabs .* budget: cpu$", text, flags=re.MULTILINE)
    assert not re.search(r"Warning|; missed\)", text)


@parametrize([*PATHS, *DOCUMENTS])
def test_links_inside_the_repository_resolve(path):
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else markdown(path)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)  # a lesson in CONTRIBUTING
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target


@parametrize(PATHS)
def test_grade_ids_are_unique_and_metadata_valid(path):
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator
    notebook = read(path)
    validator().validate_nb(notebook)
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 11 or path.parent.name == "notebooks", "5 exercises, their checks, and a question"


def solution_lines(lesson):
    """Return the lines between solution markers, without trivial ones and what the student is given."""
    source = (ROOT / "lessons" / lesson / "lab.py").read_text(encoding="utf-8")
    region = re.compile(r"BEGIN SOLUTION(?: -->)?\n(.*?)\n[^\n]*END SOLUTION", flags=re.DOTALL)
    solutions, given = region.findall(source), region.sub("", source)
    assert solutions
    lines = {line.strip("# ").strip() for solution in solutions for line in solution.split("\n")}
    return {line for line in lines if len(line) > TRIVIAL_LENGTH and line not in given}


@parametrize(LABS)
def test_no_solution_and_no_output_is_in_a_lab(path):
    everything = path.read_text(encoding="utf-8").replace('\\"', '"').replace("\\\\", "\\")
    assert "SOLUTION" not in everything
    assert all((cell.outputs, cell.execution_count) == ([], None) for cell in code_cells(path))
    for line in solution_lines(path.stem):
        assert line not in everything, f"a line of the solution is in the lab: {line}"
