"""Whose a file is, which one counts, and a line for everybody who handed in anything."""

import io
import os
import re
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
        ("anna/01_neurons.ipynb", "anna"),
        ("anna/deep/er/x.ipynb", "anna"),
        ("01_neurons_s123.ipynb", "s123"),
        ("s123-01-neurons (2).ipynb", "s123"),
        ("Ann Lee_1234567_assignsubmission_file_/01_neurons.ipynb", "1234567"),
        ("Ann Lee_1234567_assignsubmission_file_01_neurons.ipynb", "1234567"),
        ("Zoë Ł/01_neurons.ipynb", "Zoë_Ł"),
        ("x..\\..\\x.ipynb", "x_x"),
        ("CON/x.ipynb", None),
        ("hal_01_neurons.ipynb.ipynb", "hal"),
        ("ann.lee_01_neurons.ipynb", "ann_lee"),
    ],
)
def test_whose_a_file_is(tmp_path, name, student):
    (found,) = set(students(write(tmp_path, {name: b"{}", "other.ipynb": b"{}"}))) - {"other"}
    assert found == student or (student is None and found.startswith("student_"))


def test_a_zip_file_is_read_without_being_unpacked_and_never_more_than_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "download.zip"
    names = ("x/01_neurons.ipynb", "../../y/01_neurons.ipynb", "/z/01_neurons.ipynb", "__MACOSX/x/._a.ipynb")
    path.write_bytes(zipped({name: name * 10 for name in names}))
    found = students(path)
    assert {name: one.file.read() for name, one in found.items()} == {
        "x": names[0].encode() * 10,
        "y": names[1].encode() * 10,
        "z": names[2].encode() * 10,
    }
    assert [p.name for p in tmp_path.rglob("*")] == ["download.zip"]
    monkeypatch.setattr(collect, "LARGEST", 100)
    with pytest.raises(HandInError, match="larger than"):
        found["x"].file.read()


def damaged_zips():
    whole = zipped({"01_neurons.ipynb": b"{}" * 1000})
    return {"data": whole[:50] + bytes(10) + whole[60:], "cut": whole[:60], "text": b"x"}


@pytest.mark.parametrize("damage", damaged_zips())
def test_a_damaged_zip_file_is_one_students_matter(tmp_path, damage):
    content = damaged_zips()[damage]
    found = students(write(tmp_path, {"ann.zip": content, "ben/work.zip": content, "cleo.ipynb": b"{}"}))
    assert set(found) == {"ann", "ben", "cleo"}
    for student in ("ann", "ben"):
        if found[student].file is None:
            assert "zip file" in found[student].notes[0]
        else:
            with pytest.raises(HandInError, match="cannot be read"):
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
    names = [
        "01_neurons-old.ipynb",
        "01_neurons.ipynb",
        "scratch.ipynb",
        ".ipynb_checkpoints/01_neurons.ipynb",
    ]
    write(tmp_path / "anna", dict.fromkeys(names, b"{}"))
    for i, name in enumerate(names):
        os.utime(tmp_path / "anna" / name, (1e9 + i, 1e9 + i))
    anna = students(tmp_path)["anna"]
    assert anna.file.path.name == "01_neurons.ipynb"
    assert anna.notes == ["2 more notebooks of this student left aside, graded is anna/01_neurons.ipynb"]


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
    for pattern, words in (("x", "must contain"), ("(?P<student_id>", "no regular expression")):
        with pytest.raises(course.CourseError, match=words):
            students(tmp_path, pattern=pattern)


@pytest.mark.parametrize("form", ["{0}_{1}", "{0}/{1}", MOODLE + "{1}", MOODLE + "/{1}"])
@pytest.mark.parametrize("packed", [False, True])
def test_everybody_who_handed_in_anything_has_a_line(tmp_path, form, packed):
    names = ["01_neurons.ipynb.txt", "01_neurons.ipynb.json", "a.py", "a.HEIC", "a", "a.tar.gz"]
    files = {form.format(f"s{i}", name, 100 + i): b"x" for i, name in enumerate(names)}
    place = tmp_path / "class.zip"
    if packed:
        place.write_bytes(zipped(files))
    else:
        place = write(tmp_path / "class", files)
    found = students(place)
    assert len(found) == len(names)
    for one in found.values():
        assert one.file is None
        assert one.notes == [f"no notebook was handed in: {one.shown} is none"]


@pytest.mark.parametrize("between", ["/", ""])
def test_a_students_own_zip_in_moodles_is_looked_into(tmp_path, between):
    place = tmp_path / "moodle.zip"
    zoe, ann = (
        f"Zoe_12_assignsubmission_file_{between}work.zip",
        "Ann_13_assignsubmission_file_/01_neurons.ipynb",
    )
    place.write_bytes(zipped({zoe: zipped({"deep/01_neurons.ipynb": b"mine"}), ann: b"hers"}))
    found = students(place)
    assert {student: one.file.read() for student, one in found.items()} == {"12": b"mine", "13": b"hers"}
    assert {student: one.name for student, one in found.items()} == {"12": "Zoe", "13": "Ann"}


def test_of_a_clone_the_lab_counts_and_never_the_solution(tmp_path):
    lab = tiny.dump(tiny.lab())
    contents = {"labs": lab, "notebooks": b"{}", "solutions": tiny.dump(tiny.SOLUTION)}
    clone = {f"{folder}/01_neurons.ipynb": content for folder, content in contents.items()}
    write(tmp_path / "ann", clone)
    for i, name in enumerate(clone):
        os.utime(tmp_path / "ann" / name, (1e9 + i, 1e9 + i))
    (tmp_path / "ben.zip").write_bytes(zipped({f"nnlabs-main/{name}": text for name, text in clone.items()}))
    write(tmp_path / "cleo" / "solutions", {"01_neurons.ipynb": lab})
    found = students(tmp_path)
    assert found["ann"].file.read() == found["ben"].file.read() == lab
    assert "graded is ben.zip/nnlabs-main/labs/01_neurons.ipynb" in found["ben"].notes[0]
    assert found["cleo"].file is None
    assert "does not count" in found["cleo"].notes[0]


def test_a_link_is_not_followed(tmp_path):
    write(tmp_path / "class", {"ann/01_neurons.ipynb": b"{}"})
    (tmp_path / "class" / "link").symlink_to(tmp_path / "class" / "ann")
    assert students(tmp_path / "class")["link"].notes == ["a link: not followed"]
