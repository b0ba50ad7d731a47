// The calls that clients of the 2.x and 3.x lines have and the 1.x line has not.

package nacrite.interop;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.util.List;

final class Newer {
    /** The 1.x line speaks HTTP: instances live by heart-beats; a service's list is polled, and pushed over UDP. */
    static final boolean OVER_HTTP = true;

    private Newer() {}

    static void batchRegister(NamingService naming, String service, String group, List<Instance> instances) {
        throw new Steps.Skip("nacos-client 1.x has no batchRegisterInstance");
    }

    static boolean publishCas(ConfigService config, String dataId, String group, String content, String md5) {
        throw new Steps.Skip("nacos-client 1.x has no publishConfigCas");
    }
}
