"""The story, told by one release of the official Python client.

Steps 22 and 23, restart and shutdown, need both halves and are here.
"""

import argparse
import importlib
import logging
import os
import secrets
import sys
import time

from config_story import ConfigStory
from model import DEFAULT_GROUP, PUBLIC, Place, texts
from naming_story import B, FLEET, NamingStory, a
from steps import Skip, Steps, eventually, expect_equal, say

GONE_WITHIN_S = 3


def main():
    args = arguments()
    Steps.stale_s = args.stale_ms / 1000
    place = Place(args.server, args.scratch)
    logging.basicConfig(filename=os.path.join(args.scratch, "client.log"))  # else the clients write to the console
    # The 0.1 line is one package, later lines are another; only one of them is installed.
    line = importlib.import_module("over_http" if "-0." in args.client else "over_grpc")
    steps = Steps(args.client)
    story = {}

    def connect():
        suffix = secrets.token_hex(4)
        story.update(naming=NamingStory(line, place, suffix), config=ConfigStory(line, place, suffix))

    steps.step("connect", connect)
    if not steps.failed:
        naming, config = story["naming"], story["config"]
        naming.tell(steps)
        config.tell(steps)
        steps.step("watched-by-pattern", watched_by_pattern)
        steps.step("restart-survived", lambda: survive_restart(line, naming, config, args.no_restart))
        steps.step("shutdown-leaves-nothing", lambda: shutdown(line, place, naming, config))
    steps.finish()


def watched_by_pattern():
    raise Skip("nacos-sdk-python has no fuzzy watch")


def survive_restart(line, naming, config, without):
    if without:
        raise Skip("--no-restart")
    naming.owner.register(naming.orders, DEFAULT_GROUP, a("z3", 3))
    mine = texts(a("z3", 3))
    naming.watcher.subscribe(naming.orders, naming.told)
    config.publish_and_expect("before the restart")

    say("READY-FOR-RESTART")
    expect_equal("the driver's word", "RESTARTED", sys.stdin.readline().strip())
    end = time.monotonic() + line.BACK_WITHIN_S

    def left_s():
        return max(0.0, end - time.monotonic())

    if not line.NOTICES_RESTART:
        for client in (naming.owner, naming.peer, naming.watcher, naming.stranger):
            client.poke()
    eventually(left_s(), "the config", "before the restart", lambda: config.reader.get(config.live, DEFAULT_GROUP))
    eventually(left_s(), "instances of orders", mine, lambda: naming.peer.ask(naming.orders, DEFAULT_GROUP))
    # Over HTTP the unhealthy one sends no heart-beats and does not come back, but the server may remember it for a while.
    fleet = texts(*(i for i in FLEET if i.healthy or not line.OVER_HTTP))
    eventually(left_s(), "instances of fleet", fleet, lambda: [
        text for text in naming.peer.ask(naming.fleet, DEFAULT_GROUP) if " unhealthy" not in text or not line.OVER_HTTP])
    back_ms = (line.BACK_WITHIN_S - left_s()) * 1000

    after = naming.told.count()
    eventually(left_s(), "a new registration", None, lambda: naming.peer.register(naming.orders, DEFAULT_GROUP, B))
    naming.told.expect(sorted(mine + texts(B)), after, time.monotonic(), left_s())
    after = config.told.count()
    eventually(left_s(), "a new publish", True,
               lambda: config.writer.publish(config.live, DEFAULT_GROUP, "after the restart"))
    config.told.expect("after the restart", after, time.monotonic(), left_s())
    return f"registrations back after {back_ms:.0f} ms"


def shutdown(line, place, naming, config):
    if line.OVER_HTTP:  # without a connection nobody sees a client go; it has to say so
        naming.owner.deregister(naming.orders, DEFAULT_GROUP, a("", 1))
        naming.peer.deregister(naming.orders, DEFAULT_GROUP, B)
        for member in FLEET:
            naming.owner.deregister(naming.fleet, DEFAULT_GROUP, member)
    for client in (config.writer, config.reader, config.stranger,
                   naming.owner, naming.peer, naming.watcher, naming.stranger):
        client.close()
    end = time.monotonic() + GONE_WITHIN_S
    last = line.Naming(place, PUBLIC)
    for service in (naming.orders, naming.fleet):
        eventually(max(0.0, end - time.monotonic()), f"instances of {service}", [],
                   lambda: last.ask(service, DEFAULT_GROUP))
    last.close()


def arguments():
    parser = argparse.ArgumentParser(prog="run VARIANT")
    parser.add_argument("--client", required=True, help="the variant, also the name in the output")
    parser.add_argument("--scratch", required=True, help="where the client may write")
    parser.add_argument("--server", required=True, help="HOST:PORT of the server's HTTP port; gRPC is 1000 above")
    parser.add_argument("--no-restart", action="store_true", help="skip the step that needs the server restarted")
    parser.add_argument("--stale-ms", type=int, default=0, help="how old an answer of the server may be")
    return parser.parse_args()


if __name__ == "__main__":
    main()
