import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import okhttp3.Call;
import okhttp3.ConnectionSpec;
import okhttp3.EventListener;
import okhttp3.Handshake;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.TlsVersion;

/**
 * An HTTPS client on OkHttp. When a handshake fails, OkHttp itself connects again with the next of its connection specs.
 * OkHttpEnd ADDRESS URL SPEC...     A spec is MODERN_TLS, or the versions of one made from COMPATIBLE_TLS ("TLSv1.1,TLSv1").
 * Each connection prints one line of JSON: what its SSLSocket offered, and how OkHttp says that it ended.
 */
public class OkHttpEnd extends EventListener {
    private static SSLSocket latest;

    public static void main(String[] words) throws Exception {
        List<ConnectionSpec> specs = new ArrayList<>();
        for (String versions : Arrays.asList(words).subList(2, words.length)) specs.add(spec(versions));
        InetAddress address = InetAddress.getByName(words[0]);
        TrustAll trust = new TrustAll();
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {trust}, null);
        OkHttpClient client = new OkHttpClient.Builder().connectionSpecs(specs).eventListener(new OkHttpEnd()).dns(name -> List.of(address))
            .sslSocketFactory(new Watched(context.getSocketFactory()), trust).hostnameVerifier((name, session) -> true).build();
        try (Response response = client.newCall(new Request.Builder().url(words[1]).header("Connection", "close").build()).execute()) {
            response.body().string();
        } catch (IOException error) {
            System.out.println("given up: " + error);
        }
        System.exit(0);  // OkHttp's threads would wait for other calls.
    }

    private static ConnectionSpec spec(String versions) {
        if (versions.equals("MODERN_TLS")) return ConnectionSpec.MODERN_TLS;
        TlsVersion[] chosen = Arrays.stream(versions.split(",")).map(TlsVersion::forJavaName).toArray(TlsVersion[]::new);
        return new ConnectionSpec.Builder(ConnectionSpec.COMPATIBLE_TLS).tlsVersions(chosen).build();
    }

    @Override public void secureConnectEnd(Call call, Handshake handshake) {
        print("\"version\":\"" + handshake.tlsVersion().javaName() + "\",\"cipher\":\"" + latest.getSession().getCipherSuite() + '"');
    }

    @Override public void connectFailed(Call call, InetSocketAddress address, Proxy proxy, Protocol protocol, IOException error) {
        print("\"error\":\"" + error.toString().replace("\"", "'") + '"');
    }

    private static void print(String end) {
        boolean signalled = List.of(latest.getEnabledCipherSuites()).contains("TLS_FALLBACK_SCSV");
        System.out.println("{\"client_port\":" + latest.getLocalPort() + ",\"offered\":[\"" + String.join("\",\"", latest.getEnabledProtocols())
            + "\"],\"fallback_scsv\":" + signalled + ',' + end + '}');
    }

    /** JSSE's own factory, of which the latest socket is remembered. */
    private static final class Watched extends SSLSocketFactory {
        private final SSLSocketFactory own;

        Watched(SSLSocketFactory own) { this.own = own; }

        @Override public Socket createSocket(Socket plain, String host, int port, boolean close) throws IOException {
            latest = (SSLSocket) own.createSocket(plain, host, port, close);
            return latest;
        }

        @Override public String[] getDefaultCipherSuites() { return own.getDefaultCipherSuites(); }
        @Override public String[] getSupportedCipherSuites() { return own.getSupportedCipherSuites(); }
        @Override public Socket createSocket(String host, int port) throws IOException { throw new IOException("not by OkHttp"); }
        @Override public Socket createSocket(String host, int port, InetAddress at, int local) throws IOException { throw new IOException("not by OkHttp"); }
        @Override public Socket createSocket(InetAddress host, int port) throws IOException { throw new IOException("not by OkHttp"); }
        @Override public Socket createSocket(InetAddress host, int port, InetAddress at, int local) throws IOException { throw new IOException("not by OkHttp"); }
    }

    private static final class TrustAll implements X509TrustManager {
        @Override public void checkClientTrusted(X509Certificate[] chain, String kind) { }
        @Override public void checkServerTrusted(X509Certificate[] chain, String kind) { }
        @Override public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }
}
