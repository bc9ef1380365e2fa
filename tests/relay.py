"""A process between the house and what it talks to over TCP, to be frozen or killed in place of that: a server that
keeps all in its memory would lose it."""

import asyncio
import subprocess
import sys

import psutil

from tests.environment import ROOT
from tests.house import free_port


class Relay:
    """Listens on `port` of this machine, from the start, and passes on to another one."""

    def __init__(self, to: int) -> None:
        self.to, self.port = to, free_port()
        self.start()

    def start(self) -> None:
        """Also again, after a kill. It listens when this returns."""
        self.process = psutil.Popen(
            [sys.executable, "-m", "tests.relay", str(self.port), str(self.to)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout.readline()

    def freeze(self) -> None:
        """The kernel still takes connections, and nobody answers them."""
        self.process.suspend()

    def thaw(self) -> None:
        self.process.resume()

    def kill(self) -> None:
        """Connections break, and new ones are refused."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


async def serve(port: int, to: int) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(meet, "127.0.0.1", port)
    sys.stdout.write("\n")
    sys.stdout.flush()
    await server.serve_forever()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
