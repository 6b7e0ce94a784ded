//! What a policy makes of a flow.

use std::sync::Arc;

use super::*;
use crate::policy::accepts::CertificateKey;
use crate::record::{Cause, FlowRecord, Outcome, Upgrade, Verdict, Version};

fn flow(outcome: Outcome, negotiated: Option<V>, offer: Option<Offer>) -> FlowRecord {
    FlowRecord {
        outcome,
        negotiated_version: negotiated.map(Version::Exact),
        offer: offer.map(Arc::new),
        ..FlowRecord::default()
    }
}

fn judged(mut record: FlowRecord, policy: &Policy) -> FlowRecord {
    Judge::new(policy, None).judge(&mut record);
    record
}

#[test]
fn the_facts_of_today_and_the_offer_of_tomorrow() {
    use Outcome::*;
    let mid_stream = FlowRecord {
        negotiated_version: Some(Version::Tls12OrLater),
        ..flow(JoinedMidStream, None, None)
    };
    let answer = |suite: u16| FlowRecord {
        cipher_suite: Some(CipherSuite(suite)),
        ..flow(ServerHelloOnly, Some(V::TLS_1_2), None)
    };
    let retry = Offer {
        fallback_scsv: true,
        ..ancient()
    };
    for (name, record, accepts, verdict, reason, act) in [
        (
            "fine",
            flow(Negotiated, Some(V::TLS_1_3), Some(modern())),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "old client",
            flow(Negotiated, Some(V::TLS_1_0), Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Client),
        ),
        (
            "old server",
            flow(Negotiated, Some(V::TLS_1_0), Some(modern())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Server),
        ),
        (
            "old server, and no suite",
            flow(Negotiated, Some(V::TLS_1_0), Some(printer())),
            ECDHE_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Both),
        ),
        (
            "a retry with an old server",
            flow(Negotiated, Some(V::TLS_1_0), Some(retry)),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            Some(Act::Server),
        ),
        (
            "1.2 today, no suite tomorrow",
            flow(Negotiated, Some(V::TLS_1_2), Some(printer())),
            ECDHE_12,
            Verdict::Breaks,
            Some(reason::CIPHER_SUITES),
            Some(Act::Client),
        ),
        (
            "newer today",
            flow(Negotiated, Some(V::TLS_1_3), Some(modern())),
            ECDHE_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "old, mid-stream",
            flow(JoinedMidStream, Some(V::TLS_1_0), None),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION),
            None,
        ),
        (
            "1.2 or 1.3, mid-stream",
            mid_stream.clone(),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "1.2 or 1.3, mid-stream, suites asked",
            mid_stream.clone(),
            ECDHE_12,
            Verdict::Unknown,
            Some("joined-mid-stream"),
            None,
        ),
        (
            "1.2 or 1.3, mid-stream, 1.3 asked",
            mid_stream,
            "min_version = \"TLS 1.3\"",
            Verdict::Unknown,
            Some(reason::UNRANKED_VERSION),
            None,
        ),
        (
            "the answer alone fits",
            answer(0xc02f),
            ECDHE_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "the answer alone does not tell",
            answer(0x002f),
            ECDHE_12,
            Verdict::Unknown,
            Some(reason::OFFER_NOT_SEEN),
            None,
        ),
        (
            "the offer alone",
            flow(ClientHelloOnly, None, Some(modern())),
            MIN_12,
            Verdict::Ok,
            None,
            None,
        ),
        (
            "the offer alone, old",
            flow(ClientHelloOnly, None, Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION_OFFER),
            Some(Act::Client),
        ),
        (
            "refused today",
            flow(RefusedByServer, None, Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some("refused-by-server"),
            None,
        ),
        (
            "refused today, and tomorrow",
            flow(RefusedByServer, None, Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MIN_VERSION_OFFER),
            Some(Act::Client),
        ),
        (
            "not answered",
            flow(NoAnswer, None, Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some("not-answered"),
            None,
        ),
        (
            "a number of no standard",
            flow(Negotiated, Some(V(0x7a00)), Some(modern())),
            MIN_12,
            Verdict::Unknown,
            Some(reason::UNRANKED_VERSION),
            None,
        ),
        (
            "nothing",
            flow(Unknown, None, None),
            MIN_12,
            Verdict::Unknown,
            Some("not-seen"),
            None,
        ),
    ] {
        let record = judged(record, &policy(accepts));
        assert_eq!(
            (record.verdict, record.reasons.first().copied(), record.act),
            (verdict, reason, act),
            "{name}"
        );
        assert_eq!(record.policy.as_deref(), Some("test"), "{name}");
    }
}

