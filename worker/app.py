"""A worker: a Celery process that receives knocks, and the spawned child of its pool that does the work.

The child is spawned, not forked: CUDA cannot be used in a forked process, and no connection or lock of the
parent crosses over. If the work ends the child (a crash, a hang, too much memory), the pool starts another;
if the parent is killed, the kernel ends the child with it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import sys
import threading
import time
from typing import Final

import psutil
from billiard import active_children
from celery import Celery
from celery.signals import (
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from jobs.logs import set_up_logs
from jobs.messages import make_app, queue_name
from jobs.settings import Settings, read_settings
from worker.knock import dismiss, employ

log = logging.getLogger(__name__)

MEMORY_SHARE: Final = 0.75
"""Of the machine's memory, a worker process may use so much unless the settings say otherwise."""
STOP_SECONDS: Final = 8.0
"""After a request to stop: how long the child is waited for; its own watch gives up earlier."""
LAST_RESORT_SECONDS: Final = 9.5
"""After a request to stop: when the parent ends itself and its child, whatever they do."""
STOP_SIGNAL: Final = signal.SIGUSR2
"""What the parent sends its child: billiard takes SIGTERM and its like for itself."""
PR_SET_PDEATHSIG: Final = 1


def serve(settings: Settings) -> None:
    """Runs the worker until it is told to stop (SIGTERM, SIGINT): then within ten seconds."""
    app = worker_app(settings)
    app.worker_main(
        [
            "--quiet",  # no banner: the log is for operators' tools
            "worker",
            "--pool=prefork",
            "--concurrency=1",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            f"--loglevel={settings.log_level}",
            f"--queues={','.join(queue_name(kind) for kind in settings.kinds)}",
            f"--hostname=lectorium-{os.getpid()}@%h",
        ]
    )


def worker_app(settings: Settings) -> Celery:
    """The shared Celery app with what only a worker needs."""
    app = make_app(settings.broker)
    app.conf.update(
        worker_pool_start_method="spawn",
        worker_redirect_stdouts=False,  # the stack of a hang is written to the real standard error
        worker_soft_shutdown_timeout=STOP_SECONDS,
        imports=("worker.knock", "worker.app"),
    )
    return app


@setup_logging.connect
def _keep_our_logs(**_: object) -> None:
    """Celery sets no handlers of its own where someone answers this signal."""
    set_up_logs(read_settings())


@worker_process_init.connect
def _begin(**_: object) -> None:
    """The child's first act. A child without hands is of no use: it ends, and the pool tries another."""
    try:
        _set_to_work()
    except Exception:
        log.exception("the worker cannot begin")
        time.sleep(1)  # no faster than an operator can read
        os._exit(70)


def _set_to_work() -> None:
    from worker.hands import Hands  # here, so that the parent never loads codecs and voices
    from worker.workshop import open_workshop

    settings = read_settings()
    set_up_logs(settings)
    _die_with_parent()
    _limit_memory(settings)
    _listen_for_stop()
    hands = Hands(open_workshop(settings), settings.kinds)
    employ(hands)


@worker_process_shutdown.connect
def _end(**_: object) -> None:
    """The child's last act."""
    dismiss(wait_seconds=STOP_SECONDS)


@worker_shutting_down.connect
def _pass_on(**_: object) -> None:
    """The parent was told to stop: so is the child, at once, and neither outlives the time given."""
    for child in active_children():  # the pool's, not billiard's own semaphore tracker
        os.kill(child.pid, STOP_SIGNAL)

    def end() -> None:
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(0)

    timer = threading.Timer(LAST_RESORT_SECONDS, end)
    timer.daemon = True
    timer.start()


def _listen_for_stop() -> None:
    """A thread takes the signal: in the main thread it would interrupt the pipe that billiard reads."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {STOP_SIGNAL})

    def listen() -> None:
        signal.sigwait({STOP_SIGNAL})
        dismiss(wait_seconds=STOP_SECONDS)

    threading.Thread(target=listen, name="stop", daemon=True).start()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(settings: Settings) -> None:
    """Too much memory becomes a MemoryError in this process instead of the end of some other one.

    RLIMIT_DATA counts what is written to, not what is merely reserved, as CUDA does by the terabyte.
    """
    limit = MEMORY_SHARE * psutil.virtual_memory().total
    if settings.memory_gigabytes is not None:
        limit = settings.memory_gigabytes * 1e9
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))
