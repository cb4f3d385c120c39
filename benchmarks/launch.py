"""Starts one process and says what it took: launch.py DESCRIPTOR PROGRAM ARGUMENT…

A process of its own, because Linux counts the peak of whoever starts a process into that process's own: a benchmark that
holds 100,000 steps would be seen in every tool's memory. This one is as small as Python gets (`-I -S`).
"""

import os
import sys
import time


def main() -> None:
    descriptor, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[2:]
    os.set_inheritable(descriptor, False)
    begin = time.perf_counter()
    try:
        process = os.posix_spawnp(program, arguments, os.environ)
    except OSError as error:
        os.write(descriptor, f"! {error.strerror}".encode())
        return
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - begin
    cpu = usage.ru_utime + usage.ru_stime
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    os.write(descriptor, f"{code} {seconds} {cpu} {usage.ru_maxrss / 1024}".encode())


if __name__ == "__main__":
    main()
