// The story of Spring services: a provider in up to three instances, a consumer that calls it by name, a config that
// the provider imports, and a service in Rust in up to two instances that calls them and is called by them.

package nacrite.interop;

import static nacrite.interop.Steps.eventually;
import static nacrite.interop.Steps.expect;
import static nacrite.interop.Steps.expectAnswer;
import static nacrite.interop.Steps.expectEqual;
import static nacrite.interop.Steps.left;

import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.slf4j.bridge.SLF4JBridgeHandler;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.web.client.RestTemplate;

public final class Main {
    private static final String GROUP = "DEFAULT_GROUP";
    /** From the end of a registration, or of a stop, to the calls that follow it. */
    private static final Duration FOLLOWED_WITHIN = Duration.ofSeconds(2);
    /** From the end of a publish to the greeting; Spring builds its environment anew meanwhile. */
    private static final Duration REFRESHED_WITHIN = Duration.ofSeconds(5);
    private static final Duration BACK_WITHIN = Duration.ofSeconds(20);
    /** Clients register again in rounds of 3 s; what a server shows of its own accord until then is over by this. */
    private static final Duration WATCHED_FOR = Duration.ofSeconds(8);
    private static final Duration GONE_WITHIN = Duration.ofSeconds(3);

    private final Peer peer;
    private final Apps apps;
    private ConfigurableApplicationContext first;
    private ConfigurableApplicationContext second;
    private ConfigurableApplicationContext third;
    private ConfigurableApplicationContext consumer;
    private Calls calls;
    private Neighbour rust;
    private Calls callsOfRust;

    private Main(String server) throws NacosException {
        peer = new Peer(server);
        apps = new Apps(server);
    }

    public static void main(String[] args) {
        Run run = Run.of(args);
        // Tomcat, and the gRPC inside the client, would write to the console.
        SLF4JBridgeHandler.removeHandlersForRootLogger();
        SLF4JBridgeHandler.install();
        Steps steps = new Steps(run.variant());
        Main[] connected = new Main[1];
        steps.step("connect", () -> {
            connected[0] = new Main(run.server());
            return null;
        });
        if (connected[0] != null) {
            connected[0].tell(steps, run);
        }
        System.exit(steps.finish());
    }

    private void tell(Steps steps, Run run) {
        steps.step("services-start", this::start);
        if (consumer == null) {
            return; // nothing below can be told
        }
        steps.step("registered-as-spring-does", this::registered);
        steps.step("discovery-client-sees-metadata", this::discovered);
        steps.step("call-by-name", this::callByName);
        steps.step("config-read-at-start", this::configRead);
        steps.step("config-refreshed", () -> refresh("good evening"));
        steps.step("new-instance-gets-calls", this::newInstance);
        steps.step("calls-follow-weights", this::weights);
        steps.step("disabled-instance-gets-none", this::disabled);
        steps.step("called-from-rust-by-name", this::calledFromRust);
        steps.step("stopped-instance-gets-none", this::stopped);
        steps.step("rust-provider-called-by-name", this::callRust);
        steps.step("calls-follow-weights-of-rust", this::weightsOfRust);
        steps.step("restart-survived", () -> surviveRestart(run));
        steps.step("shutdown-leaves-nothing", this::shutdown);
    }

    private String start() throws NacosException {
        publish("good morning");
        first = apps.startProvider("first", 1);
        consumer = apps.startConsumer();
        RestTemplate byName = consumer.getBean(RestTemplate.class);
        calls = new Calls(() -> byName.getForObject("http://" + apps.provider + "/greet", String.class));
        return null;
    }

    private String registered() throws Exception {
        expectAnswer("instances of " + apps.provider, List.of(text("first", first, 1)), () -> ask(apps.provider));
        expectAnswer("instances of " + apps.consumer, List.of(text(null, consumer, 1)), () -> ask(apps.consumer));
        return null;
    }

    private String discovered() {
        DiscoveryClient client = consumer.getBean(DiscoveryClient.class);
        Set<String> services = new HashSet<>(client.getServices());
        expect(services.containsAll(Set.of(apps.provider, apps.consumer)), "expected both services, saw " + services);
        List<ServiceInstance> seen = client.getInstances(apps.provider);
        expectEqual("instances", 1, seen.size());
        expectEqual("port", Apps.port(first), seen.get(0).getPort());
        Map<String, String> metadata = seen.get(0).getMetadata();
        Map<String, String> expected = Map.of("preserved.register.source", "SPRING_CLOUD", "zone", "zone of first",
                "nacos.weight", "1.0", "nacos.healthy", "true", "nacos.cluster", "DEFAULT");
        expected.forEach((key, value) -> expectEqual(key, value, metadata.get(key)));
        return null;
    }

