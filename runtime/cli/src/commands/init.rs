//! `pylon init`: creates or imports the identity, and says what to do next.

use crate::args::InitArgs;
use crate::output::{paragraph, print};
use crate::secret;
use anyhow::{Context, Result};
use pylon_journal::SqliteJournal;
use pylon_node::config;
use pylon_node::home::Home;
use pylon_node::identity::{Identity, Phrase};
use pylon_node::lock::LockHolder;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Longer than any phrase.
const PHRASE_BYTES_MAX: u64 = 4096;

/// Creates the identity, the settings file and the database. An error changes nothing.
pub(crate) fn run(args: &InitArgs) -> Result<()> {
    let home = Home::from_env()?;
    let state = home.open()?;
    // A running node needs its key to decrypt its journal.
    let _lock = if args.force { Some(state.lock(LockHolder::Command)?) } else { None };
    let imported = if args.import { Some(read_phrase()?) } else { None };
    let archived = if args.force { Identity::archive(&home)? } else { None };
    let (identity, new) = match imported {
        Some(phrase) => (Identity::write(&home, &phrase)?, None),
        None => Identity::create(&home).map(|(identity, phrase)| (identity, Some(phrase)))?,
    };
    write_settings(&home)?;
    // An empty database, so that commands and SQL queries work before the first start.
    SqliteJournal::open(&home.database())?;
    print(&page(&home, &identity, new.as_ref(), archived))
        .context("the identity was created, but cannot be shown")
}

fn read_phrase() -> Result<Phrase> {
    let phrase = secret::read("Recovery phrase (it is not shown)", PHRASE_BYTES_MAX);
    let phrase = phrase.context("stdin is not a recovery phrase (nothing was changed)")?;
    Phrase::parse(&phrase).context("cannot import the phrase (nothing was changed)")
}

/// Writes a file with every setting commented out, unless there is a settings file.
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

fn page(
    home: &Home,
    identity: &Identity,
    new: Option<&Phrase>,
    archived: Option<PathBuf>,
) -> String {
    let mut out = String::new();
    if let Some(phrase) = new {
        out.push_str(&paragraph(
            "",
            "The recovery phrase of this node, which is shown only once. Write it down, and keep \
             it secret:\n",
        ));
        out.push_str(&paragraph("    ", phrase.reveal()));
        out.push('\n');
    }
    let mut row = |name: &str, value: String| {
        out.push_str(&paragraph(&format!("{name:<9} "), &value));
    };
    row("npub", identity.npub());
    row("hex", identity.hex());
    row("identity", home.identity_file().display().to_string());
    if let Some(archived) = archived {
        row("replaced", archived.display().to_string());
    }
    row("config", format!("{} (all settings have defaults)", home.config_file().display()));
    row("state", home.state_dir().display().to_string());
    out.push_str("\nNext: pylon doctor, then pylon start\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the output has everything that the operator needs, and the phrase once. Method: the
    /// output for a fresh home.
    #[test]
    fn output_has_paths_and_the_phrase_once() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let (identity, phrase) = Identity::create(&home).unwrap();
        let shown = page(&home, &identity, Some(&phrase), None);
        assert_eq!(shown.matches(phrase.reveal()).count(), 1, "{shown}");
        for part in [
            identity.npub(),
            identity.hex(),
            "config.toml".into(),
            ".openagents/pylon".into(),
            "pylon start".into(),
        ] {
            assert!(shown.contains(&part), "{part} in {shown}");
        }
    }
}
