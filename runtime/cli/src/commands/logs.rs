//! `pylon logs`: the log of a node in the background, with its rotated files.

use super::find_job::hex_prefix;
use crate::args::LogsArgs;
use crate::log::rotated;
use crate::output::{BrokenPipe, closed, paragraph, print};
use anyhow::{Context, Result, bail};
use pylon_core::text::sanitize_line;
use pylon_node::home::{Home, LOG_FILE};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// The interval at which a followed log is read.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Digits of an id in a log line: the whole id, or its beginning.
const ID_DIGITS_MIN: usize = 8;

/// Prints the lines, and then the new ones.
pub(crate) fn run(args: &LogsArgs) -> Result<()> {
    let job = args.job.as_deref().map(hex_prefix).transpose()?;
    let is_shown = |line: &str| job.as_deref().is_none_or(|job| is_about(line, job));
    let home = Home::from_env()?;
    let path = home.log_file();
    let limit = args.limit as usize;
    let (mut last, mut is_cut) = (VecDeque::new(), false);
    let mut keep = |line: &str| {
        if is_shown(line) {
            last.push_back(sanitize_line(line));
            if last.len() > limit {
                last.pop_front();
                is_cut = true;
            }
        }
    };
    for old in rotated(LOG_FILE) {
        if let Some(mut log) = LogReader::open(&home.logs_dir().join(old))? {
            log.lines(&mut keep)?;
        }
    }
    let Some(mut log) = LogReader::open(&path)? else {
        bail!(
            "there is no log {}: a node in the background writes it (`pylon start`), `pylon start \
             -f` logs to the terminal",
            path.display()
        );
    };
    log.lines(&mut keep)?;
    if is_cut {
        print("…\n")?;
    }
    last.iter().try_for_each(|line| show(line))?;
    if !args.follow {
        return Ok(());
    }
    super::block_on(async {
        tokio::select! {
            () = closed() => Err(BrokenPipe.into()),
            ended = follow(&path, log, &is_shown) => ended,
        }
    })
}

/// Prints new lines until printing fails. After a rotation it reads the old file to its end.
async fn follow(path: &Path, mut log: LogReader, is_shown: &impl Fn(&str) -> bool) -> Result<()> {
    loop {
        let rotated = LogReader::open(path)?.filter(|current| current.inode != log.inode);
        let mut lines = Vec::new();
        log.lines(&mut |line| lines.extend(is_shown(line).then(|| sanitize_line(line))))?;
        lines.iter().try_for_each(|line| show(line))?;
        match rotated {
            Some(current) => log = current,
            None => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Prints a line, whose first word is the time.
fn show(line: &str) -> Result<()> {
    let time = line.split(' ').next().unwrap_or_default();
    print(&paragraph(time, line.strip_prefix(time).unwrap_or_default()))
}

/// Whether a line has the id of this job, of which `job` is the beginning.
fn is_about(line: &str, job: &str) -> bool {
    line.split(|c: char| !c.is_ascii_hexdigit())
        .filter(|word| word.len() >= ID_DIGITS_MIN)
        .any(|word| word.starts_with(job) || job.starts_with(word))
}

/// A log file, read up to the last whole line.
struct LogReader {
    file: BufReader<File>,
    inode: u64,
    /// The beginning of a line that is still being written.
    rest: Vec<u8>,
}

impl LogReader {
    /// `None` if there is no such file.
    fn open(path: &Path) -> Result<Option<Self>> {
        let cannot = || format!("cannot read {}", path.display());
        let file = match pylon_files::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.with_context(cannot)?,
        };
        let inode = file.metadata().with_context(cannot)?.ino();
        Ok(Some(Self { file: BufReader::new(file), inode, rest: Vec::new() }))
    }

    /// Passes on all whole lines that were not read yet.
    fn lines(&mut self, each: &mut impl FnMut(&str)) -> Result<()> {
        while self.file.read_until(b'\n', &mut self.rest).context("cannot read the log")? > 0 {
            if self.rest.ends_with(b"\n") {
                each(String::from_utf8_lossy(&self.rest).trim_end());
                self.rest.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Goal: a job's lines are found by any form of its id. Method: lines with the whole id, its
    /// beginning, and another one.
    #[test]
    fn line_is_about_the_job_that_it_names() {
        let (id, other) = ("1a2b3c4d".repeat(8), "5e6f7a8b".repeat(8));
        for (line, job, expected) in [
            (format!("JobStarted job_id={id}"), "1a2b3c4d", true),
            (format!("JobStarted job_id={id}"), &id, true),
            ("guest call failed job=1a2b3c4d".into(), &id, true),
            (format!("{{\"job_id\":\"{id}\"}}"), "1a", true),
            (format!("JobStarted job_id={other}"), "1a2b3c4d", false),
            ("took 1a ms".into(), "1a2b3c4d", false),
            ("no id".into(), &id, false),
        ] {
            assert_eq!(is_about(&line, job), expected, "{line} {job}");
        }
    }

    /// Goal: only whole lines are shown. Method: a line that is written in two parts.
    #[test]
    fn line_is_shown_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pylon.log");
        assert!(LogReader::open(&path).unwrap().is_none());
        let mut file = File::create(&path).unwrap();
        let mut log = LogReader::open(&path).unwrap().unwrap();
        let mut read = || {
            let mut lines = Vec::new();
            log.lines(&mut |line| lines.push(line.to_owned())).unwrap();
            lines
        };
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(read(), ["one"]);
        file.write_all(b"o\n").unwrap();
        assert_eq!(read(), ["two"]);
        assert!(read().is_empty());
    }
}
