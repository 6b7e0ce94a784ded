//! hellotap, a passive TLS auditor: from packets to verdicts.
//!
//! The modules are the packet's path, in its order:
//!
//! ```text
//! capture thread                      worker threads, each owns some of the 64 shards        main thread
//! capture → decode → dispatch ─▶ Block → shard: flow → framing → hello → policy → record ─▶ report
//! ```
//!
//! Everything between `dispatch` and `report` is a pure function of the packets in the order of the trace: time and
//! bytes come in as arguments, values go out. Threads, channels and signals are in [`run`] alone,
//! but for the one thread of [`watch`] that answers whoever asks for figures; what a live capture gives up before any of
//! them begins is in `sandbox`.

pub mod capture;
pub mod cli;
pub mod config;
pub mod decode;
pub mod dispatch;
pub mod flow;
pub mod framing;
pub mod fuzz;
pub mod generate;
pub mod hello;
pub mod ordered;
pub mod output;
pub mod policy;
pub mod prefetch;
pub mod record;
pub mod rejudge;
pub mod replay;
pub mod report;
pub mod run;
#[cfg(target_os = "linux")]
pub mod sandbox;
pub mod shard;
pub mod stats;
pub mod time;
pub mod watch;
