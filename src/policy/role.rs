//! What a policy calls the far ends.

use std::sync::Arc;

use super::glob::Glob;
use crate::record::{FlowRecord, Route};

/// A name for far ends, and how they are known: by any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The name.
    pub name: Arc<str>,
    /// The server name that the client asks for.
    pub sni: Vec<Glob>,
    /// The server's greeting in the clear. Where the far end is the client, as in mail that comes in, what it calls
    /// itself.
    pub banner: Vec<Glob>,
    /// Names in the server's certificate.
    pub certificate_name: Vec<Glob>,
    /// The server's port.
    pub port: Vec<u16>,
}

impl Role {
    /// Whether the far end of this flow has this role.
    pub fn fits(&self, record: &FlowRecord) -> bool {
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        if let Some(name) = &record.sni
            && any(&self.sni, name)
        {
            return true;
        }
        if let Some(banner) = &record.server_name_banner
            && any(&self.banner, banner)
        {
            return true;
        }
        if record.route == Some(Route::Inbound)
            && let Some(name) = &record.client_name
            && any(&self.banner, name)
        {
            return true;
        }
        if !self.certificate_name.is_empty()
            && let Some(certificate) = &record.certificate
            && certificate
                .names
                .iter()
                .any(|name| any(&self.certificate_name, name))
        {
            return true;
        }
        record
            .server_port
            .is_some_and(|port| self.port.contains(&port))
    }
}
