"""Train lecture 11's convolutional pair from two further seeds; write what the yardstick says of it.

python lessons/11_gan/seeds.py        # four minutes; writes gan_seeds.json
"""

from dataclasses import asdict

from tools import seeds

SEEDS = 2, 3  # the lecture's own run has 1
VALUES = {"budget", "mnist", "usable", "x_train", "effort", "n_eval", "z_normal", "z_kind", "z_eval"}
VALUES |= {"BATCH", "LATENT", "NORMALS", "KINDS", "SCALE", "ALL"}


def plain(row):
    """Return the measures of both generators as numbers; what else an epoch's row has is left out."""
    return {name: asdict(row[name]) for name in ("last step", "average")}


def main():
    """Train both; the file is written anew after each seed."""
    lecture, results = seeds.definitions(__file__, VALUES), []
    for seed in SEEDS:
        pair = lambda: lecture["conv_generator"](lecture["ALL"]), lecture["conv_discriminator"]
        gan, watch = lecture["train"](*pair, epochs=5, seed=seed)
        end = plain(lecture["verdict"](gan, watch))
        results.append({"seed": seed, "end": end, "epochs": [plain(row) for row in watch.rows]})
        seeds.write("gan_seeds.json", results)


if __name__ == "__main__":
    main()
