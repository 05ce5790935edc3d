package org.apache.cassandra.locator;

import java.util.List;

/**
 * What of Cassandra's interface of this name is needed to compile {@code casshook.lab.StandInSeedProvider}. It is not put
 * in the jar: at run time Cassandra's own is used, which looks the same in 4.0, 4.1 and 5.0.
 */
public interface SeedProvider {
    List<InetAddressAndPort> getSeeds();
}
