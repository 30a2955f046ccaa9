"""Adds a note to a document of a project, waits until it is saved, and prints all that are there:

pip install pycrdt websockets
BOARD=ws://.../collab/PROJECT TOKEN=... python note.py 'a note'
"""

import asyncio
import os
import sys

from pycrdt import Array, Doc, YMessageType, YSyncMessageType
from pycrdt import create_sync_message, create_update_message, handle_sync_message
from websockets.asyncio.client import connect

STEP_2 = bytes([YMessageType.SYNC, YSyncMessageType.SYNC_STEP2])
SAVED = bytes([102])  # comes back once everything before it is on disk


async def hear(socket, doc, beginning):
    """Takes what the server sends into the document, until a message begins like this."""
    async for message in socket:
        if message[0] == YMessageType.SYNC:
            if reply := handle_sync_message(message[1:], doc):
                await socket.send(reply)
        if message.startswith(beginning):
            return
    raise ConnectionError("the server has closed the connection")


async def main(board, token, text):
    doc = Doc()
    notes = doc.get("notes", type=Array)
    async with connect(f"{board}/doc:notes?token={token}", max_size=None) as socket:
        await socket.send(create_sync_message(doc))
        await hear(socket, doc, STEP_2)
        before = doc.get_state()
        notes.append(text)
        await socket.send(create_update_message(doc.get_update(before)))
        await socket.send(SAVED + bytes([0]))
        await hear(socket, doc, SAVED)
    print(*notes, sep="\n")


asyncio.run(main(os.environ["BOARD"], os.environ["TOKEN"], sys.argv[1]))
