//! A log file with a constant name, which `tail -F` can follow. A full file is renamed with a
//! number, and the oldest one is deleted.

use cap_std::fs::Dir;
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// Bytes of one file.
const BYTES_MAX: u64 = 8 << 20;
/// Renamed files; `pylon.log.1` is the newest.
const OLD_MAX: u32 = 7;

pub(super) struct Rolling {
    dir: Dir,
    name: String,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

/// The names of the renamed files of a log, oldest first. Not all of them have to exist.
pub(crate) fn rotated(name: &str) -> impl Iterator<Item = String> {
    (1..=OLD_MAX).rev().map(move |number| renamed(name, number))
}

fn renamed(name: &str, number: u32) -> String {
    format!("{name}.{number}")
}

impl Rolling {
    /// Opens the file of this name and appends to it.
    pub(super) fn open(dir: Dir, name: &str) -> io::Result<Self> {
        Self::open_with(dir, name, BYTES_MAX)
    }

    fn open_with(dir: Dir, name: &str, bytes_max: u64) -> io::Result<Self> {
        let file = pylon_files::append_in(&dir, name)?;
        Ok(Self { bytes: file.metadata()?.len(), dir, name: name.to_owned(), file, bytes_max })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let old = |number: u32| renamed(&self.name, number);
        for number in (1..OLD_MAX).rev() {
            self.rename_existing(&old(number), &old(number + 1))?;
        }
        self.rename_existing(&self.name, &old(1))?;
        self.file = pylon_files::append_in(&self.dir, &self.name)?;
        self.bytes = 0;
        Ok(())
    }

    /// Renames a file, if it exists.
    fn rename_existing(&self, from: &str, to: &str) -> io::Result<()> {
        match self.dir.rename(from, &self.dir, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Write for Rolling {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // If the file cannot be renamed, it grows further.
        if self.bytes > 0
            && self.bytes + line.len() as u64 > self.bytes_max
            && self.rotate().is_err()
        {
            self.bytes = 0;
        }
        let written = self.file.write(line)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Goal: the size of the log is limited, and the newest lines are kept. Method: many lines into
    /// small files, reopened in between.
    #[test]
    fn old_files_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pylon.log");
        for round in 0..4 {
            let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
            let mut log = Rolling::open_with(dir, "pylon.log", 100).unwrap();
            for line in 0..60 {
                writeln!(log, "round {round} line {line:02}").unwrap();
            }
        }
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 1 + OLD_MAX as usize, "{names:?}");
        for name in &names {
            let metadata = std::fs::metadata(name).unwrap();
            assert!(
                metadata.len() <= 100 && metadata.permissions().mode() & 0o777 == 0o600,
                "{name:?}"
            );
        }
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("round 3 line 59\n"));
        let before = std::fs::read_to_string(folder.path().join("pylon.log.1")).unwrap();
        assert!(before.ends_with("round 3 line 54\n") || before.contains("round 3"), "{before}");
    }
}
