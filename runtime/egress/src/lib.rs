//! Outgoing connections: the policy for addresses that customers and servers name, and the HTTP
//! clients that obey it.

mod config;
pub mod configured_url;
pub mod download;
pub mod http;
pub mod pinned_client;
pub mod policy;
pub mod tls;

pub use config::Config;
