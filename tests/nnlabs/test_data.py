"""The data that ships is right, damage is noticed and explained, and nothing needs the network."""

import io
import os
import re
import shutil
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnlabs import data, doctor

ROOT = Path(__file__).parents[2]


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
        assert (x.dtype, x.min(), x.max()) == (np.uint8, 0, largest)
        assert (y.dtype, y.shape) == (np.int64, (len(x),))
        assert np.bincount(y, minlength=classes).min() > 0.5 * len(y) / classes  # half its share or more
        assert set(y[-(len(y) // 5) :]) == set(range(classes))  # what Keras's validation_split takes
    for array in dataset[:4]:
        array[...] = 7
    assert not any((array == 7).all() for array in loader()[:4]), "not a fresh copy"


@pytest.mark.parametrize("loader", [data.mnist, data.digits])
def test_labels_belong_to_the_images(loader):
    dataset = loader()
    train, test = (x.reshape(len(x), -1).astype(float) for x in (dataset.x_train, dataset.x_test))
    means = np.stack([train[dataset.y_train == label].mean(axis=0) for label in range(10)])
    distances = (means**2).sum(axis=1) - 2 * test @ means.T
    assert (distances.argmin(axis=1) == dataset.y_test).mean() > 0.75


@pytest.mark.parametrize("split", ["train", "test"])
def test_photos_are_the_files_with_their_labels(split):
    photos = data.photos()
    pairs = zip(getattr(photos, f"x_{split}"), getattr(photos, f"y_{split}"), strict=True)
    files = (data.DATA_DIR / "photos" / split).glob("*/*.jpg")
    assert sorted((photos.class_names[label], image.tobytes()) for image, label in pairs) == sorted(
        (file.parent.name, np.asarray(Image.open(file)).tobytes()) for file in files
    )


def test_eight_gaussians():
    x, y = data.eight_gaussians(800, spread=0.01, seed=3)
    assert (x.shape, x.dtype, y.dtype) == ((800, 2), np.float64, np.int64)
    assert np.bincount(y).tolist() == [100] * 8
    assert not (y == np.sort(y)).all()
    centres = np.stack([x[y == label].mean(axis=0) for label in range(8)])
    np.testing.assert_allclose(np.hypot(*centres.T), 2, atol=0.01)
    np.testing.assert_array_equal(x, data.eight_gaussians(800, spread=0.01, seed=3)[0])
    assert not np.array_equal(x, data.eight_gaussians(800, spread=0.01, seed=4)[0])


@pytest.mark.parametrize("clutter", [False, True])
def test_scenes_have_tight_boxes_that_hardly_overlap(clutter):
    scenes = data.scenes(700, clutter=clutter, seed=3)  # more than is composed at once
    assert [part.shape for part in scenes] == [(700, 64, 64, 1), (700, 3, 4), (700, 3), (700, 64, 64)]
    assert [part.dtype for part in scenes] == [np.float32, np.float32, np.int64, np.uint8]
    assert (scenes.images.min(), scenes.images.max()) == (0, 1)
    assert set((scenes.labels >= 0).sum(axis=1)) == {1, 2, 3}
    for boxes, labels, mask in zip(*scenes[1:], strict=True):
        assert (labels == -1).tolist() == sorted(labels == -1)
        assert not boxes[labels == -1].any()
        for box, label in zip(boxes[labels >= 0].astype(int), labels[labels >= 0], strict=True):
            left, top, right, bottom = box
            ink = mask[top:bottom, left:right] == label + 1
            others = np.clip(
                np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None
            ).prod(1)
            if (labels == label).sum() == 1 and np.sort(others)[-2] == 0:  # no other digit is inside
                assert (mask == label + 1).sum() == ink.sum()  # all of it is in its box
                assert all(edge.any() for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))
            assert np.sort(others)[-2] <= 0.1 * ink.size
        assert set(np.unique(mask)) <= {0, *(labels + 1)}


def test_scenes_are_repeatable_and_of_their_split(monkeypatch):
    first, again, test, other = (
        data.scenes(20, clutter=True, seed=seed, test=test, most=1)
        for seed, test in ((1, False), (1, False), (1, True), (2, False))
    )
    assert first.boxes.shape == (20, 1, 4)
    assert (first.labels >= 0).all()
    for part, same, *different in zip(first, again, test, other, strict=True):
        assert np.array_equal(part, same)
        assert not any(np.array_equal(part, x) for x in different)
    mnist = data.mnist()
    monkeypatch.setattr(data, "mnist", lambda: mnist._replace(x_train=0 * mnist.x_train))
    assert np.array_equal(data.scenes(20, clutter=True, seed=1, test=True, most=1).images, test.images)


def test_letters_are_drawn_as_the_digits_are_and_none_comes_twice():
    letters = data.letters()
    assert (letters.images.shape, letters.images.dtype) == ((331, 12, 28, 28), np.uint8)
    counts = dict(zip(*np.unique(letters.alphabets, return_counts=True), strict=True))
    assert counts == {
        "Latin": 52,
        "Greek": 41,
        "Cyrillic": 45,
        "Phonetic": 92,
        "Armenian": 68,
        "Georgian": 33,
    }
    assert len(set(letters.names)) == len(letters.names)
    rows, columns = letters.images.any(axis=3), letters.images.any(axis=2)
    assert np.maximum(rows.sum(axis=2), columns.sum(axis=2)).max() == 20
    greek, *_ = some = data.letters("Georgian", "Greek")
    assert ("".join(some.names[:3]), some.alphabets[-1]) == ("ΓΔΘ", "Georgian")
    assert np.array_equal(greek, letters.images[np.isin(letters.alphabets, ["Greek", "Georgian"])])
    with pytest.raises(ValueError, match=r"are Latin, .*, Georgian; found Hebrew"):
        data.letters("Hebrew")


def test_sunspots_and_novels_are_what_they_document():
    years, numbers = data.sunspots()
    assert np.array_equal(years, np.arange(1700, 2009))
    assert (numbers.dtype, numbers.min(), years[numbers.argmax()]) == (np.float64, 0, 1957)
    for name, chapters, first in [
        ("pride_and_prejudice", 61, "It is a truth"),
        ("persuasion", 24, "Sir Walter"),
    ]:
        novel = data.novel(name)
        assert len(novel) == chapters
        assert novel[0].startswith(first)
        assert not re.search(r"Chapter \d|[_*]|  |\n\n", "\n".join(novel))
        assert all(chapter == chapter.strip() and len(chapter) > 3000 for chapter in novel)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of data/ which may be damaged; its folder stands for a checkout."""
    folder = tmp_path / "data"
    shutil.copytree(data.DATA_DIR, folder)
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(data, "DATA_DIR", folder)
    return folder


missing = Path.unlink


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def altered(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "loader", "damage"),
    [
        ("mnist.npz", data.mnist, missing),
        ("photos/train/bird/crow.jpg", data.photos, altered),
        ("SHA256SUMS", data.mnist, missing),
        ("SHA256SUMS", data.mnist, truncated),
    ],
)
def test_damage_is_told_in_one_message(copy, damage, name, loader):
    damage(copy / name)
    with pytest.raises(data.DataError) as caught:
        loader()
    assert f"data/{name} is {'missing' if damage is missing else 'damaged'}" in str(caught.value)
    assert f"git checkout -- data/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    if name != "SHA256SUMS":
        states = data.verify()
        assert states.pop(name) == ("missing" if damage is missing else "altered")
        assert set(states.values()) == {"ok"}


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


def test_a_pointer_of_git_lfs_is_called_one(copy):
    (copy / "mnist.npz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(data.DataError, match=r"mnist\.npz is not the file but its pointer.*git lfs pull"):
        data.mnist()
    found = doctor.check_data()
    assert not found[0]
    assert "git lfs pull" in found[1]


def test_everything_that_ships_is_listed_and_whole():
    assert set(data.verify().values()) == {"ok"}
    paths = {p.relative_to(data.DATA_DIR).as_posix() for p in data.DATA_DIR.rglob("*") if p.is_file()}
    paths = {path for path in paths if "__pycache__" not in path}
    assert paths - {"README.md", "SHA256SUMS", ".gitattributes", "rebuild.py"} == set(data.checksums())


def test_the_readme_agrees_with_the_checksums():
    text = (data.DATA_DIR / "README.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", text, flags=re.MULTILINE))
    sums = data.checksums()
    photos = [name for name in sums if name.endswith(".jpg")]
    assert table == {name: digest for name, digest in sums.items() if name not in photos}
    assert f"`photos/*/*/*.jpg`, {len(photos)} files" in text
    licences = set(re.findall(r"^\| `.*?\| ([A-Za-z0-9.-]+) \| [`i]", text, flags=re.MULTILINE))
    assert licences - {"public-domain"} <= {file.stem for file in (ROOT / "LICENSES").glob("*.txt")}
    assert len(licences) == 7


def save(path: Path, color: tuple, count: int, suffix: str = "png", size: tuple[int, int] = (40, 30)) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB" if len(color) == 3 else "RGBA", size, color).save(path / f"{number}.{suffix}")


@pytest.fixture
def folder(tmp_path):
    """Two classes of eight pictures."""
    save(tmp_path / "red", (250, 0, 0), 8, "jpg")
    save(tmp_path / "blue", (0, 0, 250), 8)
    return tmp_path


def test_image_folder_reads_each_class_and_ignores_what_is_hidden(folder, capsys):
    save(folder / "green", (0, 250, 0), 5, "webp")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "__MACOSX").mkdir()
    (folder / "red" / ".DS_Store").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("not a class")
    dataset = data.image_folder(str(folder), size=32)
    assert dataset.class_names == ("blue", "green", "red")
    assert (dataset.x_train.shape, dataset.x_test.shape) == ((15, 32, 32, 3), (6, 32, 32, 3))
    assert (dataset.x_train.dtype, dataset.y_train.dtype) == (np.uint8, np.int64)
    brightest = dataset.x_train.mean(axis=(1, 2)).argmax(axis=1)  # 0 red, 1 green, 2 blue
    np.testing.assert_array_equal(brightest, 2 - dataset.y_train)
    assert np.bincount(dataset.y_test).tolist() == [2, 2, 2]
    assert capsys.readouterr().out == ""


def test_image_folder_names_what_it_skips_and_says_what_to_do(folder, monkeypatch, capsys):
    truncated(folder / "blue" / "0.png")
    (folder / "red" / "me.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    save(folder / "red", (250, 0, 0), 1, size=(200, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    dataset = data.image_folder(folder)
    assert dataset.x_train.shape[1:] == (160, 160, 3)
    assert len(dataset.y_train) + len(dataset.y_test) == 15
    told = capsys.readouterr().out
    assert "(3): blue/0.png, red/0.png, red/me.HEIC. Make photos of over 178 megapixels smaller" in told
    assert "Save HEIC photos as JPEG first" in told


def test_image_folder_turns_crops_and_whitens(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a camera held upright: the stored picture must be turned by 90° clockwise
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste((0, 0, 0), (0, 0, 60, 20))  # the stored upper half becomes the right half
    save(tmp_path / "clear", (0, 0, 0, 0), 5)
    (tmp_path / "upright").mkdir()
    for number in range(5):
        picture.save(tmp_path / "upright" / f"{number}.jpg", exif=exif, quality=95)
    dataset = data.image_folder(tmp_path, size=16)
    clear, upright = (dataset.x_train[dataset.y_train == label] for label in range(2))
    assert upright[:, :, :6].min() > 200
    assert upright[:, :, 10:].max() < 50
    assert clear.min() == 255


RAMP = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.round(65535 * RAMP).astype(np.uint16), "png"),
        (np.round(65535 * RAMP).astype(">u2"), "tiff"),
        (np.round(4095 * RAMP).astype(np.uint16), "png"),  # 12 bits, as of a camera for X-rays
        (np.round(255 * RAMP).astype(np.int32), "tiff"),
        (np.round(65535 * RAMP).astype(np.float32), "tiff"),
        (np.where(RAMP == 0, np.nan, RAMP).astype(np.float32), "tiff"),
    ],
)
def test_a_grey_picture_of_more_than_8_bits_keeps_its_greys(values, kind):
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    decoded = data._decode(file.getvalue(), size=16)
    assert np.abs(decoded - 255 * RAMP[..., None]).max() <= 1


def test_image_folder_tells_what_is_missing_or_lies_deeper(folder):
    for split in ("test", "train"):  # as Kaggle packs them
        save(folder / "pets" / split / "cat", (0, 0, 0), 1)
    save(folder / "few" / "dog", (0, 0, 0), 4)
    save(folder / "few" / "cat", (0, 0, 0), 5)
    save(folder / "deep" / "dog" / "more", (0, 0, 0), 1)
    save(folder / "deep" / "cat", (0, 0, 0), 5)
    save(folder / "single" / "blue", (0, 0, 0), 1)
    for name, told in {
        "nowhere": "no folder",
        "red": r"at least 2 sub-folders.*none",
        "single": "found: only blue",
        "few": "class dog has 4 readable images; at least 5",
        "pets": r"^train holds a folder, cat; .*that holds it: .*train. Else",
        "deep": r"^dog holds a folder, more; .*Else move its photos",
    }.items():
        with pytest.raises(data.DataError, match=told):
            data.image_folder(folder / name)


def test_no_network_is_told_in_one_message(monkeypatch):
    def no_network(*arguments, **options):  # as Keras tells it
        raise Exception("URL fetch failure on https://example.org: None -- Name or service not known")

    monkeypatch.setattr(pytest.importorskip("keras").utils, "get_file", no_network)
    told = r"^Cats and dogs does not ship.*\(Name or service not known\).*Offline, use .*image_folder\(path\)"
    with pytest.raises(data.DownloadError, match=told) as caught:
        data.cats_and_dogs()
    assert not re.search("http|\n", str(caught.value))
    assert caught.value.__suppress_context__


def test_cats_and_dogs_are_downloaded_once_and_read_from_the_archive(tmp_path, monkeypatch, capsys):
    utils = pytest.importorskip("keras").utils
    monkeypatch.setattr(utils, "get_file", partial(utils.get_file, cache_dir=str(tmp_path)))
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, color in [("Cat", (250, 0, 0)), ("Dog", (0, 0, 250))]:
            for number in range(8):
                buffer = io.BytesIO()
                Image.new("RGB", (50, 40), color).save(buffer, "JPEG")
                damaged = (name, number) == ("Dog", 3)
                archive.writestr(f"PetImages/{name}/{number}.jpg", b"" if damaged else buffer.getvalue())
    monkeypatch.setattr(data, "_CATS_AND_DOGS_URL", path.as_uri())
    with pytest.raises(data.DownloadError, match="hash does not match"):
        data.cats_and_dogs()
    monkeypatch.setattr(data, "_CATS_AND_DOGS_SHA256", data.hashlib.sha256(path.read_bytes()).hexdigest())
    first = data.cats_and_dogs(per_class=8, size=24)
    assert "(1): PetImages/Dog/3.jpg" in capsys.readouterr().out
    path.unlink()  # from now on only Keras's cache has it
    again = data.cats_and_dogs(per_class=8, size=24)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert first.class_names == ("cat", "dog")
    assert (first.x_train.shape, first.x_test.shape) == ((11, 24, 24, 3), (4, 24, 24, 3))
    assert (first.x_train[..., 2].mean(axis=(1, 2)) > 200).tolist() == (first.y_train == 1).tolist()
