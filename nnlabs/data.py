"""The data sets of the course.

What ships needs no network: :func:`mnist`, :func:`digits`, :func:`photos`, :func:`eight_gaussians`,
:func:`scenes`, :func:`letters`, :func:`sunspots`, :func:`novel`.
Their files lie in ``data/`` of a checkout, or inside the installed package, and are compared
with ``SHA256SUMS`` when they are first read. :func:`cats_and_dogs` is downloaded once, by Keras, into
Keras's own cache (``~/.keras``). :func:`image_folder` reads a student's own photographs.

Images are ``uint8`` as in their files; scaling them is part of what the lessons teach.
Labels are ``int64``, so that arithmetic such as ``2 * y - 1`` does what it says.
"""

from __future__ import annotations

import hashlib
import io
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_INSTALLED = Path(__file__).parent / "_data"  # the build backend copies data/ to here
DATA_DIR = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parent.parent / "data"

MIN_IMAGES_PER_CLASS = 5

_verified: set[Path] = set()  # files of DATA_DIR whose checksum was right in this process


class DataError(RuntimeError):
    """Data cannot be used. The message says which, and what mends it."""


class DownloadError(DataError):
    """A data set could not be downloaded. The message says what can be used instead."""


class Dataset(NamedTuple):
    """Inputs and labels of a data set for classification, split into training and test data.

    The first axis of an input counts the examples. A label, ``int64``, is an index into ``class_names``.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]


# ---------------------------------------------------------------- files that ship


def checksums() -> dict[str, str]:
    """Return the SHA-256 of every file that ships, by its path inside ``data/``."""
    return dict(_checksums(DATA_DIR))


@cache
def _checksums(folder: Path) -> dict[str, str]:
    try:
        *lines, rest = (folder / "SHA256SUMS").read_text(encoding="utf-8").split("\n")
        if rest:
            raise ValueError  # the last line has no end: the file was truncated
        return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    except OSError:
        raise DataError(mend("SHA256SUMS", "missing")) from None
    except ValueError:
        raise DataError(mend("SHA256SUMS", "altered")) from None


def _inspect(name: str, *, compare: bool = True) -> tuple[str, bytes]:
    """Return the state of a file, ``ok``, ``missing``, ``pointer`` or ``altered``, and its content."""
    try:
        content = (DATA_DIR / name).read_bytes()
    except OSError:
        return "missing", b""
    if content.startswith(b"version https://git-lfs"):
        return "pointer", content
    if compare and hashlib.sha256(content).hexdigest() != checksums().get(name):
        return "altered", content
    return "ok", content


def verify() -> dict[str, str]:
    """Tell of every file that ships whether it is ``ok``, ``missing``, a ``pointer`` or ``altered``."""
    return {name: _inspect(name)[0] for name in checksums()}


def read(name: str) -> bytes:
    """Return the content of a file that ships, such as ``"imagenet_classes.txt"``.

    Its checksum is compared once per process. Raises DataError if it is missing, truncated or altered.
    """
    path = DATA_DIR / name
    state, content = _inspect(name, compare=path not in _verified)
    if state != "ok":
        raise DataError(mend(name, state))
    _verified.add(path)
    return content


def arrays(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file that ships, such as ``"mnist.npz"``, as fresh copies."""
    with np.load(io.BytesIO(read(name)), allow_pickle=False) as file:
        return dict(file)


def mend(name: str, state: str) -> str:
    """Say of a file that is not as it shipped what is wrong, and what to do."""
    what = {
        "missing": "is missing",
        "pointer": "is not the file but its pointer of Git LFS",
        "altered": "is damaged: it was truncated or altered",
    }[state]
    if state == "pointer":
        how = "In the folder of the course, run: git lfs pull"
    elif DATA_DIR == _INSTALLED and DATA_DIR.parent.parent.name.endswith("-packages"):
        how = "Install nnlabs again from where you got it, with pip's option --force-reinstall."
    elif (DATA_DIR.parent / ".git").exists():
        how = f"In the folder of the course, run: git checkout -- data/{name}"
    else:
        how = "Download the course, or the lab's zip, again."
    return f"The data file data/{name} {what}. {how}"


