//! What stays of a flow of which all is told: as little as can be, for there may be millions of them.
//!
//! Connections of the same client software with the same server tell the same things. Those are kept once, and a
//! flow holds on to them; what is its own are two numbers, and seldom more.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Beginning, Facts, LedgerFacts, Link};
use crate::dispatch::Direction;
use crate::hello::Offer;
use crate::hello::intern::ENOUGH;
use crate::hello::registry::NamedGroup;
use crate::hello::server::Answer;
use crate::hello::version::ProtocolVersion;
use crate::record::{
    Alert, Carrier, Cause, Certificate, ClientCertificate, NegotiatedSource, Outcome, Version,
};

/// A flow of which all is told.
#[derive(Debug)]
pub struct Settled {
    /// What others of its kind told, too.
    pub told: Arc<Told>,
    /// The frame around it.
    pub link: Arc<Link>,
    /// What few flows have.
    pub rare: Option<Box<Rare>>,
    hello_us: u32,
    /// That it was measured: in a byte of its own, of whose values the enum around it takes some.
    has_hello_us: bool,
}

/// What many flows tell alike.
#[derive(Debug)]
#[allow(missing_docs, reason = "as in the record")]
pub struct Told {
    pub client: Direction,
    pub carrier: Option<Carrier>,
    pub quic_version: Option<u32>,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    pub negotiated_version: Option<Version>,
    pub negotiated_source: Option<NegotiatedSource>,
    pub offer: Option<Arc<Offer>>,
    pub answer: Option<Arc<Answer>>,
    pub sni: Option<Arc<str>>,
    pub client_record_version: Option<ProtocolVersion>,
    pub client_hello_segments: u32,
    pub named_group: Option<NamedGroup>,
    pub hello_retry: bool,
    pub resumed: Option<bool>,
    pub downgrade_sentinel: bool,
    pub extended_master_secret: Option<bool>,
    pub certificate: Option<Arc<Certificate>>,
    pub client_certificate: Option<ClientCertificate>,
    pub mid_stream: bool,
}

/// What few flows have.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "as in the record")]
pub struct Rare {
    pub alerts: Box<[Alert]>,
    pub missing_bytes: u64,
    pub conflicting_bytes: u64,
    pub beginning: Beginning,
    pub ledger: Option<LedgerFacts>,
}

impl Settled {
    /// Microseconds from hello to hello.
    pub fn hello_us(&self) -> Option<u32> {
        self.has_hello_us.then_some(self.hello_us)
    }

    /// What a flow of datagrams began with.
    pub fn beginning(&self) -> &Beginning {
        self.rare
            .as_deref()
            .map_or(&Beginning::Unknown, |rare| &rare.beginning)
    }
}

/// What was told by the flows of one worker. Nothing that is written out depends on what is in it.
#[derive(Debug)]
pub struct ToldTable {
    known: HashTable<Arc<Told>>,
    hasher: RandomState,
    /// Then it is time to forget what nobody holds.
    enough: usize,
}

impl Default for ToldTable {
    fn default() -> Self {
        Self {
            known: HashTable::new(),
            hasher: RandomState::default(),
            enough: ENOUGH,
        }
    }
}

impl ToldTable {
    /// Keeps `facts` in as little room as can be.
    pub fn settle(&mut self, facts: Facts) -> Settled {
        let Facts {
            hello_us,
            alerts,
            missing_bytes,
            conflicting_bytes,
            beginning,
            ledger,
            ..
        } = facts;
        let rare = Rare {
            alerts,
            missing_bytes,
            conflicting_bytes,
            beginning,
            ledger: ledger.map(|ledger| *ledger),
        };
        let is_rare = !rare.alerts.is_empty()
            || rare.missing_bytes > 0
            || rare.conflicting_bytes > 0
            || rare.beginning != Beginning::Unknown
            || rare.ledger.is_some();
        let link = facts.link;
        let kept = Told {
            client: facts.client,
            carrier: facts.carrier,
            quic_version: facts.quic_version,
            outcome: facts.outcome,
            cause: facts.cause,
            negotiated_version: facts.negotiated_version,
            negotiated_source: facts.negotiated_source,
            offer: facts.offer,
            answer: facts.answer,
            sni: facts.sni,
            client_record_version: facts.client_record_version,
            client_hello_segments: facts.client_hello_segments,
            named_group: facts.named_group,
            hello_retry: facts.hello_retry,
            resumed: facts.resumed,
            downgrade_sentinel: facts.downgrade_sentinel,
            extended_master_secret: facts.extended_master_secret,
            certificate: facts.certificate,
            client_certificate: facts.client_certificate,
            mid_stream: facts.mid_stream,
        };
        Settled {
            told: self.intern(kept),
            link,
            rare: is_rare.then(|| Box::new(rare)),
            hello_us: hello_us.unwrap_or_default(),
            has_hello_us: hello_us.is_some(),
        }
    }