    private String callByName() throws Exception {
        expectEqual("who answered", Map.of("first", 20), calls.spread(20));
        return null;
    }

    private String configRead() throws Exception {
        expectEqual("answer", "first good morning", calls.answer());
        return null;
    }

    /** Every provider that runs must be made anew with the new greeting. */
    private String refresh(String greeting) throws Exception {
        publish(greeting);
        long began = System.nanoTime();
        for (ConfigurableApplicationContext provider : new ConfigurableApplicationContext[] {first, second, third}) {
            if (provider != null && provider.isActive()) {
                Provider.Greeting bean = provider.getBean(Provider.Greeting.class);
                eventually(REFRESHED_WITHIN, "greeting", greeting, bean::text);
            }
        }
        return "after " + millisSince(began) + " ms";
    }

    private String newInstance() throws Exception {
        second = apps.startProvider("second", 3);
        return firstCallTo("second");
    }

    private String firstCallTo(String name) throws Exception {
        long began = System.nanoTime();
        while (!calls.answerer().equals(name)) {
            expect(millisSince(began) < FOLLOWED_WITHIN.toMillis(),
                    "expected a call to reach " + name + " within " + FOLLOWED_WITHIN.toMillis() + " ms");
        }
        return "first call after " + millisSince(began) + " ms";
    }

    private String weights() throws Exception {
        return expectThreeOfFour("second", calls.spread(400));
    }

    /** 300 of 400 by the weights 1 and 3; five standard deviations of chance are 43. */
    private static String expectThreeOfFour(String name, Map<String, Integer> spread) {
        int those = spread.getOrDefault(name, 0);
        expect(those > 255 && those < 345, "expected about 300 of 400 calls at " + name + ", saw " + spread);
        return spread.toString();
    }

    /** What an operator does in the console: the instance stays registered and gets no calls. */
    private String disabled() throws Exception {
        operate(false);
        String note = onlyFirst();
        operate(true);
        firstCallTo("second");
        return note;
    }

    private String calledFromRust() throws Exception {
        rust = new Neighbour(peer.server, apps.rust, "rust-1", 1);
        return expectThreeOfFour("second", rust.spread(apps.provider, 400));
    }

    private String stopped() throws Exception {
        Calls.Ongoing meanwhile = calls.new Ongoing();
        if (rust != null) {
            rust.begin(apps.provider);
        }
        second.close();
        expectEqual("who answered", Map.of("first", 100), calls.spread(100));
        String note = meanwhile.expectNoneFailed();
        if (rust != null) {
            note += ", " + rust.expectNoneFailed();
            expectEqual("who answered Rust", Map.of("first", 100), rust.spread(apps.provider, 100));
        }
        expectAnswer("instances of " + apps.provider, List.of(text("first", first, 1)), () -> ask(apps.provider));
        return note;
    }

    /** Through Spring's load balancer, as any service of Spring. */
    private String callRust() throws Exception {
        expectRust();
        Instance seen = peer.instances(apps.rust).get(0);
        expectEqual("source", "RUST", seen.getMetadata().get("preserved.register.source"));
        RestTemplate byName = consumer.getBean(RestTemplate.class);
        callsOfRust = new Calls(() -> byName.getForObject("http://" + apps.rust + "/greet", String.class));
        expectEqual("who answered", Map.of("rust-1", 20), callsOfRust.spread(20));
        return null;
    }

    /** And when the second one leaves, no call fails. */
    private String weightsOfRust() throws Exception {
        expectRust();
        Neighbour second = new Neighbour(peer.server, apps.rust, "rust-2", 3);
        eventually(FOLLOWED_WITHIN, "instances of " + apps.rust, 2, () -> peer.instances(apps.rust).size());
        String note = expectThreeOfFour("rust-2", callsOfRust.spread(400));
        Calls.Ongoing meanwhile = callsOfRust.new Ongoing();
        second.leave();
        expectEqual("who answered", Map.of("rust-1", 100), callsOfRust.spread(100));
        return note + ", it leaves: " + meanwhile.expectNoneFailed();
    }

