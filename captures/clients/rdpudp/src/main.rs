//! Carries TCP connections in RDP over UDP by IronRDP, so that any TLS client and server can speak through it.
//!
//! client TCP_PORT LOCAL_UDP_PORT SERVER:PORT VERSION      one connection to 127.0.0.1:TCP_PORT   (VERSION 1, 2 or 3)
//! server ADDRESS:PORT TCP_PORT                            each to 127.0.0.1:TCP_PORT

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ironrdp_core::MonotonicInstant;
use ironrdp_rdpeudp::pdu::{UdpVersion, V1Datagram};
use ironrdp_rdpeudp::{ConnectionConfig, Event, RdpeudpConnection};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Of a cookie that both sides know, as they would from RDP's TCP connection.
const COOKIE_HASH: [u8; 32] = *b"hellotap hellotap hellotap hello";
/// How long the other side is given to acknowledge the last bytes.
const LINGER: Duration = Duration::from_millis(500);

enum Input {
    Datagram(Vec<u8>),
    Bytes(Vec<u8>),
    /// TCP ended.
    End,
}

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["client", tcp, udp, server, version] => {
            client(tcp.parse()?, udp.parse()?, server.parse()?, version)
        }
        ["server", address, tcp] => server(address.parse()?, tcp.parse()?),
        _ => Err("client TCP_PORT LOCAL_UDP_PORT SERVER:PORT VERSION | server ADDRESS:PORT TCP_PORT".into()),
    }
}

fn client(tcp: u16, udp: u16, server: SocketAddr, version: &str) -> Outcome<()> {
    let listener = TcpListener::bind(("127.0.0.1", tcp))?;
    println!("listening");
    let (stream, _) = listener.accept()?;
    let socket = UdpSocket::bind(("0.0.0.0", udp))?;
    socket.connect(server)?;
    let (input, inputs) = channel();
    let (receiver, datagrams) = (socket.try_clone()?, input.clone());
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok(len) = receiver.recv(&mut buffer) {
            if datagrams.send(Input::Datagram(buffer[..len].to_vec())).is_err() {
                return;
            }
        }
    });
    let clock = Instant::now();
    let offer_version = match version {
        "1" => UdpVersion::V1,
        "2" => UdpVersion::V2,
        _ => UdpVersion::V3,
    };
    let config = ConnectionConfig { offer_version, ..config(u32::from(udp) << 12) };
    let connection = RdpeudpConnection::connect(config, now(clock))?;
    carry(connection, clock, stream, (input, inputs), |bytes| socket.send(bytes).map(|_| ()))
}

fn server(address: SocketAddr, tcp: u16) -> Outcome<()> {
    let socket = UdpSocket::bind(address)?;
    println!("listening");
    let mut peers: HashMap<SocketAddr, Sender<Input>> = HashMap::new();
    let mut buffer = [0; 2048];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer)?;
        let datagram = buffer[..len].to_vec();
        if let Some(input) = peers.get(&peer) {
            let _ = input.send(Input::Datagram(datagram));
            continue;
        }
        let Ok(syn) = ironrdp_core::decode::<V1Datagram>(&datagram) else { continue };
        if syn.syn_data.is_none() {
            continue;
        }
        let clock = Instant::now();
        let connection = RdpeudpConnection::accept(config(u32::from(peer.port()) << 8), &syn, now(clock))?;
        let stream = TcpStream::connect(("127.0.0.1", tcp))?;
        let (input, inputs) = channel();
        peers.insert(peer, input.clone());
        let socket = socket.try_clone()?;
        thread::spawn(move || {
            let send = |bytes: &[u8]| socket.send_to(bytes, peer).map(|_| ());
            if let Err(error) = carry(connection, clock, stream, (input, inputs), send) {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

fn config(initial_sequence_number: u32) -> ConnectionConfig {
    ConnectionConfig { initial_sequence_number, cookie_hash: Some(COOKIE_HASH), ..ConnectionConfig::default() }
}

fn now(clock: Instant) -> MonotonicInstant {
    MonotonicInstant::from_millis(clock.elapsed().as_millis() as u64)
}

/// Until TCP ends, or the connection.
fn carry(
    mut connection: RdpeudpConnection,
    clock: Instant,
    mut stream: TcpStream,
    (input, inputs): (Sender<Input>, Receiver<Input>),
    send: impl Fn(&[u8]) -> std::io::Result<()>,
) -> Outcome<()> {
    let mut reader = stream.try_clone()?;
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(len @ 1..) = reader.read(&mut buffer) {
            if input.send(Input::Bytes(buffer[..len].to_vec())).is_err() {
                return;
            }
        }
        let _ = input.send(Input::End);
    });
    let (mut waiting, mut ended) = (Vec::new(), None);
    while ended.is_none_or(|at: Instant| at.elapsed() < LINGER) {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected => {}
                Event::DataReceived(bytes) => stream.write_all(&bytes)?,
                Event::ConnectionClosed => {
                    let _ = stream.shutdown(Shutdown::Both);
                    return Ok(());
                }
            }
        }
        if connection.is_established() && !waiting.is_empty() {
            match connection.send(std::mem::take(&mut waiting)) {
                Ok(()) => {}
                // Its buffer is full: later.
                Err(refused) => waiting = refused.data,
            }
        }
        while let Some(transmit) = connection.poll_transmit(now(clock)) {
            send(&transmit.contents)?;
        }
        match inputs.recv_timeout(Duration::from_millis(5)) {
            Ok(Input::Datagram(mut datagram)) => {
                if let Err(error) = connection.handle_datagram(&mut datagram, now(clock)) {
                    eprintln!("{error}");
                }
            }
            Ok(Input::Bytes(bytes)) => waiting.extend(bytes),
            Ok(Input::End) => ended = Some(Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if connection.poll_timeout().is_some_and(|deadline| deadline <= now(clock)) {
            connection.handle_timeout(now(clock));
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    Ok(())
}
