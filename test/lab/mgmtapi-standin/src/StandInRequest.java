package casshook.lab;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** One HTTP/1.1 request as read from a connection of the stand-in. */
final class StandInRequest {
    private static final int MAX_LINE = 65536;
    private static final int MAX_BODY = 16 << 20;

    final String method;
    /** Path and query as sent. */
    final String target;
    final String path;
    final Map<String, List<String>> query;
    final Map<String, String> headers;
    final byte[] body;

    private StandInRequest(String method, String target, Map<String, String> headers, byte[] body) {
        this.method = method;
        this.target = target;
        int mark = target.indexOf('?');
        this.path = mark < 0 ? target : target.substring(0, mark);
        this.query = mark < 0 ? Map.of() : query(target.substring(mark + 1));
        this.headers = headers;
        this.body = body;
    }

    /** Reads the next request; null at the end of the connection. */
    static StandInRequest read(InputStream in, Continue continuer) throws IOException {
        String first = line(in);
        while (first != null && first.isEmpty()) {
            first = line(in);
        }
        if (first == null) {
            return null;
        }
        String[] parts = first.split(" ");
        if (parts.length != 3 || !parts[2].startsWith("HTTP/1.")) {
            throw new IOException("bad request line: " + first);
        }
        Map<String, String> headers = headers(in);
        if ("100-continue".equalsIgnoreCase(headers.get("expect"))) {
            continuer.proceed();
        }
        return new StandInRequest(parts[0], parts[1], headers, body(in, headers));
    }

    /** Sends the interim answer that a client waits for before it sends its body. */
    interface Continue {
        void proceed() throws IOException;
    }

    boolean closes() {
        return "close".equalsIgnoreCase(headers.get("connection"));
    }

    /** The media type of the body without parameters, lower case; empty when the client did not say. */
    String contentType() {
        String type = headers.getOrDefault("content-type", "");
        return type.split(";", 2)[0].trim().toLowerCase(Locale.ROOT);
    }

    String one(String name) {
        List<String> values = query.get(name);
        return values == null ? null : values.get(0);
    }

    List<String> all(String name) {
        return query.getOrDefault(name, List.of());
    }

    private static Map<String, List<String>> query(String raw) {
        Map<String, List<String>> query = new LinkedHashMap<>();
        for (String pair : raw.split("&")) {
            if (pair.isEmpty()) {
                continue;
            }
            String[] kv = pair.split("=", 2);
            query.computeIfAbsent(decode(kv[0]), k -> new ArrayList<>()).add(kv.length > 1 ? decode(kv[1]) : "");
        }
        return query;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static Map<String, String> headers(InputStream in) throws IOException {
        Map<String, String> headers = new LinkedHashMap<>();
        for (String line = line(in); line != null && !line.isEmpty(); line = line(in)) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                headers.put(line.substring(0, colon).trim().toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
            }
        }
        return headers;
    }

    private static byte[] body(InputStream in, Map<String, String> headers) throws IOException {
        if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
            return chunked(in);
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        return bytes(in, length);
    }

    private static byte[] chunked(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        while (true) {
            String size = line(in);
            if (size == null) {
                throw new EOFException("chunk size");
            }
            int length = Integer.parseInt(size.split(";", 2)[0].trim(), 16);
            if (length == 0) {
                break;
            }
            out.write(bytes(in, length));
            line(in);
        }
        headers(in); // trailers
        return out.toByteArray();
    }

    private static byte[] bytes(InputStream in, int length) throws IOException {
        if (length < 0 || length > MAX_BODY) {
            throw new IOException("body of " + length + " bytes");
        }
        byte[] body = in.readNBytes(length);
        if (body.length < length) {
            throw new EOFException("body");
        }
        return body;
    }

    private static String line(InputStream in) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int b = in.read(); b != '\n'; b = in.read()) {
            if (b < 0) {
                return out.size() == 0 ? null : out.toString(StandardCharsets.ISO_8859_1);
            }
            if (b != '\r') {
                out.write(b);
            }
            if (out.size() > MAX_LINE) {
                throw new IOException("line too long");
            }
        }
        return out.toString(StandardCharsets.ISO_8859_1);
    }
}
