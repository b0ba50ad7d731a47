// The service that is called: says its own name and the greeting that it has from its config.

package nacrite.interop;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
@Import({Provider.Greeting.class, Provider.Greeter.class})
class Provider {
    /** Made anew by Spring after every change of the config. */
    @RefreshScope
    static class Greeting {
        @Value("${story.greeting}")
        private String text;

        String text() {
            return text;
        }
    }

    @RestController
    static class Greeter {
        private final Greeting greeting;
        private final String name;

        Greeter(Greeting greeting, @Value("${story.name}") String name) {
            this.greeting = greeting;
            this.name = name;
        }

        @GetMapping("/greet")
        String greet() {
            return name + " " + greeting.text();
        }
    }
}
