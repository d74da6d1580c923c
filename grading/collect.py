"""Find the submissions in what an institution hands over; nothing is executed, no link is followed.

Understood are a folder or a zip file of: a folder per student; files with the student's id in their
names; Moodle's download, in folders or flat; and a student's own zip file in any of them. Whatever else
somebody handed in becomes a line for that student. nbgrader's ``zip_collect`` extracts archives without
limits and stops at the first name that does not fit, so the walk is done here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import time
import unicodedata
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from grading.handin import HandInError, grade_id, parse
from tools.course import CourseError

LARGEST = 200_000_000  # bytes of one notebook, with its outputs
SKIPPED = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"}
MOODLE = r"(?P<name>[^/]+?)_(?P<student_id>\d+)_assignsubmission_\w+?(?:_|/|$)"
LONGEST_ID = 60
SOLUTIONS = "solutions"  # the course's own, in a clone of it


@dataclass(frozen=True)
class File:
    """A regular file, or a member of a zip file, or of a zip file in that one."""

    path: Path
    members: tuple[str, ...] = ()
    changed: tuple[int, ...] = ()

    def read(self) -> bytes:
        """Return the content; never more than :data:`LARGEST` bytes are read."""
        with readable("file"), contextlib.ExitStack() as stack:
            if self.members:
                outer = stack.enter_context(File(self.path, self.members[:-1]).archive())
                stream = stack.enter_context(outer.open(self.members[-1]))
            else:
                stream = stack.enter_context(self.path.open("rb"))
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise HandInError(f"the file is larger than {LARGEST // 1_000_000} MB")
        return content

    def archive(self) -> zipfile.ZipFile:
        """Open this file as a zip file."""
        return zipfile.ZipFile(io.BytesIO(self.read()) if self.members else self.path)


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Tell that a file cannot be read: a damaged zip file raises whatever zipfile stumbles over."""
    try:
        yield
    except HandInError:
        raise
    except Exception as error:
        raise HandInError(f"the {what} cannot be read ({type(error).__name__})") from None


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
    """A file, or why it is not read; an empty folder has neither."""

    parts: tuple[str, ...]
    file: File | None = None
    note: str = ""

    @property
    def shown(self) -> str:
        """Return the place as it can be printed."""
        return _printable("/".join(self.parts))

    def is_a(self, kind: str) -> bool:
        """Tell whether it is a file with that suffix."""
        return self.file is not None and self.parts[-1].lower().endswith(f".{kind}")


def collect(
    place: Path,
    lab: str,
    grade_ids: Collection[str],
    pattern: str = "",
    known: Mapping[str, str] | None = None,
) -> list[Submission]:
    """Return the submissions in ``place``, a folder or a zip file: one a student.

    ``grade_ids`` are the lab's marks: of several notebooks the one with most of them counts. ``pattern``, a
    regular expression with the group ``student_id``, is for the path of each file below ``place``. Ids that
    are ``known`` keep the student that they had in an earlier run.
    """
    try:
        rule = re.compile(pattern or MOODLE)
        rule.groupindex["student_id"]
    except (re.error, KeyError):
        raise CourseError("--id needs a regular expression with (?P<student_id>...) in it.") from None
    by_student: dict[tuple[str, str], list[Found]] = {}
    for one in _everything(place):
        by_student.setdefault(_owner(one, lab, rule), []).append(one)
    if not by_student:
        raise CourseError(f"There is no submission in {place}: expected .ipynb files, in folders or flat.")
    inner = {one.parts[1] for found in by_student.values() for one in found if len(one.parts) > 2}
    if len(by_student) == 1 < len(inner) and not pattern:
        raise CourseError(
            f"All that is in {place} is in one folder. If that is the class, name that folder (unpack a zip "
            "file). If it is one student, add --id '(?P<student_id>[^/]+)/'."
        )
    folders = safe_ids([given for given, _ in by_student], known or {})
    return [
        _choose(Submission(folders[given], given, name), found, lab, grade_ids)
        for (given, name), found in by_student.items()
    ]


def _everything(place: Path) -> list[Found]:
    """Return all that was handed in, with what is in students' zip files."""
    if not place.exists():
        raise CourseError(f"{place} is not there.")
    try:
        found = _walk(place) if place.is_dir() else _entries(File(place))
    except HandInError as reason:
        raise CourseError(f"{place} is no folder, and {reason}.") from None
    full = {one.parts[:length] for one in found for length in range(1, len(one.parts))}
    own = _plain(re.sub(r"\s*\(\d+\)$", "", place.resolve().name.removesuffix(".zip")))
    every = []
    for one in found:
        if not (one.file or one.note) and one.parts in full:
            continue  # a folder that is not empty
        # class.zip with class/ann/x.ipynb. This path alone tells it: a late submission changes nobody's id.
        if len(one.parts) > 1 and _plain(one.parts[0]) == own:
            one = replace(one, parts=one.parts[1:])
        try:
            every += _entries(one.file, one.parts) if one.is_a("zip") else [one]
        except HandInError as reason:
            every.append(Found(one.parts, None, str(reason)))
    return every


