//! Opens files that other users or programs may have replaced. Only regular files are opened: a
//! named pipe would block the node, and a device may never end. Files that the node writes are its
//! own: links to other files are not followed.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;
use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Opens a regular file for reading. A link is followed: settings and secrets may be elsewhere.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let opened = options.read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path);
    let metadata = || std::fs::metadata(path);
    let file = opened.map_err(|error| explain(error, metadata().ok()))?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Opens a regular file in a folder for reading.
pub fn open_in(dir: &Dir, name: &str) -> io::Result<File> {
    open_with(dir, name, OpenOptions::new().read(true))
}

/// Opens or creates a file of the node in a folder, for reading and writing. Nothing is truncated.
pub fn create_in(dir: &Dir, name: &str) -> io::Result<File> {
    own(dir, name, OpenOptions::new().read(true).write(true))
}

/// Opens or creates a file of the node in a folder, and writes to its end.
pub fn append_in(dir: &Dir, name: &str) -> io::Result<File> {
    own(dir, name, OpenOptions::new().append(true))
}

/// A file of the node is accessible only to its user, and has one name.
fn own(dir: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_with(dir, name, options.create(true).mode(0o600))?;
    if file.metadata()?.nlink() > 1 {
        return Err(unusable("it has another name (a hard link): remove it"));
    }
    Ok(file)
}

fn open_with(dir: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let opened =
        dir.open_with(name, options.custom_flags(flags(OFlags::NONBLOCK | OFlags::NOFOLLOW)));
    let file = match opened {
        Ok(file) => file.into_std(),
        Err(error) => {
            let found = dir.symlink_metadata(name).ok().map(|found| found.file_type());
            return Err(match found {
                Some(found) if found.is_symlink() => unusable("it is a symbolic link: remove it"),
                Some(found) if !found.is_file() => unusable("it is not a regular file: remove it"),
                _ => error,
            });
        }
    };
    check(&file.metadata()?)?;
    Ok(file)
}

/// A socket, and a pipe that nobody reads, cannot be opened at all.
fn explain(error: io::Error, found: Option<Metadata>) -> io::Error {
    match found.map(|found| check(&found)) {
        Some(Err(reason)) => reason,
        _ => error,
    }
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(unusable(&format!("it is {}, not a regular file: remove it", name(metadata.file_type()))))
}

fn name(found: FileType) -> &'static str {
    match found {
        found if found.is_dir() => "a folder",
        found if found.is_fifo() => "a named pipe",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

fn unusable(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

#[allow(clippy::cast_possible_wrap, reason = "flags are bits")]
fn flags(flags: OFlags) -> i32 {
    flags.bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    /// Goal: nothing but a regular file is opened, and opening never waits. Method: each type of
    /// file under one name, read, created and appended to.
    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        std::fs::write(&other, "other").unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let rights = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = |path: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rights).unwrap();
        let remove = || {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        };
        // How it is made, and what the four functions say: `None` is success.
        type Row<'a> = (&'a str, &'a dyn Fn(), [Option<&'a str>; 4]);
        let (pipe, named) = (Some("pipe"), Some("regular file"));
        let (link, twice) = (Some("symbolic link"), Some("hard link"));
        let rows: [Row<'_>; 7] = [
            ("file", &|| std::fs::write(&path, "text").unwrap(), [None; 4]),
            ("pipe", &|| fifo(&path), [pipe, pipe, named, named]),
            (
                "folder",
                &|| std::fs::create_dir(&path).unwrap(),
                [Some("folder"), Some("folder"), named, named],
            ),
            ("socket", &|| drop(UnixListener::bind(&path).unwrap()), [named; 4]),
            ("link", &|| symlink(&other, &path).unwrap(), [None, link, link, link]),
            (
                "dangling link",
                &|| symlink("nowhere", &path).unwrap(),
                [Some("No such file"), link, link, link],
            ),
            (
                "hard link",
                &|| std::fs::hard_link(&other, &path).unwrap(),
                [None, None, twice, twice],
            ),
        ];
        for (what, make, expected) in rows {
            remove();
            make();
            let found = [
                open(&path),
                open_in(&dir, "file"),
                create_in(&dir, "file"),
                append_in(&dir, "file"),
            ];
            for (number, (found, expected)) in found.into_iter().zip(expected).enumerate() {
                match (found.map_err(|error| error.to_string()), expected) {
                    (Ok(_), None) => {}
                    (Err(error), Some(text)) if error.contains(text) => {}
                    (found, _) => panic!("{what}, {number}: {found:?} instead of {expected:?}"),
                }
            }
        }
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "other");
        remove();
        create_in(&dir, "file").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
