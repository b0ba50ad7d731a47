// Calls by name, and who answered them. A caller of its own thread shows whether calls go on while something happens.

package nacrite.interop;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;

final class Calls {
    private static final long PAUSE_MS = 5;

    private final Callable<String> call;

    /** A call answers with the name of who answered, and maybe with more behind a blank. */
    Calls(Callable<String> call) {
        this.call = call;
    }

    String answer() throws Exception {
        return call.call();
    }

    String answerer() throws Exception {
        return answer().split(" ", 2)[0];
    }

    /** How many of `count` calls went to whom. None may fail. */
    Map<String, Integer> spread(int count) throws Exception {
        Map<String, Integer> spread = new HashMap<>();
        for (int i = 0; i < count; i++) {
            spread.merge(answerer(), 1, Integer::sum);
        }
        return spread;
    }

    /** Calls all the time until it is asked how that went. */
    final class Ongoing {
        private final Thread thread = new Thread(this::callOn, "calls");
        private volatile boolean goesOn = true;
        private int answered;
        private int failed;
        private String problem;

        Ongoing() {
            thread.setDaemon(true);
            thread.start();
        }

        private void callOn() {
            while (goesOn) {
                try {
                    answerer();
                    answered++;
                } catch (Exception failure) {
                    failed++;
                    problem = String.valueOf(failure);
                }
                try {
                    Thread.sleep(PAUSE_MS);
                } catch (InterruptedException stop) {
                    return;
                }
            }
        }

        /** Stops calling; fails if any call failed, or if there was none. */
        String expectNoneFailed() throws InterruptedException {
            goesOn = false;
            thread.join();
            Steps.expect(failed == 0, "expected every call to be answered, saw " + failed + " of " + (answered + failed)
                    + " fail, the last with " + problem);
            Steps.expect(answered > 0, "expected calls to be answered, saw none");
            return answered + " calls, none failed";
        }

        /** Goes on calling until then, a value of `System.nanoTime()`. */
        String expectNoneFailedUntil(long endNanos) throws InterruptedException {
            Thread.sleep(Steps.left(endNanos).toMillis());
            return expectNoneFailed();
        }
    }
}
