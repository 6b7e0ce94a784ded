//! The policies that come with the program: files like those of users, checked by the tests.

use super::{Policy, file};

/// A policy file that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, as `--policy` takes it.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

impl Builtin {
    /// Reads it.
    ///
    /// # Panics
    /// Never: a test reads every one of them.
    pub fn policy(&self) -> Policy {
        file::parse(self.text).expect("the built-in policies are tested")
    }
}

/// The built-in policy of that name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

macro_rules! builtin {
    ($($name:literal,)*) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("builtin/", $name, ".toml")) },)*]
    };
}

/// All of them, the default first.
pub const ALL: &[Builtin] = builtin! {
    "m365",
    "azure",
    "rfc8996",
    "bcp195",
    "nist-800-52r2-government",
    "nist-800-52r2-public",
    "pci-dss-4.0.1",
    "bsi-tr-02102-2",
    "anssi",
    "mozilla-5.7-modern",
    "mozilla-5.7-intermediate",
    "mozilla-5.7-old",
    "mozilla-5.8-modern",
    "mozilla-5.8-intermediate",
    "mozilla-5.8-old",
    "browsers",
    "cnsa-2.0",
    "pq-ready",
};
