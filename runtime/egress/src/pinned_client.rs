//! A client for one host, pinned to the addresses that `policy` has checked. It resolves no names,
//! follows no redirects and uses no proxy.

use crate::tls;
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A client for this host at these addresses.
pub fn client(
    host: &str,
    addresses: &[SocketAddr],
    connect_timeout: Duration,
) -> Result<Client, reqwest::Error> {
    #[allow(
        clippy::disallowed_methods,
        reason = "each host named by others has its own client, pinned to checked addresses"
    )]
    let builder = Client::builder();
    builder
        .user_agent(concat!("pylon/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .resolve_to_addrs(host, addresses)
        .dns_resolver(Arc::new(NoResolver))
        .use_preconfigured_tls(tls::http_config())
        .build()
}

/// Names that are not pinned cannot be resolved.
struct NoResolver;

impl Resolve for NoResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Err(format!("{} was not checked", name.as_str()).into()) })
    }
}
