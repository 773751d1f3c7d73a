"""A tenant that takes all it can get, at both ends; says "full" when it has it, and
goes on until it is killed.

    flood   queries to its own port 53, read and not answered
    idle    600 connections to its own port 53, with nothing on them
"""
import resource
import socket
import struct
import sys
import time

SERVER = ("127.0.0.53", 53)
CONNECTIONS = 600
# More than all slots and half of dns_inflight have room for, at both ends.
FULL = 15_000
RATE = 6_000


def flood():
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(SERVER)
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
    for client in sockets:
        client.connect(SERVER)
    question = b"\x05flood\x04test\x00\x00\x01\x00\x01"
    sent = 0
    begin = time.monotonic()
    while True:
        ahead = FULL + (time.monotonic() - begin) * RATE
        while sent < ahead:
            header = struct.pack(">6H", sent // 4 % 65536, 0x100, 1, 0, 0, 0)
            sockets[sent % 4].send(header + question)
            silent.recv(512)
            sent += 1
            if sent == FULL:
                begin = time.monotonic()
                ahead = FULL
                print("full", flush=True)
        time.sleep(0.001)


def idle():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(SERVER)
    listener.listen(CONNECTIONS)
    connections = []
    for _ in range(CONNECTIONS):
        client = socket.create_connection(SERVER)
        server, _ = listener.accept()
        # An octet each way, so that both ends are known.
        client.send(b"\x00")
        server.recv(1)
        server.send(b"\x00")
        client.recv(1)
        connections += [client, server]
    print("full", flush=True)
    while True:
        time.sleep(60)


{"flood": flood, "idle": idle}[sys.argv[1]]()
