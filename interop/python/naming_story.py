"""Steps 1 to 14: registering, asking, subscribing.

Three clients act: the owner registers, the peer changes things and asks, the watcher only subscribes. A fourth, the
stranger, lives in another namespace.
"""

import time

from model import DEFAULT_GROUP, PUBLIC, Instance, texts
from steps import Skip, Told, expect_answer, expect_equal

FLEET = [Instance("10.1.1.1"), Instance("10.1.1.2", healthy=False), Instance("10.1.1.3", "green")]
B = Instance("10.1.0.2")  # the peer's instance of `orders`


def a(zone, weight):
    """The owner's instance of `orders`."""
    return Instance("10.1.0.1", weight=weight, metadata={"zone": zone, "note": '甲乙 & "丙" = 🚀'})


class NamingStory:
    def __init__(self, line, place, suffix):
        self.line = line
        self.orders, self.fleet = f"orders-{suffix}", f"fleet-{suffix}"
        self.group, namespace = f"GROUP-{suffix}", f"ns-{suffix}"
        self.owner, self.peer, self.watcher = (line.Naming(place, PUBLIC) for _ in range(3))
        self.stranger = line.Naming(place, namespace)
        self.told = Told()
        self.subscription = None

    def tell(self, steps):
        steps.step("register-instance", lambda: self.owner.register(self.orders, DEFAULT_GROUP, a("z1", 2.5)))
        steps.step("query-instance-back", lambda: self.expect_asked("instances", texts(a("z1", 2.5)), self.peer))
        steps.step("batch-register", self.batch_register)
        steps.step("query-by-cluster", self.query_by_cluster)
        steps.step("query-healthy-only", self.query_healthy_only)
        steps.step("subscriber-sees-new-instance", self.subscriber_sees_new_instance)
        steps.step("subscriber-sees-metadata", lambda: self.change(a("z2", 2.5), texts(a("z2", 2.5), B)))
        steps.step("subscriber-sees-weight", lambda: self.change(a("z2", 7), texts(a("z2", 7), B)))
        steps.step("subscriber-sees-deregister", self.subscriber_sees_deregister)
        steps.step("other-group-is-apart", self.other_group_is_apart)
        steps.step("other-namespace-is-apart", self.other_namespace_is_apart)
        steps.step("select-one-healthy", self.select_one_healthy)
        steps.step("list-services", self.list_services)
        steps.step("unsubscribe-is-silent", self.unsubscribe_is_silent)

    def batch_register(self):
        self.owner.batch_register(self.fleet, FLEET)
        expect_answer("instances", texts(*FLEET), lambda: self.peer.ask(self.fleet, DEFAULT_GROUP))

    def query_by_cluster(self):
        if self.line.OVER_HTTP:  # no batch call, but every instance is a registration of its own
            for member in FLEET:
                self.owner.register(self.fleet, DEFAULT_GROUP, member)
        for asked in (["blue"], ["green"], ["blue", "green"], ["grey"]):
            expected = texts(*(i for i in FLEET if i.cluster in asked))
            expect_answer(f"instances of {asked}", expected,
                          lambda: self.peer.ask(self.fleet, DEFAULT_GROUP, clusters=asked))

    def query_healthy_only(self):
        for healthy in (True,) if self.line.OVER_HTTP else (True, False):
            expected = texts(*(i for i in FLEET if i.healthy == healthy))
            expect_answer(f"instances with healthy={healthy}", expected,
                          lambda: self.peer.ask(self.fleet, DEFAULT_GROUP, healthy=healthy))

    def subscriber_sees_new_instance(self):
        self.subscription = self.watcher.subscribe(self.orders, self.told)
        if self.line.TELLS_FIRST:
            self.expect_told(texts(a("z1", 2.5)), 0)
        after = self.told.count()
        self.peer.register(self.orders, DEFAULT_GROUP, B)
        return self.expect_told(texts(a("z1", 2.5), B), after)

    def change(self, anew, expected):
        """The owner registers its instance anew; the watcher must be told all of `expected`."""
        after = self.told.count()
        self.owner.register(self.orders, DEFAULT_GROUP, anew)
        return self.expect_told(expected, after)

    def subscriber_sees_deregister(self):
        after = self.told.count()
        self.peer.deregister(self.orders, DEFAULT_GROUP, B)
        note = self.expect_told(texts(a("z2", 7)), after)
        after = self.told.count()
        self.owner.deregister(self.orders, DEFAULT_GROUP, a("z2", 7))
        changed = time.monotonic()
        self.expect_asked("instances right after the last left", [], self.peer)
        self.told.expect([], after, changed, self.line.TOLD_WITHIN_S)
        return note

    def other_group_is_apart(self):
        self.owner.register(self.orders, DEFAULT_GROUP, a("z1", 1))
        self.expect_asked("instances of the empty group", [], self.peer, self.group)
        self.peer.register(self.orders, self.group, B)
        self.expect_asked("instances of the group", texts(B), self.owner, self.group)
        self.expect_asked("instances of the default group", texts(a("z1", 1)), self.peer)

    def other_namespace_is_apart(self):
        self.expect_asked("instances of the empty namespace", [], self.stranger)
        self.stranger.register(self.orders, DEFAULT_GROUP, B)
        self.expect_asked("instances of the namespace", texts(B), self.stranger)
        self.expect_asked("instances of the public namespace", texts(a("z1", 1)), self.peer)

    def select_one_healthy(self):
        raise Skip("nacos-sdk-python chooses no instance, it only lists them")

    def list_services(self):
        for client, group in ((self.peer, self.group), (self.stranger, DEFAULT_GROUP)):
            expect_answer(f"services of {group}", (1, [self.orders]), lambda: client.list_services(group))

    def unsubscribe_is_silent(self):
        still_told = Told()
        second = self.peer.subscribe(self.orders, still_told)
        if self.line.TELLS_FIRST:
            still_told.expect(texts(a("z1", 1)), 0, time.monotonic(), self.line.TOLD_WITHIN_S)
        self.watcher.unsubscribe(self.orders, self.subscription)
        silent = self.told.count()
        # The second subscriber proves that the changes went out, and two of them that a poll would have come by.
        for weight in (2, 3):
            after = still_told.count()
            self.owner.register(self.orders, DEFAULT_GROUP, a("z1", weight))
            still_told.expect(texts(a("z1", weight)), after, time.monotonic(), self.line.TOLD_WITHIN_S)
        self.peer.unsubscribe(self.orders, second)
        expect_equal("callbacks after unsubscribing", silent, self.told.count())

    def expect_told(self, wanted, after):
        return self.told.expect(wanted, after, time.monotonic(), self.line.TOLD_WITHIN_S)

    def expect_asked(self, what, expected, client, group=DEFAULT_GROUP):
        expect_answer(what, expected, lambda: client.ask(self.orders, group))
