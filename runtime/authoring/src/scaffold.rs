//! The crate of a new guest: it builds and passes its own cases at once. The SDK and the contract
//! are copied into it.

use pylon_sandbox::Role;
use std::path::{Path, PathBuf};
use std::{fs, io};

include!(concat!(env!("OUT_DIR"), "/scaffold.rs"));

const NAME_BYTES_MAX: usize = 64;
/// Crates that a guest depends on, and keywords of Rust.
const RESERVED: [&str; 53] = [
    "alloc",
    "core",
    "proc_macro",
    "pylon-guest",
    "pylon_guest",
    "std",
    "test",
    "wit-bindgen",
    "wit_bindgen", // crates
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
];
/// Name and kind in the templates.
const PLACEHOLDER: &str = "GUEST";
const PLACEHOLDER_KIND: &str = "5999";

/// A guest to create.
#[derive(Clone, Copy, Debug)]
pub struct NewGuest<'a> {
    /// The name of its crate.
    pub name: &'a str,
    /// Its role.
    pub role: Role,
    /// The job kind of a handler.
    pub kind: Option<u16>,
}

/// Checks the name of a guest's crate.
pub fn parse_name(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    });
    if !letters
        || !text.starts_with(|first: char| first.is_ascii_lowercase())
        || text.len() > NAME_BYTES_MAX
    {
        return Err(format!(
            "expected the name of a crate: a lowercase letter, then lowercase letters, digits, `_` \
             or `-`, {NAME_BYTES_MAX} at most"
        ));
    }
    if RESERVED.contains(&text) {
        return Err(format!(
            "`{text}` has a meaning in Rust or is a crate of the SDK: choose another name"
        ));
    }
    Ok(text.into())
}

/// Creates the crate as a folder of its name in `parent`. Fails if the folder exists.
pub fn create(parent: &Path, guest: NewGuest<'_>) -> io::Result<PathBuf> {
    let crate_dir = parent.join(guest.name);
    fs::create_dir(&crate_dir)?;
    for (path, text) in files(guest) {
        let file = crate_dir.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&crate_dir))?;
        fs::write(file, text)?;
    }
    Ok(crate_dir)
}

/// The files of this guest: path and text.
fn files(guest: NewGuest<'_>) -> impl Iterator<Item = (PathBuf, String)> {
    FILES.iter().filter_map(move |(path, text)| {
        let Some(template) = path.strip_prefix("guests/templates/") else {
            return Some((PathBuf::from(path.replace("guest-sdk/", "sdk/")), (*text).into()));
        };
        let (role, family) = (
            guest.role.name(),
            if guest.role == Role::Handler { "handler.toml" } else { "policy.toml" },
        );
        let target = match template {
            "README.md" => "README.md".into(),
            "config.toml" => ".cargo/config.toml".into(),
            "gitignore" => ".gitignore".into(),
            "build.rs" if guest.role != Role::Handler => "build.rs".into(),
            _ if template == family => "Cargo.toml".into(),
            _ if template.strip_suffix(".rs") == Some(role) => "src/lib.rs".into(),
            _ if template.strip_suffix(".cases.toml") == Some(role) => {
                format!("{}.cases.toml", guest.name)
            }
            _ => return None,
        };
        let kind = guest.kind.map_or_else(|| PLACEHOLDER_KIND.into(), |kind| kind.to_string());
        Some((
            target.into(),
            text.replace(PLACEHOLDER, guest.name).replace(PLACEHOLDER_KIND, &kind),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: names that Cargo would refuse later are refused at once. Method: one name a row.
    #[test]
    fn names_are_names_of_crates() {
        for good in ["a", "happy_hours", "happy-hours", "p2"] {
            assert_eq!(parse_name(good), Ok(good.into()));
        }
        for bad in [
            "",
            "2p",
            "-a",
            "_a",
            "Happy",
            "a b",
            "a/b",
            "..",
            "é",
            "fn",
            "core",
            "pylon-guest",
            &"a".repeat(65),
        ] {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
    }

    /// Goal: each role has all its files and none of another role. Method: the paths, and a search
    /// for placeholders.
    #[test]
    fn each_role_has_its_files() {
        let own = |role, kind| {
            let all: Vec<_> = files(NewGuest { name: "mine", role, kind }).collect();
            let own =
                all.iter().filter(|(path, _)| !path.starts_with("sdk") && !path.starts_with("wit"));
            assert!(
                own.clone()
                    .all(|(path, text)| path == Path::new("Cargo.lock")
                        || !text.contains(PLACEHOLDER))
            );
            let mut paths: Vec<_> = own.map(|(path, _)| path.display().to_string()).collect();
            paths.sort();
            (paths.join(" "), all)
        };
        let policy = ".cargo/config.toml .gitignore Cargo.lock Cargo.toml README.md build.rs mine.cases.toml src/lib.rs";
        for role in [Role::Routing, Role::Pricing, Role::Verification] {
            assert_eq!(own(role, None).0, policy);
        }
        let (paths, all) = own(Role::Handler, Some(5123));
        assert_eq!(paths, policy.replace("build.rs ", ""));
        assert!(all.iter().any(|(path, text)| path == Path::new("src/lib.rs")
            && text.contains("const KIND: u16 = 5123;")));
        for needed in ["sdk/Cargo.toml", "sdk/src/lib.rs", "wit/worlds.wit"] {
            assert!(all.iter().any(|(path, _)| path == Path::new(needed)), "{needed}");
        }
    }
}
