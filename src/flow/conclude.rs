//! How an attempt at TLS ended, and why: from what was seen to an outcome with its cause.
//!
//! Loss never lies: where bytes that would tell are missing, the outcome is unknown, and the cause says so.

use std::sync::Arc;

use super::talk::Talk;
use super::tcp::TcpStream;
use super::udp::UdpActive;
use super::{Active, Facts, Flow, LedgerFacts, Link};
use crate::dispatch::Direction;
use crate::framing::service;
use crate::framing::starttls::Story;
use crate::framing::starttls::verdict::{self, Line, Seen, Tls};
use crate::hello::registry::AlertDescription;
use crate::hello::session::{Session, Unread};
use crate::hello::version::ProtocolVersion;
use crate::record::{Carrier, Cause, NegotiatedSource, Outcome, Upgrade, Version};

/// Why a flow is concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All is told that can be, while it goes on.
    Settled,
    /// It closed, or another connection took its place.
    Closed,
    /// No packet came for a long time.
    Idle,
    /// A cap was reached.
    Evicted,
    /// The capture ends.
    CaptureEnd,
}

/// The facts of a flow; `None` where it does not matter: neither TLS nor an attempt at it.
pub fn conclude(flow: &Flow, active: &mut Active, end: End) -> Option<Facts> {
    let record_layer = joined_version(flow, active);
    let told = active.ledger.finish();
    let session = &active.session;
    let tls = session.is_tls() || record_layer.is_some();
    if !tls && session.alerts.is_empty() && told.is_none() {
        return None;
    }
    let speaks_as_client = told.as_ref().and_then(|(_, client)| *client);
    let client = session
        .client
        .or(flow.opener)
        .or(speaks_as_client)
        .unwrap_or_else(|| flow.likely_client());
    let story = told.map(|(story, _)| story);
    let (mut outcome, mut cause) = outcome(flow, active, client, record_layer.is_some(), end);
    let line = story
        .as_ref()
        .and_then(|story| verdict::conclude(story, &seen(flow, active, client, outcome, end)));
    if !tls && session.alerts.is_empty() && line.is_none() {
        return None;
    }
    if let Some(line) = line.filter(|_| !tls) {
        (outcome, cause) = in_the_clear(session, client, line);
        if let Some(otherwise) = story.as_ref().and_then(|story| story.sealed) {
            (outcome, cause) = (Outcome::Unknown, Some(Cause::Other(otherwise)));
        }
    }
    if let (Some(Cause::CleartextServer(protocol)), Some(story)) = (&mut cause, &story) {
        *protocol = story.service.and_then(service::spoken);
    }
    let ledger = story.map(|story| Box::new(ledger_facts(story, line)));
    let (negotiated_version, negotiated_source) = match (session.version(), record_layer) {
        (Some(version), _) => (
            Some(Version::Exact(version)),
            Some(NegotiatedSource::ServerHello),
        ),
        (None, Some(version)) => (Some(version), Some(NegotiatedSource::RecordLayer)),
        (None, None) => (None, None),
    };
    // Taken, for to count one holder more and then one less is to wait for it twice.
    let link = active.link.take().unwrap_or_default();
    let mut facts = facts(&mut active.session, client, link);
    facts.carrier = facts.carrier.or_else(|| record_layer.map(|_| Carrier::Tls));
    Some(Facts {
        outcome,
        cause,
        negotiated_version,
        negotiated_source,
        missing_bytes: active.streams.iter().map(TcpStream::missing).sum(),
        conflicting_bytes: active.streams.iter().map(TcpStream::conflicting).sum(),
        mid_stream: flow.is_mid_stream(),
        ledger,
        ..facts
    })
}

/// The facts of a flow of datagrams, likewise.
pub fn conclude_udp(flow: &Flow, active: &mut UdpActive, end: End) -> Option<Facts> {
    let session = &active.session;
    let joined = active.joined_version();
    let sealed = active.sealed();
    if !session.is_tls() && session.alerts.is_empty() && joined.is_none() && sealed.is_none() {
        return None;
    }
    let client = session.client.unwrap_or_else(|| flow.likely_client());
    let (outcome, cause) = outcome_udp(flow, active, client, end);
    let (negotiated_version, negotiated_source) = match (session.version(), joined) {
        (Some(version), _) => (
            Some(Version::Exact(version)),
            Some(NegotiatedSource::ServerHello),
        ),
        (None, Some(version)) => (
            Some(Version::Exact(version)),
            Some(NegotiatedSource::RecordLayer),
        ),
        (None, None) => (None, None),
    };
    let mut facts = facts(&mut active.session, client, Arc::clone(&active.link));
    facts.carrier.get_or_insert(active.carrier());
    Some(Facts {
        outcome,
        cause,
        negotiated_version,
        negotiated_source,
        quic_version: active.quic_version(),
        conflicting_bytes: active.conflicting(),
        mid_stream: cause == Some(Cause::MidStream),
        beginning: active.beginning(),
        ledger: active.service().map(|service| {
            Box::new(LedgerFacts {
                service: Some(service),
                ..LedgerFacts::default()
            })
        }),
        ..facts
    })
}

