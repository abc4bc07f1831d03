"""Asks for one address again and again over one connection and prints what each answer took, in ms, as JSON.

python probe.py PORT PATH SECONDS INTERVAL_S. A process of its own, so that a busy load generator does not count.
"""

from __future__ import annotations

import json
import socket
import sys
import time


def main(port: int, path: str, seconds: float, interval_s: float) -> list[float]:
    request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
    latencies = []
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            connection.sendall(request)
            read_answer(connection)
            latencies.append(1000 * (time.perf_counter() - start))
            time.sleep(interval_s)
    return latencies


def read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += received(connection)


def received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


if __name__ == "__main__":
    port, path, seconds, interval_s = sys.argv[1:]
    json.dump(main(int(port), path, float(seconds), float(interval_s)), sys.stdout)
