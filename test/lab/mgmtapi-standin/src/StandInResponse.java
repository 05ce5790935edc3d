package casshook.lab;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** One answer of the stand-in: a status and a text or JSON body. */
final class StandInResponse {
    private static final Map<Integer, String> REASONS = Map.of(
            200, "OK", 400, "Bad Request", 404, "Not Found", 405, "Method Not Allowed",
            415, "Unsupported Media Type", 500, "Internal Server Error");

    final int status;
    final String type;
    final String body;

    private StandInResponse(int status, String type, String body) {
        this.status = status;
        this.type = type;
        this.body = body;
    }

    static StandInResponse ok() {
        return text(200, "OK");
    }

    static StandInResponse text(int status, String body) {
        return new StandInResponse(status, "text/plain", body);
    }

    static StandInResponse json(Object value) {
        return json(200, value);
    }

    static StandInResponse json(int status, Object value) {
        return new StandInResponse(status, "application/json", StandInJson.write(value));
    }

    static StandInResponse empty(int status) {
        return new StandInResponse(status, null, "");
    }

    void write(OutputStream out, boolean head, boolean close) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        StringBuilder header = new StringBuilder("HTTP/1.1 ").append(status).append(' ')
                .append(REASONS.getOrDefault(status, "Status")).append("\r\n");
        if (type != null) {
            header.append("Content-Type: ").append(type).append("\r\n");
        }
        header.append("Content-Length: ").append(bytes.length).append("\r\n");
        if (close) {
            header.append("Connection: close\r\n");
        }
        header.append("\r\n");
        byte[] start = header.toString().getBytes(StandardCharsets.ISO_8859_1);
        byte[] all = new byte[start.length + (head ? 0 : bytes.length)];
        System.arraycopy(start, 0, all, 0, start.length);
        System.arraycopy(bytes, 0, all, start.length, all.length - start.length);
        out.write(all); // one write, one segment
        out.flush();
    }
}
