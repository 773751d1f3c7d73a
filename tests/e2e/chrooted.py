"""Asks the server from inside a root that is a file system of its own, says so, and
stays there until standard input ends: chrooted.py ROOT SERVER
"""
import os
import socket
import sys

root, server = sys.argv[1:]
query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04kept\x04test\x00\x00\x01\x00\x01"
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(10)
client.connect((server, 53))
os.chroot(root)
client.send(query)
client.recv(512)
print("asked", flush=True)
sys.stdin.read()
