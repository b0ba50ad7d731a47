// Step 21: watching names by pattern, which clients before 3.0 cannot.

package nacrite.interop;

final class PatternStory {
    private PatternStory() {}

    static String tell(Clients clients, NamingStory naming, ConfigStory config) {
        throw new Steps.Skip("nacos-client before 3.0 has no fuzzyWatch");
    }
}
