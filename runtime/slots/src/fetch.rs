//! Reads or downloads a component and the files next to it: its release, a deletion of the release,
//! and precompiled code.

use crate::failure::InstallFailure;
use crate::precompiled::{self, Precompiled};
use crate::shipped;
use crate::source::{ComponentSource, find_component};
use pylon_core::slots::GuestConfig;
use pylon_egress::download::{self, DownloadError};
use pylon_egress::policy::EgressPolicy;
use pylon_nostr::release;
use pylon_sandbox::{COMPONENT_BYTES_MAX, PRECOMPILED_BYTES_MAX, Slot};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// For all downloads of one guest; shorter than the timeout of a control request.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(40);
const RELEASE: &str = ".release.json";
const DELETION: &str = ".deletion.json";

/// A component as it was found: untrusted.
pub(crate) struct FetchedComponent {
    pub(crate) source: ComponentSource,
    pub(crate) bytes: Vec<u8>,
    pub(crate) release: Option<String>,
    pub(crate) deletion: Option<String>,
    /// Only where compilation is disabled. For shipped guests it is in the component store.
    pub(crate) precompiled: Option<Precompiled>,
}

/// Fetches the component that the settings of a slot name, with precompiled code for `engine`.
pub(crate) async fn fetch(
    slot: Slot,
    guest: &GuestConfig,
    engine: Option<&str>,
    egress: &EgressPolicy,
) -> Result<FetchedComponent, InstallFailure> {
    let parsed = ComponentSource::parse(&guest.source);
    match parsed.map_err(|why| InstallFailure::new("source", why))? {
        ComponentSource::Default => shipped::for_slot(slot).map_or_else(
            || {
                let message = "no guest is shipped for this slot: name a `source`, or remove it";
                Err(InstallFailure::new("source", message))
            },
            from_shipped,
        ),
        ComponentSource::Shipped(name) => from_shipped(name),
        ComponentSource::File(path) => from_file(path, engine),
        ComponentSource::Url(_) if guest.digest.is_empty() => {
            let message = "a URL also needs the SHA-256 of the component (`--digest`)";
            Err(InstallFailure::new("digest", message))
        }
        ComponentSource::Url(url) => {
            let timed_out = |_| {
                let seconds = DOWNLOAD_TIMEOUT.as_secs();
                let message = format!("{url}: not downloaded within {seconds} s");
                Err(InstallFailure::new("source", message))
            };
            tokio::time::timeout(DOWNLOAD_TIMEOUT, from_url(&url, engine, egress))
                .await
                .unwrap_or_else(timed_out)
        }
    }
}

/// The deletion next to a file that was installed, if there is one now. URLs are queried by
/// [`download_deletion`], because a start must not wait for a server.
pub(crate) fn read_deletion(source: &str) -> Option<String> {
    let Ok(ComponentSource::File(path)) = ComponentSource::parse(source) else { return None };
    let path = find_component(&path).ok()?;
    read(&with_suffix(&path, DELETION), release::BYTES_MAX).ok()?.map(text)
}

/// The deletion next to the URL of a guest, if there is one now.
pub(crate) async fn download_deletion(
    url: &Url,
    egress: &EgressPolicy,
) -> Result<Option<String>, DownloadError> {
    let url = url_with_suffix(url, DELETION);
    let deletion = download::download(&url, egress, release::BYTES_MAX, DOWNLOAD_TIMEOUT).await?;
    Ok(deletion.map(text))
}

fn from_shipped(name: &'static str) -> Result<FetchedComponent, InstallFailure> {
    let bytes = shipped::component(name)
        .ok_or_else(|| InstallFailure::new("source", format!("{name} is not shipped")))?;
    Ok(FetchedComponent {
        source: ComponentSource::Shipped(name),
        bytes: bytes.to_vec(),
        release: None,
        deletion: None,
        precompiled: None,
    })
}

