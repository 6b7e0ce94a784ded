import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.Provider;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/** A client on JSSE, its own or that of cutover.providers: SERVICE ADDRESS PORT NAME [protocols=A,B] [suites=A,B]; an empty NAME sends none. Prints the page if it came through. */
public class CutoverClient {
    private static final String PAGE = "the cut-over page";

    public static void main(String[] words) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String word : words) {
            int at = word.indexOf('=');
            if (at > 0) options.put(word.substring(0, at), word.substring(at + 1));
        }
        for (String name : System.getProperty("cutover.providers", "").split(",")) {
            if (!name.isEmpty()) Security.insertProviderAt((Provider) Class.forName(name).getDeclaredConstructor().newInstance(), 1);
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new TrustAll()}, null);
        try (Socket plain = new Socket()) {
            plain.connect(new InetSocketAddress(words[1], Integer.parseInt(words[2])), 8000);
            plain.setSoTimeout(8000);
            boolean mail = words[0].equals("smtp");
            if (mail) {
                expect(plain, "220");
                say(plain, "EHLO client.cutover.example");
                expect(plain, "250");
                say(plain, "STARTTLS");
                expect(plain, "220");
            }
            SSLSocket secure = (SSLSocket) context.getSocketFactory().createSocket(plain, words[1], Integer.parseInt(words[2]), true);
            prepare(secure, words[3], options);
            secure.startHandshake();
            System.out.println("said: " + secure.getSession().getProtocol() + " " + secure.getSession().getCipherSuite());
            if (mail) {
                say(secure, "NOOP");
                expect(secure, "250");
                System.out.println(PAGE);
                say(secure, "QUIT");
                expect(secure, "221");
            } else {
                say(secure, "GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n");
                System.out.println(new String(secure.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1));
            }
        } catch (IOException | IllegalStateException error) {
            System.out.println("said: " + error);
        }
    }

    private static void prepare(SSLSocket socket, String name, Map<String, String> options) {
        if (options.containsKey("protocols")) socket.setEnabledProtocols(options.get("protocols").split(","));
        if (options.containsKey("suites")) socket.setEnabledCipherSuites(options.get("suites").split(","));
        if (name.isEmpty()) return;
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setServerNames(List.of(new SNIHostName(name)));
        socket.setSSLParameters(parameters);
    }

    private static void say(Socket socket, String line) throws IOException {
        socket.getOutputStream().write((line + "\r\n").getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
    }

    /** Reads one reply, byte by byte so that nothing of what follows is taken. */
    private static void expect(Socket socket, String code) throws IOException {
        String line;
        do {
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            for (int b = socket.getInputStream().read(); b >= 0 && b != '\n'; b = socket.getInputStream().read()) text.write(b);
            line = text.toString(StandardCharsets.US_ASCII).trim();
            if (!line.startsWith(code)) throw new IllegalStateException("wanted " + code + ", got " + line);
        } while (line.length() > 3 && line.charAt(3) == '-');
    }

    private static final class TrustAll implements X509TrustManager {
        public void checkClientTrusted(X509Certificate[] chain, String kind) { }
        public void checkServerTrusted(X509Certificate[] chain, String kind) { }
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }
}
