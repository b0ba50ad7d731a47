// Runs named steps one after another and prints one line for each. Knows nothing of Nacos.

package nacrite.interop;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

final class Steps {
    /** A step's own code. What it returns is printed after the time; null or empty prints nothing. */
    interface Step {
        String run() throws Exception;
    }

    /** The server or client did something else than documented. */
    static final class Mismatch extends RuntimeException {
        Mismatch(String message) {
            super(message);
        }
    }

    /** The client has no call for this step. */
    static final class Skip extends RuntimeException {
        Skip(String why) {
            super(why);
        }
    }

    /** Nothing here takes long; a program that is still running then hangs. */
    private static final Duration OVERALL = Duration.ofMinutes(4);
    private static final long LOOK_AGAIN_MS = 10;
    /** The clients themselves allow five equal questions a second. */
    private static final long ASK_AGAIN_MS = 200;

    /** How old an answer of the server may be. Zero means that every answer includes every finished call. */
    static Duration stale = Duration.ZERO;

    private final String client;
    private String current = "start";
    private int passed;
    private int failed;
    private int skipped;

    Steps(String client) {
        this.client = client;
        Thread guard = new Thread(this::stopWhenOverdue, "deadline");
        guard.setDaemon(true);
        guard.start();
    }

    void step(String name, Step step) {
        current = name;
        long began = System.nanoTime();
        try {
            String note = step.run();
            passed++;
            String took = "ok   " + client + " " + name + " (" + (System.nanoTime() - began) / 1_000_000 + " ms)";
            say(note == null || note.isEmpty() ? took : took + " " + note);
        } catch (Skip skip) {
            skipped++;
            say("skip " + client + " " + name + ": " + skip.getMessage());
        } catch (Exception problem) {
            failed++;
            String what = problem instanceof Mismatch ? problem.getMessage() : "expected no error, saw " + problem;
            say("FAIL " + client + " " + name + ": " + what.replace('\n', ' '));
        }
    }

    /** Prints the last line and returns the exit code. */
    int finish() {
        say(passed + " passed, " + failed + " failed, " + skipped + " skipped");
        return failed == 0 ? 0 : 1;
    }

    static void expectEqual(String what, Object expected, Object seen) {
        if (!expected.equals(seen)) {
            throw new Mismatch(what + ": expected " + shorten(expected) + ", saw " + shorten(seen));
        }
    }

    static void expect(boolean holds, String otherwise) {
        if (!holds) {
            throw new Mismatch(otherwise);
        }
    }

    /** What the server answers now, or as soon as its answers may be expected to be fresh. */
    static <T> void expectAnswer(String what, T expected, Callable<T> ask) throws InterruptedException {
        eventually(stale, what, expected, ask);
    }

    /** Asks again and again, whatever goes wrong meanwhile, until the answer is the expected one. */
    static <T> void eventually(Duration limit, String what, T expected, Callable<T> ask) throws InterruptedException {
        waitFor(limit, ASK_AGAIN_MS, () -> {
            Object seen;
            try {
                seen = ask.call();
            } catch (Exception problem) {
                return what + ": expected " + shorten(expected) + ", saw " + problem;
            }
            return Objects.equals(expected, seen)
                    ? null
                    : what + ": expected " + shorten(expected) + ", saw " + shorten(seen);
        });
    }

    /** Waits until `problem` returns null; when the time is up, fails with what it said last. */
    static void waitFor(Duration limit, Supplier<String> problem) throws InterruptedException {
        waitFor(limit, LOOK_AGAIN_MS, problem);
    }

    private static void waitFor(Duration limit, long againMs, Supplier<String> problem) throws InterruptedException {
        long end = System.nanoTime() + limit.toNanos();
        String last = problem.get();
        while (last != null) {
            expect(System.nanoTime() < end, last + (limit.isZero() ? "" : ", for " + limit.toMillis() + " ms"));
            Thread.sleep(againMs);
            last = problem.get();
        }
    }

    /** What is left until `end`, a value of `System.nanoTime()`. */
    static Duration left(long end) {
        return Duration.ofNanos(Math.max(0, end - System.nanoTime()));
    }

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static String shorten(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 600 ? text : text.substring(0, 600) + "… (" + text.length() + " characters)";
    }

    private void stopWhenOverdue() {
        try {
            Thread.sleep(OVERALL.toMillis());
        } catch (InterruptedException stop) {
            return;
        }
        failed++;
        say("FAIL " + client + " " + current + ": expected the program to end within " + OVERALL.toSeconds()
                + " s, saw it still in this step");
        Runtime.getRuntime().halt(finish());
    }
}
