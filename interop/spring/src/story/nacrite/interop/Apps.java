// Starts the story's services, each a Spring application of its own with a port of its own, all in this program. Every
// name carries the run's own suffix.

package nacrite.interop;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;

final class Apps {
    static final String HOST = "127.0.0.1";
    private static final String SUFFIX = String.format("%08x", ThreadLocalRandom.current().nextInt());

    final String provider = "provider-" + SUFFIX;
    final String consumer = "consumer-" + SUFFIX;
    /** The service in Rust, which is started elsewhere. */
    final String rust = "rust-" + SUFFIX;
    /** What the providers import. */
    final String dataId = provider + ".yaml";
    private final String server;

    Apps(String server) {
        this.server = server;
    }

    ConfigurableApplicationContext startProvider(String name, float weight) {
        Map<String, Object> more = new LinkedHashMap<>();
        more.put("story.name", name);
        more.put("spring.cloud.nacos.discovery.weight", weight);
        more.put("spring.cloud.nacos.discovery.metadata.zone", "zone of " + name);
        more.put("spring.config.import", "nacos:" + dataId + ",optional:nacos:absent-" + dataId);
        return start(Provider.class, provider, more);
    }

    ConfigurableApplicationContext startConsumer() {
        Map<String, Object> more = new LinkedHashMap<>();
        more.put("spring.cloud.loadbalancer.nacos.enabled", true);
        // Spring's own cache would answer for up to 35 s, whatever the server pushed.
        more.put("spring.cloud.loadbalancer.cache.enabled", false);
        more.put("spring.cloud.nacos.config.enabled", false);
        return start(Consumer.class, consumer, more);
    }

    static int port(ConfigurableApplicationContext app) {
        return app.getEnvironment().getRequiredProperty("local.server.port", Integer.class);
    }

    private ConfigurableApplicationContext start(Class<?> app, String name, Map<String, Object> more) {
        Map<String, Object> properties = new LinkedHashMap<>(more);
        properties.put("spring.application.name", name);
        properties.put("spring.cloud.nacos.server-addr", server);
        properties.put("spring.cloud.nacos.discovery.ip", HOST);
        // How long a service goes on answering after it deregistered.
        properties.put("spring.cloud.nacos.discovery.graceful-shutdown-wait-time", 500);
        properties.put("server.port", 0);
        properties.put("server.tomcat.threads.max", 8);
        properties.put("spring.main.banner-mode", "off");
        return new SpringApplicationBuilder(app).properties(properties).registerShutdownHook(false).run();
    }
}
