"""The plans of this comparison as LangGraph graphs, as a careful user would run them: one node per tool call, one MCP
session for all, the SQLite checkpointer, `durability="sync"`.

peer.py DATABASE URL: reads a line of JSON from standard input for each block of runs, writes one when they have ended.
"""

import asyncio
import json
import operator
import sys
import time
from typing import Annotated, TypedDict

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    run: str
    outputs: Annotated[dict, operator.or_]


def node(step, tool):
    async def call(state):
        args = {k: v.replace("{run}", state["run"]) if isinstance(v, str) else v for k, v in step["args"].items()}
        return {"outputs": {step["id"]: await tool.ainvoke(args)}}

    return call


def graph_of(steps, tools, saver):
    graph = StateGraph(State)
    for step in steps:
        graph.add_node(step["id"], node(step, tools[step["tool"]]))
    for step in steps:
        # A list of nodes is a join: all of them must have ended.
        graph.add_edge(step["needs"] or START, step["id"])
    needed = {before for step in steps for before in step["needs"]}
    for step in steps:
        if step["id"] not in needed:
            graph.add_edge(step["id"], END)
    return graph.compile(checkpointer=saver)


async def drive(graph, run, resume):
    config = {"configurable": {"thread_id": run}}
    began = time.time()
    known = resume and (await graph.aget_state(config)).created_at
    start = None if known else {"run": run, "outputs": {}}
    await graph.ainvoke(start, config, durability="sync")
    return [began, time.time()]


async def main(database, url):
    client = MultiServerMCPClient({"ledger": {"transport": "streamable_http", "url": url}})
    async with AsyncSqliteSaver.from_conn_string(database) as saver, client.session("ledger") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session, handle_tool_errors=False)}
        print(json.dumps({"tools": sorted(tools)}), flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            block = json.loads(line)
            graph = graph_of(block["steps"], tools, saver)
            runs = [drive(graph, run, block["resume"]) for run in block["runs"]]
            times = await asyncio.gather(*runs) if block["at_once"] else [await run for run in runs]
            print(json.dumps({"times": times}), flush=True)


asyncio.run(main(*sys.argv[1:]))