/// The facts of a conversation of EAP, likewise.
pub fn conclude_eap(talk: &mut Talk, end: End) -> Option<Facts> {
    let client = talk.client;
    let session = &talk.session;
    let tls = session.is_tls();
    // A piece of a conversation, without TLS in it, tells nothing.
    if talk.joined && !tls {
        return None;
    }
    let (mut outcome, mut cause) = outcome_eap(talk, end);
    let packets = |d: Direction| talk.halves.get(d.index()).map_or(0, |h| h.packets);
    let lost = [client, client.flip()]
        .iter()
        .find_map(|d| session.progress.get(d.index())?.unread);
    let seen = Seen {
        tls: tls_seen(session, outcome),
        client: packets(client) > 0,
        server: packets(client.flip()) > 0,
        beginning: talk.eap.story.began,
        closed: talk.eap.ended.is_some(),
        lost: lost.map(cause_of),
    };
    let line = verdict::conclude(&talk.eap.story, &seen)
        .map(|line| as_far_as_it_went(line, talk, &seen, outcome, end));
    if !tls && session.alerts.is_empty() && line.is_none() {
        return None;
    }
    if let Some(line) = line.filter(|_| !tls) {
        (outcome, cause) = in_the_clear(session, client, line);
    }
    let mid_stream = !talk.eap.story.began;
    let version = session.version();
    let story = std::mem::take(&mut talk.eap.story);
    Some(Facts {
        outcome,
        cause,
        negotiated_version: version.map(Version::Exact),
        negotiated_source: version.map(|_| NegotiatedSource::ServerHello),
        mid_stream,
        ledger: Some(Box::new(ledger_facts(story, line))),
        ..facts(&mut talk.session, client, Arc::clone(&talk.link))
    })
}

/// A conversation's line: unknown where it stopped before the authenticator had the last word, and what follows could
/// tell another state; and where the peer was let in, but nothing was seen for which it could be.
fn as_far_as_it_went(line: Line, talk: &Talk, seen: &Seen, outcome: Outcome, end: End) -> Line {
    let worked = talk.eap.story.worked;
    let why = match (talk.eap.ended, end) {
        _ if !seen.client || !seen.server => Cause::OneWay,
        (Some(_), _) => Cause::Gap,
        (None, End::CaptureEnd) => Cause::CaptureEnd,
        (None, End::Evicted) => Cause::Evicted,
        (None, End::Settled | End::Closed | End::Idle) => Cause::Silence,
    };
    let undecided = match (line.upgrade, talk.eap.ended) {
        (Upgrade::Unknown | Upgrade::Upgraded, _) => false,
        (_, Some(true)) => !worked,
        (_, Some(false)) => false,
        (Upgrade::NotRequested | Upgrade::AcceptedNoHello, None) => {
            seen.tls == Tls::None && !worked
        }
        // That nobody answers is an answer; that the capture ends is none, and neither is what was not captured.
        (Upgrade::HelloFailed, None) => {
            seen.tls == Tls::Hello
                && (end == End::CaptureEnd || end == End::Evicted || outcome == Outcome::Unknown)
        }
        (_, None) => false,
    };
    if !undecided {
        return line;
    }
    Line {
        upgrade: Upgrade::Unknown,
        cause: seen.lost.or(Some(why)),
        ..line
    }
}

