// The story of Dubbo applications: providers that register by interface and by application, one consumer for each of
// the two ways.

package nacrite.interop;

import static nacrite.interop.Steps.eventually;
import static nacrite.interop.Steps.expect;
import static nacrite.interop.Steps.expectAnswer;
import static nacrite.interop.Steps.expectEqual;
import static nacrite.interop.Steps.left;

import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.logging.LogManager;
import java.util.stream.Stream;

public final class Main {
    /** Where Dubbo's config centre keeps settings and rules. */
    private static final String RULES = "dubbo";
    /** From the end of a start, a stop or a publish to the calls that follow it. */
    private static final Duration FOLLOWED_WITHIN = Duration.ofSeconds(5);
    /** Clients register again in rounds of 3 s; what a server shows of its own accord until then is over by this. */
    private static final Duration WATCHED_FOR = Duration.ofSeconds(8);
    private static final Duration BACK_WITHIN = Duration.ofSeconds(20);
    private static final Duration GONE_WITHIN = Duration.ofSeconds(3);
    private static final int CALLS = 60;

    private final Peer peer;
    private final Apps apps;
    private Apps.Provider first;
    private Apps.Provider second;
    private Apps.Provider third;
    private Apps.Consumer byInterface;
    private Apps.Consumer byApplication;
    private List<Calls> calls = List.of();

    private Main(String server) throws NacosException {
        peer = new Peer(server);
        apps = new Apps(server);
    }

    public static void main(String[] args) {
        Run run = Run.of(args);
        LogManager.getLogManager().reset(); // the gRPC inside the client would write to the console
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
        steps.step("applications-start", this::start);
        if (calls.isEmpty()) {
            return; // nothing below can be told
        }
        steps.step("registered-by-interface", this::registeredByInterface);
        steps.step("registered-by-application", this::registeredByApplication);
        steps.step("consumers-registered", this::consumersRegistered);
        steps.step("metadata-centre-written", this::metadataWritten);
        steps.step("call-by-interface", () -> expectSpread(calls.get(0), "first"));
        steps.step("call-by-application", () -> expectSpread(calls.get(1), "first"));
        steps.step("second-provider-gets-calls", this::secondProvider);
        steps.step("route-rule-followed", this::routeRule);
        steps.step("stopped-provider-gets-none", this::stopped);
        steps.step("restart-survived", () -> surviveRestart(run));
        steps.step("shutdown-leaves-nothing", this::shutdown);
    }

    private String start() throws Exception {
        peer.publish(apps.properties, RULES, "dubbo.provider.weight=70\n", "properties");
        first = apps.startProvider("first");
        byInterface = apps.startConsumer("FORCE_INTERFACE");
        byApplication = apps.startConsumer("FORCE_APPLICATION");
        calls = List.of(new Calls(byInterface.greeter()::greet), new Calls(byApplication.greeter()::greet));
        return null;
    }

    private String registeredByInterface() throws Exception {
        String service = apps.byInterface("providers");
        expectAnswer("ports of " + service, List.of(first.port()), () -> ports(peer.instances(service)));
        Map<String, String> metadata = peer.instances(service).get(0).getMetadata();
        Map<String, String> expected = Map.of("application", apps.provider, "interface", Greeter.class.getName(),
                "category", "providers", "side", "provider", "protocol", "dubbo", "methods", "greet", "version",
                Apps.VERSION, "group", apps.group, "weight", "70"); // the weight is from the config centre
        expected.forEach((key, value) -> expectEqual(key, value, metadata.get(key)));
        return null;
    }

    private String registeredByApplication() throws Exception {
        expectAnswer("ports of " + apps.provider, List.of(first.port()), () -> ports(peer.instances(apps.provider)));
        Map<String, String> metadata = peer.instances(apps.provider).get(0).getMetadata();
        expectEqual("storage type", "remote", metadata.get("dubbo.metadata.storage-type"));
        String endpoints = metadata.get("dubbo.endpoints");
        expect(endpoints != null && endpoints.contains("" + first.port()), "expected its port, saw " + endpoints);
        return null;
    }

    private String consumersRegistered() throws Exception {
        String service = apps.byInterface("consumers");
        expectAnswer("sides of " + service, List.of("consumer"),
                () -> peer.instances(service).stream().map(i -> i.getMetadata().get("side")).distinct().toList());
        return null;
    }

