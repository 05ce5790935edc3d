package org.apache.cassandra.locator;

import java.net.InetAddress;

/** As {@link SeedProvider}: only for the compiler, never in the jar. */
public final class InetAddressAndPort {
    private InetAddressAndPort() {}

    public static InetAddressAndPort getByAddress(InetAddress address) {
        throw new UnsupportedOperationException("not in the jar: " + address);
    }
}
