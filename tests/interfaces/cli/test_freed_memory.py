"""A command that runs batch after batch does not ask the system for the same memory again."""

import os
import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from layerscope.interfaces.cli.freed_memory import keep_freed_memory

def faults():
    arrays = [np.ones(30_000_000, np.uint8) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed_memory()
before = faults()
print(faults() - before)
"""


def _faults(environment):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_freed_memory_is_kept_unless_settings_say_otherwise():
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    pages = 4 * 30_000_000 // os.sysconf("SC_PAGE_SIZE")
    assert _faults(plain) < pages / 10
    # Large pages that the system may use have fewer faults, but some.
    assert _faults(plain | {"MALLOC_MMAP_THRESHOLD_": "1000000"}) > _faults(plain)
