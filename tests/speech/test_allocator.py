from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from speech.allocator import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
if sys.argv[1] == "keep":
    assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = libc.malloc(ctypes.c_size_t(64 << 20))
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")
def test_blocks_are_mapped_once_instead_of_every_time() -> None:
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, how], capture_output=True, check=True, text=True
            ).stdout
        )
        for how in ("leave", "keep")
    }
    assert faults["keep"] * 5 < faults["leave"]


KERNELS = """
import ctypes
from speech.allocator import keep_few_kernels

getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
assert keep_few_kernels()
print(getenv(b"ONEDNN_PRIMITIVE_CACHE_CAPACITY").decode())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux alone")
@pytest.mark.parametrize(("before", "after"), [({}, "256"), ({"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "7"}, "7")])
def test_few_kernels_are_kept_unless_somebody_wants_another_number(
    before: dict[str, str], after: str
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", KERNELS], capture_output=True, check=True, text=True, env=before
    ).stdout
    assert found.strip() == after


GIVEN_BACK = """
import ctypes, mmap, sys
from speech.allocator import give_back_freed_memory, keep_freed_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * mmap.PAGESIZE

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
assert keep_freed_memory()
before = resident()
block, last = libc.malloc(ctypes.c_size_t(64 << 20)), libc.malloc(ctypes.c_size_t(64))
ctypes.memset(block, 1, 64 << 20)
libc.free(block)
kept = resident()
assert give_back_freed_memory()
print(kept - before, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")
def test_what_is_free_is_given_back_once() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, check=True, text=True)
    kept, after = map(int, done.stdout.split())
    assert kept > 60 << 20
    assert after < 8 << 20
