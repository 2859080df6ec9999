"""A server of the modern era over HTTP, made with a library that is not ours: PyPI `mcp`. Argument: the port."""

import asyncio
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("python-modern")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
async def slow(ms: int) -> dict[str, bool]:
    await asyncio.sleep(ms / 1000)
    return {"slept": True}


@server.tool()
def fail() -> str:
    raise ValueError("no such interface")


@server.tool()
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "grown", name="grown", description="new")
    await ctx.notify_tools_changed()
    return "ok"


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
