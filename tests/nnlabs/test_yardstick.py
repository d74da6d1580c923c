"""The yardstick measures what is known, and tells good generators from bad ones."""

from __future__ import annotations

import numpy as np
import pytest

from nnlabs import networks, yardstick

pytest.importorskip("keras")


def test_the_distance_of_gaussians_is_the_formulas():
    a = np.random.default_rng(0).normal(size=(400, 3))
    assert yardstick.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert yardstick.frechet_distance(a, a + np.array([3, 4, 0])) == pytest.approx(25)
    assert yardstick.frechet_distance(a, 2 * (a - a.mean(axis=0)) + a.mean(axis=0)) == pytest.approx(
        np.trace(np.cov(a.T))
    )


def test_real_digits_come_first_then_the_gan_the_vae_noise_and_one_digit(capsys):
    def one_digit(n, rng):
        return np.repeat(yardstick.real_digits(1, rng), n, axis=0)

    def noise(n, rng):
        return rng.uniform(size=(n, 28, 28, 1))

    generators = [yardstick.real_digits, networks.gan(), networks.vae(), noise, one_digit]
    rows = [yardstick.measure(draw, samples=1000, draws=2) for draw in generators]
    distances = [row.frechet for row in rows]
    assert distances == sorted(distances)
    assert rows[0].confident > 0.97
    assert rows[1].confident > 0.9
    assert rows[1].smallest_class > 0.03
    assert rows[3].confident < 0.1
    assert rows[4].smallest_class == 0
    yardstick.table({"real digits": rows[0], "noise": rows[3]})
    assert len(capsys.readouterr().out.splitlines()) == 3
