"""Find the submissions in what an institution hands over; nothing is executed, no link is followed.

Understood are a folder or a zip file of: a folder per student; files with the student's id in their
names; Moodle's download, in folders or flat; and a student's own zip file in any of them. Whatever else
somebody handed in becomes a line for that student. nbgrader's ``FileNameCollectorPlugin`` takes the id
out of a name; its ``zip_collect`` extracts archives without limits and stops at the first name that does
not fit, so the walk is done here.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO

from nbgrader.plugins import FileNameCollectorPlugin

from grading.handin import UnreadableError, read_cells
from tools.course import CourseError

LARGEST = 200_000_000  # bytes of one notebook, with its outputs
MOST_FILES = 100_000
SKIPPED = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}
MOODLE = r"(?P<name>[^/]+?)_(?P<student_id>\d+)_assignsubmission_\w+?(?:_|$)"
LONGEST_ID = 60
EMPTY = "the folder is empty"
SOLUTIONS = "solutions"  # the course's own, in a clone of it


class NotReadError(Exception):
    """A file that is not read; the message says why."""


@dataclass(frozen=True)
class File:
    """A regular file, or a member of a zip file, or of a zip file in that one."""

    path: Path
    members: tuple[str, ...] = ()
    changed: float = 0.0

    def read(self) -> bytes:
        """Return the content; never more than :data:`LARGEST` bytes are read."""
        try:
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            with contextlib.ExitStack() as stack:
                stream: IO[bytes] = stack.enter_context(os.fdopen(os.open(self.path, flags), "rb"))
                for depth, member in enumerate(self.members):
                    outer = stream if depth == 0 else io.BytesIO(_bounded(stream))
                    archive = stack.enter_context(zipfile.ZipFile(outer))
                    stream = stack.enter_context(archive.open(member))
                return _bounded(stream)
        except NotReadError:
            raise
        except Exception as error:  # a damaged zip file raises whatever zipfile stumbles over
            raise NotReadError(f"the file cannot be read ({type(error).__name__})") from None


def _bounded(stream: IO[bytes]) -> bytes:
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NotReadError(f"the file is larger than {LARGEST // 1_000_000} MB")
    return content


@dataclass
class Submission:
    """What one student handed in."""

    student: str  # safe as the name of a folder, unique in this class
    given: str  # the id as it was found
    name: str = ""
    file: File | None = None
    shown: str = ""  # where the file is, for the table of grades
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Something that was handed in: where, and the file (or why it is not read)."""

    parts: tuple[str, ...]
    file: File | None
    note: str = ""
    given: str = ""
    name: str = ""

    @property
    def shown(self) -> str:
        """Return the place as it can be printed."""
        return _printable("/".join(self.parts).rstrip("/"))

    @property
    def suffix(self) -> str:
        """Return the file's suffix in small letters."""
        return self.parts[-1].lower().rpartition(".")[2]


def collect(
    place: Path,
    lab: str,
    grade_ids: Collection[str],
    pattern: str = "",
    known: Mapping[str, str] | None = None,
) -> list[Submission]:
    """Return the submissions in ``place``, one a student, sorted by student.

    Parameters
    ----------
    place
        A folder or a zip file.
    lab
        The lab's name, such as ``01_neurons``: it is no part of a student's id.
    grade_ids
        The lab's marks for grading: of several notebooks the one with most of them counts.
    pattern
        A regular expression with the group ``student_id`` for the path of each file below
        ``place``, for names that are not understood otherwise.
    known
        Id → student of earlier runs: these stay, whoever hands in later.
    """
    if pattern and "(?P<student_id>" not in pattern:
        raise CourseError("The pattern must contain (?P<student_id>...), the part that is the student's id.")
    plugin = FileNameCollectorPlugin()
    by_student: dict[str, list[Found]] = {}
    for found in _everything(place, asked=not pattern):
        owned = _identify(found, lab, pattern, plugin)
        by_student.setdefault(owned.given, []).append(owned)
    if not by_student:
        raise CourseError(f"There is no submission in {place}: expected .ipynb files, in folders or flat.")
    folders = safe_ids(by_student, known or {})
    every = [_choose(folders[given], found, lab, grade_ids) for given, found in by_student.items()]
    return sorted(every, key=lambda submission: submission.student)