#[test]
fn of_a_retry_the_first_offer_decides() {
    use Outcome::*;
    for (name, record, accepts, verdict, reasons, act) in [
        (
            "an old server is who must change",
            flow(Negotiated, Some(V::TLS_1_0), Some(ancient())),
            MIN_12,
            Verdict::Breaks,
            &[reason::MIN_VERSION, reason::FALLBACK_RETRY][..],
            Some(Act::Server),
        ),
        (
            "refused again",
            flow(RefusedByServer, None, Some(ancient())),
            MIN_12,
            Verdict::Unknown,
            &[reason::FALLBACK_RETRY],
            None,
        ),
        (
            "down to what still does",
            flow(Negotiated, Some(V::TLS_1_2), Some(printer())),
            MIN_12,
            Verdict::Ok,
            &[reason::FALLBACK_RETRY],
            None,
        ),
        (
            "down to a version without the suites",
            flow(Negotiated, Some(V::TLS_1_2), Some(printer())),
            ECDHE_12,
            Verdict::Unknown,
            &[reason::FALLBACK_RETRY],
            None,
        ),
    ] {
        let policy = policy(accepts);
        let mut judge = Judge::new(&policy, None);
        let mut record = record;
        judge.judge(&mut record);
        assert!(!record.reasons.contains(&reason::FALLBACK_RETRY), "{name}");
        judge.judge_as_retry(&mut record, &modern());
        assert_eq!(
            (record.verdict, &*record.reasons, record.act),
            (verdict, reasons, act),
            "{name}"
        );
        // Reports hold them in another order.
        let primary = policy.primary(record.reasons.iter().rev().copied());
        assert_eq!(primary, reasons.first().copied(), "{name}");
    }
}

/// From TLS 1.1 down to 1.0: neither will do.
#[test]
fn a_first_offer_that_would_fail_too_leaves_the_client_to_change() {
    let policy = policy(MIN_12);
    let mut judge = Judge::new(&policy, None);
    let first = Offer {
        legacy_version: V::TLS_1_1,
        versions: vec![V::TLS_1_1],
        ..ancient()
    };
    let mut record = flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()));
    judge.judge(&mut record);
    judge.judge_as_retry(&mut record, &first);
    assert_eq!(
        (record.verdict, record.act),
        (Verdict::Breaks, Some(Act::Client))
    );
    assert_eq!(
        record.reasons,
        [reason::MIN_VERSION, reason::FALLBACK_RETRY]
    );
}

#[test]
fn a_redacted_retry_is_still_from_a_relay() {
    let policy = policy(MIN_12);
    let mut record = FlowRecord {
        service: Some("smtp"),
        server_port: Some(25),
        client_name: Some("mx.example.org".into()),
        upgrade: Some(Upgrade::Upgraded),
        continued_in_clear: Some(false),
        ..flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()))
    };
    crate::record::redact::Pseudonyms::new([7; 16]).redact(&mut record);
    Judge::new(&policy, None).judge_as_retry(&mut record, &modern());
    assert_eq!(record.verdict, Verdict::GoesCleartext);
}

