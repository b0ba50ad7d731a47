"""Steps 15 to 20: publishing, reading, listening, removing. The writer changes, the reader reads and listens."""

import hashlib
import time

from model import DEFAULT_GROUP, PUBLIC
from steps import Told, expect, expect_answer

TOLD_WITHIN_S = 1.0
# The first comparison with the server may wait for a round of the client's own 5 s clock.
FIRST_WITHIN_S = 6.0
UNICODE = "# 配置 – ключ – مفتاح\nemoji: \"🚀🧭 👩‍👩‍👧\"\nquote: 'a+b=c&d%20e'\n\ttab: \\n\n"
MEBIBYTE = 1 << 20


class ConfigStory:
    def __init__(self, line, place, suffix):
        self.line = line
        self.app, self.big, self.cas, self.live = (f"{name}-{suffix}" for name in ("app", "big", "cas", "live"))
        self.group = f"GROUP-{suffix}"
        self.writer, self.reader = line.Config(place, PUBLIC), line.Config(place, PUBLIC)
        self.stranger = line.Config(place, f"ns-{suffix}")
        self.told = Told()

    def tell(self, steps):
        steps.step("config-round-trip", lambda: self.round_trip(self.app, UNICODE))
        steps.step("config-one-mebibyte", self.one_mebibyte)
        steps.step("config-compare-and-set", self.compare_and_set)
        steps.step("config-listener-told", self.listener_told)
        steps.step("config-elsewhere-is-apart", self.elsewhere_is_apart)
        steps.step("config-remove", self.remove)

    def round_trip(self, data_id, content):
        self.publish(self.writer, data_id, DEFAULT_GROUP, content)
        self.expect_content("content", content, self.reader, data_id)

    def one_mebibyte(self):
        line = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
        self.round_trip(self.big, (line * (MEBIBYTE // len(line) + 1))[:MEBIBYTE])

    def compare_and_set(self):
        one = hashlib.md5(b"one").hexdigest()
        self.publish(self.writer, self.cas, DEFAULT_GROUP, "one")
        expect(self.writer.publish_cas(self.cas, DEFAULT_GROUP, "two", one),
               "expected True from a publish with the right md5, saw False")
        self.expect_content("content after the right md5", "two", self.reader, self.cas)
        try:
            won = self.writer.publish_cas(self.cas, DEFAULT_GROUP, "three", one)
        except Exception:  # the client turns the refusal into an exception
            won = False
        expect(not won, "expected a publish with the wrong md5 to fail, saw it succeed")
        self.expect_content("content after the wrong md5", "two", self.reader, self.cas)

    def listener_told(self):
        self.publish(self.writer, self.live, DEFAULT_GROUP, "one")
        self.reader.listen(self.live, DEFAULT_GROUP, self.told)
        if self.line.TELLS_FIRST:
            self.told.expect("one", 0, time.monotonic(), FIRST_WITHIN_S)
        return self.publish_and_expect("two")

    def publish_and_expect(self, content):
        """The writer publishes; the reader's listener must be told within a second."""
        after = self.told.count()
        self.publish(self.writer, self.live, DEFAULT_GROUP, content)
        return self.told.expect(content, after, time.monotonic(), TOLD_WITHIN_S)

    def elsewhere_is_apart(self):
        self.expect_content("content in the empty group", None, self.reader, self.app, self.group)
        self.expect_content("content in the empty namespace", None, self.stranger, self.app)
        self.publish(self.writer, self.app, self.group, "of the group")
        self.publish(self.stranger, self.app, DEFAULT_GROUP, "of the namespace")
        self.expect_content("content in the group", "of the group", self.reader, self.app, self.group)
        self.expect_content("content in the namespace", "of the namespace", self.stranger, self.app)
        self.expect_content("content in the default group", UNICODE, self.reader, self.app)

    def remove(self):
        after = self.told.count()
        expect(self.writer.remove(self.live, DEFAULT_GROUP), "expected True from the removal, saw False")
        changed = time.monotonic()
        self.expect_content("content after removal", None, self.reader, self.live)
        return self.told.expect(None, after, changed, TOLD_WITHIN_S)

    @staticmethod
    def publish(client, data_id, group, content):
        expect(client.publish(data_id, group, content), f"expected True from the publish of {data_id}, saw False")

    @staticmethod
    def expect_content(what, expected, client, data_id, group=DEFAULT_GROUP):
        expect_answer(what, expected, lambda: client.get(data_id, group))
