package casshook.lab;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/** A very small HTTP/1.1 server over any server socket, unix or TCP: one daemon thread per connection. */
final class StandInServer {
    private StandInServer() {}

    static void serve(ServerSocketChannel listener, StandInRoutes routes) {
        daemon("mgmtapi-standin-accept", () -> {
            while (true) {
                try {
                    SocketChannel connection = listener.accept();
                    daemon("mgmtapi-standin", () -> converse(connection, routes));
                } catch (IOException e) {
                    System.err.println("mgmtapi-standin: accept: " + e);
                    return;
                }
            }
        });
    }

    static void daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void converse(SocketChannel connection, StandInRoutes routes) {
        try (connection) {
            InputStream in = new BufferedInputStream(Channels.newInputStream(connection));
            OutputStream out = Channels.newOutputStream(connection);
            StandInRequest.Continue continuer =
                    () -> out.write("HTTP/1.1 100 Continue\r\n\r\n".getBytes(StandardCharsets.ISO_8859_1));
            for (StandInRequest request = StandInRequest.read(in, continuer);
                    request != null;
                    request = StandInRequest.read(in, continuer)) {
                StandInResponse response = routes.answer(request);
                response.write(out, request.method.equals("HEAD"), request.closes());
                if (request.closes()) {
                    return;
                }
            }
        } catch (IOException | RuntimeException e) {
            // The client went away or does not speak HTTP: nothing to answer to, and the next one gets its own connection.
        }
    }
}
