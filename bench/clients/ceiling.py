"""How fast a server answers when the client does next to nothing: it sends, counts the bytes and forgets them.

python bench/clients/ceiling.py INTERVAL PAGES
"""

import json
import os
import socket
import sys
import time
from urllib.parse import urlsplit

BUFFER = bytearray(1 << 20)


def answer_bytes(connection: socket.socket, request: bytes) -> int:
    """Send the request, and take in all of its answer; how many bytes that were."""
    connection.sendall(request)
    view, count = memoryview(BUFFER), 0
    while (end := BUFFER.find(b"\r\n\r\n", 0, count)) < 0:
        count += connection.recv_into(view[count:])
    head = bytes(BUFFER[:end]).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    while count < end + 4 + length:
        count += connection.recv_into(view[count:])
    return count


def main() -> None:
    interval, pages = sys.argv[1], int(sys.argv[2])
    parts = urlsplit(os.environ["GENESYS_ENV"])
    head = "POST /api/v2/analytics/conversations/details/query HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n"
    size, started = 0, time.perf_counter()
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        for number in range(1, pages + 1):
            body = json.dumps({"interval": interval, "paging": {"pageSize": 100, "pageNumber": number}})
            size += answer_bytes(connection, f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    print(json.dumps({"pages_a_second": pages / (time.perf_counter() - started), "bytes": size}))


if __name__ == "__main__":
    main()
