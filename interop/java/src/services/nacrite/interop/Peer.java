// A plain Nacos client beside the services of a story: looks at what the server has, publishes configs.

package nacrite.interop;

import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.PropertyKeyConst;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.client.config.utils.SnapShotSwitch;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

final class Peer {
    private static final String GROUP = "DEFAULT_GROUP";
    private static final long CONFIG_WITHIN_MS = 3000;

    final String server;
    private final NamingService naming;
    private final ConfigService config;

    Peer(String server) throws NacosException {
        this.server = server;
        // A snapshot on disk would answer for the server when the server cannot.
        SnapShotSwitch.setIsSnapShot(false);
        naming = NacosFactory.createNamingService(properties());
        config = NacosFactory.createConfigService(properties());
    }

    List<Instance> instances(String service) throws NacosException {
        return instances(naming, service);
    }

    /** Asks with a client that remembers nothing. */
    List<Instance> instancesAnew(String service) throws NacosException {
        NamingService anew = NacosFactory.createNamingService(properties());
        try {
            return instances(anew, service);
        } finally {
            anew.shutDown();
        }
    }

    boolean publish(String dataId, String group, String content, String type) throws NacosException {
        return config.publishConfig(dataId, group, content, type);
    }

    boolean remove(String dataId, String group) throws NacosException {
        return config.removeConfig(dataId, group);
    }

    String config(String dataId, String group) throws NacosException {
        return config.getConfig(dataId, group, CONFIG_WITHIN_MS);
    }

    void close() throws NacosException {
        naming.shutDown();
        config.shutDown();
    }

    private static List<Instance> instances(NamingService naming, String service) throws NacosException {
        return naming.getAllInstances(service, GROUP, new ArrayList<>(), false);
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.setProperty(PropertyKeyConst.SERVER_ADDR, server);
        return properties;
    }
}
