package casshook.lab;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.cassandra.locator.InetAddressAndPort;
import org.apache.cassandra.locator.SeedProvider;

/**
 * Seeds by DNS names, as the real one's K8SeedProvider: every address of every name, looked up at each call; names that do
 * not resolve are left out. Cassandra's own SimpleSeedProvider takes one address of a name only (5.0 can take all, 4.1
 * cannot): behind a headless service a node could get no seed but itself, and begin a ring of its own.
 *
 * <p>Until a name resolved for the first time, a call waits for it: the first node's address may reach the DNS later than
 * the node itself is started, and Cassandra ends when it is told of no seed.
 */
public final class StandInSeedProvider implements SeedProvider {
    private static final long PATIENCE_MILLIS = 20_000;
    private static final long PAUSE_MILLIS = 500;

    private final String[] names;
    private volatile boolean resolved;

    public StandInSeedProvider(Map<String, String> parameters) {
        names = parameters.getOrDefault("seeds", "").split(",");
    }

    @Override
    public List<InetAddressAndPort> getSeeds() {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS);
        List<InetAddressAndPort> seeds = lookUp();
        while (seeds.isEmpty() && !resolved && System.nanoTime() < end) {
            try {
                Thread.sleep(PAUSE_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return seeds;
            }
            seeds = lookUp();
        }
        resolved = resolved || !seeds.isEmpty();
        return seeds;
    }

    private List<InetAddressAndPort> lookUp() {
        Set<InetAddress> addresses = new LinkedHashSet<>();
        for (String name : names) {
            try {
                addresses.addAll(List.of(InetAddress.getAllByName(name.trim())));
            } catch (UnknownHostException e) {
                // A service without pods has no name yet.
            }
        }
        List<InetAddressAndPort> seeds = new ArrayList<>();
        addresses.forEach(a -> seeds.add(InetAddressAndPort.getByAddress(a)));
        return seeds;
    }
}