def _choose(student: str, every: list[Found], lab: str, grade_ids: Collection[str]) -> Submission:
    """Take the one notebook that counts: with the lab's marks, then named like it, then the latest."""
    notebooks = [found for found in every if found.file and found.suffix == "ipynb"]
    own = [found for found in notebooks if SOLUTIONS not in map(str.lower, found.parts[:-1])]
    notes = [found.note for found in every if found.note]
    if not own:
        first = next((found for found in every if found.file), every[0])
        if notebooks:
            notes = [f"only a notebook in a folder '{SOLUTIONS}' was handed in, which does not count"]
        elif first.file:
            notes = [f"no notebook was handed in: {first.shown} is none", *notes]
        return Submission(student, first.given, first.name, None, first.shown, notes or [EMPTY])
    named = {found: _plain(lab) in _plain(found.parts[-1]) for found in own}
    marks = {found: _marks(found.file, grade_ids) if len(own) > 1 else 0 for found in own}
    best = max(own, key=lambda found: (marks[found], named[found], found.file.changed, found.shown))
    if len(own) > 1:
        others = len(own) - 1
        notes = [
            f"{others} more notebook{'s' * (others > 1)} of this student left aside, graded is {best.shown}"
        ]
    return Submission(student, best.given, best.name, best.file, best.shown, notes)


def _marks(file: File, grade_ids: Collection[str]) -> int:
    """Return how many of the lab's marks for grading are in the file."""
    with contextlib.suppress(NotReadError, UnreadableError):
        return len({cell.grade_id for cell in read_cells(file.read())} & set(grade_ids))
    return 0


def _everything(place: Path, *, asked: bool) -> list[Found]:
    """Return all that was handed in, with what is in students' zip files."""
    if place.is_dir():
        found = list(_walk(place))
    elif zipfile.is_zipfile(place):
        found = list(_entries(Found((), File(place))))
        if found and not found[0].parts:
            raise CourseError(f"{place}: {found[0].note}. Unpack it, and give the folder.")
    else:
        raise CourseError(f"{place} is {'no folder and no zip file' if place.exists() else 'not there'}.")
    if len(found) > MOST_FILES:
        raise CourseError(f"{place} has more than {MOST_FILES} files: is it the folder of the submissions?")
    own = place.resolve().name if place.is_dir() else place.stem
    found = [replace(one, parts=_without_own_folder(one.parts, own)) for one in found]
    zips = [one for one in found if one.suffix == "zip" and one.file]
    found = [one for one in found if one not in zips] + [inner for one in zips for inner in _entries(one)]
    if asked:
        _ask_about_one_folder([one.parts for one in found if one.file or one.note == EMPTY], place)
    return found


def _walk(place: Path) -> Iterator[Found]:
    """Yield all files of a folder, and its empty folders."""
    for folder, folders, names in os.walk(place, followlinks=False):
        here = Path(folder)
        own = here.relative_to(place).parts
        folders[:] = sorted(name for name in folders if name not in SKIPPED and name[0] != ".")
        names = sorted(name for name in names if name not in SKIPPED and not _is_hidden(name))
        links = [name for name in folders if (here / name).is_symlink()]
        if own and not names and not folders:
            yield Found((*own, ""), None, EMPTY)
        for name in [*links, *names]:
            with contextlib.suppress(OSError):
                state = (here / name).lstat()
                if stat.S_ISREG(state.st_mode):
                    yield Found((*own, name), File(here / name, (), state.st_mtime))
                else:
                    kind = "a link: not followed" if stat.S_ISLNK(state.st_mode) else "no ordinary file"
                    yield Found((*own, name), None, kind)


def _is_hidden(name: str) -> bool:
    return name[0] == "." and (name.startswith("._") or not name.lower().endswith(".ipynb"))


def _entries(outer: Found) -> Iterator[Found]:
    """Yield the same for a zip file, with its own name before; if there is nothing, why."""
    file = outer.file
    try:
        source = io.BytesIO(file.read()) if file.members else file.path
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()[: MOST_FILES + 1]
    except NotReadError as reason:
        yield replace(outer, file=None, note=str(reason))
        return
    except Exception as error:  # a damaged zip file raises whatever zipfile stumbles over
        yield replace(outer, file=None, note=f"the zip file cannot be read ({type(error).__name__})")
        return
    members = {entry: _parts(entry.filename) for entry in entries}
    members = {
        entry: parts
        for entry, parts in members.items()
        if parts and not SKIPPED & set(parts) and not _is_hidden(parts[-1])
    }
    full = {parts[:i] for parts in members.values() for i in range(1, len(parts))}
    for entry, parts in members.items():
        if not entry.is_dir():
            inner = File(file.path, (*file.members, entry.filename), _seconds(entry.date_time))
            yield Found((*outer.parts, *parts), inner)
        elif parts not in full:
            yield Found((*outer.parts, *parts, ""), None, EMPTY)
    if not members:
        yield replace(outer, file=None, note="the zip file is empty")


