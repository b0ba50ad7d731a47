// Runs named steps one after another and prints one line for each. Knows nothing of Nacos.

import { isDeepStrictEqual } from 'node:util';

// Nothing here takes long; a program that is still running then hangs.
const OVERALL_MS = 240_000;
const LOOK_AGAIN_MS = 10;
// Other clients allow five equal questions a second; so does this story.
const ASK_AGAIN_MS = 200;
// One line of output stays readable, also when the value is a mebibyte.
const SHOWN_MAX = 600;

/** The server or client did something else than documented. */
class Mismatch extends Error {}

/** The client has no call for this step. */
export class Skip extends Error {}

export class Steps {
  /** How old an answer of the server may be. Zero means that every answer includes every finished call. */
  static staleMs = 0;

  constructor(client) {
    this.client = client;
    this.current = 'start';
    this.passed = this.failed = this.skipped = 0;
    setTimeout(() => this.#stopOverdue(), OVERALL_MS).unref();
  }

  /** Runs one step. What it returns, if anything, is printed after the time. */
  async step(name, run) {
    this.current = name;
    const began = performance.now();
    try {
      const note = await run();
      this.passed++;
      say(`ok   ${this.client} ${name} (${Math.round(performance.now() - began)} ms) ${note ?? ''}`.trimEnd());
    } catch (problem) {
      if (problem instanceof Skip) {
        this.skipped++;
        say(`skip ${this.client} ${name}: ${problem.message}`);
        return;
      }
      this.failed++;
      const what = problem instanceof Mismatch ? problem.message : `expected no error, saw ${problem}`;
      say(`FAIL ${this.client} ${name}: ${what.replaceAll('\n', ' ')}`);
    }
  }

  /** Prints the last line and ends the program, whatever timers a client left behind. */
  finish() {
    say(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    process.exit(this.failed === 0 ? 0 : 1);
  }

  #stopOverdue() {
    this.failed++;
    const what = `expected the program to end within ${OVERALL_MS / 1000} s, saw it still in this step`;
    say(`FAIL ${this.client} ${this.current}: ${what}`);
    this.finish();
  }
}

/** What a callback was told, in order and with the time, so that a step can ask how late it came. */
export class Told {
  #entries = [];

  add(value) {
    this.#entries.push({ value, at: performance.now() });
  }

  count() {
    return this.#entries.length;
  }

  /**
   * Waits until `wanted` was told as the `after`-th entry or later. Returns a note with the time between `changed` and
   * that callback; fails if it is more than `limitMs`.
   */
  async expect(wanted, after, changed, limitMs) {
    const find = () => this.#entries.slice(after).find(({ value }) => isDeepStrictEqual(value, wanted));
    // A late callback is better reported with its time.
    await waitFor(limitMs + 500, LOOK_AGAIN_MS, () => {
      if (find()) return null;
      const last = this.#entries.slice(after).at(-1);
      return `expected the callback to be told ${show(wanted)}, saw ${last ? show(last.value) : 'no callback'}`;
    });
    const lateMs = Math.max(0, find().at - changed);
    expect(lateMs <= limitMs, `expected the callback within ${limitMs} ms, saw it after ${Math.round(lateMs)} ms`);
    return `told after ${Math.round(lateMs)} ms`;
  }
}

export function expect(holds, otherwise) {
  if (!holds) throw new Mismatch(otherwise);
}

export function expectEqual(what, expected, seen) {
  expect(isDeepStrictEqual(expected, seen), `${what}: expected ${show(expected)}, saw ${show(seen)}`);
}

/** What the server answers now, or as soon as its answers may be expected to be fresh. */
export function expectAnswer(what, expected, ask) {
  return eventually(Steps.staleMs, what, expected, ask);
}

/** Asks again and again, whatever goes wrong meanwhile, until the answer is the expected one. */
export function eventually(limitMs, what, expected, ask) {
  return waitFor(limitMs, ASK_AGAIN_MS, async () => {
    try {
      const seen = await ask();
      return isDeepStrictEqual(expected, seen) ? null : `${what}: expected ${show(expected)}, saw ${show(seen)}`;
    } catch (problem) {
      return `${what}: expected ${show(expected)}, saw ${problem}`;
    }
  });
}

export function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Waits until `problem` returns null; when the time is up, fails with what it said last. */
async function waitFor(limitMs, againMs, problem) {
  const end = performance.now() + limitMs;
  for (let last = await problem(); last !== null; last = await problem()) {
    expect(performance.now() < end, limitMs > 0 ? `${last}, for ${Math.round(limitMs)} ms` : last);
    await new Promise((again) => setTimeout(again, againMs));
  }
}

function show(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}… (${text.length} characters)`;
}
