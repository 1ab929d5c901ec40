//! Parsers for the values of arguments. An error says what is expected.

use super::job::InputArg;
use anstream::ColorChoice;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pylon_core::{Digest, InputSource, JobId, MessageId, Msat, Param, PublicKey};
use pylon_nostr::identity;

/// When to print colours.
pub(super) fn color() -> impl TypedValueParser<Value = ColorChoice> {
    PossibleValuesParser::new(["auto", "always", "never"]).map(|when| match when.as_str() {
        "always" => ColorChoice::Always,
        "never" => ColorChoice::Never,
        _ => ColorChoice::Auto,
    })
}

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
pub(super) fn input(text: &str) -> Result<InputArg, String> {
    if let Some(file) = text.strip_prefix('@').filter(|file| !file.is_empty()) {
        return Ok(InputArg::File(file.into()));
    }
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
        _ => return Err("expected @FILE, text:TEXT, url:ADDRESS, event:ID or job:ID".into()),
    };
    Ok(InputArg::Given(source))
}

/// An amount: `5sat`, `1.5sat`, `500msat`; a bare number is msat.
pub(super) fn amount(text: &str) -> Result<Msat, String> {
    let msat = match (text.strip_suffix("msat"), text.strip_suffix("sat")) {
        (Some(msat), _) => digits(msat),
        (None, Some(sat)) => thousandths(sat),
        (None, None) => digits(text),
    };
    msat.map(Msat::new).ok_or_else(|| {
        "expected an amount such as 5sat, 1.5sat, 500msat, or a bare number of msat".into()
    })
}

/// Without sign and exponent.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A number with up to three decimals.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let decimals = (1..=3).contains(&decimals.len()).then(|| format!("{decimals:0<3}"))?;
    digits(whole)?.checked_mul(1000)?.checked_add(digits(&decimals)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an amount means what it says, and no other text is one. Method: one text per row.
    #[test]
    fn amounts_have_units() {
        for (text, msat) in [
            ("5sat", Some(5000)),
            ("1.5sat", Some(1500)),
            ("0.001sat", Some(1)),
            ("500msat", Some(500)),
            ("500", Some(500)),
            ("0", Some(0)),
            ("1.0005sat", None),
            ("1.5", None),
            ("1.5msat", None),
            (".5sat", None),
            ("1.sat", None),
            ("-1sat", None),
            ("+1", None),
            ("1e3", None),
            ("5 sat", None),
            ("5btc", None),
            ("sat", None),
            ("", None),
            ("99999999999999999999sat", None),
            ("18446744073709552sat", None),
        ] {
            assert_eq!(amount(text).ok(), msat.map(Msat::new), "{text}");
        }
    }
}
