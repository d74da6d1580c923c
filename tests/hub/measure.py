"""What one student needs: ``python -m tests.hub.measure`` prints memory and processor seconds.

Each lab's solution runs in the ``cpu`` budget, each lecture in ``smoke``; numbers of lessons: only those.
"""

import resource
import subprocess
import sys

from tools import course, execute

if sys.argv[1:2] == ["one"]:  # in a process of its own, which has one kernel
    lesson, folder, budget = course.find_lesson(sys.argv[2]), *sys.argv[3:]
    path = lesson.notebook(folder)
    execute.execute(course.read_notebook(path), path, budget)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = f"{used.ru_maxrss * 1024 / 1e6:.0f} MB, {used.ru_utime + used.ru_stime:.0f} s"
    print(f"\r{lesson.name} {folder} {budget}: {told}".ljust(80))
else:
    for name in sys.argv[1:] or [lesson.name for lesson in course.lessons()]:
        for what in (("solutions", "cpu"), ("notebooks", "smoke")):
            subprocess.run([sys.executable, "-m", "tests.hub.measure", "one", name, *what], check=True)
