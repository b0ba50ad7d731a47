// The service that calls the provider by its name. Which instance gets a call is the choice of Nacos's load balancer.

package nacrite.interop;

import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.client.RestTemplate;

@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
class Consumer {
    @Bean
    @LoadBalanced
    RestTemplate byName() {
        return new RestTemplate();
    }
}
