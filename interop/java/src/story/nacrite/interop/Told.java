// What a callback was told, in order and with the time, so that a step can ask how late it came.

package nacrite.interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

final class Told<T> {
    private record Entry<T>(T value, long atNanos) {}

    private final List<Entry<T>> entries = new ArrayList<>();

    synchronized void add(T value) {
        entries.add(new Entry<>(value, System.nanoTime()));
    }

    synchronized int count() {
        return entries.size();
    }

    /**
     * Waits until `wanted` was told as the `after`-th entry or later. Returns a note with the milliseconds between
     * `changedNanos` and that callback; fails if they are more than `limit`.
     */
    String expect(T wanted, int after, long changedNanos, Duration limit) throws InterruptedException {
        Duration patience = limit.plusMillis(500); // a late callback is better reported with its time
        Steps.waitFor(patience, () -> find(wanted, after) != null
                ? null
                : "expected the callback to be told " + wanted + ", saw " + lastAfter(after));
        long lateMs = Math.max(0, (find(wanted, after).atNanos() - changedNanos) / 1_000_000);
        Steps.expect(lateMs <= limit.toMillis(),
                "expected the callback within " + limit.toMillis() + " ms, saw it after " + lateMs + " ms");
        return "told after " + lateMs + " ms";
    }

    private synchronized Entry<T> find(T wanted, int after) {
        return entries.stream().skip(after).filter(e -> Objects.equals(e.value(), wanted)).findFirst().orElse(null);
    }

    private synchronized String lastAfter(int after) {
        return entries.size() <= after ? "no callback" : String.valueOf(entries.get(entries.size() - 1).value());
    }
}
