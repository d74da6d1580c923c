"""Train the two objectives of lecture 12 from five seeds, and write what they give to infogan_seeds.json.

    python lessons/12_infogan/seeds.py        # half an hour; the numbers that the lecture shows in section 5

The definitions are the lecture's own, with its sizes of the budget ``cpu``, but for the steps of the game:
half as many, for both objectives.
"""

import ast
import json
import os
from pathlib import Path

SEEDS, STEPS = (1, 2, 3, 4, 5), 2000
KINDS = {"InfoGAN": "InfoGAN", "InfoGAN + pairs": "InfoGANPairs"}
VALUES = {
    "budget",
    "mnist",
    "digits",
    "warp_rng",
    "copies",
    "pool",
    "pool_labels",
    "rng",
    "n",
    "z",
    "c23",
    "c1",
}


def kept(node):
    """Tell whether a statement of the lecture defines something that is needed here."""
    if isinstance(node, ast.Assign):
        names = {name.id for name in ast.walk(ast.Tuple(node.targets)) if isinstance(name, ast.Name)}
        return all(name.isupper() or name in VALUES for name in names)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def definitions():
    """Execute imports, functions, classes and constants of the lecture; return its names."""
    tree = ast.parse(Path(__file__).with_name("lecture.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if kept(node)]
    names = {}
    exec(compile(tree, "lecture.py", "exec"), names)
    return names


def train(lecture, kind, seed):
    """Train one network and return its figures."""
    lecture["keras"].utils.set_random_seed(seed)
    model = lecture[kind](weight=1.0, seed=seed)
    arrays, figures = (lecture["digits"],), {}

    def read():
        return lecture["read_with_ten_labels"](lambda images: lecture["categories"](model, images))

    if kind == "InfoGANPairs":
        arrays = lecture["digits"], lecture["copies"]
        lecture["learn_from_pairs"](model, arrays, seed)
        figures["ten_labels_pairs_only"] = read()
    history = lecture["play_game"](model, arrays, seed)
    images, seen = lecture["judged"](model.generator)
    _, _, figures["agreement"] = lecture["match"](lecture["c1"], seen)
    figures["ten_labels"] = read()
    figures["bound"], figures["error"] = history["bound"][-1], history["error"][-1]
    measures = lecture["yardstick"].measure(lecture["draw_from"](model.generator), draws=1)
    figures |= {"confident": measures.confident, "frechet": measures.frechet}
    figures["correlations"] = lecture["correlations"](images, seen).round(3).tolist()
    return {key: value if key == "correlations" else round(float(value), 4) for key, value in figures.items()}


def main():
    """Train all of them; the file is written anew after each seed."""
    os.environ["NNLABS_BUDGET"] = os.environ.get("NNLABS_BUDGET", "cpu")
    lecture = definitions()
    lecture["STEPS"] = min(STEPS, lecture["STEPS"])
    results = {name: [] for name in KINDS}
    for seed in SEEDS:
        for name, rows in results.items():
            rows.append({"seed": seed, **train(lecture, KINDS[name], seed)})
            print(name, rows[-1], flush=True)
        Path("infogan_seeds.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
