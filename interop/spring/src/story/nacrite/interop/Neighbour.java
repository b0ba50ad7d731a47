// A service in Rust beside those of Spring: a program of its own that registers itself, and calls others by name. It is
// told what to do in lines, and answers each with a line (`interop/neighbour`).

package nacrite.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

final class Neighbour {
    /** Leaving in order waits 3 s for callers to notice, and is bounded itself. */
    private static final long LEFT_WITHIN_S = 30;

    private final Process process;
    private final PrintStream to;
    private final BufferedReader from;

    /** Starts it; returns when it is registered. */
    Neighbour(String server, String service, String name, double weight) throws IOException {
        String program = System.getProperty("neighbour", "");
        if (program.isEmpty() || !Files.isExecutable(Path.of(program))) {
            throw new Steps.Skip("the Rust service is not built: interop/spring/prepare");
        }
        process = new ProcessBuilder(program, "--server", server, "--service", service, "--name", name, "--weight",
                String.valueOf(weight)).redirectError(Redirect.INHERIT).start();
        // Nobody else ends it if this program is ended.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        to = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
        from = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        expectAnswer("ready");
    }

    /** Lets it call a service so often. Returns how many calls went to whom; none may fail. */
    Map<String, Integer> spread(String service, int count) throws IOException {
        return answers(ask("call " + service + " " + count));
    }

    /** Lets it call a service all the time, until `expectNoneFailed`. */
    void begin(String service) throws IOException {
        Steps.expectEqual("answer", "begun", ask("begin " + service));
    }

    /** Lets it stop calling; fails if any call failed, or if there was none. */
    String expectNoneFailed() throws IOException {
        int all = answers(ask("end")).values().stream().mapToInt(Integer::intValue).sum();
        Steps.expect(all > 0, "expected calls from Rust to be answered, saw none");
        return all + " calls from Rust, none failed";
    }

    /** Lets it leave in order; returns when it is gone. */
    void leave() throws Exception {
        to.close();
        Steps.expect(process.waitFor(LEFT_WITHIN_S, TimeUnit.SECONDS), "expected the Rust service to leave in time");
        Steps.expectEqual("status of the Rust service", 0, process.exitValue());
    }

    private String ask(String what) throws IOException {
        to.println(what);
        return from.readLine();
    }

    private void expectAnswer(String word) throws IOException {
        String line = from.readLine();
        Steps.expect(line != null && line.split(" ", 2)[0].equals(word), "expected " + word + ", saw " + line);
    }

    /** `answered first=10 second=30`, or `failed` and why. */
    private static Map<String, Integer> answers(String line) {
        Steps.expect(line != null && line.startsWith("answered"), "expected every call to be answered, saw " + line);
        Map<String, Integer> spread = new HashMap<>();
        for (String part : line.substring("answered".length()).trim().split(" ")) {
            String[] words = part.split("=", 2);
            spread.put(words[0], Integer.valueOf(words[1]));
        }
        return spread;
    }
}
