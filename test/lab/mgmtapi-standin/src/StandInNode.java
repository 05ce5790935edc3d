package casshook.lab;

import java.lang.management.ManagementFactory;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.openmbean.CompositeData;
import javax.management.openmbean.TabularData;

/**
 * The node this JVM is, through its MBeans, whose names and signatures are the same in Cassandra 4.0, 4.1 and 5.0.
 * Everything throws until Cassandra has registered them.
 */
final class StandInNode {
    private static final String STORAGE = "org.apache.cassandra.db:type=StorageService";
    private static final String PROXY = "org.apache.cassandra.db:type=StorageProxy";
    private static final String COMPACTIONS = "org.apache.cassandra.db:type=CompactionManager";
    private static final String FAILURES = "org.apache.cassandra.net:type=FailureDetector";
    private static final String GOSSIPER = "org.apache.cassandra.net:type=Gossiper";
    private static final String SNITCH = "org.apache.cassandra.db:type=EndpointSnitchInfo";

    private final MBeanServer beans = ManagementFactory.getPlatformMBeanServer();

    String release() throws Exception {
        return (String) get(STORAGE, "ReleaseVersion");
    }

    String datacenter() throws Exception {
        return (String) get(SNITCH, "Datacenter");
    }

    boolean ready() throws Exception {
        return "NORMAL".equals(get(STORAGE, "OperationMode")) && (Boolean) get(STORAGE, "NativeTransportRunning");
    }

    @SuppressWarnings("unchecked")
    List<String> keyspaces() throws Exception {
        return (List<String>) get(STORAGE, "Keyspaces");
    }

    Object schemaVersions() throws Exception {
        return get(PROXY, "SchemaVersions");
    }

    /**
     * Tables without views, from system_schema as the real API does it. There is no MBean that tells a view from a table,
     * hence the reflection; both methods are the same in 4.0 to 5.0.
     */
    List<String> tables(String keyspace) throws Exception {
        Class<?> processor = Class.forName("org.apache.cassandra.cql3.QueryProcessor");
        Iterable<?> rows = (Iterable<?>) processor.getMethod("executeInternal", String.class, Object[].class)
                .invoke(null, "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", new Object[] {keyspace});
        List<String> tables = new ArrayList<>();
        for (Object row : rows) {
            tables.add((String) row.getClass().getMethod("getString", String.class).invoke(row, "table_name"));
        }
        return tables;
    }

    void snapshot(String tag, boolean skipFlush, List<String> entities) throws Exception {
        List<String> what = entities.isEmpty() ? keyspaces() : entities;
        beans.invoke(new ObjectName(STORAGE), "takeSnapshot",
                new Object[] {tag, Map.of("skipFlush", Boolean.toString(skipFlush)), what.toArray(new String[0])},
                new String[] {String.class.getName(), Map.class.getName(), String[].class.getName()});
    }

    void clearSnapshots(List<String> tags, List<String> keyspaces) throws Exception {
        Collection<String> which = tags.isEmpty() ? snapshotMap().keySet() : tags;
        List<String> where = keyspaces.isEmpty() ? keyspaces() : keyspaces;
        for (String tag : which) {
            strings(STORAGE, "clearSnapshot", tag, where);
        }
    }

    /** One map of strings per table and tag, the keys being the column titles of nodetool listsnapshots. */
    List<Map<String, String>> snapshots(List<String> tags, List<String> keyspaces) throws Exception {
        List<Map<String, String>> entity = new ArrayList<>();
        for (Map.Entry<String, TabularData> entry : snapshotMap().entrySet()) {
            if (!tags.isEmpty() && !tags.contains(entry.getKey())) {
                continue;
            }
            for (Object value : entry.getValue().values()) {
                CompositeData row = (CompositeData) value;
                if (keyspaces.isEmpty() || keyspaces.contains(String.valueOf(row.get("Keyspace name")))) {
                    Map<String, String> item = new LinkedHashMap<>();
                    row.getCompositeType().keySet().forEach(k -> item.put(k, String.valueOf(row.get(k))));
                    entity.add(item);
                }
            }
        }
        return entity;
    }

    @SuppressWarnings("unchecked")
    private Map<String, TabularData> snapshotMap() throws Exception {
        return (Map<String, TabularData>) get(STORAGE, "SnapshotDetails");
    }

    void refresh(String keyspace, String table) throws Exception {
        beans.invoke(new ObjectName(STORAGE), "loadNewSSTables", new Object[] {keyspace, table},
                new String[] {String.class.getName(), String.class.getName()});
    }

    /** Flushes the tables, or the whole keyspace when none is named, or all keyspaces when that is ALL. */
    void flush(String keyspace, List<String> tables) throws Exception {
        List<String> which = keyspace.equalsIgnoreCase("ALL") ? keyspaces() : List.of(keyspace);
        for (String name : which) {
            strings(STORAGE, "forceKeyspaceFlush", name, tables);
        }
    }

