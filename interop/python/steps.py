"""Runs named steps one after another and prints one line for each. Knows nothing of Nacos."""

import os
import threading
import time

# Nothing here takes long; a program that is still running then hangs.
OVERALL_S = 240
LOOK_AGAIN_S = 0.01
# The clients themselves allow five equal questions a second.
ASK_AGAIN_S = 0.2
# One line of output stays readable, also when the value is a mebibyte.
SHOWN_MAX = 600


class Mismatch(Exception):
    """The server or client did something else than documented."""


class Skip(Exception):
    """The client has no call for this step."""


class Steps:
    # How old an answer of the server may be. Zero means that every answer includes every finished call.
    stale_s = 0.0

    def __init__(self, client):
        self.client = client
        self.current = "start"
        self.passed = self.failed = self.skipped = 0
        guard = threading.Timer(OVERALL_S, self._stop_overdue)
        guard.daemon = True
        guard.start()

    def step(self, name, run):
        """Runs one step. What it returns, if anything, is printed after the time."""
        self.current = name
        began = time.monotonic()
        try:
            note = run()
        except Skip as why:
            self.skipped += 1
            say(f"skip {self.client} {name}: {why}")
        except Exception as problem:  # whatever a client throws is this step's failure
            self.failed += 1
            what = str(problem) if isinstance(problem, Mismatch) else f"expected no error, saw {problem!r}"
            say(f"FAIL {self.client} {name}: {what}".replace("\n", " "))
        else:
            self.passed += 1
            say(f"ok   {self.client} {name} ({ms_since(began)} ms) {note or ''}".rstrip())

    def finish(self):
        """Prints the last line and ends the program, whatever threads a client left behind."""
        say(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        os._exit(1 if self.failed else 0)

    def _stop_overdue(self):
        say(f"FAIL {self.client} {self.current}: expected the program to end within {OVERALL_S} s, "
            "saw it still in this step")
        self.failed += 1
        self.finish()


class Told:
    """What a callback was told, in order and with the time, so that a step can ask how late it came."""

    def __init__(self):
        self._entries = []

    def add(self, value):
        self._entries.append((value, time.monotonic()))  # appending is atomic; the clients' threads do it

    def count(self):
        return len(self._entries)

    def expect(self, wanted, after, changed, limit_s):
        """Waits until `wanted` was told as the `after`-th entry or later.

        Returns a note with the time between `changed` and that callback; fails if it is more than `limit_s`.
        """
        def problem():
            new = self._entries[after:]
            if any(value == wanted for value, _ in new):
                return None
            return f"expected the callback to be told {wanted}, saw {new[-1][0] if new else 'no callback'}"

        wait_for(limit_s + 0.5, LOOK_AGAIN_S, problem)  # a late callback is better reported with its time
        at = next(at for value, at in self._entries[after:] if value == wanted)
        late_s = max(0.0, at - changed)
        expect(late_s <= limit_s, f"expected the callback within {limit_s:.1f} s, saw it after {late_s:.3f} s")
        return f"told after {late_s * 1000:.0f} ms"


def expect(holds, otherwise):
    if not holds:
        raise Mismatch(otherwise)


def expect_equal(what, expected, seen):
    expect(expected == seen, f"{what}: expected {shorten(expected)}, saw {shorten(seen)}")


def expect_answer(what, expected, ask):
    """What the server answers now, or as soon as its answers may be expected to be fresh."""
    eventually(Steps.stale_s, what, expected, ask)


def eventually(limit_s, what, expected, ask):
    """Asks again and again, whatever goes wrong meanwhile, until the answer is the expected one."""
    def problem():
        try:
            seen = ask()
        except (Skip, Mismatch):
            raise
        except Exception as fault:
            return f"{what}: expected {shorten(expected)}, saw {fault!r}"
        return None if seen == expected else f"{what}: expected {shorten(expected)}, saw {shorten(seen)}"

    wait_for(limit_s, ASK_AGAIN_S, problem)


def wait_for(limit_s, again_s, problem):
    """Waits until `problem` returns None; when the time is up, fails with what it said last."""
    end = time.monotonic() + limit_s
    while (last := problem()) is not None:
        expect(time.monotonic() < end, f"{last}, for {limit_s:.1f} s" if limit_s > 0 else last)
        time.sleep(again_s)


def say(line):
    print(line, flush=True)


def ms_since(began):
    return int((time.monotonic() - began) * 1000)


def shorten(value):
    text = str(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text)} characters)"