    private void expectRust() {
        if (rust == null) {
            throw new Steps.Skip("there is no Rust service");
        }
    }

    private String surviveRestart(Run run) throws Exception {
        run.skipUnlessRestarts();
        second = apps.startProvider("second", 1);
        firstCallTo("second");
        List<String> both = List.of(text("first", first, 1), text("second", second, 1)).stream().sorted().toList();
        Calls.Ongoing meanwhile = calls.new Ongoing();
        Calls.Ongoing meanwhileOfRust = callsOfRust == null ? null : callsOfRust.new Ongoing();
        run.restartServer();
        long watchedUntil = System.nanoTime() + WATCHED_FOR.toNanos();
        long end = System.nanoTime() + BACK_WITHIN.toNanos();
        eventually(left(end), "instances of " + apps.provider, both, () -> askAnew(apps.provider));
        eventually(left(end), "instances of " + apps.consumer, 1, () -> askAnew(apps.consumer).size());
        String note = "instances back after " + (BACK_WITHIN.toMillis() - left(end).toMillis()) + " ms, ";
        eventually(left(end), "a new publish", true, () -> publish("good night"));
        for (ConfigurableApplicationContext provider : List.of(first, second)) {
            eventually(left(end), "greeting", "good night", provider.getBean(Provider.Greeting.class)::text);
        }
        third = apps.startProvider("third", 1);
        firstCallTo("third");
        note += meanwhile.expectNoneFailedUntil(watchedUntil);
        if (meanwhileOfRust != null) {
            note += ", of Rust: " + meanwhileOfRust.expectNoneFailed();
        }
        expectEqual("instances of " + apps.provider, 3, askAnew(apps.provider).size());
        return note;
    }

    private String shutdown() throws Exception {
        for (ConfigurableApplicationContext app : Arrays.asList(consumer, third, second, first)) {
            if (app != null) {
                app.close();
            }
        }
        if (rust != null) {
            rust.leave();
        }
        peer.close();
        long end = System.nanoTime() + GONE_WITHIN.toNanos();
        for (String service : List.of(apps.provider, apps.consumer, apps.rust)) {
            eventually(left(end), "instances of " + service, List.of(), () -> askAnew(service));
        }
        return null;
    }

    /** Waits until nobody else answers any more, and then for a hundred more calls. A call must not even be tried. */
    private String onlyFirst() throws Exception {
        long began = System.nanoTime();
        Map<String, Integer> only = Map.of("first", 100);
        eventually(FOLLOWED_WITHIN, "who answered", only, () -> calls.spread(100));
        return "after " + Math.max(0, millisSince(began)) + " ms";
    }

    /** Switches the second instance on or off, as the console does, past the application. */
    private void operate(boolean enabled) throws Exception {
        String where = "http://" + peer.server + "/nacos/v1/ns/instance?serviceName=" + apps.provider
                + "&ip=" + Apps.HOST + "&port=" + Apps.port(second) + "&enabled=" + enabled;
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(where)).method("PATCH", BodyPublishers.noBody()).build();
        expectEqual("status", 200, HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).statusCode());
    }

    private boolean publish(String greeting) throws NacosException {
        return peer.publish(apps.dataId, GROUP, "story:\n  greeting: " + greeting + "\n", "yaml");
    }

    private List<String> ask(String service) throws NacosException {
        return peer.instances(service).stream().map(Main::text).sorted().toList();
    }

    private List<String> askAnew(String service) throws NacosException {
        return peer.instancesAnew(service).stream().map(Main::text).sorted().toList();
    }

    private static String text(Instance i) {
        return i.getIp() + ":" + i.getPort() + " " + i.getClusterName() + " weight " + i.getWeight()
                + (i.isHealthy() ? "" : " unhealthy") + (i.isEphemeral() ? "" : " persistent") + " "
                + new TreeMap<>(i.getMetadata());
    }

    /** What Spring must have registered for a provider with a name, or for the consumer, which has none. */
    private static String text(String name, ConfigurableApplicationContext app, double weight) {
        Map<String, String> metadata = new TreeMap<>(Map.of("preserved.register.source", "SPRING_CLOUD"));
        if (name != null) {
            metadata.put("zone", "zone of " + name);
        }
        return Apps.HOST + ":" + Apps.port(app) + " DEFAULT weight " + weight + " " + metadata;
    }

    private static long millisSince(long beganNanos) {
        return (System.nanoTime() - beganNanos) / 1_000_000;
    }
}
