"""Set-up, budgets and headline figures."""

import json
import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest

import nnlabs
from nnlabs import data, doctor, runtime


def run(code, **environment):
    environment = {**os.environ, "NNLABS_BUDGET": "", **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_helper_is_cheap_and_lazy():
    code = "import sys; from nnlabs import data, networks, pretrained, runtime;"
    budget, loaded = run(f"{code} runtime.setup(1, keras=False); print(*sys.modules)").stdout.splitlines()
    assert budget.endswith("budget: cpu")
    assert not {"tensorflow", "keras", "matplotlib", "sklearn", "PIL"} & set(loaded.split())
    assert run("import sys; n = len(sys.modules); import nnlabs; print(len(sys.modules) - n)").stdout == "1\n"


def test_setup_seeds_python_and_numpy_and_says_one_line(capsys, monkeypatch):
    monkeypatch.setenv("NNLABS_BUDGET", "smoke")
    assert runtime.setup(seed=7, keras=False).name == "smoke"
    drawn = random.random(), np.random.rand()
    line = capsys.readouterr().out
    assert line.startswith(f"nnlabs {nnlabs.__version__}, NumPy {np.__version__}, Python 3.")
    assert line.endswith("budget: smoke\n")
    runtime.setup(seed=7, keras=False)
    assert (random.random(), np.random.rand()) == drawn


def test_setup_makes_keras_the_same_everywhere_and_keeps_its_start_up_log_away(tmp_path):
    """The same numbers, also with the ``keras.json`` that an earlier course left behind."""
    settings = {"floatx": "float64", "epsilon": 1e-3, "image_data_format": "channels_first"}
    settings["backend"] = "jax"
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = (
        "from nnlabs import runtime; runtime.setup(3); import keras;"
        "print(keras.config.image_data_format(), keras.config.epsilon(),"
        "keras.random.normal((2,)).numpy().tolist())"
    )
    first, second = run(code), run(code, KERAS_HOME=str(tmp_path))
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    assert "Keras 3." in first.stdout
    assert "\nchannels_last 1e-07 [" in first.stdout
    assert first.stdout == second.stdout


def test_an_unknown_budget_is_told(monkeypatch):
    monkeypatch.setenv("NNLABS_BUDGET", "large")
    with pytest.raises(ValueError, match="one of smoke, cpu, gpu"):
        runtime.setup(1, keras=False)


def test_a_budget_picks_sizes():
    assert [runtime.Budget(name).pick(smoke=1, cpu=5, gpu=20) for name in runtime.BUDGETS] == [1, 5, 20]
    assert runtime.Budget("gpu").pick(smoke=1, cpu=5) == 5


@pytest.mark.parametrize(
    ("value", "bounds", "budget", "line"),
    [
        (0.98765, {}, "cpu", " = 0.9877"),
        (0.97, {"at_least": 0.975}, "cpu", " = 0.97 (target: at least 0.975; missed)"),
        (1e-7, {"at_most": 1e-6}, "cpu", " = 1e-07 (target: at most 1e-06; reached)"),
        (float("nan"), {"at_most": 1}, "cpu", " = nan (target: at most 1; missed)"),
        (2, {"at_least": 1, "at_most": 3}, "cpu", " = 2 (target: at least 1 and at most 3; reached)"),
        (0.5, {"at_least": 1}, "smoke", " = 0.5 (target: at least 1; not judged in the smoke budget)"),
    ],
)
def test_a_result_is_one_line(value, bounds, budget, line, monkeypatch, capsys):
    monkeypatch.setenv("NNLABS_BUDGET", budget)
    monkeypatch.delenv("NNLABS_TARGETS", raising=False)
    runtime.result("acc", value, **bounds)
    assert capsys.readouterr().out == f"RESULT acc{line}\n"


def test_a_missed_target_fails_where_targets_are_judged(monkeypatch):
    monkeypatch.setenv("NNLABS_TARGETS", "strict")
    monkeypatch.setenv("NNLABS_BUDGET", "cpu")
    with pytest.raises(runtime.TargetMissedError):
        runtime.result("acc", 0.5, at_least=0.6)
    monkeypatch.setenv("NNLABS_BUDGET", "smoke")
    runtime.result("acc", 0.5, at_least=0.6)


def test_the_doctor_tells_what_is_wrong_and_goes_on(monkeypatch, capsys):
    def broken():
        raise OSError("no such file")

    assert doctor.check_python()[0]
    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "a_package_that_is_not_there"))
    monkeypatch.setattr(data, "verify", lambda: {"mnist.npz": "altered", "photos": "ok"})
    checks = {"packages": doctor.check_packages, "data": doctor.check_data, "memory": broken}
    monkeypatch.setattr(doctor, "CHECKS", checks | {"disk": lambda: (True, "room")})
    assert doctor.main() == 1
    out = capsys.readouterr().out
    assert re.search("PROBLEM  packages: .*pip install -r requirements.txt", out)
    assert re.search("PROBLEM  data: .*mnist.npz is damaged.*git checkout", out)
    assert "PROBLEM  memory: no such file (OSError)" in out
    assert "fine     disk: room" in out


def test_the_doctor_names_the_settings_of_another_course(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert doctor.check_keras()[1].endswith("the CPU")
    (tmp_path / "keras.json").write_text('{"epsilon": 1e-3}')
    fine, found = doctor.check_keras()
    assert fine
    assert f"the settings of another course in {tmp_path / 'keras.json'} are not used" in found


def test_the_doctor_notices_another_backend_and_old_versions(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RuntimeError, match="variable KERAS_BACKEND is jax; unset it"):
        doctor.check_keras()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(doctor, "OLDEST", {"keras": (99, 0)})
    fine, found = doctor.check_keras()
    assert not fine
    assert "keras must be 99.0 or newer" in found
