//! The ask/tell service: studies for programs in any language.
//!
//! [`Service`] answers method calls over the studies it holds open; it is plain and synchronous. Two doors
//! lead to it: [`stdio`] (JSON-RPC 2.0, one message a line) and [`http`] (the same messages as `POST /rpc`,
//! plain REST, and server-sent events). Both go through [`Service::answer`], so no door can do what the
//! other cannot.
//!
//! What this crate may not know: how parameters are chosen, how studies are stored, and what terminals
//! look like. Bad input is answered with an error that names the field, and never ends the process.

mod error;
mod fields;
mod read;
mod rpc;
mod service;

pub mod http;
pub mod stdio;

pub use service::Service;

/// Longest message that is read, in bytes: room for tens of thousands of finished trials in one call.
pub const MESSAGE_MAX: usize = 32 << 20;
