"""Whose a file is, which one counts, and a line for everybody who handed in anything."""

import io
import os
import re
import unicodedata
import zipfile
from pathlib import Path

import pytest

from grading import collect
from grading.handin import HandInError, grade_id
from tests.grading import tiny
from tools import course

LAB = "01_neurons"
MARKS = {grade_id(cell) for cell in tiny.lab().cells} - {""}
MOODLE = "X Y_{2}_assignsubmission_file_"


def students(place, **options):
    return {s.student: s for s in collect.collect(place, LAB, MARKS, **options)}


def write(place, files):
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return place


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("anna/deep/er/x.ipynb", "anna"),
        ("01_neurons_s123.ipynb", "s123"),
        ("s123-01-neurons (2).ipynb", "s123"),
        ("Zoë Ł/01_neurons.ipynb", "Zoë_Ł"),
        ("x..\\..\\x.ipynb", "x_x"),
        ("hal_01_neurons.ipynb.ipynb", "hal"),
        ("ann.lee_01_neurons.ipynb", "ann_lee"),
        ("doejane_12345_67890_01_neurons-2.ipynb", "doejane_12345_67890"),  # Canvas, second attempt
        ("Lab_s7_attempt_2026-11-30-23-59-01_01_neurons.ipynb", "Lab_s7"),  # Blackboard
        (unicodedata.normalize("NFD", "Müller") + "/01_neurons.ipynb", "Müller"),  # unpacked on a Mac
    ],
)
def test_whose_a_file_is(tmp_path, name, student):
    assert set(students(write(tmp_path, {name: b"{}", "other.ipynb": b"{}"}))) == {student, "other"}


def test_a_zip_file_is_read_without_being_unpacked_and_never_more_than_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "download.zip"
    names = ("x/01_neurons.ipynb", "../../y/01_neurons.ipynb", "/z/01_neurons.ipynb", "__MACOSX/x/._a.ipynb")
    path.write_bytes(zipped({name: name * 10 for name in names}))
    found = students(path)
    read = {name: one.file.read() for name, one in found.items()}
    assert read == dict(zip("xyz", (name.encode() * 10 for name in names), strict=False))
    assert [p.name for p in tmp_path.rglob("*")] == ["download.zip"]
    monkeypatch.setattr(collect, "LARGEST", 100)
    with pytest.raises(HandInError, match="larger than"):
        found["x"].file.read()


def test_a_damaged_zip_file_is_one_students_matter(tmp_path):
    whole = zipped({"01_neurons.ipynb": b"{}" * 1000})
    contents = {"ann.zip": whole[:60], "ben/work.zip": b"x", "dan.zip": whole[:50] + bytes(10) + whole[60:]}
    found = students(write(tmp_path, {**contents, "cleo.ipynb": b"{}"}))
    assert found["ann"].notes == found["ben"].notes == ["the zip file cannot be read (BadZipFile)"]
    assert found["cleo"].file
    with pytest.raises(HandInError, match="cannot be read"):
        found["dan"].file.read()


def test_names_that_cannot_be_printed_stay_apart(tmp_path):
    for name in (b"a\xff.ipynb", b"a\xfe.ipynb", b"a\x1b[31m.ipynb", b"a\\udcff.ipynb"):
        try:
            Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("{}")
        except OSError:
            pytest.skip("this file system refuses such names")
    found = students(tmp_path).values()
    assert len({student.given for student in found}) == 4
    assert all((student.given + student.shown).isprintable() for student in found)


def test_empty_folders_have_a_line_and_the_classs_own_folder_has_none(tmp_path):
    files = {"class/ben/._01_neurons.ipynb": b"", "class/cleo/x.ipynb": b"{}", "class/.git/x.ipynb": b"{}"}
    write(tmp_path / "class", files)
    (tmp_path / "class" / "class" / "ann" / "deep").mkdir(parents=True)
    archive = zipped({"class/": b"", "class/ann/": b"", "class/ben/": b"", "class/cleo/x.ipynb": b"{}"})
    (tmp_path / "class (1).zip").write_bytes(archive)
    for place in ("class", "class (1).zip"):
        found = students(tmp_path / place)
        assert {name: one.notes for name, one in found.items() if not one.file} == {
            "ann": ["the folder is empty"],
            "ben": ["the folder is empty"],
        }
        assert set(found) == {"ann", "ben", "cleo"}


