//! A client for one host of a stranger's, bound to the addresses that `address` has judged: nothing is looked up again, followed, or sent through a
//! proxy.

use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// For this host, at these addresses.
pub fn client(
    host: &str,
    found: &[SocketAddr],
    connect_within: Duration,
) -> Result<Client, reqwest::Error> {
    // A program that has installed its provider already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[allow(
        clippy::disallowed_methods,
        reason = "a stranger's host gets a client of its own, bound to what was judged"
    )]
    let builder = Client::builder();
    builder
        .user_agent(concat!("pylon/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_within)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .resolve_to_addrs(host, found)
        .dns_resolver(Arc::new(NoLookUp))
        .build()
}

/// What is not bound is not found.
struct NoLookUp;

impl Resolve for NoLookUp {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Err(format!("{} was not judged", name.as_str()).into()) })
    }
}
