"""Grade a class with nbgrader.

    python -m grading 03 submissions/             a folder as institutions hand it over
    python -m grading 03 moodle-download.zip      Moodle's download
    python -m grading 03 submissions/ --jobs 4    as many at a time (default: the cores)

The results are in ``build/grading/03_...``: ``grades.csv``, ``report.html``, ``feedback/``, and
nbgrader's course folder with its gradebook. Run again, it grades what is new or changed only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools import course
from tools.course import CourseError, find_lesson


def positive(text: str) -> int:
    """Read a whole number above 0; argparse says of another one that it is an invalid positive value."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m grading", description=__doc__.split("\n")[0])
    add = made.add_argument
    add("lesson", help="number or name of the lab, such as 03")
    add("submissions", type=Path, help="a folder or a zip file")
    add("--output", type=Path, default=course.ROOT / "build" / "grading", help="where results go")
    add("--jobs", type=positive, default=0, help="submissions at a time (default: the cores)")
    add("--budget", default="smoke", choices=["smoke", "cpu"], help="train shortly, or as the lesson says")
    add("--seconds", type=positive, default=0, help="of computing, for one (default: by the solution)")
    add("--memory", type=positive, default=3000, help="limit for one submission, in MB (default: 3000)")
    told = "how the paths of the files tell the student: a regular expression with (?P<student_id>...)"
    add("--id", dest="pattern", default="", help=told)
    add("--force", action="store_true", help="grade all again")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Grade what the command line names; return the exit status."""
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # names of students must not stop it
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        if sys.platform == "win32":
            raise CourseError("Grading needs Linux or macOS. On Windows use WSL or Docker: see Dockerfile.")
        from grading.run import grade_class

        course.check_installation()
        return grade_class(find_lesson(options.lesson), options)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f'{error}. Install what grading needs: pip install -e ".[lab,dev]"', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from there.", file=sys.stderr)
        return 130
    except OSError as error:  # such as a full disk
        place = f" ({error.filename})" if error.filename else ""
        print(f"Stopped: {error.strerror or error}{place}. What is finished is kept.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
