// Steps 1 to 14: registering, asking, subscribing. Three clients act: the owner registers, the peer changes things and
// asks, the watcher only subscribes. A fourth, the stranger, lives in another namespace.

package nacrite.interop;

import static nacrite.interop.Clients.DEFAULT_GROUP;
import static nacrite.interop.Steps.expect;
import static nacrite.interop.Steps.expectAnswer;
import static nacrite.interop.Steps.expectEqual;

import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.api.naming.pojo.ListView;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

final class NamingStory {
    /** Pushed changes must come within a second, over a connection or over UDP. */
    static final Duration PUSHED_WITHIN = Duration.ofSeconds(1);
    /** Polled ones come within the 10 s that the server asks for, and a bit. */
    static final Duration POLLED_WITHIN = Duration.ofSeconds(11);
    private static final List<String> ANY_CLUSTER = new ArrayList<>();

    final String orders;
    final String fleet;
    final NamingService owner;
    final NamingService peer;
    final NamingService watcher;
    final NamingService stranger;
    final Told<List<String>> told = new Told<>();
    final EventListener listener = listenInto(told);
    private final Clients clients;
    private final Duration toldWithin;

    NamingStory(Clients clients, Duration toldWithin) throws NacosException {
        this.clients = clients;
        this.toldWithin = toldWithin;
        orders = "orders-" + clients.suffix;
        fleet = "fleet-" + clients.suffix;
        owner = clients.naming(Clients.PUBLIC);
        peer = clients.naming(Clients.PUBLIC);
        watcher = clients.naming(Clients.PUBLIC);
        stranger = clients.naming(clients.namespace);
    }

    void tell(Steps steps) {
        steps.step("register-instance", this::register);
        steps.step("query-instance-back", this::queryBack);
        steps.step("batch-register", this::batchRegister);
        steps.step("query-by-cluster", this::queryByCluster);
        steps.step("query-healthy-only", this::queryHealthyOnly);
        steps.step("subscriber-sees-new-instance", this::subscriberSeesNewInstance);
        steps.step("subscriber-sees-metadata", () -> change(a("z2", 2.5), a("z2", 2.5), b()));
        steps.step("subscriber-sees-weight", () -> change(a("z2", 7), a("z2", 7), b()));
        steps.step("subscriber-sees-deregister", this::subscriberSeesDeregister);
        steps.step("other-group-is-apart", this::otherGroupIsApart);
        steps.step("other-namespace-is-apart", this::otherNamespaceIsApart);
        steps.step("select-one-healthy", this::selectOneHealthy);
        steps.step("list-services", this::listServices);
        steps.step("unsubscribe-is-silent", this::unsubscribeIsSilent);
    }

    private String register() throws NacosException {
        owner.registerInstance(orders, DEFAULT_GROUP, a("z1", 2.5));
        return null;
    }

    private String queryBack() throws Exception {
        expectAnswer("instances", texts(a("z1", 2.5)), () -> ask(peer, orders, DEFAULT_GROUP));
        return null;
    }

    private String batchRegister() throws Exception {
        Newer.batchRegister(owner, fleet, DEFAULT_GROUP, fleetMembers());
        expectAnswer("instances", texts(fleetMembers()), () -> ask(peer, fleet, DEFAULT_GROUP));
        return null;
    }

    private String queryByCluster() throws Exception {
        if (Newer.OVER_HTTP) { // no batch call, but every instance is a registration of its own
            for (Instance member : fleetMembers()) {
                owner.registerInstance(fleet, DEFAULT_GROUP, member);
            }
        }
        for (String names : List.of("blue", "green", "blue,green", "grey")) {
            List<String> asked = List.of(names.split(","));
            List<String> expected =
                    texts(fleetMembers().stream().filter(i -> asked.contains(i.getClusterName())).toList());
            expectAnswer("instances of " + asked, expected,
                    () -> texts(peer.getAllInstances(fleet, DEFAULT_GROUP, new ArrayList<>(asked), false)));
        }
        return null;
    }

    private String queryHealthyOnly() throws Exception {
        for (boolean healthy : new boolean[] {true, false}) {
            List<String> expected = texts(fleetMembers().stream().filter(i -> i.isHealthy() == healthy).toList());
            expectAnswer("instances with healthy=" + healthy, expected,
                    () -> texts(peer.selectInstances(fleet, DEFAULT_GROUP, ANY_CLUSTER, healthy, false)));
        }
        return null;
    }

    private String subscriberSeesNewInstance() throws Exception {
        watcher.subscribe(orders, DEFAULT_GROUP, listener);
        told.expect(texts(a("z1", 2.5)), 0, System.nanoTime(), toldWithin);
        int after = told.count();
        peer.registerInstance(orders, DEFAULT_GROUP, b());
        return told.expect(texts(a("z1", 2.5), b()), after, System.nanoTime(), toldWithin);
    }

    /** The owner registers its instance anew; the watcher must be told all of `expected`. */
    private String change(Instance anew, Instance... expected) throws Exception {
        int after = told.count();
        owner.registerInstance(orders, DEFAULT_GROUP, anew);
        return told.expect(texts(expected), after, System.nanoTime(), toldWithin);
    }

