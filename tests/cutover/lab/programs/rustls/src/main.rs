//! A client and servers on rustls.
//!
//! ```text
//! cutover-rustls client ADDRESS:PORT NAME [KEY=VALUE]...
//! cutover-rustls server PORT CERTIFICATE KEY [KEY=VALUE]...
//! ```
//!
//! KEY: min, max ("1.2", "1.3"), suites, groups (rustls' names, separated by commas), order ("server"). An empty NAME
//! sends none. The client prints the page if it came through, the server a line for each connection: address, then
//! "completed" or the error.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

const PAGE: &str = "the cut-over page\n";
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = words.iter().filter_map(|w| w.split_once('=')).collect();
    match words[0].as_str() {
        "client" => client(&words[1], &words[2], &options)
            .or_else(|error| Ok(println!("said: {error}"))),
        _ => server(&words[1], &words[2], &words[3], &options),
    }
}

fn provider(options: &HashMap<&str, &str>) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(names) = options.get("suites") {
        provider.cipher_suites = chosen(names, &provider.cipher_suites, |s| format!("{:?}", s.suite()));
    }
    if let Some(names) = options.get("groups") {
        provider.kx_groups = chosen(names, &provider.kx_groups, |g| format!("{:?}", g.name()));
    }
    Arc::new(provider)
}

/// Those with the names, in the order of the names.
fn chosen<T: Clone>(names: &str, all: &[T], name_of: impl Fn(&T) -> String) -> Vec<T> {
    let find = |name: &str| all.iter().find(|each| name_of(each) == name).cloned();
    names.split(',').map(|name| find(name).unwrap_or_else(|| panic!("no {name}"))).collect()
}

fn versions(options: &HashMap<&str, &str>) -> Vec<&'static SupportedProtocolVersion> {
    let (min, max) = (options.get("min").unwrap_or(&"1.2"), options.get("max").unwrap_or(&"1.3"));
    [("1.3", &TLS13), ("1.2", &TLS12)]
        .into_iter()
        .filter(|(name, _)| (min..=max).contains(&name))
        .map(|(_, version)| version)
        .collect()
}

fn client(address: &str, name: &str, options: &HashMap<&str, &str>) -> Result<(), Failure> {
    let provider = provider(options);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(options))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyName(provider)))
        .with_no_client_auth();
    config.enable_sni = !name.is_empty();
    let name = if name.is_empty() { "nobody.example" } else { name };
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
    let plain = TcpStream::connect(address)?;
    plain.set_read_timeout(Some(Duration::from_secs(8)))?;
    let mut secure = StreamOwned::new(session, plain);
    secure.write_all(b"GET /page.html HTTP/1.0\r\nHost: www.cutover.example\r\n\r\n")?;
    println!("said: {:?} {:?}", secure.conn.protocol_version(), secure.conn.negotiated_cipher_suite());
    let mut text = [0; 4096];
    loop {
        let read = secure.read(&mut text)?;
        if read == 0 {
            return Ok(());
        }
        println!("{}", String::from_utf8_lossy(&text[..read]));
    }
}

fn server(port: &str, certificate: &str, key: &str, options: &HashMap<&str, &str>) -> Result<(), Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider(options))
        .with_protocol_versions(&versions(options))?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.ignore_client_order = options.get("order") == Some(&"server");
    config.send_tls13_tickets = 0;
    config.require_ems = options.get("ems") == Some(&"required");
    let config = Arc::new(config);
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    println!("listening");
    for plain in listener.incoming() {
        let (plain, config) = (plain?, Arc::clone(&config));
        std::thread::spawn(move || {
            let address = plain.peer_addr().map_or_else(|e| e.to_string(), |a| a.ip().to_string());
            match answer(plain, config) {
                Ok(said) => println!("{address} completed {said}"),
                Err(error) => println!("{address} {error}"),
            }
        });
    }
    Ok(())
}

fn answer(plain: TcpStream, config: Arc<ServerConfig>) -> Result<String, Failure> {
    plain.set_read_timeout(Some(Duration::from_secs(8)))?;
    let mut secure = StreamOwned::new(ServerConnection::new(config)?, plain);
    // The request has come through TLS: only now has the client taken the handshake too.
    let mut lines = BufReader::new(&mut secure).lines();
    while let Some(line) = lines.next().transpose()? {
        if line.is_empty() {
            break;
        }
    }
    drop(lines);
    let said = format!("{:?} {:?}", secure.conn.protocol_version(), secure.conn.negotiated_cipher_suite());
    write!(secure, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{PAGE}", PAGE.len())?;
    secure.conn.send_close_notify();
    secure.flush()?;
    Ok(said)
}

/// Checks the handshake's signature, and neither names nor roots.
#[derive(Debug)]
struct AnyName(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(&self, _: &CertificateDer, _: &[CertificateDer], _: &ServerName, _: &[u8], _: UnixTime) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], certificate: &CertificateDer, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], certificate: &CertificateDer, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
