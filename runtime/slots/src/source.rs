//! Where a component comes from, as settings, commands and the history name it.

use crate::failure::InstallFailure;
use crate::shipped;
use pylon_core::settings::nearest;
use std::path::{Path, PathBuf};
use url::Url;

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentSource {
    /// Not specified: the guest that is shipped for the slot.
    Default,
    /// A shipped guest.
    Shipped(&'static str),
    /// A component, or a folder with one.
    File(PathBuf),
    /// An https URL.
    Url(Url),
}

impl ComponentSource {
    /// As settings and commands name it; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix(shipped::PREFIX).unwrap_or(text);
        if text.is_empty() {
            Ok(Self::Default)
        } else if let Some(name) = shipped::named(name) {
            Ok(Self::Shipped(name))
        } else if text.contains("://") {
            https_url(text).map(Self::Url)
        } else if Path::new(text).is_absolute() {
            Ok(Self::File(text.into()))
        } else if is_path(text) {
            Err(format!("`{text}`: the path must be absolute: begin it with /"))
        } else {
            Err(unknown(text))
        }
    }

    /// As the history has it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::Shipped(name) => format!("{}{name}", shipped::PREFIX),
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => url.to_string(),
        }
    }
}

fn https_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if url.scheme() != "https" {
        Err(format!("`{text}`: only https URLs are supported"))
    } else if !url.username().is_empty() || url.password().is_some() {
        // The history would keep and show it.
        Err(format!(
            "the URL of `{}` contains a user or password: remove them",
            url.host_str().unwrap_or_default()
        ))
    } else {
        Ok(url)
    }
}

/// The error of a command whose argument names no guest; read as a path it is `path`.
pub fn not_found_message(text: &str, path: &Path) -> String {
    let no_file = format!("the file {} does not exist", path.display());
    if is_path(text) { no_file } else { format!("{no_file}, and {}", unknown(text)) }
}

fn is_path(text: &str) -> bool {
    text.contains('/') || text.ends_with(".wasm")
}

fn unknown(name: &str) -> String {
    format!("no shipped guest is named `{name}`; {}", nearest(name, shipped::names()))
}

/// The file itself, or the only component in a folder.
pub fn find_component(path: &Path) -> Result<PathBuf, InstallFailure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let failure = |message: String| InstallFailure::new("source", message);
    let unreadable = |error: std::io::Error| failure(format!("{}: {error}", path.display()));
    let mut components = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            components.push(file);
        }
    }
    let folder = path.display();
    match components.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(failure(format!(
            "{folder} has no component (*.wasm): for a crate, `pylon guest build {folder}` makes it"
        ))),
        many => {
            Err(failure(format!("{folder} has {} components (*.wasm): name the file", many.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each text names one source or is refused. Method: each kind of source, and invalid
    /// ones.
    #[test]
    fn source_is_parsed() {
        let parse = ComponentSource::parse;
        assert_eq!(parse(""), Ok(ComponentSource::Default));
        let shipped = Ok(ComponentSource::Shipped("token_pricing"));
        assert_eq!(parse("token_pricing"), shipped);
        assert_eq!(parse("shipped:token_pricing"), shipped);
        assert_eq!(parse("/a/b.wasm"), Ok(ComponentSource::File("/a/b.wasm".into())));
        assert!(matches!(parse("https://x.org/a.wasm"), Ok(ComponentSource::Url(_))));
        for (wrong, message) in [
            ("http://x.org/a.wasm", "only https"),
            ("a.wasm", "begin it with /"),
            ("token_prising", "token_pricing"),
            ("https://me:word@x.org/a", "of `x.org` contains a user"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(message) && !error.contains("word@"), "{wrong}: {error}");
        }
    }
}