def _parts(member: str) -> tuple[str, ...]:
    """Return a member's path in parts.

    It is never written under that name, which may lead anywhere; it only tells whose it is.
    """
    parts = PurePosixPath(member.replace("\\", "/")).parts
    return ("/".join(parts[:-1]), parts[-1]) if {"..", "/"} & set(parts) else parts


def _seconds(date: tuple[int, ...]) -> float:
    """Return the date of a zip file's entry as a file's ``st_mtime`` has it; 0 for a date that is none."""
    try:
        return datetime.datetime(*date).timestamp()
    except (ValueError, OverflowError, OSError, TypeError):
        return 0.0


def _without_own_folder(parts: tuple[str, ...], place: str) -> tuple[str, ...]:
    """Drop the folder around everything that has the place's own name: class.zip with class/ann/x.ipynb.

    This path alone tells it: a late submission changes nobody's id.
    """
    own = _plain(re.sub(r"\s*\(\d+\)$", "", place))
    return parts[1:] if len(parts) > 2 and _plain(parts[0]) == own else parts


def _ask_about_one_folder(works: list[tuple[str, ...]], place: Path) -> None:
    """Ask, where all is in one folder of folders: it can be one student's, or be around the whole class."""
    outer, inner = {parts[0] for parts in works}, {parts[1] for parts in works if len(parts) > 2}
    if len(outer) > 1 or any(len(parts) < 3 or re.match(MOODLE, parts[0]) for parts in works):
        return
    if len(inner) > 1 or any(re.match(MOODLE, name) for name in inner):
        raise CourseError(
            f"All that is in {place} is in one folder, {_printable(*outer)}. If that is the class, name that "
            "folder instead (of a zip file: unpack it first). If it is one student, "
            "add --id '(?P<student_id>[^/]+)/'."
        )


def _identify(one: Found, lab: str, pattern: str, plugin: FileNameCollectorPlugin) -> Found:
    """Find out whose file this is."""
    note = one.note
    found = _match(plugin, pattern, one.shown) if pattern else None
    if found is None and pattern:
        note = note or "the pattern does not fit this name: the name is taken as the id"
    found = found or _match(plugin, MOODLE, one.parts[0])
    if found is None:
        flat = len(one.parts) == 1 or one.parts[0].lower().endswith(".zip")
        found = {"student_id": _id_in_name(one.parts[0], lab) if flat else one.parts[0]}
    given = unicodedata.normalize("NFC", found["student_id"].strip() or one.parts[0])
    return replace(one, note=note, given=_printable(given), name=_printable(found.get("name") or ""))


def _printable(text: str) -> str:
    """Return the name of a file as it can be printed and written anywhere; other names stay others."""
    escaped = text.replace("\\", "\\\\")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def _match(plugin: FileNameCollectorPlugin, pattern: str, text: str) -> dict | None:
    plugin.named_regexp = pattern
    plugin.valid_ext = [os.path.splitext(text)[1]]
    plugin.log.disabled = True  # it warns of each name that does not fit
    try:
        return plugin.collect(text)
    except re.error as error:
        raise CourseError(f"The pattern is no regular expression: {error}.") from None


def _id_in_name(name: str, lab: str) -> str:
    """Return what is left of a file's name without its suffixes, the lab's name and "(1)"."""
    stem = re.sub(r"(\.(ipynb|json|txt|tar))+$", "", os.path.splitext(name)[0]) or name
    stem = re.sub(r"\s*\(\d+\)$", "", stem)
    number, _, topic = lab.partition("_")
    topic = re.sub("_", "[ _-]?", re.escape(topic))
    words = (
        rf"(?:lab[ _-]?)?{number}[ _-]?{topic}|lab[ _-]?0*{int(number) if number.isdigit() else number}(?!\d)"
    )
    rest = re.sub(words, "", stem, count=1, flags=re.IGNORECASE).strip(" _-.")
    return rest or stem


def safe_ids(given: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return id → name of a folder: letters, digits, ``-`` and ``_`` only, no two alike on any system.

    An id that is ``known`` keeps its name.
    """
    names = {text: known[text] for text in given if text in known}
    taken = {name.casefold() for name in known.values()}
    # One that is safe as it is comes first: one that only looks like it does not take its name.
    for text in sorted({*given} - {*names}, key=lambda text: (text != _safe(text), text)):
        name = salted = _safe(text)
        while name.casefold() in taken:
            salted += text
            name = f"{_safe(text)}-{_hash(salted)}"
        names[text] = name
        taken.add(name.casefold())
    return names


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text)
    plain = re.sub(r"[^\w-]+", "_", plain).strip("_-")[:LONGEST_ID]
    reserved = re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", plain)  # names of devices on Windows
    return plain if plain and not reserved else f"student_{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
