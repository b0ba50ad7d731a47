// Starts the story's applications, all in this program, each with a Dubbo of its own. Registry, config centre and
// metadata centre are the same server. Every name carries the run's own suffix.

package nacrite.interop;

import java.io.IOException;
import java.net.ServerSocket;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ConfigCenterConfig;
import org.apache.dubbo.config.MetadataReportConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.model.FrameworkModel;

final class Apps {
    static final String VERSION = "1.0.0";
    private static final String SUFFIX = String.format("%08x", ThreadLocalRandom.current().nextInt());
    private static final String CALL_WITHIN_MS = "2000";

    /** The name of the provider's application, and of its service in the registry when applications are discovered. */
    final String provider = "greeter-" + SUFFIX;
    final String consumer = "caller-" + SUFFIX;
    final String group = "run-" + SUFFIX;
    /** What every application reads from the config centre when it starts. */
    final String properties = "dubbo-" + SUFFIX + ".properties";
    private final String address;

    /** An application that runs. */
    record Provider(DubboBootstrap dubbo, int port) {}

    /** An application that runs, and its view of the provider. */
    record Consumer(DubboBootstrap dubbo, Greeter greeter) {}

    Apps(String server) {
        address = "nacos://" + server;
    }

    /** The service in the registry when interfaces are discovered. */
    String byInterface(String category) {
        return category + ":" + Greeter.class.getName() + ":" + VERSION + ":" + group;
    }

    Provider startProvider(String name) throws IOException {
        DubboBootstrap dubbo = bootstrap(provider);
        int port = freePort();
        ProtocolConfig protocol = new ProtocolConfig("dubbo", port);
        ServiceConfig<Greeter> service = new ServiceConfig<>();
        service.setInterface(Greeter.class);
        service.setRef(() -> name);
        service.setVersion(VERSION);
        service.setGroup(group);
        dubbo.protocol(protocol).service(service).start();
        return new Provider(dubbo, port);
    }

    /** A consumer that finds providers in one way only: `FORCE_INTERFACE` or `FORCE_APPLICATION`. */
    Consumer startConsumer(String way) {
        DubboBootstrap dubbo = bootstrap(consumer);
        ReferenceConfig<Greeter> reference = new ReferenceConfig<>();
        reference.setInterface(Greeter.class);
        reference.setVersion(VERSION);
        reference.setGroup(group);
        reference.setScope("remote"); // never a call inside this program
        reference.setRetries(0); // a call that fails must be seen
        reference.setTimeout(Integer.valueOf(CALL_WITHIN_MS));
        reference.setParameters(Map.of("migration.step", way));
        dubbo.reference(reference).start();
        return new Consumer(dubbo, reference.get());
    }

    private DubboBootstrap bootstrap(String name) {
        ApplicationConfig application = new ApplicationConfig(name);
        application.setRegisterMode("all");
        application.setMetadataType("remote");
        application.setQosEnable(false);
        application.setShutwait("500");
        application.setEnableFileCache(false); // a file would answer for the server
        RegistryConfig registry = new RegistryConfig(address);
        registry.setParameters(Map.of("register-consumer-url", "true"));
        ConfigCenterConfig configCentre = new ConfigCenterConfig();
        configCentre.setAddress(address);
        configCentre.setConfigFile(properties);
        MetadataReportConfig metadataCentre = new MetadataReportConfig();
        metadataCentre.setAddress(address);
        return DubboBootstrap.newInstance(new FrameworkModel())
                .application(application)
                .registry(registry)
                .configCenter(configCentre)
                .metadataReport(metadataCentre);
    }

    private static int freePort() throws IOException {
        try (ServerSocket any = new ServerSocket(0)) {
            return any.getLocalPort();
        }
    }
}
