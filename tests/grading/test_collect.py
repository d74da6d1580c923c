"""Whose a file is, which one counts, and a line for everybody who handed in anything."""

import io
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from grading import collect
from tests.grading import cases
from tools import course

MARKS = {cases.grade_id(cell) for cell in cases.lab().cells} - {""}


def students(place, **options):
    return {s.student: s for s in collect.collect(place, cases.LAB, MARKS, **options)}


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("anna/01_neurons.ipynb", "anna"),
        ("anna/deep/er/x.ipynb", "anna"),
        ("anna.ipynb", "anna"),
        ("01_neurons_s123.ipynb", "s123"),
        ("s123-01-neurons (2).ipynb", "s123"),
        ("lab01 s123.ipynb", "s123"),
        ("Ann Lee_1234567_assignsubmission_file_/01_neurons.ipynb", "1234567"),
        ("Ann Lee_1234567_assignsubmission_file_01_neurons.ipynb", "1234567"),
        ("Zoë Ł/01_neurons.ipynb", "Zoë_Ł"),
        ("..\\..\\x.ipynb", "x"),
        ("=HYPERLINK(1)/x.ipynb", "HYPERLINK_1"),
        ("{0}[*]/x.ipynb", "0"),
        ("CON/x.ipynb", None),
        ("hal_01_neurons.ipynb.ipynb", "hal"),
        ("ann.lee_01_neurons.ipynb", "ann_lee"),
    ],
)
def test_whose_a_file_is(tmp_path, name, student):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    (tmp_path / "other.ipynb").write_text("{}")
    (found,) = set(students(tmp_path)) - {"other"}
    assert found == student or (student is None and found.startswith("student_"))


def test_a_zip_file_is_read_without_being_unpacked(tmp_path):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/01_neurons.ipynb", "one")
        archive.writestr("../../x/01_neurons.ipynb", "two")
        archive.writestr("/etc/x/01_neurons.ipynb", "three")
        archive.writestr("__MACOSX/x/._01_neurons.ipynb", "no")
    found = students(path)
    assert len(found) == 3
    assert found["x"].file.read() == b"one"
    assert sorted(s.file.read() for s in found.values()) == [b"one", b"three", b"two"]
    assert all(re.fullmatch(r"[\w-]+", student) for student in found)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["download.zip"]


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/01_neurons.ipynb", b"0" * 3_000_000)
    monkeypatch.setattr(collect, "LARGEST", 1_000_000)
    with pytest.raises(collect.NotReadError, match="larger than 1 MB"):
        students(path)["x"].file.read()


