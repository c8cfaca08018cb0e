"""A program that knows nothing of the network: one UDP socket that asks several servers over and over.

    stream-program.py ADDRESS PORT [ADDRESS PORT]...

Prints a line when all have answered, and when its input ends one line of JSON: for each server what it answered and how often, what
errors came for datagrams to it, the longest time without an answer before the last one, and whether one came behind an error.
"""
import errno
import json
import select
import socket
import sys
import time

EVERY_S = 0.02
IP_RECVERR, IPV6_RECVERR = 11, 25

servers = list(zip(sys.argv[1::2], [int(port) for port in sys.argv[2::2]]))
family = socket.AF_INET6 if ':' in servers[0][0] else socket.AF_INET
own = socket.socket(family, socket.SOCK_DGRAM)
own.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
if family == socket.AF_INET6:
    own.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
own.setblocking(False)
seen = {server: {'answers': {}, 'errors': {}, 'gap': 0.0, 'isRevived': False} for server in servers}
answered = {}


def count(counts, what):
    counts[what] = counts.get(what, 0) + 1


def read_errors():
    while True:
        try:
            _, ancillary, _, to = own.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            return
        number = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        count(seen[to[:2]]['errors'], errno.errorcode[number])


def read_answers():
    while True:
        try:
            text, server = own.recvfrom(2048)
        except BlockingIOError:
            return
        except OSError:
            read_errors()
            continue
        at, about = time.monotonic(), seen[server[:2]]
        count(about['answers'], text.decode().strip())
        about['gap'] = max(about['gap'], at - answered.get(server[:2], at))
        about['isRevived'] = about['isRevived'] or len(about['errors']) > 0
        answered[server[:2]] = at


told = False
while not select.select([sys.stdin], [], [], 0)[0]:
    for server in servers:
        try:
            own.sendto(b'who am I', server)
        except OSError:
            read_errors()
    next_at = time.monotonic() + EVERY_S
    while (left := next_at - time.monotonic()) > 0:
        if select.select([own], [], [], left)[0]:
            read_answers()
            read_errors()
    if not told and len(answered) == len(servers):
        told = True
        print('all have answered', flush=True)
for server in servers:
    seen[server]['silentMs'] = round((time.monotonic() - answered.get(server, 0)) * 1000)
print(json.dumps([seen[server] for server in servers]))
