"""A program of a user: asks STUN servers (RFC 8489) from one socket where it is seen.

    python3 stun-client.py FAMILY NAME PORT [NAME PORT]...

FAMILY is 4, 6 or any. Prints a line for each server: address and port.
"""
import ipaddress
import os
import socket
import struct
import sys

COOKIE = 0x2112A442
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6, "any": socket.AF_UNSPEC}


def mapped(answer, transaction):
    kind, length, cookie, got = struct.unpack("!HHI12s", answer[:20])
    assert (kind, cookie) == (0x0101, COOKIE), "no answer"
    if got != transaction:
        return None
    at = 20
    while at < 20 + length:
        attribute, size = struct.unpack("!HH", answer[at:at + 4])
        value = answer[at + 4:at + 4 + size]
        if attribute == 0x0020:
            mask = struct.pack("!I", COOKIE) + transaction
            port = struct.unpack("!H", value[2:4])[0] ^ (COOKIE >> 16)
            return ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask))), port
        at += 4 + (size + 3) // 4 * 4
    raise ValueError("no mapped address")


family, *words = sys.argv[1:]
ends = [socket.getaddrinfo(name, port, FAMILIES[family], socket.SOCK_DGRAM)[0]
        for name, port in zip(words[::2], words[1::2])]
asker = socket.socket(ends[0][0], socket.SOCK_DGRAM)
asker.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: what a router or firewall says is heard
if ends[0][0] == socket.AF_INET6:
    asker.setsockopt(socket.IPPROTO_IPV6, 25, 1)
for end in ends:
    transaction = os.urandom(12)
    seen = None
    for wait in (1, 2, 4, 8, 16):
        asker.settimeout(wait)
        asker.sendto(struct.pack("!HHI12s", 0x0001, 0, COOKIE, transaction), end[4])
        try:
            # A question that was repeated may be answered twice.
            while seen is None:
                seen = mapped(asker.recvfrom(1500)[0], transaction)
            break
        except TimeoutError:
            continue
    if seen is not None:
        print(*seen)
