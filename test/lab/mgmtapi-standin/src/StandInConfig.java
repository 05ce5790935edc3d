package casshook.lab;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;

/**
 * The stand-in's properties file, read again for every request so that a test can change it while the node runs.
 *
 * <ul>
 *   <li>{@code socket}: path of the unix socket (at start only)
 *   <li>{@code address}, {@code port}: where to listen on TCP; no address, no TCP (at start only)
 *   <li>{@code dnsSeconds}: how long the node keeps what the DNS said; else Java's defaults (at start only)
 *   <li>{@code accessLog}: file that gets one line per request; a file beside it, {@code .delayed}, one per call that is delayed
 *   <li>{@code limitMillis}: how long a synchronous call may take; 30000 as in the real one
 *   <li>{@code delayMillis.METHOD}: sleep before NodeOps METHOD does its work, to have slow calls when wanted; the sleep ends early
 *       when the key is removed
 * </ul>
 */
final class StandInConfig {
    private final Path file;

    StandInConfig(Path file) {
        this.file = file;
    }

    String text(String key, String fallback) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        }
        return properties.getProperty(key, fallback);
    }

    Duration limit() throws IOException {
        return Duration.ofMillis(Long.parseLong(text("limitMillis", "30000")));
    }

    Duration delay(String method) throws IOException {
        return Duration.ofMillis(Long.parseLong(text("delayMillis." + method, "0")));
    }
}
