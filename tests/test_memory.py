"""Memory that a cycle uses and frees."""

import subprocess
import sys

MEASURE = """
import resource, sys
from threading import Thread
import numpy as np
from ampacity.app.memory import give_back, keep_freed

if sys.argv[1] == "kept":
    keep_freed()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        together = [np.ones(megabytes * 2**20, np.uint8) for megabytes in (3, 3, 3, 3, 3, 3, 3, 3)]
        del together
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def in_thread():
    told = []
    thread = Thread(target=lambda: told.append(faults()))
    thread.start()
    thread.join()
    return told[0]

def resident_kib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])

in_thread()
fresh = in_thread()
held = resident_kib()
give_back()
print(fresh, held - resident_kib())
"""


def _measured(how: str) -> tuple[int, int]:
    told = subprocess.run([sys.executable, "-c", MEASURE, how], capture_output=True, text=True, check=True).stdout
    fresh_pages, given_back_kib = map(int, told.split())
    return fresh_pages, given_back_kib


def test_freed_memory_is_used_again_without_asking_the_system_for_each_page():
    fresh_pages, _ = _measured("kept")
    assert fresh_pages < 100


def test_what_was_kept_is_given_back_after_a_cycle():
    _, given_back_kib = _measured("kept")
    assert given_back_kib > 3000
