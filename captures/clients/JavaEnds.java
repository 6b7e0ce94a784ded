import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** A TLS client (HTTPS, or SMTP with STARTTLS) and server on JSSE. Each connection prints one line of JSON from its SSLSession. */
public class JavaEnds {
    public static void main(String[] words) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String word : words) {
            int at = word.indexOf('=');
            if (at > 0) options.put(word.substring(0, at), word.substring(at + 1));
        }
        if (words[0].equals("client")) client(words[1], options);
        else server(Integer.parseInt(words[1]), words[2], options);
    }

    private static void client(String target, Map<String, String> options) throws Exception {
        String address = target.substring(0, target.lastIndexOf(':'));
        int port = Integer.parseInt(target.substring(target.lastIndexOf(':') + 1));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new TrustAll()}, null);
        int count = Integer.parseInt(options.getOrDefault("count", "1"));
        for (int i = 0; i < count; i++) {
            String smtp = options.getOrDefault("smtp", "");
            Socket plain = new Socket(address, port);
            if (!smtp.isEmpty()) startTls(plain, smtp);
            SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, address, port, true);
            try {
                prepare(socket, options);
                socket.startHandshake();
                if (smtp.isEmpty()) get(socket); else send(socket, smtp);
                print(socket.getSession(), plain.getLocalPort(), null);
            } catch (Exception error) {
                print(null, plain.getLocalPort(), error);
            }
            socket.close();
        }
    }

    private static void prepare(SSLSocket socket, Map<String, String> options) {
        socket.setEnabledProtocols(options.get("protocols").split(","));
        String suites = options.getOrDefault("suites", "");
        if (!suites.isEmpty()) socket.setEnabledCipherSuites(suites.split(","));
        String sni = options.getOrDefault("sni", "");
        if (!sni.isEmpty()) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setServerNames(List.of(new SNIHostName(sni)));
            socket.setSSLParameters(parameters);
        }
    }

    private static void get(SSLSocket socket) throws Exception {
        OutputStream out = socket.getOutputStream();
        out.write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        out.flush();
        socket.getInputStream().readAllBytes();
    }

    private static void startTls(Socket plain, String name) throws Exception {
        expect(plain, "220");
        say(plain, "EHLO " + name);
        expect(plain, "250");
        say(plain, "STARTTLS");
        expect(plain, "220");
    }

    private static void send(Socket socket, String name) throws Exception {
        for (String line : new String[] {"EHLO " + name, "MAIL FROM:<" + name + "@office.example>", "RCPT TO:<desk@partner.example>", "DATA"}) {
            say(socket, line);
            expect(socket, line.equals("DATA") ? "354" : "250");
        }
        say(socket, "Subject: order 4711\r\n\r\nPlease find our order.\r\n.");
        expect(socket, "250");
        say(socket, "QUIT");
        expect(socket, "221");
    }

    private static void say(Socket socket, String line) throws Exception {
        socket.getOutputStream().write((line + "\r\n").getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
    }

    /** Reads one reply, byte by byte so that nothing of what follows is taken. */
    private static void expect(Socket socket, String code) throws Exception {
        String line;
        do {
            StringBuilder text = new StringBuilder();
            int b;
            while ((b = socket.getInputStream().read()) >= 0 && b != '\n') text.append((char) b);
            line = text.toString().trim();
            if (!line.startsWith(code)) throw new IllegalStateException("wanted " + code + ", got " + line);
        } while (line.length() > 3 && line.charAt(3) == '-');
    }

    private static void server(int port, String p12, Map<String, String> options) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        keys.load(new FileInputStream(p12), "changeit".toCharArray());
        KeyManagerFactory managers = KeyManagerFactory.getInstance("SunX509");
        managers.init(keys, "changeit".toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(port);
        listener.setEnabledProtocols(options.get("protocols").split(","));
        String suites = options.getOrDefault("suites", "");
        if (!suites.isEmpty()) listener.setEnabledCipherSuites(suites.split(","));
        System.out.println("listening");
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                try {
                    socket.startHandshake();
                    BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
                    for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) { }
                    socket.getOutputStream().write("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n".getBytes(StandardCharsets.US_ASCII));
                    print(socket.getSession(), socket.getPort(), null);
                } catch (Exception error) {
                    print(null, socket.getPort(), error);
                }
            }
        }
    }

    private static void print(SSLSession session, int clientPort, Exception error) {
        StringBuilder line = new StringBuilder("{\"client_port\":" + clientPort);
        if (session != null) {
            line.append(",\"version\":\"").append(session.getProtocol()).append("\",\"cipher\":\"").append(session.getCipherSuite()).append('"');
            line.append(",\"created_ms_ago\":").append(System.currentTimeMillis() - session.getCreationTime());
        }
        if (error != null) line.append(",\"error\":\"").append(String.valueOf(error.getMessage()).replace("\"", "'")).append('"');
        System.out.println(line.append('}'));
    }

    private static final class TrustAll implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String kind) { }
        public void checkServerTrusted(X509Certificate[] chain, String kind) { }
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }
}
