"""A program that others call: echoes on TCP and UDP, both families.

    listening-program.py PORT [ADDRESS PORT]

Prints `ready`. With an address it first asks that server by UDP from its own port, and prints the answer: where it is seen.
"""
import select
import socket
import sys

port = int(sys.argv[1])
tcp = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
sockets = [tcp]
for family, address in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    udp.bind((address, port))
    if len(sys.argv) > 2 and (':' in sys.argv[2]) == (family == socket.AF_INET6):
        udp.sendto(b'who am I', (sys.argv[2], int(sys.argv[3])))
        print('seen at', udp.recv(2048).decode().strip(), flush=True)
    sockets.append(udp)
print('ready', flush=True)
while True:
    for one in select.select(sockets, [], [])[0]:
        try:
            if one is tcp:
                sockets.append(tcp.accept()[0])
            elif one.type == socket.SOCK_DGRAM:
                text, sender = one.recvfrom(2048)
                one.sendto(text, sender)
            else:
                text = one.recv(2048)
                if text == b'':
                    raise ConnectionError
                one.sendall(text)
        except OSError:
            if one in sockets[3:]:
                sockets.remove(one)
                one.close()