    private String subscriberSeesDeregister() throws Exception {
        int after = told.count();
        peer.deregisterInstance(orders, DEFAULT_GROUP, b());
        String note = told.expect(texts(a("z2", 7)), after, System.nanoTime(), toldWithin);
        after = told.count();
        owner.deregisterInstance(orders, DEFAULT_GROUP, a("z2", 7));
        long changed = System.nanoTime();
        expectAnswer("instances right after the last left", List.of(), () -> ask(peer, orders, DEFAULT_GROUP));
        told.expect(List.of(), after, changed, toldWithin);
        return note;
    }

    private String otherGroupIsApart() throws Exception {
        owner.registerInstance(orders, DEFAULT_GROUP, a("z1", 1));
        expectAnswer("instances of the empty group", List.of(), () -> ask(peer, orders, clients.group));
        peer.registerInstance(orders, clients.group, b());
        expectAnswer("instances of the group", texts(b()), () -> ask(owner, orders, clients.group));
        expectAnswer("instances of the default group", texts(a("z1", 1)), () -> ask(peer, orders, DEFAULT_GROUP));
        return null;
    }

    private String otherNamespaceIsApart() throws Exception {
        expectAnswer("instances of the empty namespace", List.of(), () -> ask(stranger, orders, DEFAULT_GROUP));
        stranger.registerInstance(orders, DEFAULT_GROUP, b());
        expectAnswer("instances of the namespace", texts(b()), () -> ask(stranger, orders, DEFAULT_GROUP));
        expectAnswer("instances of the public namespace", texts(a("z1", 1)), () -> ask(peer, orders, DEFAULT_GROUP));
        return null;
    }

    private String selectOneHealthy() throws NacosException {
        for (int i = 0; i < 20; i++) {
            Instance one = peer.selectOneHealthyInstance(fleet, DEFAULT_GROUP, ANY_CLUSTER, false);
            List<Instance> healthy = peer.selectInstances(fleet, DEFAULT_GROUP, ANY_CLUSTER, true, false);
            expect(one != null && texts(healthy).contains(text(one)),
                    "expected a healthy instance of " + fleet + ", saw " + one);
        }
        return null;
    }

    private String listServices() throws Exception {
        for (NamingService client : List.of(peer, stranger)) {
            String group = client == peer ? clients.group : DEFAULT_GROUP;
            expectAnswer("services of " + group, "1 " + List.of(orders), () -> {
                ListView<String> seen = client.getServicesOfServer(1, 10, group);
                return seen.getCount() + " " + seen.getData();
            });
        }
        return null;
    }

    private String unsubscribeIsSilent() throws Exception {
        Told<List<String>> stillTold = new Told<>();
        EventListener second = listenInto(stillTold);
        peer.subscribe(orders, DEFAULT_GROUP, second);
        stillTold.expect(texts(a("z1", 1)), 0, System.nanoTime(), toldWithin);
        watcher.unsubscribe(orders, DEFAULT_GROUP, listener);
        int silent = told.count();
        // The second subscriber proves that the changes went out, and two of them that a poll would have come by.
        for (int weight = 2; weight <= 3; weight++) {
            int after = stillTold.count();
            owner.registerInstance(orders, DEFAULT_GROUP, a("z1", weight));
            stillTold.expect(texts(a("z1", weight)), after, System.nanoTime(), toldWithin);
        }
        peer.unsubscribe(orders, DEFAULT_GROUP, second);
        expectEqual("callbacks after unsubscribing", silent, told.count());
        return null;
    }

    static EventListener listenInto(Told<List<String>> told) {
        return event -> told.add(texts(((NamingEvent) event).getInstances()));
    }

    /** Asks the server itself, not the client's cache. */
    static List<String> ask(NamingService client, String service, String group) throws NacosException {
        return texts(client.getAllInstances(service, group, new ArrayList<>(), false));
    }

    /** The owner's instance of `orders`. */
    static Instance a(String zone, double weight) {
        return instance("10.1.0.1", "blue", weight, true, Map.of("zone", zone, "note", "甲乙 & \"丙\" = 🚀"));
    }

    /** The peer's instance of `orders`. */
    static Instance b() {
        return instance("10.1.0.2", "blue", 1, true, Map.of());
    }

    static List<Instance> fleetMembers() {
        return List.of(
                instance("10.1.1.1", "blue", 1, true, Map.of()),
                instance("10.1.1.2", "blue", 1, false, Map.of()),
                instance("10.1.1.3", "green", 1, true, Map.of()));
    }

    private static Instance instance(
            String ip, String cluster, double weight, boolean healthy, Map<String, String> metadata) {
        Instance instance = new Instance();
        instance.setIp(ip);
        instance.setPort(8080);
        instance.setClusterName(cluster);
        instance.setWeight(weight);
        instance.setHealthy(healthy);
        instance.setMetadata(new TreeMap<>(metadata));
        return instance;
    }

    static List<String> texts(Instance... instances) {
        return texts(Arrays.asList(instances));
    }

    static List<String> texts(List<Instance> instances) {
        return instances.stream().map(NamingStory::text).sorted().toList();
    }

    /** All that a client may ask about an instance, as one comparable line. */
    private static String text(Instance i) {
        return i.getIp() + ":" + i.getPort() + " " + i.getClusterName() + " weight=" + i.getWeight()
                + (i.isHealthy() ? "" : " unhealthy") + (i.isEnabled() ? "" : " disabled")
                + (i.isEphemeral() ? "" : " persistent") + " " + new TreeMap<>(i.getMetadata());
    }
}
