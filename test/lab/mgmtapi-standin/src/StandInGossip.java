package casshook.lab;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the text of FailureDetectorMBean.getAllEndpointStatesWithPort, which is what nodetool gossipinfo prints: a line
 * {@code /ip:port} or {@code host/ip:port} per endpoint, then indented lines {@code KEY:version:value}, but
 * {@code generation:value} and {@code heartbeat:value}.
 */
final class StandInGossip {
    /** The key under which the endpoint's own address stands. */
    static final String ADDRESS = "address";

    private StandInGossip() {}

    static List<Map<String, String>> parse(String text) {
        List<Map<String, String>> endpoints = new ArrayList<>();
        for (String line : text.split("\n")) {
            if (line.isBlank()) {
                continue;
            }
            if (!Character.isWhitespace(line.charAt(0))) {
                Map<String, String> endpoint = new LinkedHashMap<>();
                endpoint.put(ADDRESS, line.substring(line.indexOf('/') + 1).trim());
                endpoints.add(endpoint);
            } else if (!endpoints.isEmpty()) {
                state(line.trim(), endpoints.get(endpoints.size() - 1));
            }
        }
        return endpoints;
    }

    private static void state(String line, Map<String, String> endpoint) {
        String[] parts = line.split(":", 3);
        if (parts.length == 3 && parts[0].equals(parts[0].toUpperCase())) {
            endpoint.put(parts[0], parts[2]);
        }
    }
}
