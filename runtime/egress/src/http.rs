//! The one HTTP client, with its deadlines. Everything that speaks HTTP shares it, so that connections are reused and
//! no request can be sent around the rules below.

use reqwest::{Client, Response, redirect};
use std::error::Error;
use std::time::Duration;

/// What answers at all answers a connection at once: backends are near.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Below the 5 s after which llama.cpp closes an idle connection, so that no request meets one that is being closed.
const IDLE_AT_MOST: Duration = Duration::from_secs(4);
/// What one line of the operator's log takes from a stranger's message.
const MESSAGE_BYTES_MAX: usize = 200;

/// The client. It follows no redirect and no proxy from the environment, and puts no limit on a whole answer: a stream
/// is watched from token to token by its reader.
pub fn client() -> Result<Client, reqwest::Error> {
    client_within(CONNECT_WITHIN)
}

/// The same for servers that are farther away.
pub fn client_within(connect: Duration) -> Result<Client, reqwest::Error> {
    // A program that has installed its provider already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    let builder = Client::builder();
    builder
        .user_agent(concat!("pylon/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE_AT_MOST)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .build()
}

/// The body, but no more than so many bytes of it: what is longer is cut there.
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

/// An error in words, its cause last, without the address: that may hold a key.
pub fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        // Each level of the chain is a sentence of its own; only the innermost says what happened.
        if deeper.source().is_none() {
            text = format!("{text}: {deeper}");
        }
        cause = deeper.source();
    }
    in_short(&text)
}

/// One line of a bounded length.
pub fn in_short(text: &str) -> String {
    let end = text.floor_char_boundary(MESSAGE_BYTES_MAX);
    text.split_at(end).0.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message is cut between characters and stays one line.
    #[test]
    fn a_message_stays_one_short_line() {
        assert_eq!(in_short("a\nb\u{1b}[2J"), "a b [2J");
        let long = "é".repeat(500);
        assert_eq!(in_short(&long).len(), 200);
        assert!(in_short(&format!("x{long}")).len() <= 200);
    }
}
