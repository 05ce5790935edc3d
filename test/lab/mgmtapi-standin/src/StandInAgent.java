package casshook.lab;

import java.lang.instrument.Instrumentation;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;

/**
 * A STAND-IN for the Management API for Apache Cassandra, for tests on real nodes. It is not the Management API: it
 * answers the few paths casshook calls as the OpenAPI document of the real one describes them.
 *
 * <p>Loaded with {@code -javaagent:standin.jar=FILE}, where FILE is a properties file (see {@link StandInConfig}). It
 * uses the node's platform MBeanServer and knows no class of Cassandra at compile time, so that one jar serves 4.0 to 5.0.
 */
public final class StandInAgent {
    private StandInAgent() {}

    public static void premain(String configFile, Instrumentation unused) throws Exception {
        StandInConfig config = new StandInConfig(Path.of(configFile));
        StandInRoutes routes = new StandInRoutes(config, new StandInNode(), new StandInRoles());
        String dns = config.text("dnsSeconds", "");
        if (!dns.isEmpty()) { // before the first lookup, and a system property cannot change the second one
            Security.setProperty("networkaddress.cache.ttl", dns);
            Security.setProperty("networkaddress.cache.negative.ttl", dns);
        }

        Path socket = Path.of(config.text("socket", ""));
        Files.deleteIfExists(socket); // left behind by a node that was killed
        ServerSocketChannel unix = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        unix.bind(UnixDomainSocketAddress.of(socket), 128);
        StandInServer.serve(unix, routes);

        String address = config.text("address", "");
        if (!address.isEmpty()) {
            ServerSocketChannel tcp = ServerSocketChannel.open(StandardProtocolFamily.INET);
            tcp.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            int port = Integer.parseInt(config.text("port", "8080"));
            tcp.bind(new InetSocketAddress(InetAddress.getByName(address), port), 128);
            StandInServer.serve(tcp, routes);
        }
    }
}
