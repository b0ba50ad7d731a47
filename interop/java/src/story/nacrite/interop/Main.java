// The story, told by one release of the official Java client. Steps 22 and 23, restart and shutdown, need both halves
// and are here.

package nacrite.interop;

import static nacrite.interop.Clients.DEFAULT_GROUP;
import static nacrite.interop.Steps.eventually;
import static nacrite.interop.Steps.expectAnswer;
import static nacrite.interop.Steps.left;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.logging.LogManager;
import java.util.stream.Stream;

public final class Main {
    private static final Duration BACK_WITHIN = Duration.ofSeconds(20);
    /** Clients register again in rounds of 3 s. Until then a server may show what it knew before it was restarted. */
    private static final Duration OWN_AGAIN_AFTER = Duration.ofSeconds(6);
    private static final Duration GONE_WITHIN = Duration.ofSeconds(3);

    private final Clients clients;
    private final NamingStory naming;
    private final ConfigStory config;

    private Main(String server, boolean polls) throws NacosException {
        clients = new Clients(server);
        naming = new NamingStory(clients, polls ? NamingStory.POLLED_WITHIN : NamingStory.PUSHED_WITHIN);
        config = new ConfigStory(clients);
    }

    public static void main(String[] args) throws Exception {
        Run run = Run.of(args);
        LogManager.getLogManager().reset(); // the gRPC inside the client would write to the console
        Steps steps = new Steps(run.variant());
        Main[] connected = new Main[1];
        steps.step("connect", () -> {
            connected[0] = new Main(run.server(), run.variant().endsWith("-polling"));
            return null;
        });
        Main story = connected[0];
        if (story == null) {
            System.exit(steps.finish());
        }
        story.naming.tell(steps);
        story.config.tell(steps);
        steps.step("watched-by-pattern", () -> PatternStory.tell(story.clients, story.naming, story.config));
        steps.step("restart-survived", () -> story.surviveRestart(run));
        steps.step("shutdown-leaves-nothing", story::shutdown);
        System.exit(steps.finish());
    }

    private String surviveRestart(Run run) throws Exception {
        run.skipUnlessRestarts();
        naming.owner.registerInstance(naming.orders, DEFAULT_GROUP, NamingStory.a("z3", 3));
        List<String> mine = NamingStory.texts(NamingStory.a("z3", 3));
        naming.watcher.subscribe(naming.orders, DEFAULT_GROUP, naming.listener);
        config.publishAndExpect("before the restart");

        run.restartServer();
        long ownAgain = System.nanoTime() + OWN_AGAIN_AFTER.toNanos();
        long end = System.nanoTime() + BACK_WITHIN.toNanos();

        eventually(left(end), "instances of " + naming.orders, mine, () -> ask(naming.orders));
        List<String> fleet = NamingStory.texts(NamingStory.fleetMembers());
        // A heart-beat says nothing of health, so over HTTP the unhealthy instance comes back healthy.
        List<String> back = Newer.OVER_HTTP ? fleet.stream().map(i -> i.replace(" unhealthy", "")).toList() : fleet;
        eventually(left(end), "instances of " + naming.fleet, back, () -> ask(naming.fleet));
        eventually(left(end), "the config", "before the restart",
                () -> ConfigStory.get(config.reader, config.live, DEFAULT_GROUP));
        long backMs = BACK_WITHIN.toMillis() - left(end).toMillis();

        int after = naming.told.count();
        eventually(left(end), "a new registration", true, () -> {
            naming.peer.registerInstance(naming.orders, DEFAULT_GROUP, NamingStory.b());
            return true;
        });
        List<String> both = Stream.of(mine, NamingStory.texts(NamingStory.b())).flatMap(List::stream).sorted().toList();
        naming.told.expect(both, after, System.nanoTime(), left(end));
        after = config.told.count();
        eventually(left(end), "a new publish", true,
                () -> config.writer.publishConfig(config.live, DEFAULT_GROUP, "after the restart"));
        config.told.expect("after the restart", after, System.nanoTime(), left(end));
        Thread.sleep(left(ownAgain).toMillis());
        expectAnswer("instances of " + naming.orders, both, () -> ask(naming.orders));
        expectAnswer("instances of " + naming.fleet, back, () -> ask(naming.fleet));
        return "registrations back after " + backMs + " ms";
    }

    private String shutdown() throws Exception {
        if (Newer.OVER_HTTP) { // without a connection nobody sees a client go; it has to say so
            naming.owner.deregisterInstance(naming.orders, DEFAULT_GROUP, NamingStory.a("", 1));
            naming.peer.deregisterInstance(naming.orders, DEFAULT_GROUP, NamingStory.b());
            for (Instance member : NamingStory.fleetMembers()) {
                naming.owner.deregisterInstance(naming.fleet, DEFAULT_GROUP, member);
            }
        }
        List<Callable<Void>> closing = new ArrayList<>();
        for (ConfigService client : List.of(config.writer, config.reader, config.stranger)) {
            closing.add(() -> {
                client.shutDown();
                return null;
            });
        }
        for (NamingService client : List.of(naming.owner, naming.peer, naming.watcher, naming.stranger)) {
            closing.add(() -> {
                client.shutDown();
                return null;
            });
        }
        // The 1.x line waits 3 s for each of its thread pools, so all clients close at once.
        ExecutorService closers = Executors.newFixedThreadPool(closing.size());
        for (Future<Void> closed : closers.invokeAll(closing)) {
            closed.get();
        }
        closers.shutdown();
        long end = System.nanoTime() + GONE_WITHIN.toNanos();
        NamingService last = clients.naming(Clients.PUBLIC);
        for (String service : List.of(naming.orders, naming.fleet)) {
            eventually(left(end), "instances of " + service, List.of(),
                    () -> NamingStory.ask(last, service, DEFAULT_GROUP));
        }
        last.shutDown();
        return null;
    }

    private List<String> ask(String service) throws NacosException {
        return NamingStory.ask(naming.peer, service, DEFAULT_GROUP);
    }
}
