"""Train lecture 14's network of section 5 from two further seeds; write its test to similarity_seeds.json.

python lessons/14_similarity/seeds.py        # three minutes
"""

import ast
import json
import os
from pathlib import Path

SEEDS = 2, 3  # the lecture's own run has 1
VALUES = {
    "budget",
    "train",
    "validation",
    "test",
    "parts",
    "grey",
    "rng",
    "mnist",
    "digits",
    "pictures",
    "tests",
}


def kept(node):
    """Tell whether a statement of the lecture defines something that is needed here."""
    if isinstance(node, ast.Assign):
        return {name.id for name in ast.walk(ast.Tuple(node.targets)) if isinstance(name, ast.Name)} <= VALUES
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))


def main():
    """Execute the lecture's definitions; the file is written anew after each seed."""
    os.environ["MPLBACKEND"] = "Agg"
    tree = ast.parse(Path(__file__).with_name("lecture.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if kept(node)]
    lecture, results = {}, []
    exec(compile(tree, "lecture.py", "exec"), lecture)
    for seed in SEEDS:
        model, _ = lecture["train_longer"](seed)
        e = {part: lecture["run_model"](model, lecture["pictures"][part]) for part in ("test", "digits")}
        found = {
            f"{part}, {ways} ways": lecture["one_shot"](e[part], ways)[0] for part, ways in lecture["tests"]
        }
        results.append({"seed": seed} | {name: round(float(value), 4) for name, value in found.items()})
        print(results[-1], flush=True)
        Path("similarity_seeds.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
