//! Runs the node in the background: this program starts itself again in a new session, with a log
//! file instead of the terminal.

use crate::args::StartArgs;
use crate::log::LogFormat;
use crate::output::eprint;
use crate::progress::Elapsed;
use anyhow::{Context, Result, bail};
use pylon_control_api::{Client, Status};
use pylon_node::home::Home;
use rustix::fs::Mode as Rights;
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{BorrowedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The timeout for a start. The first one compiles the guests.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// The interval at which the new node is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// In the folder `logs`.
const ERROR_FILE: &str = "stderr.log";
/// The line of the background process when it compiles a guest.
const COMPILING: &str = "compiling the guests; later starts load their code from the cache";
/// Bytes of the error output of a failed start.
const ERROR_OUTPUT_BYTES_MAX: u64 = 64 * 1024;

/// Starts a node that outlives this process, and returns its status once it responds.
pub(crate) fn start(home: &Home, args: &StartArgs) -> Result<Status> {
    let state = home.open()?;
    if let Some(owner) = home.lock_owner()? {
        bail!("{owner}");
    }
    let logs = state.folder("logs")?;
    // The error of a failed start; the log has a file of its own.
    // It is read while the new process appends to it.
    let opened = pylon_files::append_in(&logs, ERROR_FILE)
        .and_then(|file| file.set_len(0).map(|()| file))
        .and_then(|file| Ok((file, pylon_files::open_in(&logs, ERROR_FILE)?)));
    let (errors, mut stderr) = opened
        .with_context(|| format!("cannot write {}", home.logs_dir().join(ERROR_FILE).display()))?;
    close_on_exec();
    let child =
        command(args)?.stderr(errors).spawn().context("cannot start the background process")?;
    wait_until_ready(home, child, &mut stderr)
}

/// Keeps file descriptors of the caller from the node, which would hold a lock or pipe as long as
/// it runs. On a system without `/dev/fd` nothing is changed.
fn close_on_exec() {
    let open = std::fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> =
        open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for file in open.into_iter().filter(|file| *file > 2) {
        #[allow(unsafe_code, reason = "inherited descriptors have no owner in this program")]
        // SAFETY: the descriptor is used for this call only, and the call sets a flag that has an
        // effect only on new programs.
        let file = unsafe { BorrowedFd::borrow_raw(file) };
        // Fails for the descriptor of `/dev/fd` itself, which is closed by now.
        let _ = fcntl_setfd(file, FdFlags::CLOEXEC);
    }
}

fn command(args: &StartArgs) -> Result<Command> {
    let mut command =
        Command::new(std::env::current_exe().context("cannot find the path of this program")?);
    command.args(["start", "--foreground", "--detached"]);
    let node = &args.node;
    if let Some(mode) = node.mode {
        command.args(["--mode", mode.as_str()]);
    }
    if node.log_format == LogFormat::Json {
        command.args(["--log-format", "json"]);
    }
    if let Some(path) = &node.config {
        // The background process has another working directory.
        command
            .arg("--config")
            .arg(std::path::absolute(path).with_context(|| path.display().to_string())?);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

/// Tells the command that has started this background process that it compiles a guest.
pub(crate) fn report_compilation() {
    eprint(COMPILING);
}

/// Whether the background process has said so.
fn is_compiling(stderr: &mut File) -> bool {
    error_output(stderr).is_some_and(|text| text.lines().any(|line| line == COMPILING))
}

fn error_output(stderr: &mut File) -> Option<String> {
    let mut text = String::new();
    stderr.rewind().ok()?;
    stderr.take(ERROR_OUTPUT_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Polls the node until it responds or fails.
fn wait_until_ready(home: &Home, mut child: Child, stderr: &mut File) -> Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot create a thread")?;
    let client = Client::new(home.socket());
    let (started, mut progress) = (Instant::now(), None);
    loop {
        if progress.is_some() || is_compiling(stderr) {
            progress.get_or_insert_with(|| Elapsed::new(COMPILING)).update();
        }
        if let Some(status) = child.try_wait().context("cannot wait for the node")? {
            bail!(
                "{}",
                last_error(stderr).unwrap_or_else(|| format!(
                    "the node stopped ({status}): check the log {}",
                    home.log_file().display()
                ))
            );
        }
        // Another node may respond, which is not the started one.
        let response =
            runtime.block_on(client.status()).ok().filter(|status| status.daemon.pid == child.id());
        if let Some(status) = response {
            return Ok(status);
        }
        if started.elapsed() > READY_TIMEOUT {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "the node did not respond within {} s and was killed: check the log {}",
                READY_TIMEOUT.as_secs(),
                home.log_file().display()
            );
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// The error line of the failed start, else its last line.
fn last_error(stderr: &mut File) -> Option<String> {
    let text = error_output(stderr)?;
    let mut lines = text.lines().filter(|line| *line != COMPILING);
    let line =
        lines.clone().rfind(|line| line.starts_with("pylon: ")).or_else(|| lines.next_back())?;
    Some(line.strip_prefix("pylon: ").unwrap_or(line).to_owned())
}

/// Leaves the terminal's session, and makes new files private. Called in the background process.
pub(crate) fn leave_terminal() -> Result<()> {
    rustix::process::setsid()
        .context("cannot leave the terminal's session: use `pylon start` without --detached")?;
    rustix::process::umask(Rights::from_raw_mode(0o077));
    Ok(())
}
