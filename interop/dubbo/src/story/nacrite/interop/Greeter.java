// The interface that the provider serves and the consumers call.

package nacrite.interop;

public interface Greeter {
    String greet();
}
