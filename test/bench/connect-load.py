"""Opens TCP connections at a steady rate, each refused by the other side, and says how long each took until then.

connect-load.py HOST PORT PER_SECOND SECONDS: waits for a line on standard input, then prints one JSON line {"ms": [...]}.
One second more comes first, in which all warm up, and is not counted.
connect-load.py HOST PORT once: one connection, then the process ends. Prints its milliseconds alone.
"""

import errno
import gc
import json
import select
import socket
import sys
import time

# The socket without the wrapper around it: the load shall take as little as it can of what it measures.
from _socket import socket as RawSocket

HOST, PORT = sys.argv[1], int(sys.argv[2])
REFUSED = errno.ECONNREFUSED
KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
LATE = 2.0
WARM_UP = 1.0


def load(per_second, seconds):
    now = time.monotonic
    poll = select.epoll()
    register, wait = poll.register, poll.poll
    address, ready = (HOST, PORT), select.EPOLLOUT
    waiting = {}
    times = []
    lost = 0
    start = now()
    total = int(per_second * (WARM_UP + seconds))
    made = 0
    at = start
    while (made < total or waiting) and at < start + WARM_UP + seconds + LATE:
        due = min(total, int((at - start) * per_second) + 1)
        while made < due:
            one = RawSocket(socket.AF_INET, KIND, 0)
            asked = now()
            one.connect_ex(address)
            fd = one.fileno()
            waiting[fd] = (one, asked)
            register(fd, ready)
            made += 1
        pause = start + made / per_second - now() if made < total else 0.1
        for fd, _ in wait(pause if pause > 0 else 0):
            one, asked = waiting.pop(fd, (None, 0))
            if one is None:
                continue
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != REFUSED:
                lost += 1
            elif asked - start >= WARM_UP:
                times.append((now() - asked) * 1000)
            one.close()
        at = now()
    print(json.dumps({"ms": times, "lost": lost + len(waiting), "seconds": at - start - WARM_UP}), flush=True)


if sys.argv[3] == "once":
    only = RawSocket(socket.AF_INET, KIND, 0)
    asked = time.monotonic()
    only.connect_ex((HOST, PORT))
    select.select([], [only], [], LATE)
    print((time.monotonic() - asked) * 1000, flush=True)
else:
    gc.disable()
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    load(float(sys.argv[3]), float(sys.argv[4]))
