"""Calls on sockets, one for each argument after the server's address, and what
became of each: its errno, or ok.

    udp, tcp            a new socket
    connect, send       on the last socket, to the server's port 53
    sendto              the same without being connected
    elsewhere           connect to a loopback address
    disconnect          forget the peer
    long                send more than a datagram takes
"""
import ctypes
import errno
import os
import socket
import sys

server, steps = sys.argv[1], sys.argv[2:]
family = socket.AF_INET6 if ":" in server else socket.AF_INET
loopback = "::1" if family == socket.AF_INET6 else "127.0.0.1"
libc = ctypes.CDLL(None, use_errno=True)
query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"
socket_ = None


def disconnect():
    if libc.connect(socket_.fileno(), b"\0" * 16, 16) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


calls = {
    "connect": lambda: socket_.connect((server, 53)),
    "elsewhere": lambda: socket_.connect((loopback, 53)),
    "disconnect": disconnect,
    "send": lambda: socket_.send(query),
    "sendto": lambda: socket_.sendto(query, (server, 53)),
    "long": lambda: socket_.send(query * 5000),
}
for step in steps:
    if step in ("udp", "tcp"):
        kind = socket.SOCK_DGRAM if step == "udp" else socket.SOCK_STREAM
        socket_ = socket.socket(family, kind)
        continue
    try:
        calls[step]()
        print("ok")
    except OSError as error:
        print(errno.errorcode[error.errno])