/// The authenticator has the last word, and it says no more than yes or no.
fn outcome_eap(talk: &Talk, end: End) -> (Outcome, Option<Cause>) {
    const FAILURE: Cause = Cause::Other("eap failure");
    let session = &talk.session;
    let (client, server) = (talk.client, talk.client.flip());
    let unread = |direction: Direction| {
        let progress = session.progress.get(direction.index());
        progress.and_then(|p| p.unread).map(cause_of)
    };
    let one_way = |d: Direction| {
        let half = talk.halves.get(d.index());
        half.is_none_or(|half| half.packets == 0)
    };
    let failed = talk.eap.ended == Some(false);
    let whole = session.progress.iter().all(|p| !p.lost);
    if session.is_tls()
        && let Some((from, alert)) = fatal(session)
    {
        return (refused_by(from == client), Some(alert));
    }
    match (session.offer.is_some(), session.answer.is_some()) {
        (true, true) if failed && whole && !session.is_complete() => {
            (Outcome::RefusedByServer, Some(FAILURE))
        }
        (true, true) => (Outcome::Negotiated, None),
        (false, true) => {
            let why = if one_way(client) {
                Cause::OneWay
            } else {
                unread(client).unwrap_or(Cause::MidStream)
            };
            (Outcome::ServerHelloOnly, Some(why))
        }
        (true, false) if one_way(server) => (Outcome::ClientHelloOnly, Some(Cause::OneWay)),
        (true, false) => match (unread(server), end) {
            (Some(why), _) => (Outcome::Unknown, Some(why)),
            _ if failed => (Outcome::RefusedByServer, Some(FAILURE)),
            (None, End::Evicted) => (Outcome::Unknown, Some(Cause::Evicted)),
            // The server did answer, and what came of it was not seen.
            (None, _) if talk.answered => (Outcome::Unknown, Some(Cause::Gap)),
            (None, End::CaptureEnd) => (Outcome::NoAnswer, Some(Cause::CaptureEnd)),
            (None, _) => (Outcome::NoAnswer, Some(Cause::Silence)),
        },
        (false, false) => {
            let why = unread(client).or_else(|| unread(server));
            (Outcome::Unknown, Some(why.unwrap_or(Cause::Gap)))
        }
    }
}

/// What a handshake told, taken out of `session`; how it ended is for the caller to say.
fn facts(session: &mut Session, client: Direction, link: Arc<Link>) -> Facts {
    Facts {
        client,
        carrier: session.carrier,
        quic_version: None,
        outcome: Outcome::Unknown,
        cause: None,
        negotiated_version: None,
        negotiated_source: None,
        offer: session.offer.take(),
        sni: session.sni.take(),
        client_record_version: session.client_record_version,
        client_hello_bytes: session.client_hello_bytes,
        client_hello_segments: session.client_hello_segments,
        hello_us: session
            .hello_ns
            .map(|ns| u32::try_from(ns / 1000).unwrap_or(u32::MAX)),
        named_group: session.named_group(),
        hello_retry: session.hello_retry,
        resumed: session.resumed(),
        downgrade_sentinel: session.downgrade_sentinel,
        extended_master_secret: session.extended_master_secret(),
        certificate: session.certificate.take(),
        client_certificate: session.client_certificate(),
        alerts: session.alerts(client).into(),
        answer: session.answer.take(),
        link,
        missing_bytes: 0,
        conflicting_bytes: 0,
        mid_stream: false,
        beginning: super::Beginning::Unknown,
        ledger: None,
    }
}

/// What the ledger has to know of a flow besides what was said in the clear.
fn seen(flow: &Flow, active: &Active, client: Direction, outcome: Outcome, end: End) -> Seen {
    Seen {
        tls: tls_seen(&active.session, outcome),
        client: flow.half(client).packets > 0,
        server: flow.half(client.flip()).packets > 0,
        beginning: !flow.is_mid_stream(),
        closed: flow.first_close.is_some() || end == End::Idle,
        lost: active
            .streams
            .iter()
            .find_map(TcpStream::lost)
            .map(cause_of),
    }
}

fn tls_seen(session: &Session, outcome: Outcome) -> Tls {
    match outcome {
        Outcome::Negotiated | Outcome::ServerHelloOnly | Outcome::JoinedMidStream => Tls::Answered,
        _ if session.answer.is_some() => Tls::Failed,
        _ if session.is_tls() => Tls::Hello,
        _ if !session.alerts.is_empty() => Tls::Alert,
        _ => Tls::None,
    }
}

/// A session of the ledger in which no TLS was seen, or nothing of it but an alert.
fn in_the_clear(session: &Session, client: Direction, line: Line) -> (Outcome, Option<Cause>) {
    match fatal(session) {
        Some((from, alert)) => (refused_by(from == client), Some(alert)),
        None => (Outcome::Cleartext, line.cause),
    }
}

fn ledger_facts(story: Story, line: Option<Line>) -> LedgerFacts {
    LedgerFacts {
        service: story.service,
        via: story.via,
        via_target: story.via_target,
        upgrade: line.map(|line| line.upgrade),
        continued_in_clear: line.map(|line| line.continued_in_clear),
        // A secret before a ClientHello that nobody asked for is still one; where there was none, nothing is claimed.
        cleartext_credentials: line.map(|line| line.cleartext_credentials),
        client_name: story.client_name,
        server_name_banner: story.banner,
        starttls_injection: story.injected && line.is_some(),
    }
}

