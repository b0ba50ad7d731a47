// Many clients of one release at once, for tests in which servers come, go and hand clients over. Tells no story:
// every client registers one instance of a service of its own, subscribes to that service, and asks for it again and
// again. What a server has of a client's service depends on that client alone, so the servers need not be one cluster.

package nacrite.interop;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.logging.LogManager;

public final class Crowd {
    private static final long ASK_EVERY_MS = 250;
    private static final Duration UP_WITHIN = Duration.ofSeconds(30);

    private Crowd() {}

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: crowd VARIANT HOST:PORT[,HOST:PORT…] COUNT");
            System.exit(2);
        }
        LogManager.getLogManager().reset(); // the gRPC inside the client would write to the console
        List<Client> clients;
        try {
            clients = start(args[0], Integer.parseInt(args[1]));
        } catch (Exception problem) {
            Steps.say("cannot start: " + problem);
            System.exit(2);
            return;
        }
        Steps.say("READY");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null && !line.equals("STOP"); line = input.readLine()) {
            Steps.say(report(clients)); // any other line asks how it goes
        }
        clients.forEach(client -> client.asking.interrupt());
        Steps.say(report(clients));
        System.exit(clients.stream().allMatch(client -> client.failed == 0) ? 0 : 1);
    }

    /**
     * Returns when every client is told of itself. After the first all start at once, because each waits for the
     * server more than it works; the first starts alone, because 3.1.0 loads its parts in a way that cannot be shared.
     */
    private static List<Client> start(String servers, int count) throws Exception {
        String suffix = String.format("%08x", ThreadLocalRandom.current().nextInt());
        ExecutorService starters = Executors.newFixedThreadPool(count);
        List<Client> clients = new ArrayList<>();
        clients.add(new Client(servers, "crowd-" + suffix + "-0", 0));
        List<Callable<Client>> starts = new ArrayList<>();
        for (int i = 1; i < count; i++) {
            int number = i;
            starts.add(() -> new Client(servers, "crowd-" + suffix + "-" + number, number));
        }
        for (Future<Client> started : starters.invokeAll(starts)) {
            clients.add(started.get());
        }
        starters.shutdown();
        for (Client client : clients) {
            Steps.waitFor(UP_WITHIN, () -> client.told.seen ? null : "not told of " + client.service);
            client.asking.start();
        }
        return clients;
    }

    private static String report(List<Client> clients) {
        long calls = clients.stream().mapToLong(client -> client.calls).sum();
        long failed = clients.stream().mapToLong(client -> client.failed).sum();
        long untold = clients.stream().mapToLong(client -> client.told.missingMaxMs()).max().orElse(0);
        long unanswered = clients.stream().mapToLong(client -> client.answered.missingMaxMs()).max().orElse(0);
        String problem = clients.stream().map(c -> c.problem).filter(p -> p != null).findFirst().orElse("none");
        return "clients " + clients.size() + ", calls " + calls + ", failed " + failed
                + ", missing from told lists at most " + untold + " ms, missing from answers at most " + unanswered
                + " ms, problem " + problem;
    }

    /** How long an instance was missing from the lists that came one after another. */
    private static final class Presence {
        private boolean seen;
        private long missingSinceNanos = -1;
        private long missingMaxNanos;

        synchronized void note(boolean present) {
            long now = System.nanoTime();
            seen |= present;
            if (seen && !present && missingSinceNanos == -1) {
                missingSinceNanos = now;
            } else if (present && missingSinceNanos != -1) {
                missingMaxNanos = Math.max(missingMaxNanos, now - missingSinceNanos);
                missingSinceNanos = -1;
            }
        }

        synchronized long missingMaxMs() {
            long stillNanos = missingSinceNanos == -1 ? 0 : System.nanoTime() - missingSinceNanos;
            return Math.max(missingMaxNanos, stillNanos) / 1_000_000;
        }
    }

    private static final class Client {
        final String service;
        final Presence told = new Presence();
        final Presence answered = new Presence();
        final Thread asking = new Thread(this::askOn, "asking");
        volatile long calls;
        volatile long failed;
        volatile String problem;
        private final NamingService naming;
        private final String ip;

        Client(String servers, String service, int number) throws Exception {
            this.service = service;
            ip = "10.1." + number / 250 + "." + (number % 250 + 1);
            Properties properties = new Properties();
            properties.setProperty(PropertyKeyConst.SERVER_ADDR, servers);
            naming = NacosFactory.createNamingService(properties);
            naming.registerInstance(service, ip, 8080);
            naming.subscribe(service, event -> told.note(contains(((NamingEvent) event).getInstances())));
            asking.setDaemon(true);
        }

        /** Asks the server that the client is connected to, past what the client remembers. */
        private void askOn() {
            try {
                while (!Thread.interrupted()) {
                    try {
                        calls++;
                        answered.note(contains(naming.getAllInstances(service, false)));
                    } catch (Exception failure) {
                        failed++;
                        problem = service + ": " + failure;
                    }
                    Thread.sleep(ASK_EVERY_MS);
                }
            } catch (InterruptedException stop) {
                // The run is over.
            }
        }

        private boolean contains(List<Instance> instances) {
            return instances.stream().anyMatch(instance -> instance.getIp().equals(ip));
        }
    }
}
