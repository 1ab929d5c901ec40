//! The identity of a node: a recovery phrase in a file that only its owner can read. The phrase is
//! used only to derive keys.

use crate::home::Home;
use crate::secret_file;
use anyhow::{Context, Result, bail};
use pylon_nostr::identity::{self, Keys};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Replaced identities that are kept.
const OLD_MAX: u32 = 99;

/// The node's keys.
pub struct Identity {
    keys: Keys,
}

impl Identity {
    /// Reads the file that `pylon init` created.
    pub fn load(home: &Home) -> Result<Self> {
        let path = home.identity_file();
        let phrase = read(&path)?;
        let keys = identity::keys(&phrase).with_context(|| path.display().to_string())?;
        Ok(Self { keys })
    }

    /// Creates a new identity. It is written before it is returned, and never replaces another.
    pub fn create(home: &Home) -> Result<(Self, Phrase)> {
        let phrase = Phrase(identity::generate()?);
        Ok((Self::write(home, &phrase)?, phrase))
    }

    /// Renames the file of the existing identity and returns its new path, if there is one.
    pub fn archive(home: &Home) -> Result<Option<PathBuf>> {
        let path = home.identity_file();
        for number in 1..=OLD_MAX {
            let archived = PathBuf::from(format!("{}.old.{number}", path.display()));
            // A link never replaces a file.
            match std::fs::hard_link(&path, &archived) {
                Ok(()) => {
                    std::fs::remove_file(&path)
                        .with_context(|| format!("cannot replace {}", path.display()))?;
                    return Ok(Some(archived));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("cannot rename {}: make its folder writable", path.display())
                    });
                }
            }
        }
        bail!(
            "{} has {OLD_MAX} old identities: move them to another folder",
            home.config_dir().display()
        )
    }

    /// Writes the identity with this phrase. It never replaces another.
    pub fn write(home: &Home, phrase: &Phrase) -> Result<Self> {
        let keys = identity::keys(&phrase.0)?;
        let path = home.identity_file();
        if path.symlink_metadata().is_ok() {
            bail!(
                "identity exists: {} (nothing was changed; `--force` renames it and creates a new \
                 one)",
                path.display()
            );
        }
        let dir = home.create_config_dir()?;
        // Atomic: the last step fails if another process has created the file.
        let mut file = tempfile::NamedTempFile::new_in(&dir).with_context(|| {
            format!("cannot write to {}: make it writable, or set PYLON_HOME", dir.display())
        })?;
        writeln!(file, "{}", phrase.0)
            .and_then(|()| file.as_file().sync_all())
            .context("cannot write the identity")?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => {
                bail!("identity exists: {} (nothing was changed)", path.display())
            }
            Err(lost) => {
                return Err(lost.error).with_context(|| format!("cannot write {}", path.display()));
            }
        }
        std::fs::File::open(&dir)
            .and_then(|dir| dir.sync_all())
            .with_context(|| dir.display().to_string())?;
        Ok(Self { keys })
    }

    /// The keys to sign and decrypt with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The public key in bech32.
    pub fn npub(&self) -> String {
        identity::npub(&self.keys)
    }

    /// The public key in hex.
    pub fn hex(&self) -> String {
        identity::public_key(&self.keys).to_hex()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.npub())
    }
}

/// A recovery phrase.
pub struct Phrase(String);

impl Phrase {
    /// Parses and checks a phrase. Errors contain none of its words.
    pub fn parse(phrase: &str) -> Result<Self> {
        let phrase = phrase.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
        identity::keys(&phrase)?;
        Ok(Self(phrase))
    }

    /// The phrase in plain text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Phrase(…)")
    }
}

