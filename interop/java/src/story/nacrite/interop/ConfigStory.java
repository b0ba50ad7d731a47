// Steps 15 to 20: publishing, reading, listening, removing. The writer changes, the reader reads and listens.

package nacrite.interop;

import static nacrite.interop.Clients.DEFAULT_GROUP;
import static nacrite.interop.Steps.expect;
import static nacrite.interop.Steps.expectAnswer;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.exception.NacosException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;

final class ConfigStory {
    static final Duration TOLD_WITHIN = Duration.ofSeconds(1);
    /** The first comparison with the server may wait for a round of the client's own clock. */
    private static final Duration FIRST_WITHIN = Duration.ofSeconds(6);
    private static final long CALL_MS = 5000;
    private static final String UNICODE =
            "# 配置 – ключ – مفتاح\nemoji: \"🚀🧭 👩‍👩‍👧\"\nquote: 'a+b=c&d%20e'\n\ttab: \\n\n";
    private static final int MEBIBYTE = 1 << 20;

    final String live;
    final ConfigService writer;
    final ConfigService reader;
    final ConfigService stranger;
    final Told<String> told = new Told<>();
    private final Clients clients;

    ConfigStory(Clients clients) throws NacosException {
        this.clients = clients;
        live = id("live");
        writer = clients.config(Clients.PUBLIC);
        reader = clients.config(Clients.PUBLIC);
        stranger = clients.config(clients.namespace);
    }

    void tell(Steps steps) {
        steps.step("config-round-trip", this::roundTrip);
        steps.step("config-one-mebibyte", this::oneMebibyte);
        steps.step("config-compare-and-set", this::compareAndSet);
        steps.step("config-listener-told", this::listenerTold);
        steps.step("config-elsewhere-is-apart", this::elsewhereIsApart);
        steps.step("config-remove", this::remove);
    }

    private String roundTrip() throws Exception {
        publish(writer, id("app"), DEFAULT_GROUP, UNICODE);
        expectAnswer("content", UNICODE, () -> get(reader, id("app"), DEFAULT_GROUP));
        return null;
    }

    private String oneMebibyte() throws Exception {
        String line = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
        String content = line.repeat(MEBIBYTE / line.length() + 1).substring(0, MEBIBYTE);
        publish(writer, id("big"), DEFAULT_GROUP, content);
        expectAnswer("content", content, () -> get(reader, id("big"), DEFAULT_GROUP));
        return null;
    }

    private String compareAndSet() throws Exception {
        String dataId = id("cas");
        publish(writer, dataId, DEFAULT_GROUP, "one");
        expect(Newer.publishCas(writer, dataId, DEFAULT_GROUP, "two", md5("one")),
                "expected true from a publish with the right md5, saw false");
        expectAnswer("content after the right md5", "two", () -> get(reader, dataId, DEFAULT_GROUP));
        boolean lost = false;
        try {
            lost = !Newer.publishCas(writer, dataId, DEFAULT_GROUP, "three", md5("one"));
        } catch (NacosException refused) {
            lost = true;
        }
        expect(lost, "expected a publish with the wrong md5 to fail, saw it succeed");
        expectAnswer("content after the wrong md5", "two", () -> get(reader, dataId, DEFAULT_GROUP));
        return null;
    }

    private String listenerTold() throws Exception {
        publish(writer, live, DEFAULT_GROUP, "one");
        reader.addListener(live, DEFAULT_GROUP, new AbstractListener() {
            @Override
            public void receiveConfigInfo(String content) {
                told.add(content);
            }
        });
        told.expect("one", 0, System.nanoTime(), FIRST_WITHIN);
        return publishAndExpect("two");
    }

    /** The writer publishes; the reader's listener must be told within a second. */
    String publishAndExpect(String content) throws Exception {
        int after = told.count();
        publish(writer, live, DEFAULT_GROUP, content);
        return told.expect(content, after, System.nanoTime(), TOLD_WITHIN);
    }

    private String elsewhereIsApart() throws Exception {
        String dataId = id("app");
        expectAnswer("content in the empty group", null, () -> get(reader, dataId, clients.group));
        expectAnswer("content in the empty namespace", null, () -> get(stranger, dataId, DEFAULT_GROUP));
        publish(writer, dataId, clients.group, "of the group");
        publish(stranger, dataId, DEFAULT_GROUP, "of the namespace");
        expectAnswer("content in the group", "of the group", () -> get(reader, dataId, clients.group));
        expectAnswer("content in the namespace", "of the namespace", () -> get(stranger, dataId, DEFAULT_GROUP));
        expectAnswer("content in the default group", UNICODE, () -> get(reader, dataId, DEFAULT_GROUP));
        return null;
    }

    private String remove() throws Exception {
        int after = told.count();
        expect(writer.removeConfig(live, DEFAULT_GROUP), "expected true from removeConfig, saw false");
        long changed = System.nanoTime();
        expectAnswer("content after removal", null, () -> get(reader, live, DEFAULT_GROUP));
        return told.expect(null, after, changed, TOLD_WITHIN);
    }

    static String get(ConfigService client, String dataId, String group) throws NacosException {
        return client.getConfig(dataId, group, CALL_MS);
    }

    private static void publish(ConfigService client, String dataId, String group, String content)
            throws NacosException {
        boolean done = client.publishConfig(dataId, group, content);
        expect(done, "expected true from publishConfig of " + dataId + ", saw false");
    }

    private String id(String name) {
        return name + "-" + clients.suffix;
    }

    private static String md5(String text) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.UTF_8)));
    }
}
