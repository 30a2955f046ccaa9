"""pycrdt-websocket as its documentation starts it: an ASGI application under hypercorn, nothing stored."""

import asyncio
import sys

from hypercorn import Config
from hypercorn.asyncio import serve
from pycrdt.websocket import ASGIServer, WebsocketServer


async def main(port: str) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.websocket_max_message_size = 16 * 1024 * 1024
    server = WebsocketServer(auto_clean_rooms=False)
    async with server:
        await serve(ASGIServer(server), config, mode="asgi")


asyncio.run(main(sys.argv[1]))
