"""Takes from a program what Python does not have on Windows, then runs a network and saves it."""

import importlib.abc
import importlib.util
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import scipy.sparse  # noqa: F401, it asks for more

MODULES = {"fcntl", "grp", "posix_ipc", "pty", "pwd", "readline", "resource", "termios", "tty"}
OF_OS = "fork forkpty register_at_fork sched_getaffinity getuid getppid nice setsid killpg uname"
OF_SIGNAL = "SIGALRM SIGHUP SIGKILL SIGQUIT SIGUSR1 alarm pthread_sigmask setitimer"
FLAGS = "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK"


class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
for module, names in ((os, f"{OF_OS} {FLAGS}"), (signal, OF_SIGNAL)):
    for name in names.split():
        delattr(module, name)
for method in ("fork", "forkserver"):
    del multiprocessing.context._concrete_contexts[method]
multiprocessing.context._default_context._default_context = multiprocessing.get_context("spawn")
multiprocessing.get_all_start_methods = lambda: ["spawn"]
opened, flushed = os.open, os.fsync
written = set()


def open_as_windows(path, flags, *arguments, **options):
    if Path(path).is_dir():
        raise PermissionError(13, "Permission denied", str(path))
    handle = opened(path, flags, *arguments, **options)
    (written.add if flags & (os.O_WRONLY | os.O_RDWR) else written.discard)(handle)
    return handle


def flush_as_windows(handle):
    if handle not in written:
        raise OSError(9, "Bad file descriptor")
    flushed(handle)


os.open, os.fsync = open_as_windows, flush_as_windows

from composed import CONFIG, small

network = small()
network.run(2 * CONFIG.window_steps)
print(network.teacher.num_samples.get(), multiprocessing.get_all_start_methods())
network.teacher.stop()

from lava_desire.files import keep_as, write_atomically

if importlib.util.find_spec("numba"):
    importlib.import_module("lava_desire.backends.numba.threads")
write_atomically(sys.argv[1], b"1")
keep_as(sys.argv[1], f"{sys.argv[1]}.kept")
write_atomically(sys.argv[1], b"2")
print(Path(sys.argv[1]).read_text(), Path(f"{sys.argv[1]}.kept").read_text())