    /** Ends the client and internode protocols, flushes, and lets the node be: it must be restarted then. */
    void drain() throws Exception {
        beans.invoke(new ObjectName(STORAGE), "drain", new Object[0], new String[0]);
    }

    /** Asks the seed provider again; the seeds that the node has then, itself not among them. */
    List<String> reloadSeeds() throws Exception {
        List<?> seeds = (List<?>) beans.invoke(new ObjectName(GOSSIPER), "reloadSeeds", new Object[0], new String[0]);
        if (seeds == null) {
            throw new IllegalStateException("the seed provider failed, see the node's log");
        }
        return seeds.stream().map(Object::toString).toList();
    }

    /** See {@link StandInConsistency}. */
    Map<String, List<String>> consistency(String level, int factor) throws Exception {
        List<?> live = (List<?>) get(STORAGE, "LiveNodesWithPort");
        TreeMap<Long, StandInConsistency.Place> ring = new TreeMap<>();
        Map<?, ?> tokens = (Map<?, ?>) get(STORAGE, "TokenToEndpointWithPortMap");
        for (Map.Entry<?, ?> entry : tokens.entrySet()) {
            String endpoint = (String) entry.getValue();
            ring.put(Long.valueOf((String) entry.getKey()), new StandInConsistency.Place(
                    endpoint, snitch("getDatacenter", endpoint), snitch("getRack", endpoint), live.contains(endpoint)));
        }
        return new StandInConsistency(ring, datacenter(), factor).missing(level);
    }

    private String snitch(String operation, String endpoint) throws Exception {
        return (String) beans.invoke(
                new ObjectName(SNITCH), operation, new Object[] {endpoint}, new String[] {String.class.getName()});
    }

    /** The running compactions with the two counters as numbers. */
    List<Map<String, Object>> compactions() throws Exception {
        List<Map<String, Object>> all = new ArrayList<>();
        for (Object item : (List<?>) get(COMPACTIONS, "Compactions")) {
            Map<String, Object> compaction = new LinkedHashMap<>();
            ((Map<?, ?>) item).forEach((k, v) -> {
                boolean number = k.equals("total") || k.equals("completed");
                compaction.put(k.toString(), number ? Long.valueOf(v.toString()) : String.valueOf(v));
            });
            all.add(compaction);
        }
        return all;
    }

    /** Gossip's application states per endpoint, with the keys the real API adds. */
    List<Map<String, String>> endpoints() throws Exception {
        Map<?, ?> alive = (Map<?, ?>) get(FAILURES, "SimpleStatesWithPort");
        String local = (String) get(STORAGE, "LocalHostId");
        String cluster = (String) get(STORAGE, "ClusterName");
        String partitioner = (String) get(STORAGE, "PartitionerName");
        List<Map<String, String>> endpoints = StandInGossip.parse((String) get(FAILURES, "AllEndpointStatesWithPort"));
        for (Map<String, String> endpoint : endpoints) {
            String withPort = endpoint.remove(StandInGossip.ADDRESS);
            String ip = withPort.substring(0, withPort.lastIndexOf(':'));
            endpoint.put("ENDPOINT_IP", ip);
            endpoint.put("IS_ALIVE", Boolean.toString("UP".equals(state(alive, withPort))));
            endpoint.put("IS_LOCAL", Boolean.toString(local.equals(endpoint.get("HOST_ID"))));
            endpoint.put("CLUSTER_NAME", cluster);
            endpoint.put("PARTITIONER", partitioner);
            endpoint.put("TOKENS", tokens(withPort));
        }
        return endpoints;
    }

    private static Object state(Map<?, ?> states, String address) {
        for (Map.Entry<?, ?> entry : states.entrySet()) {
            String key = entry.getKey().toString();
            if (key.substring(key.indexOf('/') + 1).equals(address)) {
                return entry.getValue();
            }
        }
        return null;
    }

    private String tokens(String address) throws Exception {
        List<?> tokens = (List<?>) beans.invoke(new ObjectName(STORAGE), "getTokens",
                new Object[] {address}, new String[] {String.class.getName()});
        List<String> texts = new ArrayList<>();
        tokens.forEach(t -> texts.add(t.toString()));
        return String.join(",", texts);
    }

    private Object get(String bean, String attribute) throws Exception {
        return beans.getAttribute(new ObjectName(bean), attribute);
    }

    private void strings(String bean, String operation, String first, List<String> rest) throws Exception {
        beans.invoke(new ObjectName(bean), operation, new Object[] {first, rest.toArray(new String[0])},
                new String[] {String.class.getName(), String[].class.getName()});
    }

    /** The innermost cause, for the node's log. */
    static Throwable cause(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null
                || cause instanceof InvocationTargetException && ((InvocationTargetException) cause).getTargetException() != null) {
            cause = cause.getCause() != null ? cause.getCause() : ((InvocationTargetException) cause).getTargetException();
        }
        return cause;
    }
}