/// The version of a connection whose handshake was not captured, from its record headers.
fn joined_version(flow: &Flow, active: &Active) -> Option<Version> {
    if !flow.is_mid_stream() || active.session.is_tls() {
        return None;
    }
    let versions = active
        .streams
        .each_ref()
        .map(TcpStream::record_layer_version);
    let version = match versions {
        [Some(a), Some(b)] if a != b => return None,
        [Some(a), _] | [_, Some(a)] => a,
        [None, None] => return None,
    };
    // RFC 9846 section 5.1: TLS 1.3 writes 0x0303 too.
    Some(if version == ProtocolVersion::TLS_1_2 {
        Version::Tls12OrLater
    } else {
        Version::Exact(version)
    })
}

fn outcome(
    flow: &Flow,
    active: &Active,
    client: Direction,
    joined: bool,
    end: End,
) -> (Outcome, Option<Cause>) {
    let session = &active.session;
    let server = client.flip();
    let unread = |direction: Direction| {
        session
            .progress
            .get(direction.index())
            .and_then(|p| p.unread)
            .map(cause_of)
    };
    match (session.offer.is_some(), session.answer.is_some()) {
        (true, true) => after_both(flow, active, client),
        (false, true) => {
            let one_way = flow.half(client).packets == 0;
            let why = if one_way {
                Cause::OneWay
            } else {
                unread(client).unwrap_or(if flow.is_mid_stream() {
                    Cause::MidStream
                } else {
                    Cause::Gap
                })
            };
            (Outcome::ServerHelloOnly, Some(why))
        }
        (true, false) => match unread(server) {
            Some(why) => (Outcome::Unknown, Some(why)),
            None => unanswered(flow, active, client, end),
        },
        (false, false) if joined => (Outcome::JoinedMidStream, Some(Cause::MidStream)),
        (false, false) => {
            let fallback = if end == End::Evicted {
                Cause::Evicted
            } else {
                Cause::Gap
            };
            (
                Outcome::Unknown,
                Some(
                    unread(client)
                        .or_else(|| unread(server))
                        .or_else(|| fatal(session).map(|(_, alert)| alert))
                        .unwrap_or(fallback),
                ),
            )
        }
    }
}

/// Datagrams have no connection around them: all that tells is what the two sides said.
fn outcome_udp(
    flow: &Flow,
    active: &UdpActive,
    client: Direction,
    end: End,
) -> (Outcome, Option<Cause>) {
    let session = &active.session;
    let server = client.flip();
    let unread = |direction: Direction| {
        session
            .progress
            .get(direction.index())
            .and_then(|p| p.unread)
            .map(cause_of)
    };
    let one_way = |direction: Direction| flow.half(direction).packets == 0;
    match (session.offer.is_some(), session.answer.is_some()) {
        (true, true) => match fatal(session).or_else(|| active.closed()) {
            Some((from, cause)) => (refused_by(from == client), Some(cause)),
            None => (Outcome::Negotiated, None),
        },
        (false, true) => {
            let why = if one_way(client) {
                Cause::OneWay
            } else {
                unread(client).unwrap_or(Cause::MidStream)
            };
            (Outcome::ServerHelloOnly, Some(why))
        }
        (true, false) => {
            if one_way(server) {
                return (Outcome::ClientHelloOnly, Some(Cause::OneWay));
            }
            if let Some((from, alert)) = fatal(session) {
                return (refused_by(from == client), Some(alert));
            }
            match active.closed() {
                Some((from, cause)) if from == server => {
                    return (Outcome::RefusedByServer, Some(cause));
                }
                // It gave up before it saw an answer.
                Some((_, cause)) => return (Outcome::NoAnswer, Some(cause)),
                None => {}
            }
            if let Some(why) = unread(server) {
                return (Outcome::Unknown, Some(why));
            }
            match active.instead_of_answer(server) {
                Some((outcome, cause)) => (outcome, Some(cause)),
                None if end == End::Evicted => (Outcome::Unknown, Some(Cause::Evicted)),
                None if end == End::CaptureEnd => (Outcome::NoAnswer, Some(Cause::CaptureEnd)),
                None => (Outcome::NoAnswer, Some(Cause::Silence)),
            }
        }
        (false, false) if active.joined_version().is_some() => {
            (Outcome::JoinedMidStream, Some(Cause::MidStream))
        }
        (false, false) => {
            let told = unread(client)
                .or_else(|| unread(server))
                .or_else(|| active.sealed());
            let alert = || fatal(session).map(|(_, alert)| alert);
            let fallback = if end == End::Evicted {
                Cause::Evicted
            } else {
                Cause::Gap
            };
            (
                Outcome::Unknown,
                Some(told.or_else(alert).unwrap_or(fallback)),
            )
        }
    }
}