def test_a_folder_around_the_class_is_asked_for_not_guessed(tmp_path):
    assert set(students(write(tmp_path / "one", {"ann/week1/x.ipynb": b"{}"}))) == {"ann"}
    two = write(tmp_path / "two", {"ann/week1/x.ipynb": b"{}", "ann/week2/x.ipynb": b"{}"})
    with pytest.raises(course.CourseError, match="one folder"):
        students(two)
    assert set(students(two, pattern="(?P<student_id>[^/]+)/")) == {"ann"}


def test_of_several_notebooks_the_one_named_like_the_lab_counts_then_the_latest(tmp_path):
    names = ["01_neurons-old.ipynb", "01_neurons.ipynb", "x.ipynb", ".ipynb_checkpoints/01_neurons.ipynb"]
    for i, name in enumerate(names):
        os.utime(write(tmp_path / "anna", {name: b"{}"}) / name, (1e9 + i, 1e9 + i))
    (anna,) = students(tmp_path).values()
    assert anna.file.path.name == "01_neurons.ipynb"
    assert anna.notes == ["graded is anna/01_neurons.ipynb, not the other notebooks of this student: 2"]


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
    write(tmp_path, {"2024/x-anna.ipynb": b"{}"})
    assert set(students(tmp_path, pattern=r".*-(?P<student_id>\w+)\.ipynb")) == {"anna"}
    for pattern in ("x", "(?P<student_id>"):
        with pytest.raises(course.CourseError, match="needs a regular expression"):
            students(tmp_path, pattern=pattern)


@pytest.mark.parametrize("form", ["{0}_{1}", "{0}/{1}", MOODLE + "{1}", MOODLE + "/{1}"])
@pytest.mark.parametrize("packed", [False, True])
def test_everybody_who_handed_in_anything_has_a_line(tmp_path, form, packed):
    names = ["01_neurons.ipynb.txt", "01_neurons.ipynb.json", "a.py", "a.HEIC", "a", "a.tar.gz"]
    files = {form.format(f"s{i}", name, 100 + i): b"x" for i, name in enumerate(names)}
    files = {"class.zip": zipped(files)} if packed else files
    found = students(write(tmp_path, files) / "class.zip" if packed else write(tmp_path, files))
    assert len(found) == len(names)
    for one in found.values():
        assert one.file is None
        assert one.notes == [f"no notebook was handed in: {one.shown} is none"]


@pytest.mark.parametrize("between", ["/", ""])
def test_a_students_own_zip_in_moodles_is_looked_into(tmp_path, between):
    place = tmp_path / "moodle.zip"
    zoe, ann = (f"{name}_assignsubmission_file_{between}" for name in ("Zoe_12", "Ann Lee_13"))
    own = zipped({"deep/01_neurons.ipynb": b"mine"})
    place.write_bytes(zipped({f"{zoe}work.zip": own, f"{ann}01_neurons.ipynb": b"hers"}))
    found = {one.name: (student, one.file.read()) for student, one in students(place).items()}
    assert found == {"Zoe": ("12", b"mine"), "Ann Lee": ("13", b"hers")}


def test_of_a_clone_the_lab_counts_and_never_the_solution(tmp_path):
    lab = tiny.dump(tiny.lab())
    contents = {"labs": lab, "notebooks": b"{}", "solutions": tiny.dump(tiny.SOLUTION)}
    clone = {f"{folder}/01_neurons.ipynb": content for folder, content in contents.items()}
    for i, name in enumerate(clone):
        os.utime(write(tmp_path / "ann", clone) / name, (1e9 + i, 1e9 + i))
    (tmp_path / "ben.zip").write_bytes(zipped({f"nnlabs-main/{name}": text for name, text in clone.items()}))
    write(tmp_path / "cleo" / "solutions", {"01_neurons.ipynb": lab})
    found = students(tmp_path)
    assert found["ann"].file.read() == found["ben"].file.read() == lab
    assert "graded is ben.zip/nnlabs-main/labs/01_neurons.ipynb" in found["ben"].notes[0]
    assert found["cleo"].file is None
    assert "does not count" in found["cleo"].notes[0]