def damaged_zips():
    """Zip files that zipfile stumbles over, each in another way."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01_neurons.ipynb", b"{}" * 1000)
    whole = stream.getvalue()
    start = whole.index(b"PK\x01\x02")
    method = whole[: start + 10] + b"\x63\x00" + whole[start + 12 :]
    needs = whole[: start + 6] + b"\xff\x00" + whole[start + 8 :]
    name = whole[: start + 8] + b"\x00\x08" + whole[start + 10 : start + 46] + b"\xff" + whole[start + 47 :]
    data = whole[:50] + bytes(10) + whole[60:]
    return {"method": method, "version": needs, "name": name, "data": data, "cut": whole[:60], "text": b"x"}


@pytest.mark.parametrize("damage", damaged_zips())
def test_a_damaged_zip_file_is_one_students_matter(tmp_path, damage):
    (tmp_path / "ann.zip").write_bytes(damaged_zips()[damage])
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "work.zip").write_bytes(damaged_zips()[damage])
    (tmp_path / "cleo.ipynb").write_text("{}")
    found = students(tmp_path)
    assert set(found) == {"ann", "ben", "cleo"}
    for student in ("ann", "ben"):
        if found[student].file is None:
            assert "zip file" in found[student].notes[0]
        else:
            with pytest.raises(collect.NotReadError, match="cannot be read"):
                found[student].file.read()


def test_names_that_cannot_be_printed_stay_apart(tmp_path):
    for name in (b"a\xff.ipynb", b"a\xfe.ipynb", b"a\x1b[31m.ipynb", b"a\\udcff.ipynb"):
        try:
            Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("{}")
        except OSError:
            pytest.skip("this file system refuses such names")
    found = students(tmp_path).values()
    assert len({student.given for student in found}) == 4
    assert all((student.given + student.shown).isprintable() for student in found)


def test_macos_files_and_empty_folders(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "._01_neurons.ipynb").write_bytes(b"\0")
    (tmp_path / "cleo.ipynb").write_text("{}")
    found = students(tmp_path)
    empty = {student: one.notes for student, one in found.items() if not one.file}
    assert empty == {"ann": ["the folder is empty"], "ben": ["the folder is empty"]}
    with zipfile.ZipFile(tmp_path / "class (1).zip", "w") as archive:
        for name in ("class/", "class/ann/", "class/ben/", "class/ben/x.ipynb", "class/cleo/x.ipynb"):
            archive.writestr(name, "")
    found = students(tmp_path / "class (1).zip")
    assert found["ann"].notes == ["the folder is empty"]
    assert set(found) == {"ann", "ben", "cleo"}


def test_a_folder_around_the_class_is_asked_for_not_guessed(tmp_path):
    def class_of(*names):
        shutil.rmtree(tmp_path / "all", ignore_errors=True)
        for name in names:
            (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "all" / name).write_text("{}")
        return tmp_path / "all"

    assert set(students(class_of("ann/week1/x.ipynb"))) == {"ann"}
    two = class_of("ann/week1/x.ipynb", "ann/week2/x.ipynb")
    for place in (two, class_of("course/Ann Lee_123_assignsubmission_file_/x.ipynb")):
        with pytest.raises(course.CourseError, match="one folder"):
            students(place)
    assert set(students(place / "course")) == {"123"}
    two = class_of("ann/week1/x.ipynb", "ann/week2/x.ipynb")
    assert set(students(two, pattern="(?P<student_id>[^/]+)/")) == {"ann"}
    assert set(students(class_of("all/ann/x.ipynb", "ben/x.ipynb"))) == {"ann", "ben"}


def test_dates_in_zip_files_compare_with_those_of_files(tmp_path):
    path = tmp_path / "ann.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("01_neurons.ipynb", (2024, 5, 1, 12, 0, 0)), "{}")
    (tmp_path / "ann_01_neurons.ipynb").write_text("{}")
    os.utime(tmp_path / "ann_01_neurons.ipynb", (1.6e9, 1.6e9))  # 2020
    assert students(tmp_path)["ann"].file.members
    os.utime(tmp_path / "ann_01_neurons.ipynb", (1.75e9, 1.75e9))  # 2025
    assert not students(tmp_path)["ann"].file.members
    assert collect._seconds((1980, 0, 0, 0, 0, 0)) == 0


def test_of_several_notebooks_the_one_named_like_the_lab_counts_then_the_latest(tmp_path):
    for i, name in enumerate(["01_neurons-old.ipynb", "01_neurons.ipynb", "scratch.ipynb"]):
        path = tmp_path / "anna" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
        os.utime(path, (1000 + i, 1000 + i))
    (tmp_path / "anna" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "anna" / ".ipynb_checkpoints" / "01_neurons-checkpoint.ipynb").write_text("{}")
    anna = students(tmp_path)["anna"]
    assert anna.file.path.name == "01_neurons.ipynb"
    assert "2 more notebooks" in anna.notes[0]


def test_ids_that_would_be_the_same_folder_stay_apart():
    ids = ["anna", "Anna", "a n", "a_n", "../a n", "x" * 200, "x" * 201, ".."]
    ids.append(collect.safe_ids(ids, {})["a n"])  # one who took the name that another one would get
    names = collect.safe_ids(ids, {})
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    assert names["a_n"] == "a_n"
    assert collect.safe_ids([*ids, "ANNA", "a-n", "a n "], names).items() >= names.items()
    assert all(re.fullmatch(r"[\w-]{1,70}", name) for name in names.values())


def test_an_own_pattern_for_ids(tmp_path):
    (tmp_path / "2024-x-anna.ipynb").write_text("{}")
    assert set(students(tmp_path, pattern=r".*-(?P<student_id>\w+)\.ipynb")) == {"anna"}
    with pytest.raises(course.CourseError, match="student_id"):
        students(tmp_path, pattern="x")


HANDED_IN = [
    "01_neurons.ipynb.txt",
    "01_neurons.ipynb.json",
    "a.py",
    "a.pdf",
    "a.7z",
    "a.HEIC",
    "a",
    "a.tar.gz",
]


MOODLE = "X Y_{2}_assignsubmission_file_"


@pytest.mark.parametrize("form", ["{0}_{1}", "{0}/{1}", MOODLE + "{1}", MOODLE + "/{1}"])
@pytest.mark.parametrize("packed", [False, True])
def test_everybody_who_handed_in_anything_has_a_line(tmp_path, form, packed):
    place = tmp_path / "class"
    for i, name in enumerate(HANDED_IN):
        path = place / form.format(f"s{i}", name, 100 + i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    if packed:
        shutil.make_archive(str(place), "zip", place)
        place = tmp_path / "class.zip"
    found = students(place)
    assert len(found) == len(HANDED_IN)
    for one in found.values():
        assert one.file is None
        assert one.notes == [f"no notebook was handed in: {one.shown} is none"]


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/") + ".ipynb", content)
    return stream.getvalue()


@pytest.mark.parametrize("between", ["/", ""])
def test_a_students_own_zip_in_moodles_is_looked_into(tmp_path, between):
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        archive.writestr(f"Zoe_12_assignsubmission_file_{between}work.zip", zipped(deep__01_neurons="mine"))
        archive.writestr("Ann_13_assignsubmission_file_/01_neurons.ipynb", "hers")
    found = students(tmp_path / "moodle.zip")
    assert {student: one.file.read() for student, one in found.items()} == {"12": b"mine", "13": b"hers"}


def test_of_a_clone_the_lab_counts_and_never_the_solution(tmp_path):
    lab, times = cases.dump(cases.notebook()), {"labs": 1, "notebooks": 2, "solutions": 3}
    contents = {"labs": lab, "notebooks": cases.lecture(), "solutions": cases.dump(cases.solution())}
    for folder, content in contents.items():
        path = tmp_path / "class" / "ann" / folder / "01_neurons.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        os.utime(path, (times[folder],) * 2)
    (tmp_path / "class" / "ben.zip").write_bytes(
        zipped(**{f"nnlabs-main__{folder}__01_neurons": content for folder, content in contents.items()})
    )
    only = tmp_path / "class" / "cleo" / "solutions" / "01_neurons.ipynb"
    only.parent.mkdir(parents=True)
    only.write_bytes(contents["solutions"])
    found = students(tmp_path / "class")
    assert found["ann"].file.read() == found["ben"].file.read() == lab
    assert "graded is ben.zip/nnlabs-main/labs/01_neurons.ipynb" in found["ben"].notes[0]
    assert found["cleo"].file is None
    assert "does not count" in found["cleo"].notes[0]