/// A ServerHello answered: did anything show that the handshake failed all the same?
fn after_both(flow: &Flow, active: &Active, client: Direction) -> (Outcome, Option<Cause>) {
    if let Some((from, alert)) = fatal(&active.session)
        && !hung_up_before(flow, active, from)
    {
        return (refused_by(from == client), Some(alert));
    }
    let both_seen = flow.halves.iter().all(|half| half.packets > 0);
    let whole = active
        .streams
        .iter()
        .all(|s| s.lost().is_none() && !s.has_hole());
    match flow.first_close {
        Some(close) if both_seen && whole && !active.session.is_complete() => {
            (refused_by(close.by() == client), Some(close.cause()))
        }
        _ => (Outcome::Negotiated, None),
    }
}

/// A ClientHello, and no ServerHello.
fn unanswered(
    flow: &Flow,
    active: &Active,
    client: Direction,
    end: End,
) -> (Outcome, Option<Cause>) {
    let server = client.flip();
    if let Some((from, alert)) = fatal(&active.session)
        && !hung_up_before(flow, active, from)
    {
        return (refused_by(from == client), Some(alert));
    }
    if flow.half(server).packets == 0 {
        return (Outcome::ClientHelloOnly, Some(Cause::OneWay));
    }
    let Some(stream) = active.streams.get(server.index()) else {
        return (Outcome::Unknown, None);
    };
    if let Some(lost) = stream.lost() {
        return (Outcome::Unknown, Some(cause_of(lost)));
    }
    if end == End::Evicted {
        return (Outcome::Unknown, Some(Cause::Evicted));
    }
    if stream.has_hole() {
        return (Outcome::Unknown, Some(Cause::Gap));
    }
    let closes = |&(from, _, alert): &(Direction, bool, AlertDescription)| {
        from == server && alert == AlertDescription::CLOSE_NOTIFY
    };
    if active.session.alerts.iter().any(closes) {
        let alert = Cause::Alert(AlertDescription::CLOSE_NOTIFY);
        return (Outcome::RefusedByServer, Some(alert));
    }
    if stream.has_come_to(active.answer_from) {
        return match stream.is_scanning() {
            true => (Outcome::RefusedByServer, Some(Cause::CleartextServer(None))),
            false => (
                Outcome::Unknown,
                Some(if end == End::CaptureEnd {
                    Cause::CaptureEnd
                } else {
                    Cause::Other("answer not read to its end")
                }),
            ),
        };
    }
    match flow.first_close {
        Some(close) if close.by() == server => (Outcome::RefusedByServer, Some(close.cause())),
        _ if active.session.client_hello_segments > 1 => {
            (Outcome::NoAnswer, Some(Cause::HelloSplitUnanswered))
        }
        None if end == End::CaptureEnd => (Outcome::NoAnswer, Some(Cause::CaptureEnd)),
        _ => (Outcome::NoAnswer, Some(Cause::Silence)),
    }
}

/// Whether the other side had closed before `from` sent its alert, which then only says that the end came too early:
/// OpenSSL's client answers so to a server that refuses its hello by closing.
fn hung_up_before(flow: &Flow, active: &Active, from: Direction) -> bool {
    active.closed_without_alert && flow.first_close.is_some_and(|close| close.by() != from)
}

/// The first fatal alert in the clear, with the direction it went.
fn fatal(session: &Session) -> Option<(Direction, Cause)> {
    let is_error = |&&(_, fatal, description): &&(Direction, bool, AlertDescription)| {
        fatal && description != AlertDescription::CLOSE_NOTIFY
    };
    session
        .alerts
        .iter()
        .find(is_error)
        .map(|&(from, _, description)| (from, Cause::Alert(description)))
}

const fn refused_by(client: bool) -> Outcome {
    if client {
        Outcome::RefusedByClient
    } else {
        Outcome::RefusedByServer
    }
}

const fn cause_of(unread: Unread) -> Cause {
    match unread {
        Unread::Gap => Cause::Gap,
        Unread::Snaplen => Cause::Snaplen,
        Unread::Malformed(what) => Cause::Malformed(what),
    }
}
