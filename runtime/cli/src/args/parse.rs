//! Parsers for the values of arguments. An error says what is expected.

use pylon_core::{Digest, Input, InputSource, JobId, MessageId, Param, PublicKey};
use pylon_nostr::identity;

/// A NIP-90 request kind.
pub(super) fn kind(text: &str) -> Result<u16, String> {
    let kind = text.parse().ok().filter(|kind| (5000..=5999).contains(kind));
    kind.ok_or_else(|| "expected a request kind, 5000 to 5999".into())
}

/// The seconds of an age with a unit.
pub(super) fn age(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    seconds.ok_or_else(|| "expected a number and one of the units s, m, h, d, w, such as 7d".into())
}

pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "expected 64 lowercase hex digits".into())
}

/// A setting of a guest.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => {
            Err("expected NAME=VALUE, such as base-msat=1000; repeat `--set` for each setting"
                .into())
        }
    }
}

/// An input of a job.
pub(super) fn input(text: &str) -> Result<Input, String> {
    let (kind, data) = text.split_once(':').unwrap_or(("", text));
    let source = match kind {
        "text" => InputSource::Text(data.into()),
        "url" => InputSource::Url(data.into()),
        "event" => InputSource::Event(
            MessageId::from_hex(data).ok_or("the id of an event has 64 hex digits")?,
        ),
        "job" => {
            InputSource::Job(JobId::from_hex(data).ok_or("the id of a job has 64 hex digits")?)
        }
        _ => return Err("expected text:TEXT, url:ADDRESS, event:ID or job:ID".into()),
    };
    Ok(Input { source, hint: None, marker: None })
}

/// A parameter of a job.
pub(super) fn param(text: &str) -> Result<Param, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok(Param { name: name.into(), values: vec![value.into()] })
        }
        _ => Err("expected NAME=VALUE".into()),
    }
}

pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    identity::parse_public_key(text)
        .ok_or_else(|| "expected a public key: npub1… or 64 hex digits".into())
}

pub(super) fn relay(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Ok(text.into()),
        _ => Err("expected wss://… or ws://…".into()),
    }
}
