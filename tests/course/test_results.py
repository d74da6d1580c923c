"""RESULTS.md is what the executed notebooks say."""

import nbformat

from tools import course, results


def test_results_are_up_to_date():
    committed = (course.ROOT / "RESULTS.md").read_text(encoding="utf-8")
    assert committed == results.report(), "run `make results`"


def test_a_section_holds_figures_targets_and_what_they_ran_on(tmp_path):
    lines = (
        "nnlabs 0.1.0, Keras 3.15.1 on TensorFlow 2.21.0, Python 3.11.7, CPU (2 cores), budget: cpu\n"
        "RESULT accuracy = 0.9812 (target: at least 0.975; reached)\n"
        "RESULT seconds = 12.5\nRESULTS are below\n"
    )
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("stream", text=lines)])
    metadata = {"nnlabs": {"execution": {"seconds": 61, "inputs": "x"}}}
    path = tmp_path / "solutions" / "02_x.ipynb"
    path.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
    assert results.section(path) == (
        "\nSolutions of the lab: 61 s, `cpu` budget, CPU (2 cores), Keras 3.15.1 on TensorFlow 2.21.0, "
        "Python 3.11.7.\n\n| figure | value | target | verdict |\n| --- | --- | --- | --- |\n"
        "| accuracy | 0.9812 | at least 0.975 | reached |\n| seconds | 12.5 |  |  |\n"
    )
