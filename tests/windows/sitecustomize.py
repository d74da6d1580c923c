"""What Windows lacks, taken away from every Python that starts with this folder on its path."""

import os
import signal
import sys

ABSENT = ("fcntl", "resource")


class Absent:
    def find_spec(self, name, *_):
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for module in ABSENT:
    sys.modules.pop(module, None)
sys.meta_path.insert(0, Absent())
for place, name in ((os, "sched_getaffinity"), (signal, "SIGALRM"), (signal, "pthread_kill")):
    vars(place).pop(name, None)
