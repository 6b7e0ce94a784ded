//! Names of services, by port and by ALPN: IANA's.

/// The service at a server's TCP or UDP port, where IANA knows one that TLS is used for.
pub const fn by_port(port: u16) -> Option<&'static str> {
    Some(match port {
        21 => "ftp",
        23 => "telnet",
        25 => "smtp",
        110 => "pop3",
        119 => "nntp",
        143 => "imap",
        389 => "ldap",
        443 => "https",
        465 => "submissions",
        563 => "nntps",
        587 => "submission",
        631 => "ipp",
        636 => "ldaps",
        853 => "domain-s",
        989 => "ftps-data",
        990 => "ftps",
        992 => "telnets",
        993 => "imaps",
        995 => "pop3s",
        1194 => "openvpn",
        1433 => "ms-sql-s",
        2083 => "radsec",
        2376 => "docker-s",
        3268 => "msft-gc",
        3269 => "msft-gc-ssl",
        3306 => "mysql",
        3389 => "ms-wbt-server",
        4190 => "sieve",
        5061 => "sips",
        5222 => "xmpp-client",
        5269 => "xmpp-server",
        5349 => "stuns",
        5432 => "postgresql",
        5671 => "amqps",
        5672 => "amqp",
        5684 => "coaps",
        5986 => "wsmans",
        6514 => "syslog-tls",
        6697 => "ircs-u",
        8883 => "secure-mqtt",
        _ => return None,
    })
}

/// The service that an ALPN names (IANA's TLS ALPN Protocol IDs).
pub fn by_alpn(alpn: &str) -> Option<&'static str> {
    Some(match alpn {
        "http/1.0" | "http/1.1" | "h2" | "h3" => "https",
        "ftp" => "ftp",
        "imap" => "imap",
        "pop3" => "pop3",
        "managesieve" => "sieve",
        "postgresql" => "postgresql",
        "tds/8.0" => "ms-sql-s",
        "xmpp-client" => "xmpp-client",
        "xmpp-server" => "xmpp-server",
        "mqtt" => "secure-mqtt",
        "irc" => "irc",
        "nntp" => "nntp",
        "dot" => "domain-s",
        "stun.turn" | "stun.nat-discovery" => "stuns",
        "radius/1.0" | "radius/1.1" => "radsec",
        _ => return None,
    })
}

/// How a server's protocol is called in a sentence.
pub fn spoken(service: &str) -> Option<&'static str> {
    Some(match service {
        "smtp" | "submission" => "SMTP",
        "lmtp" => "LMTP",
        "imap" => "IMAP",
        "pop3" => "POP3",
        "ftp" => "FTP",
        "nntp" => "NNTP",
        "irc" => "IRC",
        "ldap" => "LDAP",
        "sieve" => "ManageSieve",
        "xmpp-client" | "xmpp-server" => "XMPP",
        "postgresql" => "PostgreSQL",
        "mysql" => "MySQL",
        "ms-sql-s" => "TDS",
        "ms-wbt-server" => "RDP",
        "http" => "HTTP",
        "acap" => "ACAP",
        "amqp" => "AMQP",
        "rfb" => "VNC",
        "sip" => "SIP",
        "telnet" => "Telnet",
        _ => return None,
    })
}
