// The calls that clients of the 2.x and 3.x lines have and the 1.x line has not.

package nacrite.interop;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.util.List;

final class Newer {
    /** Since 2.0 the connection is the lease, and changes are pushed over it. */
    static final boolean OVER_HTTP = false;

    private Newer() {}

    static void batchRegister(NamingService naming, String service, String group, List<Instance> instances)
            throws NacosException {
        naming.batchRegisterInstance(service, group, instances);
    }

    static boolean publishCas(ConfigService config, String dataId, String group, String content, String md5)
            throws NacosException {
        return config.publishConfigCas(dataId, group, content, md5);
    }
}
