"""Any number of connections of python3-websockets, led by lines of JSON on standard input."""

import asyncio
import base64
import json
import ssl
import sys
import tempfile

import websockets

connections = []
arrivals = []


def remember(connection):
    connections.append(connection)
    return {"connection": len(connections) - 1}


def from_wire(message):
    return message["text"] if "text" in message else base64.b64decode(message["base64"])


def to_wire(data):
    return {"text": data} if isinstance(data, str) else {"base64": base64.b64encode(data).decode()}


async def connect(url, socketPath=None, ca=None):
    tls = {} if ca is None else {"ssl": ssl.create_default_context(cadata=ca)}
    dial = websockets.connect(url, **tls) if socketPath is None else websockets.unix_connect(socketPath, url)
    return remember(await dial)


def server_context(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The certificate can only be read from a file.
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(identity["cert"] + identity["key"])
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def listen(socketPath=None, identity=None):
    queue = asyncio.Queue()

    async def handle(connection):
        queue.put_nowait(connection)
        await connection.wait_closed()

    if socketPath is not None:
        server = await websockets.unix_serve(handle, socketPath)
    else:
        tls = None if identity is None else server_context(identity)
        server = await websockets.serve(handle, "127.0.0.1", 0, ssl=tls)
    arrivals.append(queue)
    name = server.sockets[0].getsockname()
    return {"server": len(arrivals) - 1, "port": 0 if socketPath is not None else name[1]}


async def accept(server):
    return remember(await arrivals[server].get())


async def send(connection, messages):
    for message in messages:
        await connections[connection].send(from_wire(message))


async def send_fragments(connection, fragments):
    await connections[connection].send(fragments)


async def receive(connection, count):
    return [to_wire(await connections[connection].recv()) for _ in range(count)]


async def ping(connection, payload):
    # Waits for the pong whose payload is the same.
    await (await connections[connection].ping(payload))


closing = set()


async def close(connection, code, reason):
    # Its end is what `closed` waits for.
    task = asyncio.create_task(connections[connection].close(code, reason))
    closing.add(task)
    task.add_done_callback(closing.discard)


async def closed(connection):
    await connections[connection].wait_closed()
    return {"code": connections[connection].close_code, "reason": connections[connection].close_reason}


commands = [connect, listen, accept, send, send_fragments, receive, ping, close, closed]
command_of = {command.__name__: command for command in commands}


async def run(line):
    number, name, arguments = json.loads(line)
    try:
        answer = {"value": await command_of[name](**arguments)}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps([number, answer]), flush=True)


async def main():
    # As long a line as a few MiB in Base64 need.
    reader = asyncio.StreamReader(limit=8 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()
    while line := await reader.readline():
        task = asyncio.create_task(run(line))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
