"""A program that knows nothing of the network, and asks one server once.

    outcome-program.py tcp|udp ADDRESS PORT [errors] [soon]

Prints what its socket was told: the name of an errno, `silence`, or what the server said last. It is patient; with `soon`
TCP gives up after two openings, UDP after six seconds. With `errors` the UDP socket asks for errors that are not of its own port (IP_RECVERR),
without which systems keep from it what they tell of a way.
"""
import errno
import socket
import sys
import time

SILENCE_S = 6 if 'soon' in sys.argv else 60
IP_RECVERR, IPV6_RECVERR = 11, 25

protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ':' in address else socket.AF_INET


def tcp():
    with socket.socket(family, socket.SOCK_STREAM) as own:
        if 'soon' in sys.argv:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        own.connect((address, port))
        own.sendall(b'question')
        said = 'nothing'
        while True:
            text = own.recv(100)
            if text == b'':
                return said
            said = text.decode()


def udp():
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        if 'errors' in sys.argv:
            own.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            if family == socket.AF_INET6:
                own.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        own.connect((address, port))
        own.settimeout(0.5)
        said = 'silence'
        until = time.monotonic() + SILENCE_S
        while time.monotonic() < until:
            try:
                own.send(b'question')
                said = own.recv(100).decode()
                time.sleep(0.3)
            except TimeoutError:
                continue
        return said


try:
    print(tcp() if protocol == 'tcp' else udp())
except OSError as error:
    print(errno.errorcode[error.errno])