def mnist() -> Dataset:
    """Handwritten digits of 28×28 pixels: MNIST (LeCun, Bottou, Bengio & Haffner, 1998).

    ``x_train`` (60000, 28, 28) and ``x_test`` (10000, 28, 28), ``uint8``, 0 background to 255 ink; ten
    classes, ``"0"`` to ``"9"``.
    """
    file = arrays("mnist.npz")
    y_train, y_test = (file[key].astype(np.int64) for key in ("y_train", "y_test"))
    return Dataset(file["x_train"], y_train, file["x_test"], y_test, tuple("0123456789"))


def digits() -> Dataset:
    """Handwritten digits of 8×8 pixels, small enough for a network in plain NumPy.

    They come with scikit-learn (UCI's "Optical Recognition of Handwritten Digits"). ``x_train``
    (1433, 8, 8) and ``x_test`` (364, 8, 8), every fifth of each class, are ``uint8``, 0 background to 16 ink.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return _split(bunch.images.astype(np.uint8), bunch.target, tuple("0123456789"), every=5)


def photos() -> Dataset:
    """Photographs of four kinds of things, on white: few, for transfer learning.

    ``x_train`` (98, 160, 160, 3) and ``x_test`` (65, 160, 160, 3), ``uint8`` RGB, of the classes ``bird``,
    ``flower``, ``food`` and ``mammal``. Near-duplicates are in the same split.
    """
    names = [Path(name).parts for name in checksums() if name.startswith("photos/") and name.endswith(".jpg")]
    class_names = tuple(sorted({parts[2] for parts in names}))

    def load(split: str) -> tuple[np.ndarray, np.ndarray]:
        files = [parts for parts in names if parts[1] == split]
        x = np.stack([_decode(read("/".join(parts)), size=160) for parts in files])
        y = np.array([class_names.index(parts[2]) for parts in files])
        return _shuffle(x, y)

    return Dataset(*load("train"), *load("test"), class_names)


def eight_gaussians(n: int = 400, *, spread: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``n`` points in eight small clouds on a circle of radius 2; a test for generative models.

    Return the points, ``float64`` of shape ``(n, 2)``, and their clouds, ``int64``, in random order.
    ``spread`` is a cloud's standard deviation in both directions; the same ``seed`` gives the same points.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n, dtype=np.int64) % 8)
    angle = np.pi / 4 + 2 * np.pi * y / 8
    centres = np.column_stack([2 * np.cos(angle), 2 * np.sin(angle)])
    return centres + spread * rng.standard_normal(centres.shape), y


class Scenes(NamedTuple):
    """Scenes of up to three digits, and what is to be found in them; the first axis counts the scenes.

    ``images`` (n, 64, 64, 1), ``float32``, 0 background to 1 ink. ``boxes`` (n, 3, 4), ``float32``: left,
    top, right, bottom of each digit, in pixels from 0 to 64: its width is right minus left. ``labels``
    (n, 3), ``int64``: the digit in each box; -1, and a box of zeros, where there is none, after the others.
    ``masks`` (n, 64, 64), ``uint8``: 0 for the background, 1 + digit for ink.
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def scenes(n: int, *, clutter: bool, seed: int, test: bool = False, most: int = 3) -> Scenes:
    """Compose ``n`` scenes of one to ``most`` handwritten digits, to be found and cut out.

    They are MNIST's digits, of its test split if ``test``, resized to 22 to 34 pixels; two boxes share at
    most a tenth of the smaller one. With ``clutter`` there are also 8 to 16 fragments of other digits, 8×8
    pixels, that count as background, and a little noise. The same arguments give the same scenes.
    """
    digits = mnist()
    x, y = (digits.x_test, digits.y_test) if test else (digits.x_train, digits.y_train)
    rng = np.random.default_rng(seed)
    parts = [_compose(x, y, min(500, n - i), clutter, most, rng) for i in range(0, n, 500)]
    return Scenes(*map(np.concatenate, zip(*parts, strict=True)))


