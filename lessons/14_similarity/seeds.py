"""Train lecture 14's network of section 5 from two further seeds; write its test.

python lessons/14_similarity/seeds.py        # three minutes; writes similarity_seeds.json
"""

from tools import seeds

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


def main():
    """Train both; the file is written anew after each seed."""
    lecture, results = seeds.definitions(__file__, VALUES), []
    for seed in SEEDS:
        model, _ = lecture["train_longer"](seed)
        e = {part: lecture["run_model"](model, lecture["pictures"][part]) for part in ("test", "digits")}
        found = {
            f"{part}, {ways} ways": lecture["one_shot"](e[part], ways)[0] for part, ways in lecture["tests"]
        }
        results.append({"seed": seed} | found)
        print(results[-1], flush=True)
        seeds.write("similarity_seeds.json", results)


if __name__ == "__main__":
    main()
