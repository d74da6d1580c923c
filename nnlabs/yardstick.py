"""One yardstick for all that generates digits: the same judge, the same measures, the same real digits.

Lessons 10 to 13 measure their generators with it, so that their figures can be compared::

    rows = {"real digits": yardstick.measure(yardstick.real_digits)}
    rows["GAN"] = yardstick.measure(networks.gan())
    yardstick.table(rows)

A generator is a function ``draw(n, rng)`` that returns n images, ``float32`` of shape ``(n, 28, 28, 1)``,
from 0 (background) to 1 (ink). The judge is lesson 06's LeNet, which has seen real digits only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from nnlabs import data, networks

if TYPE_CHECKING:
    import keras

SURE = 0.9  # a sample is confident if the judge gives one class more than this
SAMPLES, DRAWS = 2000, 5  # images of a draw, and how many draws: fewer images make the distance larger

Draw = Callable[[int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Measures:
    """What is said about a generator: means over the draws.

    Parameters
    ----------
    confident
        Share of samples for which the judge gives one class more than 90 %.
    smallest_class
        Share of the digit that is seen least.
    frechet, frechet_sd
        Squared Fréchet distance to real digits, mean and standard deviation over the draws.
    seconds
        Of training, where it is known.
    """

    confident: float
    smallest_class: float
    frechet: float
    frechet_sd: float
    seconds: float | None = None


def look(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the judge's features, layer F6, ``(n, 84)`` and its probabilities ``(n, 10)`` of images."""
    return tuple(_judge().predict(np.asarray(images, "float32"), batch_size=500, verbose=0))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to features ``(n, d)`` and ``(m, d)``.

    Dowson & Landau (1982), doi:10.1016/0047-259X(82)90077-X; for images Heusel et al. (2017),
    arXiv:1706.08500, with another network's features: these figures do not compare with published ones.
    """
    difference = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real  # not negative, but for rounding
    trace_of_root = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(difference @ difference + np.trace(cov_a + cov_b) - 2 * trace_of_root)


def real_digits(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n real digits from the half of MNIST's test images that is not the reference."""
    _, others = _halves()
    return others[rng.choice(len(others), n, replace=False)]


def measure(
    draw: Draw, *, samples: int = SAMPLES, draws: int = DRAWS, seconds: float | None = None
) -> Measures:
    """Measure a generator by ``draws`` draws of ``samples`` images, the seeds 0, 1, ..."""
    confident, shares, distances = [], [], []
    for seed in range(draws):
        features, probabilities = look(draw(samples, np.random.default_rng(seed)))
        confident.append(np.mean(probabilities.max(axis=1) > SURE))
        shares.append(np.bincount(probabilities.argmax(axis=1), minlength=10) / samples)
        distances.append(frechet_distance(features, reference()))
    return Measures(
        float(np.mean(confident)),
        float(np.mean(shares, axis=0).min()),
        float(np.mean(distances)),
        float(np.std(distances, ddof=1)) if draws > 1 else 0.0,
        seconds,
    )


def table(rows: Mapping[str, Measures]) -> None:
    """Print a line for each generator."""
    width = max(map(len, rows))
    print(f"{'':{width}}  confident  smallest class  Fréchet distance  seconds")
    for name, row in rows.items():
        distance = f"{row.frechet:.1f} ± {row.frechet_sd:.1f}"
        seconds = "" if row.seconds is None else f"{row.seconds:.0f}"
        print(f"{name:{width}} {row.confident:9.1%} {row.smallest_class:14.1%} {distance:>18} {seconds:>9}")


@cache
def reference() -> np.ndarray:
    """Return the judge's features ``(5000, 84)`` of a random half of the test images, the reference."""
    return look(_halves()[0])[0]


@cache
def _halves() -> tuple[np.ndarray, np.ndarray]:
    """Return two random halves of the test images: their order matters, the first 5,000 are easier."""
    images = data.mnist().x_test[..., np.newaxis] / np.float32(255)
    order = np.random.default_rng(4).permutation(len(images))
    return images[order[:5000]], images[order[5000:]]


@cache
def _judge() -> keras.Model:
    import keras

    lenet = networks.lenet()
    outputs = [lenet.get_layer(name).output for name in ("F6", "output")]
    return keras.Model(lenet.layers[0].input, outputs)
