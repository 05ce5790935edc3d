package casshook.lab;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The paths the stand-in answers, with the status codes and texts of the real Management API. */
final class StandInRoutes {
    private static final Set<String> SNAPSHOT_FIELDS =
            Set.of("snapshot_name", "keyspaces", "table_name", "skip_flush", "keyspace_tables");
    private static final String ROLE = "/api/v0/ops/auth/role";
    private static final Set<String> FLUSH_FIELDS = Set.of("keyspace_name", "tables", "jobs");

    private final StandInConfig config;
    private final StandInNode node;
    private final StandInRoles roles;
    private final Map<String, Route> routes = new LinkedHashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "mgmtapi-standin-work");
        thread.setDaemon(true);
        return thread;
    });

    private interface Route {
        StandInResponse answer(StandInRequest request) throws Exception;
    }

    /** A request that the real one refuses with 400. */
    private static final class BadRequest extends Exception {
        private static final long serialVersionUID = 1;

        BadRequest(String text) {
            super(text);
        }
    }

    StandInRoutes(StandInConfig config, StandInNode node, StandInRoles roles) {
        this.config = config;
        this.node = node;
        this.roles = roles;
        routes.put("GET /api/v0/probes/liveness", r -> StandInResponse.ok());
        routes.put("GET /api/v0/probes/readiness", r -> limited("readiness", this::readiness));
        routes.put("GET /api/v0/metadata/versions/release",
                r -> limited("getReleaseVersion", () -> StandInResponse.text(200, node.release())));
        routes.put("GET /api/v0/metadata/versions/features", r -> limited("getFeatureSet", this::features));
        routes.put("GET /api/v0/metadata/localdc",
                r -> limited("getLocalDataCenter", () -> StandInResponse.text(200, node.datacenter())));
        routes.put("GET /api/v0/metadata/endpoints",
                r -> limited("getEndpointStates", () -> entity(node.endpoints())));
        routes.put("GET /api/v1/ops/node/schema/versions",
                r -> limited("getSchemaVersions", () -> StandInResponse.json(node.schemaVersions())));
        routes.put("GET /api/v0/ops/node/snapshots", r -> limited("getSnapshotDetails",
                () -> entity(node.snapshots(r.all("snapshotNames"), r.all("keyspaces")))));
        routes.put("POST /api/v0/ops/node/snapshots", this::takeSnapshot);
        routes.put("DELETE /api/v0/ops/node/snapshots", r -> limited("clearSnapshots", () -> {
            node.clearSnapshots(r.all("snapshotNames"), r.all("keyspaces"));
            return StandInResponse.ok();
        }));
        routes.put("POST /api/v0/ops/keyspace/refresh", this::refresh);
        routes.put("GET /api/v0/ops/keyspace", this::keyspaces);
        routes.put("POST /api/v0/ops/tables/flush", this::flush);
        routes.put("GET /api/v0/ops/tables", this::tables);
        routes.put("GET /api/v1/ops/tables/compactions",
                r -> limited("getCompactions", () -> StandInResponse.json(node.compactions())));
        routes.put("GET /api/v0/probes/cluster", this::consistency);
        routes.put("POST /api/v0/ops/node/drain", r -> run("drain", null, () -> {
            node.drain();
            return StandInResponse.ok();
        }));
        routes.put("POST /api/v0/ops/seeds/reload",
                r -> limited("reloadSeeds", () -> StandInResponse.json(node.reloadSeeds())));
        routes.put("GET " + ROLE, r -> limited("listRoles", () -> StandInResponse.json(roles.all())));
        routes.put("POST " + ROLE, this::createRole);
        routes.put("DELETE " + ROLE, this::dropRole);
    }

    /** Answers one request and writes its line in the access log. */
    StandInResponse answer(StandInRequest request) {
        StandInResponse response;
        try {
            response = route(request);
        } catch (BadRequest e) {
            response = StandInResponse.text(400, e.getMessage());
        } catch (Exception e) {
            response = StandInResponse.text(500, String.valueOf(e.getMessage()));
        }
        try {
            String target = request.target.replaceAll("([?&]password=)[^&]*", "$1***");
            log("", request.method + " " + target + " " + response.status + "\n");
        } catch (IOException e) {
            System.err.println("mgmtapi-standin: access log: " + e);
        }
        return response;
    }

    private StandInResponse route(StandInRequest request) throws Exception {
        Route route = routes.get(request.method + " " + request.path);
        if (route != null) {
            return route.answer(request);
        }
        boolean known = routes.keySet().stream().anyMatch(key -> key.endsWith(" " + request.path));
        return StandInResponse.empty(known ? 405 : 404);
    }

    private void log(String suffix, String line) throws IOException {
        String file = config.text("accessLog", "");
        if (!file.isEmpty()) {
            Files.writeString(Path.of(file + suffix), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    /** Sleeps for the delay of a method, or until the configuration has none any more. */
    private void delay(String method) throws Exception {
        Duration delay = config.delay(method);
        if (delay.isZero()) {
            return;
        }
        log(".delayed", method + "\n");
        long begun = System.nanoTime();
        while (System.nanoTime() - begun < delay.toNanos() && !config.delay(method).isZero()) {
            Thread.sleep(10);
        }
    }

    /** Runs a NodeOps method; when the limit passes the caller gets the driver's time-out and the work goes on. */
    private StandInResponse limited(String method, Callable<StandInResponse> work) throws Exception {
        return run(method, config.limit(), work);
    }

    /** As limited, and without a limit when that is null. */
    private StandInResponse run(String method, Duration limit, Callable<StandInResponse> work) throws Exception {
        Future<StandInResponse> future = workers.submit(() -> {
            delay(method);
            return work.call();
        });
        try {
            return limit == null ? future.get() : future.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return StandInResponse.text(500, "Query timed out after " + limit);
        } catch (ExecutionException e) {
            System.err.println("mgmtapi-standin: " + method + ": " + StandInNode.cause(e));
            return StandInResponse.text(500, "Failed to execute method NodeOps." + method);
        }
    }

    private static StandInResponse entity(List<?> entity) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("entity", entity);
        answer.put("annotations", List.of());
        return StandInResponse.json(answer);
    }

    private StandInResponse readiness() {
        try {
            return node.ready() ? StandInResponse.ok() : StandInResponse.empty(500);
        } catch (Exception e) { // the MBeans are not there yet
            return StandInResponse.text(500, "Internal connection to Cassandra closed");
        }
    }

    private StandInResponse features() throws Exception {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("cassandra_version", node.release());
        answer.put("mgmt_version", "casshook-lab-standin");
        answer.put("features", List.of()); // the stand-in has none of the asynchronous operations
        return StandInResponse.json(answer);
    }

    private StandInResponse consistency(StandInRequest request) throws Exception {
        String level = request.one("consistency_level");
        String factor = request.one("rf_per_dc");
        return limited("checkConsistencyLevel", () -> {
            Map<String, List<String>> missing = node.consistency(
                    level == null ? "LOCAL_QUORUM" : level, factor == null ? 3 : Integer.parseInt(factor));
            return missing.isEmpty() ? StandInResponse.empty(200) : StandInResponse.json(500, missing);
        });
    }

    private StandInResponse createRole(StandInRequest request) throws Exception {
        String name = request.one("username");
        String password = request.one("password");
        require(name, "Username is empty");
        require(password, "Password is empty");
        boolean superuser = Boolean.parseBoolean(request.one("is_superuser"));
        boolean login = Boolean.parseBoolean(request.one("can_login"));
        return limited("createRole", () -> {
            roles.upsert(name, superuser, login, password);
            return StandInResponse.ok();
        });
    }

    private StandInResponse dropRole(StandInRequest request) throws Exception {
        String name = request.one("username");
        require(name, "Username is empty");
        return limited("dropRole", () -> {
            roles.drop(name);
            return StandInResponse.ok();
        });
    }

    private StandInResponse takeSnapshot(StandInRequest request) throws Exception {
        Map<String, Object> body = body(request, SNAPSHOT_FIELDS);
        if (body == null) {
            return StandInResponse.empty(415);
        }
        List<String> keyspaces = strings(body, "keyspaces");
        List<String> keyspaceTables = strings(body, "keyspace_tables");
        String table = string(body, "table_name");
        if (!keyspaces.isEmpty() && !keyspaceTables.isEmpty()) {
            throw new BadRequest("When specifying keyspace_tables, specifying keyspaces is not allowed");
        }
        if (table != null && keyspaces.size() != 1) {
            throw new BadRequest("Exactly 1 keyspace must be specified when specifying table_name");
        }
        List<String> entities = keyspaceTables.isEmpty() ? keyspaces : keyspaceTables;
        if (table != null) {
            entities = List.of(keyspaces.get(0) + "." + table);
        }
        String given = string(body, "snapshot_name");
        String tag = given == null ? Long.toString(System.currentTimeMillis()) : given;
        boolean skipFlush = Boolean.TRUE.equals(body.get("skip_flush"));
        List<String> what = entities;
        return limited("takeSnapshot", () -> {
            node.snapshot(tag, skipFlush, what);
            return StandInResponse.ok();
        });
    }

    private StandInResponse refresh(StandInRequest request) throws Exception {
        String keyspace = request.one("keyspaceName");
        String table = request.one("table");
        require(keyspace, "Must provide a keyspace name");
        require(table, "table must be provided");
        return limited("loadNewSSTables", () -> {
            node.refresh(keyspace, table);
            return StandInResponse.ok();
        });
    }

    private StandInResponse flush(StandInRequest request) throws Exception {
        Map<String, Object> body = body(request, FLUSH_FIELDS);
        if (body == null) {
            return StandInResponse.empty(415);
        }
        for (String field : FLUSH_FIELDS) {
            if (!body.containsKey(field)) {
                throw new BadRequest("Missing required creator property '" + field + "'");
            }
        }
        String given = string(body, "keyspace_name");
        String keyspace = given == null || given.isBlank() ? "ALL" : given;
        List<String> tables = strings(body, "tables");
        return limited("forceKeyspaceFlush", () -> {
            node.flush(keyspace, tables);
            return StandInResponse.ok();
        });
    }

    private StandInResponse tables(StandInRequest request) throws Exception {
        String keyspace = request.one("keyspaceName");
        require(keyspace, "List tables failed. Non-empty 'keyspaceName' must be provided");
        return limited("getTables", () -> StandInResponse.json(node.tables(keyspace)));
    }

    private StandInResponse keyspaces(StandInRequest request) throws Exception {
        String wanted = request.one("keyspaceName");
        return limited("getKeyspaces", () -> StandInResponse.json(node.keyspaces().stream()
                .filter(name -> wanted == null || wanted.isBlank() || wanted.equals(name)).toList()));
    }

    private static void require(String value, String otherwise) throws BadRequest {
        if (value == null || value.isBlank()) {
            throw new BadRequest(otherwise);
        }
    }

    /** The JSON object in the body; null when it is not sent as JSON; fields unknown to the real one are refused as there. */
    @SuppressWarnings("unchecked")
    private static Map<String, Object> body(StandInRequest request, Set<String> known) throws BadRequest {
        if (!request.contentType().equals("application/json")) {
            return null;
        }
        Object value;
        try {
            value = StandInJson.parse(new String(request.body, StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
            throw new BadRequest(e.getMessage());
        }
        if (!(value instanceof Map)) {
            throw new BadRequest("JSON: an object expected");
        }
        for (Object field : ((Map<?, ?>) value).keySet()) {
            if (!known.contains(field)) {
                throw new BadRequest("Unrecognized field \"" + field + "\"");
            }
        }
        return (Map<String, Object>) value;
    }

    private static String string(Map<String, Object> body, String field) throws BadRequest {
        Object value = body.get(field);
        if (value != null && !(value instanceof String)) {
            throw new BadRequest("Cannot deserialize " + field);
        }
        return (String) value;
    }

    private static List<String> strings(Map<String, Object> body, String field) throws BadRequest {
        Object value = body.get(field);
        if (value == null) {
            return List.of();
        }
        if (!(value instanceof List) || !((List<?>) value).stream().allMatch(String.class::isInstance)) {
            throw new BadRequest("Cannot deserialize " + field);
        }
        return ((List<?>) value).stream().map(String.class::cast).toList();
    }
}