    fn intern(&mut self, told: Told) -> Arc<Told> {
        let hash = self.hasher.hash_one(Key(&told));
        if let Some(known) = self.known.find(hash, |known| known.is_same(&told)) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.enough {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.enough = ENOUGH.max(2 * self.known.len());
        }
        let told = Arc::new(told);
        let hasher = &self.hasher;
        self.known
            .insert_unique(hash, Arc::clone(&told), |known| hasher.hash_one(Key(known)));
        told
    }
}

/// What is shared is the same where it is the same one: the tables of offers, answers, certificates and names see to that.
/// Should they have forgotten it meanwhile, it is told once more.
fn place<T: ?Sized>(shared: Option<&Arc<T>>) -> usize {
    shared.map_or(0, |shared| Arc::as_ptr(shared).cast::<()>().addr())
}

impl Told {
    /// Whether all of it is the same.
    fn is_same(&self, other: &Self) -> bool {
        place(self.offer.as_ref()) == place(other.offer.as_ref())
            && place(self.answer.as_ref()) == place(other.answer.as_ref())
            && place(self.certificate.as_ref()) == place(other.certificate.as_ref())
            && place(self.sni.as_ref()) == place(other.sni.as_ref())
            && self.small() == other.small()
            && self.cause == other.cause
    }

    /// All that is neither shared nor text.
    #[allow(clippy::type_complexity, reason = "compared, and nothing else")]
    fn small(
        &self,
    ) -> (
        (
            Direction,
            Option<Carrier>,
            Option<u32>,
            Outcome,
            Option<Version>,
            Option<NegotiatedSource>,
        ),
        (Option<ProtocolVersion>, u32, Option<NamedGroup>),
        (bool, Option<bool>, bool, Option<bool>),
        (Option<ClientCertificate>, bool),
    ) {
        (
            (
                self.client,
                self.carrier,
                self.quic_version,
                self.outcome,
                self.negotiated_version,
                self.negotiated_source,
            ),
            (
                self.client_record_version,
                self.client_hello_segments,
                self.named_group,
            ),
            (
                self.hello_retry,
                self.resumed,
                self.downgrade_sentinel,
                self.extended_master_secret,
            ),
            (self.client_certificate, self.mid_stream),
        )
    }
}

/// What is hashed: enough to tell most of them apart.
struct Key<'a>(&'a Told);

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(told) = self;
        state.write_usize(place(told.offer.as_ref()));
        state.write_usize(place(told.answer.as_ref()));
        state.write_usize(place(told.certificate.as_ref()));
        state.write_usize(place(told.sni.as_ref()));
        state.write_u64(
            u64::from(told.client_hello_segments) << 32
                | (told.client.index() as u64) << 24
                | u64::from(told.resumed == Some(true)) << 16
                | u64::from(told.mid_stream) << 8
                | told.outcome as u64,
        );
    }
}

/// The links of one worker's flows, each once.
#[derive(Debug)]
pub struct LinkTable {
    known: HashTable<Arc<Link>>,
    hasher: RandomState,
    /// Then it is time to forget what nobody holds.
    enough: usize,
}

impl Default for LinkTable {
    fn default() -> Self {
        Self {
            known: HashTable::new(),
            hasher: RandomState::default(),
            enough: ENOUGH,
        }
    }
}

impl LinkTable {
    /// The same [`Arc`] for the same link.
    pub fn intern(&mut self, link: Link) -> Arc<Link> {
        let hash = hash_link(&self.hasher, &link);
        if let Some(known) = self.known.find(hash, |known| **known == link) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.enough {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.enough = ENOUGH.max(2 * self.known.len());
        }
        let link = Arc::new(link);
        let hasher = &self.hasher;
        self.known
            .insert_unique(hash, Arc::clone(&link), |known| hash_link(hasher, known));
        link
    }
}

fn hash_link(hasher: &RandomState, link: &Link) -> u64 {
    let mut state = hasher.build_hasher();
    for mac in link.macs {
        let [a, b, c, d, e, f] = mac.map_or([0; 6], |mac| mac.0);
        state.write_u64(u64::from_ne_bytes([
            a,
            b,
            c,
            d,
            e,
            f,
            mac.is_some().into(),
            0,
        ]));
    }
    state.write_u64(u64::from_ne_bytes(link.vlans.bytes()));
    state.write_u64(u64::from_ne_bytes(link.tunnels.bytes()));
    state.finish()
}