#[test]
fn an_upgrade_may_go_on_without() {
    let mail = |port: u16, name: &str| FlowRecord {
        service: Some(if port == 25 { "smtp" } else { "submission" }),
        server_port: Some(port),
        client_name: Some(name.into()),
        upgrade: Some(Upgrade::Upgraded),
        continued_in_clear: Some(false),
        ..flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()))
    };
    let went_on = FlowRecord {
        continued_in_clear: Some(true),
        upgrade: Some(Upgrade::HelloFailed),
        ..mail(587, "printer")
    };
    let refused = "min_version = \"TLS 1.2\"\ncleartext = \"refused\"";
    for (name, record, accepts, verdict, second) in [
        (
            "a relay",
            mail(25, "mx.example.org"),
            MIN_12,
            Verdict::GoesCleartext,
            Some(reason::OPPORTUNISTIC_ASSUMED),
        ),
        (
            "a printer",
            mail(25, "printer"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        (
            "an address",
            mail(25, "[192.0.2.1]"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        (
            "submission",
            mail(587, "mail.example.org"),
            MIN_12,
            Verdict::Breaks,
            Some(reason::MAY_GO_CLEARTEXT),
        ),
        ("seen", went_on, MIN_12, Verdict::GoesCleartext, None),
        (
            "refused",
            mail(25, "mx.example.org"),
            refused,
            Verdict::Breaks,
            None,
        ),
    ] {
        let record = judged(record, &policy(accepts));
        assert_eq!(
            (record.verdict, record.reasons.get(1).copied()),
            (verdict, second),
            "{name}"
        );
    }
}

#[test]
fn sessions_in_the_clear() {
    for (upgrade, went_on, verdict, where_refused) in [
        (
            Upgrade::NotRequested,
            true,
            Verdict::AtRisk,
            Verdict::Breaks,
        ),
        (Upgrade::NotOffered, false, Verdict::AtRisk, Verdict::Breaks),
        (Upgrade::Refused, false, Verdict::AtRisk, Verdict::Breaks),
        (
            Upgrade::Refused,
            true,
            Verdict::GoesCleartext,
            Verdict::Breaks,
        ),
        (
            Upgrade::StrippedSuspected,
            true,
            Verdict::GoesCleartext,
            Verdict::Breaks,
        ),
        (Upgrade::Unknown, false, Verdict::Unknown, Verdict::Unknown),
        (Upgrade::Unknown, true, Verdict::AtRisk, Verdict::Breaks),
    ] {
        let record = FlowRecord {
            upgrade: Some(upgrade),
            continued_in_clear: Some(went_on),
            cleartext_credentials: Some(true),
            ..flow(Outcome::Cleartext, None, None)
        };
        let name = format!("{upgrade} {went_on}");
        let served = judged(record.clone(), &policy(MIN_12));
        assert_eq!(served.verdict, verdict, "{name}");
        assert_eq!(
            served.reasons,
            [reason::CLEARTEXT, reason::CLEARTEXT_CREDENTIALS]
        );
        let refused = judged(record, &policy("cleartext = \"refused\""));
        assert_eq!(refused.verdict, where_refused, "{name}");
    }
    let sealed = FlowRecord {
        upgrade: Some(Upgrade::NotRequested),
        continued_in_clear: Some(false),
        cause: Some(Cause::Other("gssapi encryption")),
        ..flow(Outcome::Unknown, None, None)
    };
    let m365 = builtin::find("m365").expect("built in").policy();
    for policy in [&m365, &policy("cleartext = \"refused\"")] {
        assert_eq!(judged(sealed.clone(), policy).verdict, Verdict::Unknown);
    }
}

#[test]
fn days_and_rules() {
    let text = r#"
name = "dated"
effective = 2027-01-01
[accepts]
min_version = "TLS 1.2"
[[rule]]
id = "rsa"
scope = "negotiated"
severity = "must-not"
effective = 2028-01-01
when = { cipher_suites = ["TLS_RSA_*"] }
"#;
    let policy = file::parse(text).expect("it is valid");
    let at = |day: &str, record: &FlowRecord| {
        let mut record = record.clone();
        Judge::new(&policy, Timestamp::from_date(day)).judge(&mut record);
        (record.verdict, record.reasons, record.act)
    };
    let old = flow(Outcome::Negotiated, Some(V::TLS_1_0), Some(ancient()));
    assert_eq!(
        at("2026-12-31", &old),
        (
            Verdict::AtRisk,
            vec![reason::MIN_VERSION, reason::NOT_YET_IN_FORCE],
            Some(Act::Client)
        )
    );
    assert_eq!(at("2027-01-01", &old).0, Verdict::Breaks);
    let rsa = FlowRecord {
        cipher_suite: Some(CipherSuite(0x009c)),
        ..flow(Outcome::Negotiated, Some(V::TLS_1_2), Some(modern()))
    };
    assert_eq!(
        at("2027-06-01", &rsa),
        (Verdict::AtRisk, vec!["rsa"], Some(Act::Server))
    );
    assert_eq!(
        at("2028-01-01", &rsa),
        (Verdict::Breaks, vec!["rsa"], Some(Act::Server))
    );
    // The day is the flow's where the user names none.
    let mut record = old;
    record.last_seen = Timestamp::from_date("2026-06-01").expect("a day");
    Judge::new(&policy, None).judge(&mut record);
    assert_eq!(record.verdict, Verdict::AtRisk);
}

#[test]
fn every_builtin_is_sound() {
    for builtin in builtin::ALL {
        let policy =
            file::parse(builtin.text).unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
        assert_eq!(&*policy.name, builtin.name);
        assert!(!policy.sources.is_empty(), "{}", builtin.name);
        assert!(
            policy.accepts.is_some() || !policy.rules.is_empty(),
            "{}",
            builtin.name
        );
        for rule in &*policy.rules {
            assert!(
                rule.citation.is_some() && rule.says.is_some(),
                "{} {}",
                builtin.name,
                rule.id
            );
            assert!(
                rule.remedy_client.is_some() || rule.remedy_server.is_some(),
                "{} {}",
                builtin.name,
                rule.id
            );
        }
    }
    assert!(Policy::named("m366").is_none());
}

#[test]
fn the_key_of_the_capture_stands_for_the_far_ends() {
    let with_key = |key: &str| FlowRecord {
        certificate: Some(Arc::new(crate::record::Certificate {
            key: key.into(),
            ..Default::default()
        })),
        ..flow(
            Outcome::Negotiated,
            Some(V::TLS_1_2),
            Some(Offer {
                cipher_suites: suites(&[0xc02b]),
                versions: vec![V::TLS_1_2],
                ..modern()
            }),
        )
    };
    let any = policy(MIN_12);
    assert_eq!(judged(with_key("ECDSA P-256"), &any).verdict, Verdict::Ok);
    assert_eq!(
        judged(with_key("RSA-2048"), &any).reasons,
        [reason::CERTIFICATE_KEY]
    );
    // The policy's word counts more.
    let own = policy("min_version = \"TLS 1.2\"\ncertificates = [{ key = \"ECDSA P-256\" }]");
    assert_eq!(judged(with_key("RSA-2048"), &own).verdict, Verdict::Ok);
    assert_eq!(CertificateKey::named("1.2.3"), None);
}

#[test]
fn what_was_seen_to_work_needs_no_guess() {
    let silent = || Offer {
        cipher_suites: suites(&[0xc02f]),
        named_groups: None,
        versions: vec![V::TLS_1_2],
        ..modern()
    };
    let told = |outcome, version: Option<V>, accepts: &str| {
        let record = FlowRecord {
            cipher_suite: version.map(|_| CipherSuite(0xc02f)),
            named_group: version.map(|_| NamedGroup(23)),
            ..flow(outcome, version, Some(silent()))
        };
        let record = judged(record, &policy(accepts));
        (record.verdict, record.reasons)
    };
    let unknown = (Verdict::Unknown, vec![reason::SOFTWARE_NOT_NAMED]);
    assert_eq!(
        told(Outcome::Negotiated, Some(V::TLS_1_2), MIN_12),
        (Verdict::Ok, vec![])
    );
    assert_eq!(told(Outcome::ClientHelloOnly, None, MIN_12), unknown);
    // Another group would have to be chosen.
    let p384 = format!("{MIN_12}groups = [\"secp384r1\"]\n");
    assert_eq!(told(Outcome::Negotiated, Some(V::TLS_1_2), &p384), unknown);
}

#[test]
fn a_key_that_tls_13_hid() {
    let old = policy("max_version = \"TLS 1.2\"");
    let told = |offer: Offer| {
        let record = flow(Outcome::Negotiated, Some(V::TLS_1_3), Some(offer));
        let record = judged(record, &old);
        (record.verdict, record.reasons)
    };
    let unknown = (Verdict::Unknown, vec![reason::CERTIFICATE_NOT_SEEN]);
    let p384 = Offer {
        named_groups: Some(groups(&[24])),
        ..modern()
    };
    let rsa_alone = Offer {
        cipher_suites: suites(&[0x1301, 0xc02f]),
        ..modern()
    };
    assert_eq!(told(modern()), (Verdict::Ok, vec![]));
    assert_eq!(told(rsa_alone), unknown);
    assert_eq!(told(p384), unknown);
}
