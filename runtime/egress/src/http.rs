//! The shared HTTP client with its timeouts. All users share it, so that connections are reused and
//! the rules below always apply.

use crate::tls;
use pylon_core::text::sanitize_line;
use reqwest::{Client, Response, redirect};
use std::error::Error;
use std::io;
use std::time::Duration;

/// Backends are near: one that works accepts a connection immediately.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Less than the 5 s after which llama.cpp closes an idle connection, so that no request uses a
/// closed one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes of a foreign message in one log line.
const MESSAGE_BYTES_MAX: usize = 200;

/// The client for backends. It follows no redirects and no proxy settings of the environment. It
/// has no timeout for a whole answer: the reader of a stream limits the time between two tokens.
pub fn client() -> Result<Client, reqwest::Error> {
    client_with_connect_timeout(CONNECT_TIMEOUT)
}

/// A client with this connect timeout.
pub fn client_with_connect_timeout(connect: Duration) -> Result<Client, reqwest::Error> {
    #[allow(clippy::disallowed_methods, reason = "the shared client is made here")]
    let builder = Client::builder();
    builder
        .user_agent(concat!("pylon/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .use_preconfigured_tls(tls::http_config())
        .build()
}

/// Reads the body, truncated to this many bytes.
pub async fn read_at_most(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// An error with its innermost cause, without the URL, which may contain a key.
pub fn error_message(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        // Each level of the chain repeats the outer ones; only the innermost cause is added.
        if deeper.source().is_none() {
            text = format!("{text}: {deeper}");
        }
        cause = deeper.source();
    }
    shorten(&text)
}

/// Whether this process, or the machine, can open no more files and sockets.
pub fn is_out_of_files(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let code = deeper.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        // ENFILE and EMFILE, on every system that we support.
        if matches!(code, Some(23 | 24)) {
            return true;
        }
        cause = deeper.source();
    }
    false
}

/// One line of limited length.
pub fn shorten(text: &str) -> String {
    let end = text.floor_char_boundary(MESSAGE_BYTES_MAX);
    sanitize_line(text.split_at(end).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::dns::{Name, Resolve, Resolving};
    use std::sync::Arc;

    /// Goal: the limit of open files is recognized wherever it is hit. Method: a name resolution
    /// that hits it, and one that fails otherwise.
    #[tokio::test]
    async fn the_limit_of_open_files_is_recognized() {
        struct Fails(i32);
        impl Resolve for Fails {
            fn resolve(&self, _: Name) -> Resolving {
                let code = self.0;
                Box::pin(async move { Err(io::Error::from_raw_os_error(code).into()) })
            }
        }
        for (code, is_limit) in [(23, true), (24, true), (111, false)] {
            #[allow(clippy::disallowed_methods, reason = "a client that resolves no name")]
            let builder = Client::builder().use_preconfigured_tls(tls::http_config()).no_proxy();
            let client = builder.dns_resolver(Arc::new(Fails(code))).build().unwrap();
            let error = client.get("http://name.invalid/").send().await.unwrap_err();
            assert_eq!(is_out_of_files(&error), is_limit, "{error:?}");
        }
    }

    /// A message is cut between characters and has one line.
    #[test]
    fn a_message_has_one_short_line() {
        assert_eq!(shorten("a\nb\u{1b}[2J"), "a b\u{fffd}[2J");
        let long = "é".repeat(500);
        assert_eq!(shorten(&long).len(), 200);
        assert!(shorten(&format!("x{long}")).len() <= 200);
    }
}
