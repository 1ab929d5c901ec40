//! Where a component comes from, and what lies beside it: its release, and perhaps the word that the release is withdrawn.

use super::image::{self, Image};
use super::shipped;
use super::steps::Stop;
use pylon_core::settings::nearest;
use pylon_core::slots::GuestConfig;
use pylon_egress::download::{self, DownloadError};
use pylon_egress::policy::EgressPolicy;
use pylon_nostr::release;
use pylon_sandbox::{COMPONENT_BYTES_MAX, PRECOMPILED_BYTES_MAX, Slot};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// How long a download may take in all: shorter than the node takes for an order.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(40);
const RELEASE: &str = ".release.json";
const DELETION: &str = ".deletion.json";

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody says: what is shipped for the slot.
    Default,
    /// One that this program ships.
    Shipped(&'static str),
    /// A component, or a folder with one.
    File(PathBuf),
    /// An https address.
    Web(Url),
}

/// What was there.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) bytes: Vec<u8>,
    pub(super) release: Option<String>,
    pub(super) deletion: Option<String>,
    /// Where nothing is compiled; of what this program ships, the shelf has it.
    pub(super) image: Option<Image>,
}

/// What is to come into a slot, from wherever that is, with an image for this engine. It may take a while, and nothing of it runs.
pub(super) async fn find(
    slot: Slot,
    guest: &GuestConfig,
    engine: Option<&str>,
    addresses: &EgressPolicy,
) -> Result<Found, Stop> {
    let place = match Place::parse(&guest.source).map_err(|why| Stop::new("source", why))? {
        Place::Default => shipped::for_slot(slot).map_or(Place::Default, Place::Shipped),
        place => place,
    };
    if matches!(place, Place::Web(_)) && guest.digest.is_empty() {
        return Err(Stop::new(
            "digest",
            "an address needs the component's SHA-256 beside it (`--digest`)",
        ));
    }
    place.fetch(engine, addresses).await
}

/// What lies by now beside a file that was installed. An address is asked by [`withdrawn`]: a start would wait for it.
pub(super) fn deletion(source: &str) -> Option<String> {
    let Ok(Place::File(path)) = Place::parse(source) else { return None };
    let path = component_in(&path).ok()?;
    read(&with(&path, DELETION), release::BYTES_MAX).ok()?.map(text)
}

/// What lies by now beside the address that a guest came from, if anything does.
pub(super) async fn withdrawn(
    url: &Url,
    addresses: &EgressPolicy,
) -> Result<Option<String>, DownloadError> {
    let deletion =
        download::download(&beside(url, DELETION), addresses, release::BYTES_MAX, DOWNLOAD_WITHIN)
            .await?;
    Ok(deletion.map(text))
}

impl Place {
    /// As settings and commands name it; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix(shipped::PREFIX).unwrap_or(text);
        if text.is_empty() {
            Ok(Self::Default)
        } else if let Some(name) = shipped::named(name) {
            Ok(Self::Shipped(name))
        } else if text.contains("://") {
            let url =
                Url::parse(text).map_err(|error| format!("`{text}` is not an address: {error}"))?;
            if url.scheme() != "https" {
                Err(format!("`{text}`: only https addresses are fetched"))
            } else if !url.username().is_empty() || url.password().is_some() {
                // It would be kept in the history, and shown.
                Err(format!(
                    "the address of `{}` carries a user or password: leave them out",
                    url.host_str().unwrap_or_default()
                ))
            } else {
                Ok(Self::Web(url))
            }
        } else if Path::new(text).is_absolute() {
            Ok(Self::File(text.into()))
        } else {
            Err(if is_path(text) {
                format!("`{text}`: a path begins with / here")
            } else {
                unknown(text)
            })
        }
    }

    /// As the history has it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::Shipped(name) => format!("{}{name}", shipped::PREFIX),
            Self::File(path) => path.display().to_string(),
            Self::Web(url) => url.to_string(),
        }
    }

    /// Everything that is there.
    async fn fetch(self, engine: Option<&str>, addresses: &EgressPolicy) -> Result<Found, Stop> {
        match &self {
            Self::Default => Err(Stop::new(
                "source",
                "no guest comes with this program for this slot: name a `source`, or leave it out",
            )),
            Self::Shipped(name) => {
                let bytes = shipped::component(name)
                    .ok_or_else(|| Stop::new("source", format!("{name} is not shipped")))?;
                Ok(Found {
                    place: self,
                    bytes: bytes.to_vec(),
                    release: None,
                    deletion: None,
                    image: None,
                })
            }
            Self::File(path) => {
                let path = component_in(path)?;
                let bytes = read(&path, COMPONENT_BYTES_MAX)?.ok_or_else(|| {
                    Stop::new("source", format!("{}: no such file", path.display()))
                })?;
                let beside = |suffix: &str| {
                    Ok::<_, Stop>(read(&with(&path, suffix), release::BYTES_MAX)?.map(text))
                };
                let image = match engine.map(image::suffix) {
                    Some(suffix) => read(&with(&path, &suffix), PRECOMPILED_BYTES_MAX)?
                        .map(|bytes| {
                            Ok::<_, Stop>(Image {
                                bytes,
                                release: beside(&format!("{suffix}{RELEASE}"))?,
                            })
                        })
                        .transpose()?,
                    None => None,
                };
                Ok(Found {
                    release: beside(RELEASE)?,
                    deletion: beside(DELETION)?,
                    place: self,
                    bytes,
                    image,
                })
            }
            Self::Web(url) => {
                let slow = |_| {
                    Err(Stop::new(
                        "source",
                        format!("{url}: not there within {} s", DOWNLOAD_WITHIN.as_secs()),
                    ))
                };
                tokio::time::timeout(DOWNLOAD_WITHIN, fetch(url, engine, addresses))
                    .await
                    .unwrap_or_else(slow)
            }
        }
    }
}

