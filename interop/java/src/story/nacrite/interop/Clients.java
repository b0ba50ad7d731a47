// Makes clients for one run and knows the run's names. Every name carries the run's own suffix, so that runs do not
// meet each other's leavings on the server.

package nacrite.interop;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.client.config.utils.SnapShotSwitch;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;

final class Clients {
    static final String DEFAULT_GROUP = "DEFAULT_GROUP";
    /** The namespace every client is in when it names none. */
    static final String PUBLIC = "";

    final String suffix = String.format("%08x", ThreadLocalRandom.current().nextInt());
    final String group = "GROUP-" + suffix;
    final String namespace = "ns-" + suffix;
    private final String server;

    Clients(String server) {
        this.server = server;
        // A snapshot on disk would answer for the server when the server cannot.
        SnapShotSwitch.setIsSnapShot(false);
    }

    NamingService naming(String namespace) throws NacosException {
        return NacosFactory.createNamingService(properties(namespace));
    }

    ConfigService config(String namespace) throws NacosException {
        return NacosFactory.createConfigService(properties(namespace));
    }

    private Properties properties(String namespace) {
        Properties properties = new Properties();
        properties.setProperty(PropertyKeyConst.SERVER_ADDR, server);
        // The 3.x line blocks two of its workers for good, and asks for patterns with a third, which two cores do not give.
        properties.setProperty("clientWorkerThreadCount", "4");
        if (!namespace.isEmpty()) {
            properties.setProperty(PropertyKeyConst.NAMESPACE, namespace);
        }
        return properties;
    }
}
