"""Find the submissions in what an institution hands over; nothing is executed, no link is followed.

Understood are a folder or a zip file of: a folder per student; files with the student's id in their
names; Moodle's download, in folders or flat. nbgrader's ``FileNameCollectorPlugin`` takes the id out
of a name. nbgrader's ``zip_collect`` itself extracts archives without limits and stops at the first
name that does not fit, so the walk is done here.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nbgrader.plugins import FileNameCollectorPlugin

from tools.course import CourseError

LARGEST = 200_000_000  # bytes of one notebook, with its outputs
MOST_FILES = 100_000
SKIPPED = {"__MACOSX", ".ipynb_checkpoints", "__pycache__"}
MOODLE = r"(?P<name>[^/]+?)_(?P<student_id>\d+)_assignsubmission_\w+?(?:_|$)"
LONGEST_ID = 60
EMPTY = "the folder is empty"


class NotReadError(Exception):
    """A file that is not read; the message says why."""


@dataclass(frozen=True)
class File:
    """A regular file, or a member of a zip file."""

    path: Path
    member: str = ""
    size: int = 0
    changed: float = 0.0

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the member's or the file's path in parts."""
        parts = PurePosixPath(self.member.replace("\\", "/")).parts if self.member else self.path.parts
        # A member is never written under its name, which may lead anywhere; it only tells whose it is.
        odd = self.member and ({"..", "/"} & set(parts))
        return ("/".join(parts[:-1]), parts[-1]) if odd else parts

    def read(self) -> bytes:
        """Return the content; never more than :data:`LARGEST` bytes are read."""
        try:
            if self.member:
                with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as stream:
                    content = stream.read(LARGEST + 1)
            else:
                flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                with os.fdopen(os.open(self.path, flags), "rb") as stream:
                    content = stream.read(LARGEST + 1)
        except Exception as error:  # a damaged zip file raises whatever zipfile stumbles over
            raise NotReadError(f"the file cannot be read ({type(error).__name__})") from None
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


@dataclass
class _Found:
    """A candidate: whose it is, and the file (or why there is none)."""

    given: str
    name: str
    file: File | None
    shown: str
    note: str = ""


def collect(
    place: Path, lab: str, pattern: str = "", known: Mapping[str, str] | None = None
) -> list[Submission]:
    """Return the submissions in ``place``, one a student, sorted by student.

    Parameters
    ----------
    place
        A folder or a zip file.
    lab
        The lab's name, such as ``01_neurons``: it is no part of a student's id.
    pattern
        A regular expression with the group ``student_id`` for the path of each notebook below
        ``place``, for names that are not understood otherwise.
    known
        Id → student of earlier runs: these stay, whoever hands in later.
    """
    if pattern and "(?P<student_id>" not in pattern:
        raise CourseError("The pattern must contain (?P<student_id>...), the part that is the student's id.")
    found = list(_candidates(place, lab, pattern))
    if not found:
        raise CourseError(f"There is no submission in {place}: expected .ipynb files, in folders or flat.")
    by_student: dict[str, list[_Found]] = {}
    for candidate in found:
        by_student.setdefault(candidate.given, []).append(candidate)
    folders = safe_ids(by_student, known or {})
    return sorted(
        (_choose(folders[given], candidates, lab) for given, candidates in by_student.items()),
        key=lambda submission: submission.student,
    )


def _choose(folder: str, candidates: list[_Found], lab: str) -> Submission:
    """Take the one notebook that counts: named like the lab, else the latest."""
    with_file = [candidate for candidate in candidates if candidate.file]
    notes = [
        candidate.note for candidate in candidates if candidate.note and (candidate.file or not with_file)
    ]
    first = candidates[0]
    if not with_file:
        return Submission(
            folder, first.given, first.name, None, first.shown, notes or ["no notebook was found"]
        )
    named = [candidate for candidate in with_file if _plain(lab) in _plain(candidate.shown.split("/")[-1])]
    latest = max(named or with_file, key=lambda candidate: (candidate.file.changed, candidate.shown))
    if len(with_file) > 1:
        others = len(with_file) - 1
        notes.append(
            f"{others} more notebook{'s' * (others > 1)} of this student left aside, graded is {latest.shown}"
        )
    return Submission(folder, latest.given, latest.name, latest.file, latest.shown, notes)