fn read(path: &Path) -> Result<String> {
    match secret_file::read(path, "restore it from your backup, or run `pylon init`")? {
        Some(text) => Ok(text),
        None => bail!("no identity: run `pylon init`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PHRASE: &str =
        "leader monkey parrot ring guide accident before fence cannon height naive bean";

    fn home_with(text: &[u8], mode: u32) -> (tempfile::TempDir, Home) {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        home.create_config_dir().unwrap();
        std::fs::write(home.identity_file(), text).unwrap();
        std::fs::set_permissions(home.identity_file(), std::fs::Permissions::from_mode(mode))
            .unwrap();
        (root, home)
    }

    /// Goal: the key is the one that other Nostr programs derive. Method: the test vector of NIP-06
    /// in several notations.
    #[test]
    fn key_is_derived_as_in_nip_06() {
        for text in [
            PHRASE.to_owned(),
            format!("{PHRASE}\n"),
            PHRASE.replace(' ', "\n"),
            PHRASE.to_uppercase(),
        ] {
            let (_root, home) = home_with(text.as_bytes(), 0o600);
            let found = Identity::load(&home).unwrap();
            assert_eq!(
                found.hex(),
                "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917"
            );
            assert_eq!(
                found.npub(),
                "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu"
            );
        }
    }

    /// Goal: each error in the file has its message, without a word of the phrase. Method: one
    /// error per row.
    #[test]
    fn file_errors_do_not_repeat_the_phrase() {
        let check = |text: &[u8], mode: u32, expected: &str| {
            let (_root, home) = home_with(text, mode);
            let error = format!("{:#}", Identity::load(&home).unwrap_err());
            assert!(error.contains(expected), "{error}");
            assert!(
                !error.contains("monkey") && !error.contains("monkee") && !error.contains('\n'),
                "{error}"
            );
        };
        let phrase = PHRASE.as_bytes();
        check(phrase, 0o644, "is accessible to other users: run `chmod 600 '/");
        check(phrase, 0o640, "is accessible to other users");
        check(phrase, 0o602, "is accessible to other users");
        check(b"", 0o600, "0 words: a recovery phrase has 12");
        check(b"leader monkey", 0o600, "2 words");
        check(
            PHRASE.replace("monkey", "monkee").as_bytes(),
            0o600,
            "word 2 is not in the BIP-39 list",
        );
        check(
            PHRASE.replace("leader monkey", "monkey leader").as_bytes(),
            0o600,
            "the checksum of the words is wrong",
        );
        check(&[0xff, 0xfe], 0o600, "is not a secret: restore it from your backup");
        check(&[b'a'; 5000], 0o600, "is not a secret: restore it from your backup");
    }

    /// Goal: without a file the error says what to run. Method: an empty home.
    #[test]
    fn missing_identity_is_reported() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(
            Identity::load(&Home::at(root.path())).unwrap_err().to_string(),
            "no identity: run `pylon init`"
        );
    }

    /// Goal: a created identity can be loaded, is private, and is never replaced. Method: create
    /// twice, also over a symbolic link.
    #[test]
    fn identity_is_created_once() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let (created, phrase) = Identity::create(&home).unwrap();
        let written = std::fs::read_to_string(home.identity_file()).unwrap();
        assert_eq!(written, format!("{}\n", phrase.reveal()));
        assert_eq!(phrase.reveal().split(' ').count(), 12);
        assert_eq!(
            std::fs::metadata(home.identity_file()).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(Identity::load(&home).unwrap().hex(), created.hex());
        assert!(Identity::create(&home).unwrap_err().to_string().starts_with("identity exists: "));
        assert_eq!(std::fs::read_to_string(home.identity_file()).unwrap(), written);
        assert_eq!(
            std::fs::read_dir(home.config_dir()).unwrap().count(),
            1,
            "no other file remains"
        );
        std::fs::remove_file(home.identity_file()).unwrap();
        std::os::unix::fs::symlink("/nowhere", home.identity_file()).unwrap();
        assert!(Identity::create(&home).unwrap_err().to_string().starts_with("identity exists: "));
    }

    /// Goal: no secret in a log line. Method: the debug text of both types.
    #[test]
    fn debug_redacts_the_secret() {
        let (_root, home) = home_with(PHRASE.as_bytes(), 0o600);
        let identity = Identity::load(&home).unwrap();
        let shown = format!("{identity:?} {:?}", Phrase(PHRASE.to_owned()));
        assert_eq!(shown, format!("Identity({}) Phrase(…)", identity.npub()));
    }
}