def _walk(place: Path) -> list[Found]:
    """Return what is in a folder: files, folders, links."""
    found = []
    for path in sorted(place.rglob("*")):
        parts = path.relative_to(place).parts
        if path.is_symlink():
            found.append(Found(parts, None, "a link: not followed"))
        elif path.is_file():
            found.append(Found(parts, File(path, (), time.localtime(path.stat().st_mtime)[:6])))
        elif path.is_dir():
            found.append(Found(parts))
    return [one for one in found if not _is_hidden(one.parts)]


def _entries(file: File, before: tuple[str, ...] = ()) -> list[Found]:
    """Return what is in a zip file, with ``before``, its own place, before their names."""
    with readable("zip file"), file.archive() as archive:
        entries = archive.infolist()
    found = []
    for entry in entries:
        # It is never written under its name, which may lead anywhere; that only tells whose it is.
        names = PurePosixPath(entry.filename.replace("\\", "/")).parts
        parts = tuple(name for name in names if name not in ("..", "/"))
        inner = File(file.path, (*file.members, entry.filename), entry.date_time)
        if parts and not _is_hidden(parts):
            found.append(Found((*before, *parts), None if entry.is_dir() else inner))
    return found or [Found(before or (file.path.name,), None, "the zip file is empty")]


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(name[0] == "." or name in SKIPPED for name in parts)


def _owner(one: Found, lab: str, rule: re.Pattern) -> tuple[str, str]:
    """Find out whose this is: return the id and, where it is told, the name."""
    match, first = rule.match("/".join(one.parts)), one.parts[0]
    if match:
        given, name = match["student_id"].strip(), match.groupdict().get("name") or ""
    else:
        flat = (one.parts == (first,) and one.file) or first.lower().endswith(".zip")
        given, name = _id_in_name(first, lab) if flat else first, ""
    return _printable(unicodedata.normalize("NFC", given or first)), _printable(name)


def _id_in_name(name: str, lab: str) -> str:
    """Return what is left of a file's name without its suffixes, the lab's name and an attempt's number.

    That is ``(1)`` of a browser, ``-1`` behind the lab's name of Canvas, and ``_attempt_`` with a time of
    Blackboard: another attempt is no other student.
    """
    stem = re.sub(r"(\.(ipynb|json|txt|tar))*(\.\w{1,5})?$", "", name) or name
    stem = re.sub(r"\s*\(\d+\)$", "", stem)
    stem = re.sub(r"_attempt_\d{4}(-\d\d){5}", "", stem)
    rest = re.sub(lab.replace("_", "[ _-]?") + r"(-\d+$)?", "", stem, count=1, flags=re.IGNORECASE)
    return rest.strip(" _-.") or stem


def _choose(submission: Submission, every: list[Found], lab: str, grade_ids: Collection[str]) -> Submission:
    """Take the one notebook that counts: with the lab's marks, then named like it, then the latest."""
    notebooks = [found for found in every if found.is_a("ipynb")]
    own = [found for found in notebooks if SOLUTIONS not in map(str.lower, found.parts[:-1])]
    notes = [found.note for found in every if found.note]
    best = max(
        own or [one for one in every if one.file] or every,
        key=lambda one: (
            len(own) > 1 and _marks(one.file, grade_ids),
            _plain(lab) in _plain(one.parts[-1]),
            one.file.changed if one.file else (),
            one.shown,
        ),
    )
    if len(own) > 1:
        notes = [f"graded is {best.shown}, not the other notebooks of this student: {len(own) - 1}"]
    elif notebooks and not own:
        notes = [f"only a notebook in a folder '{SOLUTIONS}' was handed in, which does not count"]
    elif not own and best.file:
        notes = [f"no notebook was handed in: {best.shown} is none", *notes]
    elif not own:
        notes = notes or ["the folder is empty"]
    return replace(submission, file=best.file if own else None, shown=best.shown, notes=notes)


def _marks(file: File, grade_ids: Collection[str]) -> int:
    """Return how many of the lab's marks for grading are in the file."""
    with contextlib.suppress(HandInError):
        return len({grade_id(cell) for cell in parse(file.read()).cells} & set(grade_ids))
    return 0


def safe_ids(given: Collection[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return id → name of a folder: letters, digits, ``-`` and ``_`` only, no two alike on any system.

    An id that is ``known`` keeps its name.
    """
    names = {text: known[text] for text in given if text in known}
    taken = {name.casefold() for name in known.values()}
    # One that is safe as it is comes first: one that only looks like it does not take its name.
    for text in sorted({*given} - {*names}, key=lambda text: (text != _safe(text), text)):
        name = _safe(text)
        while name.casefold() in taken:
            name = f"{_safe(text)}-{_hash(name + text)}"
        names[text] = name
        taken.add(name.casefold())
    return names


def _safe(text: str) -> str:
    plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFKC", text)).strip("_-")[:LONGEST_ID]
    return plain or f"student_{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _printable(text: str) -> str:
    """Return the name of a file as it can be printed and written anywhere; other names stay others."""
    escaped = text.replace("\\", "\\\\")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
