"""A program with sockets, which does what it is told, one line of JSON each, and answers each by one line."""

import array
import json
import os
import socket
import sys

sockets = []


def end(name):
    return tuple(name[:2])


def open_socket(kind, local=None, remote=None, shared=False, inherited=False, family=None):
    ipv6 = ":" in (remote or local)[0] if family is None else family == 6
    made = socket.socket(
        socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    )
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if ipv6 and family is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.set_inheritable(inherited)
    sockets.append(made)
    if local is not None:
        made.bind(tuple(local))
    if remote is not None:
        made.connect(tuple(remote))
    return {"local": end(made.getsockname()), "inode": os.fstat(made.fileno()).st_ino}


def give(path):
    with socket.socket(socket.AF_UNIX) as way:
        way.connect(path)
        way.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sockets[-1].fileno()]))])
        way.recv(1)
    sockets.pop().close()
    return {}


def take(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen()
        print(json.dumps({"listening": True}), flush=True)
        way, _ = listener.accept()
        _, control, _, _ = way.recvmsg(1, 64)
        sockets.append(socket.socket(fileno=array.array("i", control[0][2])[0]))
        way.send(b"x")
        way.close()
    return {"inode": os.fstat(sockets[-1].fileno()).st_ino}


def send(local, remote):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(tuple(local))
        made.sendto(b"x", tuple(remote))
        return {"local": end(made.getsockname())}


def become(args):
    os.execv(args[0], args)


def start(args):
    child = os.posix_spawn(args[0], args, os.environ)
    return {"pid": child}


def drop(uid):
    os.setresuid(uid, uid, uid)
    return {}


ways = {"open": open_socket, "give": give, "take": take, "send": send, "become": become, "start": start, "drop": drop}
print(json.dumps({"pid": os.getpid(), "uid": os.geteuid()}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = ways[order.pop("op")](**order)
    except OSError as error:
        answer = {"error": error.strerror}
    print(json.dumps(answer), flush=True)
