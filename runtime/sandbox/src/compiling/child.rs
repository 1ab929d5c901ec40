//! The compiler as a process: this program again, with less of everything, a component on its stdin and the image on its stdout. It protects
//! from a compiler that crashes, eats memory or does not end; not from one that is made to emit wrong code, which would run here all the same.

use super::{Compiler, now};
use crate::image::IMAGE_BYTES_MAX;
use crate::install::COMPONENT_BYTES_MAX;
use crate::limits::Limits;
use crate::slot::Tier;
use async_trait::async_trait;
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// A Python runtime takes a minute on two cores that have nothing else to do.
const WALL: Duration = Duration::from_secs(300);
const CPU_SECONDS: u64 = 240;
const ADDRESS_SPACE_BYTES: u64 = 4 << 30;
const WORDS_BYTES_MAX: u64 = 4096;
const LOWEST_PRIORITY: i32 = 19;

/// Runs a program that calls [`compile_stdin`]; the name of the tier is its last argument.
#[derive(Clone, Debug)]
pub struct ChildCompiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    within: Duration,
}

impl ChildCompiler {
    /// Nothing is run before there is something to compile.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, within: WALL }
    }

    /// Ends a child that takes longer; five minutes if nothing is said.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }
}

#[async_trait]
impl Compiler for ChildCompiler {
    async fn compile(&self, tier: Tier, component: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(tier.name())
            .env_clear()
            .current_dir("/")
            .kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child =
            command.spawn().map_err(|error| format!("the compiler cannot be started: {error}"))?;
        match tokio::time::timeout(self.within, converse(child, component)).await {
            Ok(Ok((status, image, _))) if status.success() => Ok(image),
            Ok(Ok((status, _, words))) => Err(ending(status, &words)),
            Ok(Err(error)) => Err(format!("the compiler cannot be reached: {error}")),
            Err(_) => Err(format!(
                "the compiler took longer than {} s and was ended",
                self.within.as_secs_f32()
            )),
        }
    }
}

/// All that the child says, and how it ended.
async fn converse(
    mut child: Child,
    component: &[u8],
) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let tell = async move {
        // A child that has given up does not listen; how it ended is what counts.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(component).await;
        }
    };
    let ((), image, words) =
        tokio::join!(tell, read(stdout, IMAGE_BYTES_MAX as u64), read(stderr, WORDS_BYTES_MAX));
    Ok((child.wait().await?, image?, words?))
}

/// At most so much; whoever says more finds nobody listening.
async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn ending(status: ExitStatus, words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    match words.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) if status.code().is_some() => line.trim_start_matches("pylon: ").to_owned(),
        _ => format!("the compiler ended by itself ({status})"),
    }
}

/// The other side of [`ChildCompiler`]: gives up priority, memory and time, then compiles stdin to stdout for engines with the default limits.
pub fn compile_stdin(tier: Tier) -> Result<(), String> {
    restrict().map_err(|error| format!("the compiler cannot be restricted: {error}"))?;
    let limits = match tier {
        Tier::Policy => Limits::POLICY,
        Tier::Handler => Limits::HANDLER,
    };
    let mut component = Vec::new();
    let most = COMPONENT_BYTES_MAX as u64 + 1;
    io::stdin()
        .lock()
        .take(most)
        .read_to_end(&mut component)
        .map_err(|error| format!("no component: {error}"))?;
    let image = now(tier, &limits, &component)?;
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&image)
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("nobody takes the image: {error}"))
}

/// Before anything of a stranger's is read.
fn restrict() -> io::Result<()> {
    nice(LOWEST_PRIORITY)?;
    for (resource, most) in [
        (Resource::As, ADDRESS_SPACE_BYTES),
        (Resource::Cpu, CPU_SECONDS),
        // It writes no file and leaves no core.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        // A limit that is lower already stays.
        let now = rustix::process::getrlimit(resource);
        let most = now.maximum.map_or(most, |hard| hard.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
