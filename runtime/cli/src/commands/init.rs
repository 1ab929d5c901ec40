//! `pylon init`: makes the identity or takes one over, and says what to do next.

use crate::args::InitArgs;
use crate::output::say;
use crate::secret;
use anyhow::{Context, Result};
use pylon_journal::SqliteJournal;
use pylon_node::config;
use pylon_node::home::{Holder, Home};
use pylon_node::identity::{Identity, Phrase};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// More than the longest phrase needs.
const PHRASE_BYTES_MAX: u64 = 4096;

/// Nothing is changed unless all of it can be.
pub(crate) fn run(args: &InitArgs) -> Result<()> {
    let home = Home::from_env()?;
    let state = home.open()?;
    // A node at work would lose the key to what it keeps.
    let _lock = if args.force { Some(state.lock(Holder::Command)?) } else { None };
    let brought = if args.import { Some(ask_for_phrase()?) } else { None };
    let aside = if args.force { Identity::put_aside(&home)? } else { None };
    let (identity, new) = match brought {
        Some(phrase) => (Identity::write(&home, &phrase)?, None),
        None => Identity::create(&home).map(|(identity, phrase)| (identity, Some(phrase)))?,
    };
    write_settings(&home)?;
    // ReadOnlyJournal with nothing in them can be read, and asked in SQL.
    SqliteJournal::open(&home.database())?;
    say(&page(&home, &identity, new.as_ref(), aside))
        .context("the identity is made, but cannot be shown")
}

fn ask_for_phrase() -> Result<Phrase> {
    let words = secret::read("Recovery phrase (it is not shown)", PHRASE_BYTES_MAX);
    let words = words
        .context("this is no recovery phrase: give its words on stdin (nothing was changed)")?;
    Phrase::parse(&words).context("the phrase cannot be imported (nothing was changed)")
}

/// A file with every setting, unless the operator has one.
fn write_settings(home: &Home) -> Result<()> {
    let path = home.config_file();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => file
            .write_all(config::template().as_bytes())
            .with_context(|| format!("cannot write {}", path.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn page(home: &Home, identity: &Identity, new: Option<&Phrase>, aside: Option<PathBuf>) -> String {
    let mut out = String::new();
    if let Some(phrase) = new {
        out.push_str("This node's recovery phrase, shown only now. Write it down; who has it can act as this node:\n\n");
        let _ = writeln!(out, "    {}\n", phrase.reveal());
    }
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<9} {value}");
    };
    row("npub", identity.npub());
    row("hex", identity.hex());
    row("identity", home.identity_file().display().to_string());
    if let Some(aside) = aside {
        row("replaced", aside.display().to_string());
    }
    row("config", format!("{} (every key has a default)", home.config_file().display()));
    row("state", home.state_dir().display().to_string());
    out.push_str("\nNext: pylon doctor, then pylon start\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an operator learns everything needed, and the phrase once. Method: read what is told of a fresh home.
    #[test]
    fn tells_everything_and_the_phrase_once() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let (identity, phrase) = Identity::create(&home).unwrap();
        let told = page(&home, &identity, Some(&phrase), None);
        assert_eq!(told.matches(phrase.reveal()).count(), 1, "{told}");
        for part in [
            identity.npub(),
            identity.hex(),
            "config.toml".into(),
            ".openagents/pylon".into(),
            "pylon start".into(),
        ] {
            assert!(told.contains(&part), "{part} in {told}");
        }
    }
}
