//! The ids that stand in a record's `reasons`, besides those of a policy's own rules, and what they mean to people.

use crate::record::Act;

/// The version that was negotiated is older than the policy's minimum.
pub const MIN_VERSION: &str = "min-version";
/// Everything that the client offers is older than the policy's minimum.
pub const MIN_VERSION_OFFER: &str = "min-version-offer";
/// Everything that the client offers is newer than the policy's maximum.
pub const MAX_VERSION: &str = "max-version";
/// Of the versions that the client offers none is between the policy's.
pub const VERSION: &str = "version";
/// The version has a number that no standard ranks.
pub const UNRANKED_VERSION: &str = "unranked-version";
/// The far end takes no ClientHello without server_name.
pub const SERVER_NAME: &str = "server-name";
/// No suite in common that the version can use.
pub const CIPHER_SUITES: &str = "cipher-suites";
/// No group in common.
pub const GROUPS: &str = "groups";
/// No finite field in common (RFC 7919).
pub const FFDHE_GROUPS: &str = "ffdhe-groups";
/// No suite in common for the key of any certificate.
pub const CERTIFICATE_KEY: &str = "certificate-key";
/// The certificate's key is on a curve that the client does not list.
pub const CERTIFICATE_CURVE: &str = "certificate-curve";
/// No signature algorithm in common.
pub const SIGNATURE_ALGORITHMS: &str = "signature-algorithms";
/// The far end takes no handshake up to TLS 1.2 without extended_master_secret.
pub const EXTENDED_MASTER_SECRET: &str = "extended-master-secret";
/// The far end takes suites in CBC mode with encrypt_then_mac alone.
pub const ENCRYPT_THEN_MAC: &str = "encrypt-then-mac";

/// Not known: the server would choose less than the one version that the hello names, or a version below TLS 1.2 where
/// the client has newer ones; what the client's least is, no hello says for sure.
pub const CLIENT_MINIMUM_VERSION: &str = "client-minimum-version";
/// Not known: the certificate's curve is not in the client's list; some take it all the same.
pub const CERTIFICATE_CURVE_NOT_LISTED: &str = "certificate-curve-not-listed";
/// Not known: the server has an ECDSA certificate, and the client lists no RSA signature, with which it may be signed.
pub const CERTIFICATE_SIGNATURE_NOT_LISTED: &str = "certificate-signature-not-listed";
/// Not known: the client lists finite fields, and the server's may be smaller than all of them; or it knows TLS 1.3 and
/// lists none, and may refuse them.
pub const DHE_PARAMETERS: &str = "dhe-parameters";
/// Not known: the server would send its point compressed, as the client lists it first; its hello says otherwise.
pub const POINT_FORMAT: &str = "point-format";
/// Not known: the server would take a group that the client does not list; some take it all the same.
pub const GROUP_NOT_LISTED: &str = "group-not-listed";
/// Not known: the far end would go below TLS 1.3, which hid the kind of its key from the capture, and not every kind would do.
pub const CERTIFICATE_NOT_SEEN: &str = "certificate-not-seen";
/// Not known: TLS software differs in what it makes of such an offer, and the policy does not name the far end's.
pub const SOFTWARE_NOT_NAMED: &str = "software-not-named";
/// Not known: a retry at a lower version, said so (TLS_FALLBACK_SCSV) or seen; what the client offered first decides.
pub const FALLBACK_RETRY: &str = "fallback-retry";
/// Not known: both sides may have a suite that works without a certificate, or one that is not registered.
pub const UNUSUAL_SUITES: &str = "unusual-suites";
/// Not known: the record was read back from a file, which does not hold what the policy asks for.
pub const OFFER_NOT_SAVED: &str = "offer-not-saved";
/// Not known: the ClientHello was not captured, and what was negotiated does not tell enough.
pub const OFFER_NOT_SEEN: &str = "offer-not-seen";

/// A session of a protocol that could have been upgraded to TLS, without it.
pub const CLEARTEXT: &str = "cleartext";
/// The far end refuses sessions without TLS.
pub const CLEARTEXT_REFUSED: &str = "cleartext-refused";
/// A secret that can be read or replayed went over the wire in the clear.
pub const CLEARTEXT_CREDENTIALS: &str = "cleartext-credentials";
/// Commands in the clear behind the request for TLS (CVE-2011-0411), or TLS records replaced by them.
pub const STARTTLS_INJECTION: &str = "starttls-injection";
/// An assumption, by the custom of mail relays (RFC 7435): where TLS fails, mail is sent without.
pub const OPPORTUNISTIC_ASSUMED: &str = "opportunistic-assumed";
/// Whether the client stops or goes on in the clear where TLS fails, no hello tells.
pub const MAY_GO_CLEARTEXT: &str = "may-go-cleartext";
/// The policy is in force from a later day on.
pub const NOT_YET_IN_FORCE: &str = "not-yet-in-force";

/// Whether a reason is told besides the one that decides.
pub fn is_besides(id: &str) -> bool {
    [
        CLEARTEXT_CREDENTIALS,
        STARTTLS_INJECTION,
        OPPORTUNISTIC_ASSUMED,
        MAY_GO_CLEARTEXT,
        NOT_YET_IN_FORCE,
    ]
    .contains(&id)
}

