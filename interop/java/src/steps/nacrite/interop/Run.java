// What a program was told to do, and its talk with whoever runs it. Knows nothing of Nacos.

package nacrite.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

record Run(String variant, String server, boolean restarts) {
    /** Reads the arguments of `run`; ends the program if they are wrong. */
    static Run of(String[] args) {
        List<String> words = Arrays.asList(args);
        String server = after(words, "--server");
        if (words.isEmpty() || server == null) {
            System.err.println("usage: run VARIANT --server HOST:PORT [--no-restart] [--stale-ms N]");
            System.exit(2);
        }
        String stale = after(words, "--stale-ms");
        Steps.stale = Duration.ofMillis(stale == null ? 0 : Long.parseLong(stale));
        System.setOut(new PrintStream(System.out, true, StandardCharsets.UTF_8));
        return new Run(words.get(0), server, !words.contains("--no-restart"));
    }

    /** A step that needs the server restarted begins with this. */
    void skipUnlessRestarts() {
        if (!restarts) {
            throw new Steps.Skip("--no-restart");
        }
    }

    /** Asks for the restart and returns when the server is up again. */
    void restartServer() throws IOException {
        Steps.say("READY-FOR-RESTART");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Steps.expectEqual("the driver's word", "RESTARTED", input.readLine());
    }

    private static String after(List<String> words, String flag) {
        int at = words.indexOf(flag);
        return at < 0 || at + 1 == words.size() ? null : words.get(at + 1);
    }
}
