import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.util.Collections;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/** An HTTPS server on JSSE: PORT PROTOCOLS SUITES P12... Prints a line for each connection: the client's address, then "completed" or the error. */
public class CutoverServer {
    private static final String PAGE = "the cut-over page\n";

    public static void main(String[] words) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        for (String name : System.getProperty("cutover.providers", "").split(",")) {
            if (!name.isEmpty()) Security.insertProviderAt((Provider) Class.forName(name).getDeclaredConstructor().newInstance(), 1);
        }
        keys.load(null, null);
        char[] password = "changeit".toCharArray();
        for (int i = 3; i < words.length; i++) {
            KeyStore one = KeyStore.getInstance("PKCS12");
            one.load(new FileInputStream(words[i]), password);
            for (String alias : Collections.list(one.aliases())) {
                if (one.isKeyEntry(alias)) keys.setKeyEntry("key" + i, one.getKey(alias, password), password, one.getCertificateChain(alias));
            }
        }
        KeyManagerFactory managers = KeyManagerFactory.getInstance(System.getProperty("cutover.providers", "").isEmpty() ? "SunX509" : "PKIX");
        managers.init(keys, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(Integer.parseInt(words[0]));
        listener.setEnabledProtocols(words[1].split(","));
        listener.setEnabledCipherSuites(words[2].split(","));
        System.out.println("listening");
        while (true) {
            SSLSocket socket = (SSLSocket) listener.accept();
            new Thread(() -> answer(socket)).start();
        }
    }

    private static void answer(SSLSocket socket) {
        String client = socket.getInetAddress().getHostAddress();
        try (socket) {
            socket.setSoTimeout(8000);
            socket.startHandshake();
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
            String first = in.readLine();
            for (String line = first; line != null && !line.isEmpty(); line = in.readLine()) { }
            if (first == null) throw new IllegalStateException("ended without a request");
            socket.getOutputStream().write(("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: " + PAGE.length() + "\r\n\r\n" + PAGE).getBytes(StandardCharsets.US_ASCII));
            System.out.println(client + " completed " + socket.getSession().getProtocol() + " " + socket.getSession().getCipherSuite());
        } catch (Exception error) {
            System.out.println(client + " " + error);
        }
    }
}