/// What a reason says to people, as the end of a sentence that begins with the device.
pub const fn says(reason: &str) -> Option<&'static str> {
    Some(match reason.as_bytes() {
        b"min-version" => "negotiated a version that is too old",
        b"min-version-offer" => "offers no version that is new enough",
        b"max-version" => "offers only versions that are newer than those accepted",
        b"version" => "offers none of the versions accepted",
        b"unranked-version" => "uses a version that no standard ranks",
        b"server-name" => "does not say which server name it wants",
        b"cipher-suites" => "offers no cipher suite that is accepted",
        b"groups" => "offers no group for the key exchange that is accepted",
        b"ffdhe-groups" => "offers no finite-field group that is accepted",
        b"certificate-key" => "offers no cipher suite for the kind of key in the certificate",
        b"certificate-curve" => "does not list the curve of the certificate's key",
        b"signature-algorithms" => "offers no signature algorithm that the server can sign with",
        b"extended-master-secret" => "does not offer extended_master_secret",
        b"encrypt-then-mac" => "does not offer encrypt_then_mac for its CBC suites",
        b"client-minimum-version" => "does not say whether it would take the older version",
        b"certificate-curve-not-listed" => {
            "does not list the curve of the certificate's key; some clients take it all the same"
        }
        b"certificate-signature-not-listed" => {
            "lists no RSA signature, with which the certificate may be signed"
        }
        b"dhe-parameters" => {
            "lists finite fields that may be larger than the server's, or none though it knows them"
        }
        b"point-format" => {
            "lists compressed points first, in which the server would then send its own"
        }
        b"group-not-listed" => {
            "lists no group that is accepted; the server would take another, and some clients go along"
        }
        b"certificate-not-seen" => {
            "would be answered below TLS 1.3, by a server whose kind of key the capture does not show"
        }
        b"software-not-named" => {
            "makes an offer that TLS software answers differently, and the policy does not say which it is"
        }
        b"fallback-retry" => "retried at a lower version; its first offer decides",
        b"unusual-suites" => "offers suites whose fate cannot be foretold",
        b"offer-not-saved" => "was read from a saved record, which lacks what the policy asks for",
        b"offer-not-seen" => "sent a ClientHello that was not captured",
        b"cleartext" => "speaks without TLS",
        b"cleartext-refused" => "speaks without TLS, which is refused",
        b"cleartext-credentials" => "sends a password or token in the clear",
        b"starttls-injection" => {
            "has commands in the clear behind its request for TLS (CVE-2011-0411)"
        }
        b"opportunistic-assumed" => "is assumed to send without TLS then, as mail relays do",
        b"may-go-cleartext" => "may then go on without TLS instead of stopping",
        b"not-yet-in-force" => "is judged by rules that come into force later",
        b"refused-by-server" => "was refused by the server already",
        b"refused-by-client" => "broke off the handshake already",
        b"not-answered" => "got no answer",
        b"one-direction" => "was captured in one direction alone",
        b"joined-mid-stream" => "began before the capture",
        b"version-not-seen" => "negotiated a version that was not captured",
        b"not-seen" => "sent no hello that was captured",
        _ => return None,
    })
}

/// What to do about it, a sentence, by who must act.
pub const fn remedy(reason: &str, act: Option<Act>) -> Option<&'static str> {
    let server = matches!(act, Some(Act::Server));
    Some(match reason.as_bytes() {
        b"min-version" | b"min-version-offer" | b"version" if server => {
            "Switch newer TLS on in the server, or put a proxy or relay that speaks it in front."
        }
        b"min-version" | b"min-version-offer" | b"version" => {
            "Switch newer TLS on, update its firmware or runtime, or send through a relay."
        }
        b"max-version" => {
            "Switch an older TLS version on beside the newest, or let the far end take newer ones."
        }
        b"server-name" => {
            "Connect by name, not by address, with software that sends the name (server_name)."
        }
        b"cipher-suites" | b"ffdhe-groups" => {
            "Switch suites with ECDHE and AES-GCM on, or update its firmware or runtime."
        }
        b"groups" => {
            "Switch the accepted groups (usually secp256r1, x25519) on, or update its runtime."
        }
        b"certificate-key" | b"certificate-curve" => {
            "Update the client, or let the server keep a certificate with an RSA or a P-256 key besides."
        }
        b"signature-algorithms" => {
            "Update the client to one that takes SHA-256 signatures, RSA-PSS included."
        }
        b"extended-master-secret" => {
            "Update the client's TLS library to one that has extended_master_secret (RFC 7627)."
        }
        b"encrypt-then-mac" => {
            "Switch AES-GCM suites on, or update to a library that has encrypt_then_mac (RFC 7366)."
        }
        b"cleartext" | b"cleartext-refused" if server => "Switch STARTTLS on in the server.",
        b"cleartext" | b"cleartext-refused" => "Make the client ask for TLS, and insist on it.",
        b"cleartext-credentials" => {
            "Make the client insist on TLS before it logs in, and change the password."
        }
        b"starttls-injection" => {
            "Update the server: it must forget what came before the TLS handshake."
        }
        b"opportunistic-assumed" | b"may-go-cleartext" => {
            "Decide whether mail may go without TLS, and set the sender accordingly."
        }
        _ => return None,
    })
}