def _candidates(place: Path, lab: str, pattern: str) -> Iterator[_Found]:
    if place.is_dir():
        files = list(_walk(place))
    elif zipfile.is_zipfile(place):
        try:
            files = list(_entries(place))
        except NotReadError as reason:
            raise CourseError(f"{place}: {reason}. Unpack it, and give the folder.") from None
    else:
        raise CourseError(f"{place} is {'no folder and no zip file' if place.exists() else 'not there'}.")
    if len(files) > MOST_FILES:
        raise CourseError(f"{place} has more than {MOST_FILES} files: is it the folder of the submissions?")
    own = place.resolve().name if place.is_dir() else place.stem
    files = [(_without_own_folder(parts, own), *rest) for parts, *rest in files]
    if not pattern:
        _ask_about_one_folder([parts for parts, file, note in files if file or note == EMPTY], place)
    plugin = FileNameCollectorPlugin()
    folders_with_notebook = set()
    leftovers: dict[str, tuple[tuple[str, ...], str]] = {}
    for parts, file, note in files:
        suffix = parts[-1].lower().rpartition(".")[2]
        if suffix == "ipynb":
            yield _identify(parts, file, note, lab, pattern, plugin)
            folders_with_notebook.add(parts[0])
        elif suffix == "zip" and file and not file.member:
            inside, note = _notebooks(file.path)
            for inner in inside:
                yield _identify((*parts, inner.parts[-1]), inner, "", lab, pattern, plugin)
                folders_with_notebook.add(parts[0])
            if len(parts) == 1 and not inside:
                yield _identify(parts, None, note, lab, pattern, plugin)
        if len(parts) > 1 and (note or leftovers.get(parts[0], ("", EMPTY))[1] == EMPTY):
            leftovers[parts[0]] = (parts, note)
    for folder, (parts, note) in leftovers.items():
        if folder not in folders_with_notebook:
            note = note or "no notebook was found in this folder"
            yield _identify((folder, parts[-1]), None, note, lab, pattern, plugin)


def _notebooks(path: Path) -> tuple[list[File], str]:
    """Return the notebooks in a student's zip file and, where there is none, why."""
    try:
        found = [file for _, file, _ in _entries(path) if file]
    except NotReadError as reason:
        return [], str(reason)
    found = [file for file in found if file.parts[-1].lower().endswith(".ipynb")]
    return found, "" if found else "no notebook was found in the zip file"


def _walk(place: Path) -> Iterator[tuple[tuple[str, ...], File | None, str]]:
    """Yield path, file and, where it is not read, why."""
    for folder, folders, names in os.walk(place, followlinks=False):
        for name in [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            yield (*Path(folder, name).relative_to(place).parts, "link"), None, "a link: not followed"
        folders[:] = sorted(name for name in folders if name not in SKIPPED and name[0] != ".")
        names = [name for name in names if name[0] != "." or name.lower().endswith(".ipynb")]
        names = sorted(name for name in names if not name.startswith("._"))  # macOS's own
        if not names and not folders and Path(folder) != place:
            yield (*Path(folder).relative_to(place).parts, ""), None, EMPTY
        for name in names:
            path = Path(folder, name)
            parts = path.relative_to(place).parts
            with contextlib.suppress(OSError):
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    yield parts, File(path, "", state.st_size, state.st_mtime), ""
                else:
                    yield (
                        parts,
                        None,
                        "a link: not followed" if path.is_symlink() else "no ordinary file: not read",
                    )


def _entries(path: Path) -> Iterator[tuple[tuple[str, ...], File | None, str]]:
    """Yield the same as :func:`_walk` for a zip file."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()[: MOST_FILES + 1]
            files = [File(path, e.filename, e.file_size, _seconds(e.date_time)) for e in entries]
    except Exception as error:  # a damaged zip file raises whatever zipfile stumbles over
        raise NotReadError(f"the zip file cannot be read ({type(error).__name__})") from None
    files = [file for file in files if file.parts and not SKIPPED & set(file.parts)]
    files = [file for file in files if file.parts[-1][0] != "."]
    full = {file.parts[:i] for file in files for i in range(1, len(file.parts))}
    for file in files:
        if not file.member.endswith("/"):
            yield file.parts, file, ""
        elif file.parts not in full:
            yield (*file.parts, ""), None, EMPTY


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


def _ask_about_one_folder(files: list[tuple[str, ...]], place: Path) -> None:
    """Ask, where all is in one folder of folders: it can be one student's, or be around the whole class."""
    works = [parts for parts in files if parts[-1].lower().endswith((".ipynb", ".zip")) or not parts[-1]]
    outer, inner = {parts[0] for parts in works}, {parts[1] for parts in works if len(parts) > 2}
    if len(outer) > 1 or any(len(parts) < 3 or re.match(MOODLE, parts[0]) for parts in works):
        return
    if len(inner) > 1 or any(re.match(MOODLE, name) for name in inner):
        raise CourseError(
            f"All that is in {place} is in one folder, {_printable(*outer)}. If that is the class, name that "
            "folder instead (of a zip file: unpack it first). If it is one student, "
            "add --id '(?P<student_id>[^/]+)/'."
        )


def _identify(
    parts: tuple[str, ...],
    file: File | None,
    note: str,
    lab: str,
    pattern: str,
    plugin: FileNameCollectorPlugin,
) -> _Found:
    """Find out whose file this is."""
    shown = "/".join(parts)
    found = _match(plugin, pattern, shown) if pattern else None
    if found is None and pattern:
        note = note or "the pattern does not fit this name: the name is taken as the id"
    found = found or _match(plugin, MOODLE, parts[0])
    if found is None:
        flat = len(parts) == 1 or parts[0].lower().endswith(".zip")
        found = {"student_id": _id_in_name(parts[0], lab) if flat else parts[0]}
    given = found["student_id"].strip() or parts[0]
    return _Found(_printable(given), _printable(found.get("name") or ""), file, _printable(shown), note)


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
    """Return what is left of a file's name without the lab's name and "(1)"."""
    stem = re.sub(r"\s*\(\d+\)$", "", os.path.splitext(name)[0])
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