    /** Which application serves the interface is published by compare-and-set; its metadata under its revision. */
    private String metadataWritten() throws Exception {
        expectAnswer("applications of the interface", apps.provider,
                () -> peer.config(Greeter.class.getName(), "mapping"));
        String revision = peer.instances(apps.provider).get(0).getMetadata().get("dubbo.metadata.revision");
        String metadata = peer.config(apps.provider, revision);
        expect(metadata != null && metadata.contains(Greeter.class.getName()), "expected metadata, saw " + metadata);
        return null;
    }

    private String secondProvider() throws Exception {
        second = apps.startProvider("second");
        return followed("first", "second");
    }

    /** A rule in the config centre sends the consumer's calls to one provider, and is taken back. */
    private String routeRule() throws Exception {
        String rule = "configVersion: v3.0\nscope: application\nkey: " + apps.consumer
                + "\nforce: true\nruntime: true\nenabled: true\nconditions:\n  - '=> port = " + second.port() + "'\n";
        String dataId = apps.consumer + ".condition-router";
        peer.publish(dataId, RULES, rule, "yaml");
        String note = followed("second");
        peer.remove(dataId, RULES);
        followed("first", "second");
        return note;
    }

    private String stopped() throws Exception {
        List<Calls.Ongoing> meanwhile = ongoing();
        second.dubbo().stop();
        for (Calls each : calls) {
            expectSpread(each, "first");
        }
        List<String> notes = new ArrayList<>();
        for (Calls.Ongoing each : meanwhile) {
            notes.add(each.expectNoneFailed());
        }
        expectAnswer("ports", List.of(first.port()), () -> ports(peer.instances(apps.byInterface("providers"))));
        expectAnswer("ports", List.of(first.port()), () -> ports(peer.instances(apps.provider)));
        return notes.toString();
    }

    private String surviveRestart(Run run) throws Exception {
        run.skipUnlessRestarts();
        second = apps.startProvider("second");
        followed("first", "second");
        List<Integer> both = Stream.of(first.port(), second.port()).sorted().toList();
        List<Calls.Ongoing> meanwhile = ongoing();
        run.restartServer();
        long watchedUntil = System.nanoTime() + WATCHED_FOR.toNanos();
        long end = System.nanoTime() + BACK_WITHIN.toNanos();
        for (String service : List.of(apps.byInterface("providers"), apps.provider)) {
            eventually(left(end), "ports of " + service, both, () -> ports(peer.instancesAnew(service)));
        }
        String note = "instances back after " + (BACK_WITHIN.toMillis() - left(end).toMillis()) + " ms, ";
        third = apps.startProvider("third");
        note += "a new one followed " + followed("first", "second", "third");
        for (Calls.Ongoing each : meanwhile) {
            note += "; " + each.expectNoneFailedUntil(watchedUntil);
        }
        for (String service : List.of(apps.byInterface("providers"), apps.provider)) {
            expectEqual("instances of " + service, 3, peer.instancesAnew(service).size());
        }
        return note;
    }

    private String shutdown() throws Exception {
        for (Apps.Consumer consumer : Arrays.asList(byInterface, byApplication)) {
            consumer.dubbo().stop();
        }
        for (Apps.Provider provider : Arrays.asList(third, second, first)) {
            if (provider != null) {
                provider.dubbo().stop();
            }
        }
        peer.close();
        long end = System.nanoTime() + GONE_WITHIN.toNanos();
        for (String service : List.of(apps.byInterface("providers"), apps.byInterface("consumers"), apps.provider)) {
            eventually(left(end), "ports of " + service, List.of(), () -> ports(peer.instancesAnew(service)));
        }
        return null;
    }

    /** Waits until the calls of both consumers reach exactly the named providers. */
    private String followed(String... names) throws Exception {
        long began = System.nanoTime();
        for (Calls each : calls) {
            eventually(FOLLOWED_WITHIN, "who answered", List.of(names), () -> answerers(each));
        }
        return "after " + (System.nanoTime() - began) / 1_000_000 + " ms";
    }

    private static String expectSpread(Calls calls, String... names) throws Exception {
        expectEqual("who answered", List.of(names), answerers(calls));
        return null;
    }

    private static List<String> answerers(Calls calls) throws Exception {
        return calls.spread(CALLS).keySet().stream().sorted().toList();
    }

    private List<Calls.Ongoing> ongoing() {
        List<Calls.Ongoing> ongoing = new ArrayList<>();
        for (Calls each : calls) {
            ongoing.add(each.new Ongoing());
        }
        return ongoing;
    }

    private static List<Integer> ports(List<Instance> instances) {
        return instances.stream().map(Instance::getPort).sorted().toList();
    }
}
