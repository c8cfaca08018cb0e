"""Writes all frames of an interface to a capture file (see pcap.ts), from SIGTERM on none.

Stands in for tcpdump in a user namespace: started as its root, tcpdump insists on becoming another user, and there is
none. Usage: capture.py INTERFACE FILE
"""
import signal
import socket
import struct
import sys
import time

ALL_PROTOCOLS = 3
BUFFER_BYTES = 64 << 20
MAX_FRAME = 256 << 10

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
wire.bind((sys.argv[1], 0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

with open(sys.argv[2], "wb", buffering=0) as file:
    file.write(struct.pack("!IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, MAX_FRAME, 1))
    print("listening on", sys.argv[1], flush=True)
    while True:
        frame = wire.recv(MAX_FRAME)
        now = time.time_ns()
        header = struct.pack("!IIII", now // 10**9, now % 10**9 // 1000, len(frame), len(frame))
        file.write(header + frame)
