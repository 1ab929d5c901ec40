//! A node in the background: this very program, run again in a session of its own, with a file in the place of the terminal.

use crate::args::{Mode, StartArgs};
use anyhow::{Context, Result, bail};
use pylon_control_api::{Client, Status};
use pylon_node::home::Home;
use rustix::fs::Mode as Rights;
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A first start compiles the guests.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// More than it says before it gives up.
const LAST_WORDS_BYTES_MAX: u64 = 64 * 1024;

/// Starts a node that outlives this process, waits until it answers, and returns what it answers.
pub(crate) fn start(home: &Home, args: &StartArgs) -> Result<Status> {
    let state = home.open()?;
    if let Some(runner) = home.runner()? {
        bail!("{runner}");
    }
    state.folder("logs")?;
    // Logs go to the log file; here is what the program says when it fails, and nothing after that.
    let path = home.logs_dir().join("stderr.log");
    let words = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    let mut words = words.with_context(|| format!("cannot write {}", path.display()))?;
    keep_from_children();
    let child = command(args)?
        .stderr(words.try_clone()?)
        .spawn()
        .context("cannot run this program again")?;
    await_answer(home, child, &mut words)
}

/// What this process has from its caller is the caller's: the node would hold a lock or a pipe for as long as it runs. A system that does not show what is
/// open keeps it as it is.
fn keep_from_children() {
    let open = std::fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> =
        open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for file in open.into_iter().filter(|file| *file > 2) {
        #[allow(unsafe_code, reason = "what was inherited has no owner in this program")]
        // SAFETY: the number is used for this call and not kept, and a flag that only matters to new programs is all that the call changes.
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        // The folder itself is closed by now.
        let _ = fcntl_setfd(file, FdFlags::CLOEXEC);
    }
}

fn command(args: &StartArgs) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.args(["start", "--foreground", "--detached"]);
    if args.mode != Mode::Both {
        command.args(["--mode", args.mode.word()]);
    }
    if let Some(path) = &args.config {
        // Relative to where we are, which is not where it will be.
        command
            .arg("--config")
            .arg(std::path::absolute(path).with_context(|| path.display().to_string())?);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

fn await_answer(home: &Home, mut child: Child, words: &mut File) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no thread to run on")?;
    let client = Client::new(home.socket());
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the node")? {
            bail!(
                "{}",
                last_words(words).unwrap_or_else(|| format!(
                    "the node ended ({status}): see {}",
                    home.log_file().display()
                ))
            );
        }
        // Somebody else's answer is not this one's.
        let answer =
            runtime.block_on(client.status()).ok().filter(|status| status.daemon.pid == child.id());
        if let Some(status) = answer {
            return Ok(status);
        }
        if begun.elapsed() > READY_WITHIN {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "the node did not answer within {} s and was ended: see {}",
                READY_WITHIN.as_secs(),
                home.log_file().display()
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The line with which the program has ended, else whatever it said last.
fn last_words(words: &mut File) -> Option<String> {
    let mut text = String::new();
    words.rewind().ok()?;
    words.take(LAST_WORDS_BYTES_MAX).read_to_string(&mut text).ok()?;
    let line =
        text.lines().rfind(|line| line.starts_with("pylon: ")).or_else(|| text.lines().last())?;
    Some(line.strip_prefix("pylon: ").unwrap_or(line).to_owned())
}

/// In the background itself: away from the terminal, and nothing that is made here is for others.
pub(crate) fn leave_terminal() -> Result<()> {
    rustix::process::setsid()
        .context("cannot leave the terminal: use `pylon start` without --detached")?;
    rustix::process::umask(Rights::from_raw_mode(0o077));
    Ok(())
}