fn from_file(source: PathBuf, engine: Option<&str>) -> Result<FetchedComponent, InstallFailure> {
    let path = find_component(&source)?;
    let bytes = read(&path, COMPONENT_BYTES_MAX)?.ok_or_else(|| {
        InstallFailure::new("source", format!("{}: no such file", path.display()))
    })?;
    let sidecar = |suffix: &str| {
        let bytes = read(&with_suffix(&path, suffix), release::BYTES_MAX)?;
        Ok::<_, InstallFailure>(bytes.map(text))
    };
    let mut precompiled = None;
    if let Some(suffix) = engine.map(precompiled::suffix)
        && let Some(bytes) = read(&with_suffix(&path, &suffix), PRECOMPILED_BYTES_MAX)?
    {
        let release = sidecar(&format!("{suffix}{RELEASE}"))?;
        precompiled = Some(Precompiled { bytes, release });
    }
    let (release, deletion) = (sidecar(RELEASE)?, sidecar(DELETION)?);
    let source = ComponentSource::File(source);
    Ok(FetchedComponent { source, bytes, release, deletion, precompiled })
}

async fn from_url(
    url: &Url,
    engine: Option<&str>,
    egress: &EgressPolicy,
) -> Result<FetchedComponent, InstallFailure> {
    let get = |url: Url, bytes_max| async move {
        let downloaded = download::download(&url, egress, bytes_max, DOWNLOAD_TIMEOUT).await;
        downloaded.map_err(|error| match error {
            DownloadError::TooLarge(_) => InstallFailure::new("size", error.to_string()),
            _ => InstallFailure::new("source", format!("{url}: {error}")),
        })
    };
    let sidecar = |suffix: &str| get(url_with_suffix(url, suffix), release::BYTES_MAX);
    let bytes = get(url.clone(), COMPONENT_BYTES_MAX)
        .await?
        .ok_or_else(|| InstallFailure::new("source", format!("{url}: not found")))?;
    let release = sidecar(RELEASE).await?.map(text);
    let deletion = sidecar(DELETION).await?.map(text);
    let mut precompiled = None;
    if let Some(suffix) = engine.map(precompiled::suffix)
        && let Some(bytes) = get(url_with_suffix(url, &suffix), PRECOMPILED_BYTES_MAX).await?
    {
        let release = sidecar(&format!("{suffix}{RELEASE}")).await?.map(text);
        precompiled = Some(Precompiled { bytes, release });
    }
    let source = ComponentSource::Url(url.clone());
    Ok(FetchedComponent { source, bytes, release, deletion, precompiled })
}

fn url_with_suffix(url: &Url, suffix: &str) -> Url {
    let mut sidecar = url.clone();
    sidecar.set_path(&format!("{}{suffix}", url.path()));
    sidecar
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `None` if there is no such file.
fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, InstallFailure> {
    let failure = |message: String| InstallFailure::new("source", message);
    let unreadable = |error: std::io::Error| failure(format!("{}: {error}", path.display()));
    let file = match pylon_files::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        let message = format!("{} has more than {bytes_max} bytes", path.display());
        return Err(InstallFailure::new("size", message));
    }
    Ok(Some(bytes))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the deletion of a downloaded guest is requested next to its URL. Method: a server that
    /// responds once and is then closed.
    #[tokio::test]
    async fn deletion_is_downloaded_next_to_the_component() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/a.wasm?of=author", server.local_addr().unwrap()))
            .unwrap();
        let egress = EgressPolicy::new(&[]);
        let serve = async {
            let (mut client, mut request) = (server.accept().await.unwrap().0, Vec::new());
            while !request.ends_with(b"\r\n\r\n") {
                request.push(client.read_u8().await.unwrap());
            }
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            client.write_all(response).await.unwrap();
            String::from_utf8(request).unwrap()
        };
        let (found, request) = futures::join!(download_deletion(&url, &egress), serve);
        assert!(request.starts_with("GET /a.wasm.deletion.json?of=author "), "{request}");
        assert_eq!(found.unwrap().as_deref(), Some("{}"));
        drop(server);
        assert!(download_deletion(&url, &egress).await.is_err());
    }
}
