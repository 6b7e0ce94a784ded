//! A small TLS client and server on rustls. Each prints one line of JSON for each connection, which is what the captures' truth is taken from.
//!
//! `rustls-ends client ADDRESS:PORT SERVER_NAME CA.pem [--groups=X25519,...] [--versions=1.2]`
//! `rustls-ends server ADDRESS:PORT CERT.pem KEY.pem COUNT [--groups=...] [--versions=...]`

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, CommonState, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, Stream, SupportedProtocolVersion,
};

fn main() -> Result<(), Box<dyn Error>> {
    let all: Vec<String> = std::env::args().skip(1).collect();
    let (options, words): (Vec<&String>, Vec<&String>) = split_options(&all);
    let provider = Arc::new(provider(&options));
    let versions = versions(&options);
    match words.as_slice() {
        [role, address, name, ca] if *role == "client" => {
            client(provider, &versions, address, name, ca)
        }
        [role, address, cert, key, count] if *role == "server" => {
            server(provider, &versions, address, cert, key, count.parse()?)
        }
        _ => Err("usage: client ADDRESS:PORT NAME CA | server ADDRESS:PORT CERT KEY COUNT".into()),
    }
}

fn client(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    address: &str,
    name: &str,
    ca: &str,
) -> Result<(), Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server_name = ServerName::try_from(name.to_owned())?;
    let mut connection = ClientConnection::new(Arc::new(config), server_name)?;
    let mut socket = TcpStream::connect(address)?;
    let local = socket.local_addr()?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // A peer that closes without close_notify is not this program's concern.
    let _ = stream.read_to_end(&mut answer);
    println!(
        "{}",
        describe(
            &connection,
            connection.handshake_kind(),
            &local.to_string(),
            address,
            Some(name)
        )
    );
    Ok(())
}

fn server(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    address: &str,
    cert: &str,
    key: &str,
    count: usize,
) -> Result<(), Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind(address)?;
    println!("listening");
    for _ in 0..count {
        let (socket, peer) = listener.accept()?;
        let config = config.clone();
        // A thread each: browsers open a second connection and leave it idle.
        std::thread::spawn(move || {
            if let Err(error) = serve(config, socket, &peer.to_string()) {
                println!("{{\"remote\":\"{peer}\",\"error\":\"{error}\"}}");
            }
        });
    }
    std::thread::sleep(std::time::Duration::from_secs(5));
    Ok(())
}

fn serve(
    config: Arc<ServerConfig>,
    mut socket: TcpStream,
    peer: &str,
) -> Result<(), Box<dyn Error>> {
    let local = socket.local_addr()?.to_string();
    let mut connection = ServerConnection::new(config)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut request = [0u8; 4096];
    let read = stream.read(&mut request)?;
    if read > 0 {
        let body = "<p>hello</p>\n";
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
    }
    let name = connection.server_name().map(str::to_owned);
    println!(
        "{}",
        describe(
            &connection,
            connection.handshake_kind(),
            &local,
            peer,
            name.as_deref()
        )
    );
    connection.send_close_notify();
    let _ = connection.complete_io(&mut socket);
    Ok(())
}

fn describe(
    state: &CommonState,
    kind: Option<HandshakeKind>,
    local: &str,
    remote: &str,
    name: Option<&str>,
) -> String {
    let version = state
        .protocol_version()
        .map(|v| format!("{v:?}"))
        .unwrap_or_default();
    let suite = state
        .negotiated_cipher_suite()
        .map(|s| format!("{:?}", s.suite()))
        .unwrap_or_default();
    let group = state
        .negotiated_key_exchange_group()
        .map(|g| format!("{:?}", g.name()))
        .unwrap_or_default();
    let alpn = state
        .alpn_protocol()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let kind = kind.map(|k| format!("{k:?}")).unwrap_or_default();
    let name = name.unwrap_or_default();
    format!(
        "{{\"local\":\"{local}\",\"remote\":\"{remote}\",\"version\":\"{version}\",\"suite\":\"{suite}\",\"group\":\"{group}\",\"alpn\":\"{alpn}\",\"handshake\":\"{kind}\",\"server_name\":\"{name}\"}}"
    )
}

fn provider(options: &[&String]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(wanted) = value_of(options, "--groups=") {
        let all = aws_lc_rs::ALL_KX_GROUPS;
        provider.kx_groups = wanted
            .split(',')
            .filter_map(|name| {
                all.iter()
                    .find(|g| format!("{:?}", g.name()).eq_ignore_ascii_case(name))
            })
            .copied()
            .collect();
    }
    provider
}

fn versions(options: &[&String]) -> Vec<&'static SupportedProtocolVersion> {
    match value_of(options, "--versions=") {
        Some("1.2") => vec![&rustls::version::TLS12],
        Some("1.3") => vec![&rustls::version::TLS13],
        _ => vec![&rustls::version::TLS13, &rustls::version::TLS12],
    }
}

fn split_options(all: &[String]) -> (Vec<&String>, Vec<&String>) {
    all.iter().partition(|word| word.starts_with("--"))
}

fn value_of<'a>(options: &[&'a String], name: &str) -> Option<&'a str> {
    options.iter().find_map(|option| option.strip_prefix(name))
}
