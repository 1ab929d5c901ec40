//! What was asked for from here: one file for each job, written before the request goes out. What came of it is on the relays.

use crate::output::note;
use anyhow::{Context, Result, bail};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use pylon_core::text::sanitize_line;
use pylon_core::{Msat, UnixTime};
use pylon_nostr::buyer::Request;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

/// The folder below the state folder.
const FOLDER: &str = "purchases";
/// A request and some addresses, as they are written down before the request goes out.
const FILE_BYTES_MAX: usize = 1 << 20;
/// What is read: the same, and what became of it.
const READ_BYTES_MAX: u64 = 2 << 20;

/// One job, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Purchase {
    /// The event, whole.
    pub request: String,
    /// Where it was published.
    pub relays: Vec<String>,
    /// The most that will be paid; also where the request says it to the provider alone.
    #[serde(default)]
    pub bid: Option<Msat>,
    /// When it was withdrawn from here.
    #[serde(default)]
    pub withdrawn_at: Option<UnixTime>,
}

impl Purchase {
    /// The request.
    pub(crate) fn request(&self) -> Result<Request> {
        Request::from_json(&self.request).context("the request in this file was changed")
    }
}

/// All of them.
pub(crate) struct Purchases(Dir);

impl Purchases {
    /// In this state folder.
    pub(crate) fn open(state: &pylon_node::home::State) -> Result<Self> {
        state.folder(FOLDER).map(Self)
    }

    /// Writes one down, before anybody sees it. False: this very request is there already, or is being written by another command.
    pub(crate) fn add(&self, purchase: &Purchase) -> Result<bool> {
        let name = format!("{}.json", purchase.request()?.id().to_hex());
        let (part, text) = (format!("{name}.part"), serde_json::to_string(purchase)?);
        if text.len() > FILE_BYTES_MAX {
            bail!(
                "the request has {} bytes with its relays, {FILE_BYTES_MAX} are allowed: ask for less; nothing was sent",
                text.len()
            );
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let write = || -> std::io::Result<bool> {
            let mut file = match self.0.open_with(&part, &options) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
                file => file?,
            };
            if self.0.exists(&name) {
                return self.0.remove_file(&part).map(|()| false);
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            self.0.rename(&part, &self.0, &name).map(|()| true)
        };
        write().with_context(|| format!("cannot write {FOLDER}/{name}: nothing was sent"))
    }

    /// The one whose id begins with these letters.
    pub(crate) fn find(&self, beginning: &str) -> Result<Purchase> {
        let mut found: Vec<_> =
            self.names()?.into_iter().filter(|name| name.starts_with(beginning)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(name), true) if !beginning.is_empty() => self.read(&name),
            (None, _) => {
                bail!("no job `{beginning}` was asked for from here: see `pylon job list`")
            }
            _ => bail!("more than one job begins with `{beginning}`: write more of its id"),
        }
    }

    /// Writes down that it is withdrawn; who did so before keeps the time.
    pub(crate) fn withdraw(&self, purchase: &Purchase, at: UnixTime) -> Result<()> {
        let name = format!("{}.json", purchase.request()?.id().to_hex());
        let withdrawn =
            Purchase { withdrawn_at: purchase.withdrawn_at.or(Some(at)), ..purchase.clone() };
        let part = format!("{name}.withdrawn");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let write = || -> std::io::Result<()> {
            let mut file = self.0.open_with(&part, &options)?;
            file.write_all(serde_json::to_string(&withdrawn)?.as_bytes())?;
            file.sync_all()?;
            self.0.rename(&part, &self.0, &name)
        };
        write().with_context(|| format!("it is withdrawn, but {FOLDER}/{name} cannot be written"))
    }

    /// The newest first, each with what was written down of it. What cannot be read is named on stderr, and hides no other.
    pub(crate) fn latest(&self, limit: usize) -> Result<Vec<(Request, Purchase)>> {
        let mut all = Vec::new();
        for name in self.names()? {
            let named = |purchase: Purchase| {
                Ok((purchase.request().with_context(|| format!("{FOLDER}/{name}"))?, purchase))
            };
            match self.read(&name).and_then(named) {
                Ok(purchase) => all.push(purchase),
                Err(error) => {
                    note(&format!("pylon: passed over: {}", sanitize_line(&format!("{error:#}"))))
                }
            }
        }
        all.sort_by_key(|(request, _)| std::cmp::Reverse((request.created_at(), request.id())));
        all.truncate(limit);
        Ok(all)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.0.entries().context("the folder of purchases cannot be read")? {
            names.extend(
                entry?.file_name().into_string().ok().filter(|name| name.ends_with(".json")),
            );
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Purchase> {
        let mut text = String::new();
        let file = self.0.open(name).with_context(|| format!("{FOLDER}/{name}"))?;
        file.take(READ_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("{FOLDER}/{name}"))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{FOLDER}/{name} cannot be read: move it away"))
    }
}
