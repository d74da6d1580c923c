"""Tell what is fine on this machine, what is not, and what to do: ``python -m nnlabs.doctor``."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nnlabs
from nnlabs import runtime

INSTALL = "run: pip install -r requirements.txt"
PYTHONS = ((3, 10), (3, 13))
NEEDED = ("numpy", "matplotlib", "sklearn", "IPython")
KERAS_DEFAULTS = {
    "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last", "backend": "tensorflow"
}  # fmt: skip
OLDEST = {"keras": (3, 10), "tensorflow": (2, 19)}

CHROMES = (  # where macOS and Windows have it
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
PLACEHOLDER = "https://github.com/nnlabs-course/nnlabs"  # until python -m tools.publish names another

Finding = tuple[bool, str]  # fine or not, and what was found with what to do


def check_python() -> Finding:
    """Check that Python is a version that the course is tested with."""
    oldest, newest = (".".join(map(str, bound)) for bound in PYTHONS)
    found = f"Python {sys.version.split()[0]} at {sys.executable}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return True, found
    return False, f"{found}: the course is tested with {oldest} to {newest}; install one of these"


def check_packages() -> Finding:
    """Check that the packages that every notebook needs can be imported."""
    versions = []
    for name in NEEDED:
        try:
            versions.append(f"{name} {importlib.import_module(name).__version__}")
        except Exception as error:
            return False, f"{name} cannot be imported ({error}); {INSTALL}"
    return True, ", ".join(versions)


def check_keras() -> Finding:
    """Check that Keras and TensorFlow can be loaded, and tell on which device they compute."""
    found, gpus = runtime.load_keras()
    for name, oldest in OLDEST.items():
        version = importlib.import_module(name).__version__
        if tuple(map(int, version.split(".")[:2])) < oldest:
            return False, f"{found}: {name} must be {'.'.join(map(str, oldest))} or newer; {INSTALL}"
    settings = Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json").expanduser()
    other = f"; the settings of another course in {settings} are not used" if _is_of_others(settings) else ""
    return True, f"{found}; computes on {f'{gpus} GPU' if gpus else 'the CPU'}{other}"


def _is_of_others(settings: Path) -> bool:
    """Tell whether a ``keras.json`` asks for what the lessons are not written for."""
    with suppress(OSError, ValueError, AttributeError):
        asked = json.loads(settings.read_text(encoding="utf-8"))
        return any(asked.get(name, value) != value for name, value in KERAS_DEFAULTS.items())
    return False


def check_jupyter() -> Finding:
    """Check that there are a notebook server and a kernel in this Python."""
    if importlib.util.find_spec("ipykernel") is None:
        return False, f"ipykernel is missing: notebooks cannot run; {INSTALL}"
    if importlib.util.find_spec("jupyterlab") is None and importlib.util.find_spec("notebook") is None:
        return False, f"neither JupyterLab nor Notebook is installed; {INSTALL}"
    return True, "a notebook server and its kernel are installed"


def check_data() -> Finding:
    """Check that the files that ship are there and unaltered."""
    from nnlabs import data

    states = data.verify()
    wrong = [data.mend(name, state) for name, state in states.items() if state != "ok"]
    if not wrong:
        return True, f"{len(states)} files, all checksums right"
    more = f" And {len(wrong) - 3} more." if len(wrong) > 3 else ""
    return False, " ".join(wrong[:3]) + more


def chromium() -> str | None:
    """Return the path of a Chromium on this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", *CHROMES)
    return next(filter(None, map(shutil.which, names)), None)


def check_browser() -> Finding:
    """Tell whether the tests in a browser can run; nothing else needs one that is found here."""
    return True, chromium() or (
        "no Chromium found; only tests need it (Debian: apt install chromium; elsewhere install Chrome)"
    )


def check_links() -> Finding:
    """Check whether the links of the notebooks lead to a repository that is there."""
    project = Path(nnlabs.__file__).parents[1] / "pyproject.toml"
    if not project.is_file():
        return True, "this is no checkout"
    if f'"{PLACEHOLDER}"' not in project.read_text(encoding="utf-8"):
        return True, "they name a repository of your own"
    return True, (
        "those to Colab, Binder and JupyterHub lead nowhere yet, and git clone neither: this copy names a "
        "placeholder; who publishes it runs python -m tools.publish https://github.com/OWNER/NAME"
    )


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": check_python,
    "packages": check_packages,
    "Keras": check_keras,
    "Jupyter": check_jupyter,
    "data": check_data,
    "links": check_links,
    "browser": check_browser,
}


def main() -> int:
    """Print a line for each check; return 0 if all is fine, else 1."""
    print(f"nnlabs {nnlabs.__version__} at {Path(nnlabs.__file__).parent}")
    fine = True
    for name, check in CHECKS.items():
        try:
            ok, found = check()
        except Exception as error:  # whatever is broken here, the other checks still help
            ok, found = False, f"{error} ({type(error).__name__})"
        fine &= ok
        print(f"{'fine   ' if ok else 'PROBLEM'}  {name}: {found}")
    print("All is fine." if fine else "Mend what is marked PROBLEM, then run this again.")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
