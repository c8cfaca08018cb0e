"""A program that knows nothing of the network: one UDP socket, one question to each server, one line of JSON.

    udp-program.py 4|6 TEXT NAME PORT [NAME PORT]...

Prints for each server what came from it, or the name of the error; "" after four seconds of silence.
"""
import json
import os
import socket
import sys

family = socket.AF_INET if sys.argv[1] == '4' else socket.AF_INET6
text = sys.argv[2].encode()
names = sys.argv[3::2]
ports = [int(port) for port in sys.argv[4::2]]
own = socket.socket(family, socket.SOCK_DGRAM)
own.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: what a router or firewall says reaches the program
if family == socket.AF_INET6:
    own.setsockopt(socket.IPPROTO_IPV6, 25, 1)
answers = []
for name, port in zip(names, ports):
    server = socket.getaddrinfo(name, port, family, socket.SOCK_DGRAM)[0][4]
    answer = ''
    for _ in range(4):
        own.settimeout(1)
        try:
            own.sendto(text, server)
            bytes, sender = own.recvfrom(2048)
            answer = bytes.decode().strip() if sender[:2] == server[:2] else 'from somebody else'
            break
        except TimeoutError:
            continue
        except OSError as error:
            answer = os.strerror(error.errno)
            break
    answers.append(answer)
print(json.dumps(answers))
