"""A backend that costs nearly nothing: reads each request whole, answers 204, counts. GET gives what it counted."""

import asyncio
import json
import re
import sys
import time

import uvloop

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Sink(asyncio.Protocol):
    """`counted` is how many came since the last GET, and when the first of them did."""

    counted = {"count": 0, "first": 0.0}

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            if head.startswith(b"GET"):
                self.buffer = self.buffer[end + 4 :]
                self.tell()
                continue
            found = LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < whole:
                return
            self.buffer = self.buffer[whole:]
            self.count()

    def count(self) -> None:
        self.counted["count"] += 1
        self.counted["first"] = self.counted["first"] or time.time()
        self.transport.write(TAKEN)

    def tell(self) -> None:
        body = json.dumps(self.counted).encode()
        self.counted.update(count=0, first=0.0)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
