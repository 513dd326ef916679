"""What frameworks say of themselves is kept off stderr; nothing else is."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here"),
]

CHATTER = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795829317.896460   20394 port.cc:153] oneDNN custom operations are on.
E0000 00:00:1795829327.155305   20394 cuda_platform.cc:52] failed call to cuInit: INTERNAL
2026-01-02 03:04:05.678901: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
"""
KEPT = """\
E0000 00:00:1795829327.155305   20394 allocator.cc:52] out of memory
F0000 00:00:1795829327.155305   20394 check.cc:52] Check failed: a == b
something else
"""


def ran(code, **environment):
    variables = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", f"import os, sys\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        env={**variables, **environment},
    )


IN = "from layerscope.interfaces.cli.chatter import without_chatter\nwith without_chatter():\n    "
SPOKEN = f"os.write(2, {(CHATTER + KEPT).encode()!r})"


def test_chatter_is_kept_off_and_all_else_stays():
    done = ran(f"{IN}{SPOKEN}\nos.write(2, b'afterwards\\n')")
    assert done.stdout == ""
    assert sorted(done.stderr.splitlines()) == sorted([*KEPT.splitlines(), "afterwards"])


def test_the_last_words_of_a_crash_are_passed_on():
    done = ran(f"{IN}{SPOKEN}; os.abort()")
    assert done.returncode != 0
    assert done.stderr == KEPT


def test_what_python_writes_goes_its_usual_way():
    done = ran(f"{IN}sys.stderr.write('I0000 00:00:17.8 mine ×')\nprint(file=sys.stderr)")
    assert done.stderr == "I0000 00:00:17.8 mine ×\n"


def test_who_asks_for_it_sees_it():
    assert ran(f"{IN}{SPOKEN}", TF_CPP_MIN_LOG_LEVEL="0").stderr == CHATTER + KEPT