async fn fetch(url: &Url, engine: Option<&str>, addresses: &EgressPolicy) -> Result<Found, Stop> {
    let get = |url: Url, bytes_max| async move {
        download::download(&url, addresses, bytes_max, DOWNLOAD_WITHIN).await.map_err(|error| {
            match error {
                DownloadError::TooLarge(_) => Stop::new("size", error.to_string()),
                _ => Stop::new("source", format!("{url}: {error}")),
            }
        })
    };
    let bytes = get(url.clone(), COMPONENT_BYTES_MAX).await?;
    let bytes =
        bytes.ok_or_else(|| Stop::new("source", format!("{url}: there is nothing there")))?;
    let release = get(beside(url, RELEASE), release::BYTES_MAX).await?.map(text);
    let deletion = get(beside(url, DELETION), release::BYTES_MAX).await?.map(text);
    let mut image = None;
    if let Some(suffix) = engine.map(image::suffix)
        && let Some(bytes) = get(beside(url, &suffix), PRECOMPILED_BYTES_MAX).await?
    {
        let release =
            get(beside(url, &format!("{suffix}{RELEASE}")), release::BYTES_MAX).await?.map(text);
        image = Some(Image { bytes, release });
    }
    Ok(Found { place: Place::Web(url.clone()), bytes, release, deletion, image })
}

fn beside(url: &Url, suffix: &str) -> Url {
    let mut beside = url.clone();
    beside.set_path(&format!("{}{suffix}", url.path()));
    beside
}

/// What is said to a command whose word for a guest stands for nothing; as a path it is this one.
pub fn nothing(word: &str, path: &Path) -> String {
    let no_file = format!("there is no file {}", path.display());
    if is_path(word) { no_file } else { format!("{no_file}, and {}", unknown(word)) }
}

fn is_path(word: &str) -> bool {
    word.contains('/') || word.ends_with(".wasm")
}

fn unknown(name: &str) -> String {
    format!("no guest `{name}` comes with this program; {}", nearest(name, shipped::names()))
}

/// The file itself, or the only component in a folder.
pub fn component_in(path: &Path) -> Result<PathBuf, Stop> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let unreadable =
        |error: std::io::Error| Stop::new("source", format!("{}: {error}", path.display()));
    let mut components = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            components.push(file);
        }
    }
    match components.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let folder = path.display();
            Err(Stop::new(
                "source",
                format!(
                    "{folder} has no component (*.wasm): `pylon guest build {folder}` makes that of a crate"
                ),
            ))
        }
        many => {
            let count = many.len();
            Err(Stop::new(
                "source",
                format!("{} has {count} components (*.wasm): name the file", path.display()),
            ))
        }
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `None` where nothing is.
fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, Stop> {
    let unreadable =
        |error: std::io::Error| Stop::new("source", format!("{}: {error}", path.display()));
    // A pipe would keep us waiting.
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        return Err(Stop::new("source", format!("{} is not a file", path.display())));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_max {
        return Err(Stop::new(
            "size",
            format!("{} has more than {bytes_max} bytes", path.display()),
        ));
    }
    Ok(Some(bytes))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: where a guest came from, the word of its author is asked for by its name. Method: a server that has it, once, and is gone then.
    #[tokio::test]
    async fn asked_where_it_came_from() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/a.wasm?of=author", server.local_addr().unwrap()))
            .unwrap();
        let addresses = EgressPolicy::new(&[]);
        let serve = async {
            let (mut asked, mut question) = (server.accept().await.unwrap().0, Vec::new());
            while !question.ends_with(b"\r\n\r\n") {
                question.push(asked.read_u8().await.unwrap());
            }
            asked
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .await
                .unwrap();
            String::from_utf8(question).unwrap()
        };
        let (found, question) = futures::join!(withdrawn(&url, &addresses), serve);
        assert!(question.starts_with("GET /a.wasm.deletion.json?of=author "), "{question}");
        assert_eq!(found.unwrap().as_deref(), Some("{}"));
        drop(server);
        assert!(withdrawn(&url, &addresses).await.is_err());
    }

    /// Goal: a source means one thing. Method: each sort, and what is none.
    #[test]
    fn what_a_source_names() {
        assert_eq!(Place::parse(""), Ok(Place::Default));
        assert_eq!(Place::parse("token_pricing"), Ok(Place::Shipped("token_pricing")));
        assert_eq!(Place::parse("shipped:token_pricing"), Ok(Place::Shipped("token_pricing")));
        assert_eq!(Place::parse("/a/b.wasm"), Ok(Place::File("/a/b.wasm".into())));
        assert!(matches!(Place::parse("https://x.org/a.wasm"), Ok(Place::Web(_))));
        for (wrong, words) in [
            ("http://x.org/a.wasm", "only https"),
            ("a.wasm", "begins with / here"),
            ("token_prising", "token_pricing"),
            ("https://me:word@x.org/a", "of `x.org` carries a user"),
        ] {
            assert!(
                Place::parse(wrong).is_err_and(|why| why.contains(words) && !why.contains("word@")),
                "{wrong}"
            );
        }
    }
}
