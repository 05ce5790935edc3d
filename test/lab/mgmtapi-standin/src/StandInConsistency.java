package casshook.lab;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Whether a consistency level could be had by a keyspace with the same number of replicas in every datacenter, range by range
 * of the ring. Replicas are chosen as NetworkTopologyStrategy does: clockwise, of different racks while there are any.
 */
final class StandInConsistency {
    /** One node of the ring. */
    record Place(String endpoint, String datacenter, String rack, boolean alive) {}

    private final TreeMap<Long, Place> ring;
    private final String local;
    private final int factor;

    StandInConsistency(TreeMap<Long, Place> ring, String local, int factor) {
        this.ring = ring;
        this.local = local;
        this.factor = factor;
    }

    /** The ranges that lack replicas, with the reasons; empty when all is well. */
    Map<String, List<String>> missing(String level) {
        Map<String, List<String>> result = new LinkedHashMap<>();
        if (ring.isEmpty()) {
            throw new IllegalStateException("no known tokens in the ring");
        }
        long left = ring.lastKey();
        for (long right : ring.keySet()) {
            List<String> reasons = reasons(level, right);
            if (!reasons.isEmpty()) {
                result.put("[" + left + ", " + right + "]", reasons);
            }
            left = right;
        }
        return result;
    }

    private List<String> reasons(String level, long token) {
        Map<String, List<Place>> replicas = new HashMap<>();
        for (String datacenter : datacenters()) {
            replicas.put(datacenter, replicas(datacenter, token));
        }
        List<Place> all = replicas.values().stream().flatMap(List::stream).toList();
        List<Place> here = replicas.getOrDefault(local, List.of());
        int total = factor * replicas.size();
        switch (level) {
            case "ANY", "ONE":
                return lacking(all, 1);
            case "TWO":
                return lacking(all, 2);
            case "THREE":
                return lacking(all, 3);
            case "QUORUM", "SERIAL":
                return lacking(all, total / 2 + 1);
            case "ALL":
                return lacking(all, total);
            case "LOCAL_ONE":
                return lacking(here, 1);
            case "LOCAL_QUORUM", "LOCAL_SERIAL":
                return lacking(here, factor / 2 + 1);
            case "EACH_QUORUM":
                List<String> reasons = new ArrayList<>();
                replicas.values().forEach(each -> reasons.addAll(lacking(each, factor / 2 + 1)));
                return reasons;
            default:
                throw new IllegalArgumentException("unknown consistency level " + level);
        }
    }

    private static List<String> lacking(List<Place> replicas, int needed) {
        List<String> down = replicas.stream().filter(p -> !p.alive()).map(Place::endpoint).toList();
        if (replicas.size() - down.size() >= needed) {
            return List.of();
        }
        return down.isEmpty() ? List.of(needed + " replicas required, but only " + replicas.size() + " nodes in the ring") : down;
    }

    private Set<String> datacenters() {
        Set<String> names = new TreeSet<>();
        ring.values().forEach(p -> names.add(p.datacenter()));
        return names;
    }

    private List<Place> replicas(String datacenter, long token) {
        Set<Place> walk = new LinkedHashSet<>(ring.tailMap(token, true).values());
        walk.addAll(ring.headMap(token, false).values());
        walk.removeIf(p -> !p.datacenter().equals(datacenter));
        Set<String> racks = new HashSet<>();
        List<Place> first = new ArrayList<>();
        List<Place> rest = new ArrayList<>();
        walk.forEach(p -> (racks.add(p.rack()) ? first : rest).add(p));
        first.addAll(rest);
        return first.subList(0, Math.min(factor, first.size()));
    }
}