def _compose(
    x: np.ndarray, y: np.ndarray, n: int, clutter: bool, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    images, masks = np.zeros((n, 64, 64), np.float32), np.zeros((n, 64, 64), np.uint8)
    boxes, labels = np.zeros((n, most, 4), np.float32), np.full((n, most), -1)
    eight, fragments = np.arange(8), rng.integers(8, 17, n) if clutter else np.zeros(n, int)
    for k in range(fragments.max(initial=0)):
        which = rng.integers(len(x), size=(n, 1, 1))
        (r, c), (row, column) = (
            rng.integers(4, 17, (2, n, 1)) + eight,
            rng.integers(57, size=(2, n, 1)) + eight,
        )
        piece = x[which, r[:, :, None], c[:, None]] / np.float32(255)
        there = np.arange(n)[:, None, None], row[:, :, None], column[:, None]
        images[there] = np.maximum(images[there], piece * (k < fragments)[:, None, None])
    count = rng.integers(1, most + 1, n)
    for k in range(most):
        which, scale = rng.integers(len(x), size=n), rng.integers(22, 35, n) / 28
        box, offset = np.zeros((n, 4), np.float32), _tight(_resized(x[which], scale, np.zeros((n, 4))) > 0.3)
        size, free, others = offset[:, 2:] - offset[:, :2], np.zeros(n, bool), boxes[:, :k]
        area, areas = size.prod(axis=1)[:, None], (others[..., 2:] - others[..., :2]).prod(axis=2)
        for _ in range(20):  # where another digit is in the way, try again
            corner = np.floor(rng.random((n, 2)) * (65 - size))
            box[~free] = np.concatenate([corner, corner + size], axis=1)[~free]
            low = np.maximum(box[:, None, :2], others[..., :2])
            shared = np.clip(np.minimum(box[:, None, 2:], others[..., 2:]) - low, 0, None).prod(axis=2)
            free = (shared <= 0.1 * np.minimum(area, areas)).all(axis=1)
        count = np.where(free, count, np.minimum(count, k))
        i = np.flatnonzero(k < count)
        digit = _resized(x[which[i]], scale[i], (box - offset)[i])
        boxes[i, k], labels[i, k] = box[i], y[which[i]]
        images[i] = np.maximum(images[i], digit)
        masks[i] = np.where(digit > 0.3, labels[i, k, None, None] + 1, masks[i])
    if clutter:
        images += 0.05 * rng.standard_normal(images.shape, dtype=np.float32)
    return np.clip(images, 0, 1)[..., None], boxes, labels, masks


def _resized(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Put each picture of 28×28, enlarged by its scale, into an empty one of 64×64, shifted by (x, y)."""
    place = (np.arange(64) + 0.5 - shift.T[:2, :, None]) / scale[:, None] - 0.5  # of each pixel, in x
    distance = np.abs(place[..., None] - np.arange(28)).astype(np.float32)
    columns, rows = np.clip(1 - distance, 0, None)  # bilinear weights, (n, 64, 28)
    return rows @ (x / np.float32(255)) @ columns.transpose(0, 2, 1)


def _tight(ink: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom of what is true in each picture."""
    some = ink.any(axis=1), ink.any(axis=2)
    return np.stack([s.argmax(1) for s in some] + [64 - s[:, ::-1].argmax(1) for s in some], axis=1)


class Letters(NamedTuple):
    """Printed letters; the first axis counts the letters, the second the styles of type.

    ``images`` (n, 12, 28, 28), ``uint8``, 0 background to 255 ink. ``names`` (n,) has each letter itself,
    ``alphabets`` (n,) where it comes from.
    """

    images: np.ndarray
    names: np.ndarray
    alphabets: np.ndarray


def letters(*alphabets: str) -> Letters:
    """Return the letters of some alphabets, or of all: Latin, Greek, Cyrillic, Phonetic, Armenian, Georgian.

    Each is in the form of MNIST's digits, in 12 styles: DejaVu Sans, Serif and Sans Mono, each upright, bold,
    oblique and both. A letter that looks like one before it (an ``A`` of another alphabet) is left out.
    """
    file = arrays("letters.npz")
    known = dict.fromkeys(file["alphabets"].tolist())
    if not known.keys() >= set(alphabets):
        raise ValueError(f"The alphabets are {', '.join(known)}; found {', '.join(alphabets)}.")
    chosen = np.isin(file["alphabets"], alphabets or list(known))
    return Letters(*(file[key][chosen] for key in Letters._fields))


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    """Return the years 1700 to 2008, ``int64``, and the mean number of sunspots in each, ``float64``."""
    table = np.loadtxt(io.BytesIO(read("sunspots.csv")), delimiter=",", skiprows=1)
    return table[:, 0].astype(np.int64), table[:, 1]


def novel(name: str) -> list[str]:
    """Return the chapters of a novel of Jane Austen, ``"pride_and_prejudice"`` or ``"persuasion"``.

    A paragraph is one line; headings and marks of emphasis are left out.
    """
    return read(f"novels/{name}.txt").decode().rstrip("\n").split("\n\n")


# ---------------------------------------------------------------- splits and images


def _shuffle(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y in an order that is always the same, and not that of the classes."""
    order = np.random.default_rng(0).permutation(len(y))
    return x[order], y[order].astype(np.int64)


def _split(x: np.ndarray, y: np.ndarray, class_names: tuple[str, ...], every: int) -> Dataset:
    """Put every ``every``-th example of each class into the test split."""
    test = np.zeros(len(y), dtype=bool)
    for label in range(len(class_names)):
        test[np.flatnonzero(y == label)[::every]] = True
    return Dataset(*_shuffle(x[~test], y[~test]), *_shuffle(x[test], y[test]), class_names)


def _decode(content: bytes, size: int) -> np.ndarray:
    """Return an image file's content as RGB, upright, cropped to the middle square, on white."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of camera data it does not understand
        image = Image.open(io.BytesIO(content))
        image.draft("RGB", (2 * size, 2 * size))  # a large JPEG is decoded at a smaller scale
        image = _eight_bits(ImageOps.exif_transpose(image)).convert("RGBA")
    image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image)
    return np.array(canvas.convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale a grey picture of more than 8 bits, as from a microscope; Pillow would cut off what is over 255.

    How many bits it has is told by its largest value; numbers with a point are from 0 to 1, or integers.
    """
    from PIL import Image

    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    largest = values.max()
    bits = max(8, np.ceil(np.log2(max(largest, 1) + 1)))
    white = 1 if image.mode == "F" and largest <= 1 else 2**bits - 1
    return Image.fromarray(np.round(255 * np.clip(values / white, 0, 1)).astype(np.uint8))


def _decode_all(
    files: Iterable[tuple[int, str, Callable[[], bytes]]], size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Decode ``(label, name, reader)`` triples; print which files are not readable images."""
    images, labels, skipped, hints = [], [], [], set()
    for label, name, reader in files:
        try:
            images.append(_decode(reader(), size))
        except Exception as error:  # Pillow raises a dozen kinds of errors for damaged files
            skipped.append(name)
            if name.lower().endswith((".heic", ".heif")):
                hints.add("Save HEIC photos as JPEG first")
            elif type(error).__name__ == "DecompressionBombError":
                hints.add("Make photos of over 178 megapixels smaller first")
        else:
            labels.append(label)
    if skipped:
        shown = ", ".join(skipped[:5]) + (", ..." if len(skipped) > 5 else "")
        skip = f"Skipped, because they cannot be read as images ({len(skipped)}): {shown}"
        print(". ".join([skip, *sorted(hints)]))
    return np.array(images, dtype=np.uint8), np.array(labels, dtype=np.int64)


def image_folder(path: str | Path, size: int = 160) -> Dataset:
    """Read your own photographs: a folder with one sub-folder for each class.

    Every image is turned upright, cropped to its middle square and scaled to ``size``²: ``uint8`` RGB. What
    cannot be read is skipped and named in one printed line. Every fourth image of each class, by file name,
    goes into the test split; so keep several shots of the very same thing out, or the test is too easy.

    The names of the sub-folders are the names of the classes; those that begin with a dot or with two
    underscores are ignored. Raises DataError if there are fewer than two, if one of them has sub-folders
    itself, or fewer than five images.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"There is no folder {root}. Give the folder that holds one sub-folder per class.")
    folders = [folder for folder in _visible(root) if folder.is_dir()]
    class_names = tuple(folder.name for folder in folders)
    if len(class_names) < 2:
        found = f"only {class_names[0]}" if class_names else "none"
        raise DataError(
            f"The folder {root} must hold at least 2 sub-folders, one for each class; found: {found}."
        )
    for folder in sorted(folders, key=lambda folder: folder.name != "train"):  # Kaggle has a "test" beside it
        for deeper in filter(Path.is_dir, _visible(folder)):
            raise DataError(
                f"{folder.name} holds a folder, {deeper.name}; the photos of a class lie in its own folder. "
                f"If {deeper.name} is a class, give the folder that holds it: {folder}. Else move its photos."
            )
    files = [
        (label, f"{folder.name}/{file.name}", file.read_bytes)
        for label, folder in enumerate(folders)
        for file in _visible(folder)
        if file.is_file()
    ]
    x, y = _decode_all(files, size)
    counts = np.bincount(y, minlength=len(class_names))
    for name, count in zip(class_names, counts, strict=True):
        if count < MIN_IMAGES_PER_CLASS:
            raise DataError(
                f"The class {name} has {count} readable images; "
                f"at least {MIN_IMAGES_PER_CLASS} are needed, as JPEG or PNG files in {root / name}."
            )
    return _split(x, y, class_names, every=4)


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__")))


# ---------------------------------------------------------------- what is downloaded

_CATS_AND_DOGS_URL = (
    "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
    "kagglecatsanddogs_5340.zip"
)
_CATS_AND_DOGS_SHA256 = "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9"
_STALLED_AFTER = 30  # seconds without a byte, after which a download is given up


@contextmanager
def _downloading(title: str, instead: str) -> Iterator[None]:
    """Turn any failure of a download into one message, and do not wait for ever."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALLED_AFTER)
    try:
        yield
    except Exception as error:  # Keras raises bare Exceptions, which end in " -- reason"
        reason = str(error).rsplit(" -- ", 1)[-1]
        raise DownloadError(
            f"{title} does not ship with the course and could not be downloaded ({reason}). "
            f"Run this again with a network connection; later runs need none. Offline, use {instead}."
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)


def cats_and_dogs(per_class: int = 1000, size: int = 160) -> Dataset:
    """Photographs of cats and dogs (Elson et al., 2007, doi:10.1145/1315245.1315291).

    The download has 825 MB; it is kept as one archive and read from there: the first ``per_class`` of the
    12,500 files of each class. The few that are no readable images are skipped and named in one printed
    line. Images are cropped to their middle square and scaled to ``size``²; every fourth is for the test.
    """
    import zipfile

    import keras

    with _downloading("Cats and dogs", instead="data.photos() or your own data.image_folder(path)"):
        path = keras.utils.get_file(origin=_CATS_AND_DOGS_URL, file_hash=_CATS_AND_DOGS_SHA256)
    class_names = ("cat", "dog")
    with zipfile.ZipFile(path) as archive:
        names = [
            (label, f"PetImages/{name.title()}/{number}.jpg")
            for label, name in enumerate(class_names)
            for number in range(per_class)
        ]
        files = [(label, name, partial(archive.read, name)) for label, name in names]
        x, y = _decode_all(files, size)
    return _split(x, y, class_names, every=4)
