// Step 21: watching names by pattern. What is there is told first, then what comes and goes.

package nacrite.interop;

import static nacrite.interop.Clients.DEFAULT_GROUP;

import com.alibaba.nacos.api.config.listener.ConfigFuzzyWatchChangeEvent;
import com.alibaba.nacos.api.naming.listener.AbstractFuzzyWatchEventWatcher;
import com.alibaba.nacos.api.naming.listener.FuzzyWatchChangeEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

final class PatternStory {
    /** The first comparison with the server may wait for a round of the client's own clock. */
    private static final Duration FIRST_WITHIN = Duration.ofSeconds(6);
    private static final Duration TOLD_WITHIN = Duration.ofSeconds(1);
    /** More than one batch of either kind. */
    private static final int THERE = 23;

    private final Told<String> services = new Told<>();
    private final Told<String> configs = new Told<>();

    private PatternStory() {}

    static String tell(Clients clients, NamingStory naming, ConfigStory config) throws Exception {
        PatternStory story = new PatternStory();
        String prefix = "watched-" + clients.suffix + "-";
        return story.services(prefix, naming) + ", " + story.configs(prefix, config);
    }

    private String services(String prefix, NamingStory naming) throws Exception {
        AbstractFuzzyWatchEventWatcher watcher = new AbstractFuzzyWatchEventWatcher() {
            @Override
            public void onEvent(FuzzyWatchChangeEvent event) {
                services.add(event.getChangeType() + " " + event.getServiceName());
            }
        };
        List<String> there = names(prefix);
        for (String service : there) {
            naming.owner.registerInstance(service, DEFAULT_GROUP, NamingStory.b());
        }
        naming.watcher.fuzzyWatch(prefix + "*", DEFAULT_GROUP, watcher);
        for (String service : there) {
            services.expect("ADD_SERVICE " + service, 0, System.nanoTime(), FIRST_WITHIN);
        }
        String last = prefix + "new";
        naming.owner.registerInstance(last, DEFAULT_GROUP, NamingStory.b());
        services.expect("ADD_SERVICE " + last, 0, System.nanoTime(), TOLD_WITHIN);
        int after = services.count();
        naming.owner.deregisterInstance(last, DEFAULT_GROUP, NamingStory.b());
        String note = services.expect("DELETE_SERVICE " + last, after, System.nanoTime(), TOLD_WITHIN);
        naming.watcher.cancelFuzzyWatch(prefix + "*", DEFAULT_GROUP, watcher);
        for (String service : there) {
            naming.owner.deregisterInstance(service, DEFAULT_GROUP, NamingStory.b());
        }
        return note;
    }

    private String configs(String prefix, ConfigStory config) throws Exception {
        var watcher = new com.alibaba.nacos.api.config.listener.AbstractFuzzyWatchEventWatcher() {
            @Override
            public void onEvent(ConfigFuzzyWatchChangeEvent event) {
                configs.add(event.getChangedType() + " " + event.getDataId());
            }
        };
        List<String> there = names(prefix);
        for (String dataId : there) {
            config.writer.publishConfig(dataId, DEFAULT_GROUP, "there");
        }
        config.reader.fuzzyWatch(prefix + "*", DEFAULT_GROUP, watcher);
        for (String dataId : there) {
            configs.expect("ADD_CONFIG " + dataId, 0, System.nanoTime(), FIRST_WITHIN);
        }
        String last = prefix + "new";
        config.writer.publishConfig(last, DEFAULT_GROUP, "new");
        configs.expect("ADD_CONFIG " + last, 0, System.nanoTime(), TOLD_WITHIN);
        int after = configs.count();
        config.writer.removeConfig(last, DEFAULT_GROUP);
        String note = configs.expect("DELETE_CONFIG " + last, after, System.nanoTime(), TOLD_WITHIN);
        config.reader.cancelFuzzyWatch(prefix + "*", DEFAULT_GROUP, watcher);
        for (String dataId : there) {
            config.writer.removeConfig(dataId, DEFAULT_GROUP);
        }
        return note;
    }

    private static List<String> names(String prefix) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < THERE; i++) {
            names.add(prefix + i);
        }
        return names;
    }
}
