//! The job requests sent from this home: one file each, written before the request is published.
//! The answers are on the relays.

use crate::output::eprint;
use anyhow::{Context, Result, bail};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use pylon_core::text::sanitize_line;
use pylon_core::{Msat, UnixTime};
use pylon_node::home::{Home, StateDir};
use pylon_nostr::buyer::Request;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Read, Write};

/// The folder below the state folder.
const FOLDER: &str = "sent_requests";
/// A new file: a request and its relays.
const FILE_BYTES_MAX: usize = 1 << 20;
/// An existing file, which may have further fields.
const READ_BYTES_MAX: u64 = 2 << 20;

/// One job request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentRequest {
    /// The signed event.
    pub request: String,
    /// The relays that it was published to.
    pub relays: Vec<String>,
    /// The maximum price; in an encrypted request, only the provider can read it.
    #[serde(default)]
    pub bid: Option<Msat>,
    /// When it was withdrawn.
    #[serde(default)]
    pub withdrawn_at: Option<UnixTime>,
}

impl SentRequest {
    /// The parsed request.
    pub(crate) fn request(&self) -> Result<Request> {
        Request::from_json(&self.request).context("the request in this file is not valid")
    }
}

/// The folder of sent requests.
pub(crate) struct SentRequests(Dir);

impl SentRequests {
    /// Opens the folder in the state folder.
    pub(crate) fn open(state: &StateDir) -> Result<Self> {
        state.folder(FOLDER).map(Self)
    }

    /// Opens the folder, if there is one. Creates nothing.
    pub(crate) fn existing(home: &Home) -> Result<Option<Self>> {
        if !home.state_dir().join(FOLDER).exists() {
            return Ok(None);
        }
        Self::open(&home.open()?).map(Some)
    }

    /// Stores a request before it is published. `false` if it is already stored, or is just being
    /// stored by another command.
    pub(crate) fn add(&self, sent: &SentRequest) -> Result<bool> {
        let name = format!("{}.json", sent.request()?.id().to_hex());
        let (part, text) = (format!("{name}.part"), serde_json::to_string(sent)?);
        if text.len() > FILE_BYTES_MAX {
            bail!(
                "the request with its relays has {} bytes, at most {FILE_BYTES_MAX} are allowed: \
                 shorten it; nothing was sent",
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

    /// The request whose id begins with this prefix.
    pub(crate) fn find(&self, prefix: &str) -> Result<SentRequest> {
        let mut found: Vec<_> =
            self.names()?.into_iter().filter(|name| name.starts_with(prefix)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(name), true) if !prefix.is_empty() => self.read(&name),
            (None, _) => {
                bail!("no job `{prefix}` was submitted from here: see `pylon job list`")
            }
            _ => bail!("several jobs begin with `{prefix}`: give more of the id"),
        }
    }

    /// Records that a request is withdrawn. A repeated call keeps the first time.
    pub(crate) fn withdraw(&self, sent: &SentRequest, at: UnixTime) -> Result<()> {
        let name = format!("{}.json", sent.request()?.id().to_hex());
        let withdrawn =
            SentRequest { withdrawn_at: sent.withdrawn_at.or(Some(at)), ..sent.clone() };
        let part = format!("{name}.withdrawn");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let write = || -> std::io::Result<()> {
            let mut file = self.0.open_with(&part, &options)?;
            file.write_all(serde_json::to_string(&withdrawn)?.as_bytes())?;
            file.sync_all()?;
            self.0.rename(&part, &self.0, &name)
        };
        write().with_context(|| format!("the job is withdrawn, but cannot write {FOLDER}/{name}"))
    }

    /// The latest requests, newest first. An unreadable file is reported on stderr and skipped.
    pub(crate) fn latest(&self, limit: usize) -> Result<Vec<(Request, SentRequest)>> {
        let mut all = Vec::new();
        for name in self.names()? {
            let parse = |sent: SentRequest| {
                Ok((sent.request().with_context(|| format!("{FOLDER}/{name}"))?, sent))
            };
            match self.read(&name).and_then(parse) {
                Ok(sent) => all.push(sent),
                Err(error) => {
                    eprint(&format!("pylon: skipped: {}", sanitize_line(&format!("{error:#}"))))
                }
            }
        }
        all.sort_by_key(|(request, _)| std::cmp::Reverse((request.created_at(), request.id())));
        all.truncate(limit);
        Ok(all)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.0.entries().with_context(|| format!("cannot read the folder {FOLDER}"))? {
            names.extend(
                entry?.file_name().into_string().ok().filter(|name| name.ends_with(".json")),
            );
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<SentRequest> {
        let mut text = String::new();
        let file =
            pylon_files::open_in(&self.0, name).with_context(|| format!("{FOLDER}/{name}"))?;
        file.take(READ_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("{FOLDER}/{name}"))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{FOLDER}/{name} is not a sent request: remove it"))
    }
}
