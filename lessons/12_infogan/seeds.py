"""Train the two objectives of lecture 12 from five seeds, and write what they give to infogan_seeds.json.

    python lessons/12_infogan/seeds.py        # half an hour; the numbers that the lecture shows in section 5

The definitions are the lecture's own, with its sizes of the budget ``cpu``, but for the steps of the game:
half as many, for both objectives.
"""

from tools import seeds

SEEDS, STEPS = (1, 2, 3, 4, 5), 2000
KINDS = {"InfoGAN": "InfoGAN", "InfoGAN + pairs": "InfoGANPairs"}
VALUES = {"budget", "mnist", "digits", "warp_rng", "copies", "pool", "pool_labels", "rng", "n", "z", "c23"}
VALUES |= {
    "c1",
    "SEED",
    "NOISE",
    "CATEGORIES",
    "LOUDNESS",
    "CONTINUOUS",
    "COPIES",
    "STEPS",
    "CHUNK",
    "PAIR_STEPS",
}


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
    return figures


def main():
    """Train all of them; the file is written anew after each seed."""
    lecture = seeds.definitions(__file__, VALUES)
    lecture["STEPS"] = min(STEPS, lecture["STEPS"])
    results = {name: [] for name in KINDS}
    for seed in SEEDS:
        for name, rows in results.items():
            rows.append({"seed": seed, **train(lecture, KINDS[name], seed)})
            print(name, rows[-1], flush=True)
        seeds.write("infogan_seeds.json", results)


if __name__ == "__main__":
    main()
