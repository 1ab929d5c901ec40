//! The compiler in a subprocess: this program again, with low priority and limited memory and CPU
//! time. It reads a component from stdin and writes the compiled code to stdout. This protects
//! against compiler bugs that crash, use too much memory or do not end. It does not protect against
//! wrong code, which would run in this process anyway.

use super::compiler::Compiler;
use super::in_process;
use crate::limits::{COMPONENT_BYTES_MAX, Limits};
use crate::precompiled::PRECOMPILED_BYTES_MAX;
use crate::slot::EngineKind;
use async_trait::async_trait;
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Compiling the Python runtime takes a minute on two idle cores.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(300);
const CPU_SECONDS_MAX: u64 = 240;
const ADDRESS_SPACE_BYTES_MAX: u64 = 4 << 30;
const STDERR_BYTES_MAX: u64 = 4096;
const LOWEST_PRIORITY: i32 = 19;

/// Runs a program that calls [`compile_stdin`]; its last argument is the name of the engine.
#[derive(Clone, Debug)]
pub struct SubprocessCompiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    timeout: Duration,
}

impl SubprocessCompiler {
    /// A compiler with a timeout of five minutes.
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, timeout: COMPILE_TIMEOUT }
    }

    /// The same with another timeout.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

#[async_trait]
impl Compiler for SubprocessCompiler {
    async fn compile(&self, engine: EngineKind, component: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(engine.name())
            .env_clear()
            .current_dir("/")
            .kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child =
            command.spawn().map_err(|error| format!("the compiler cannot be started: {error}"))?;
        match tokio::time::timeout(self.timeout, communicate(child, component)).await {
            Ok(Ok((status, code, _))) if status.success() => Ok(code),
            Ok(Ok((status, _, stderr))) => Err(failure(status, &stderr)),
            Ok(Err(error)) => Err(format!("cannot communicate with the compiler: {error}")),
            Err(_) => Err(format!(
                "the compiler took longer than {} s and was killed",
                self.timeout.as_secs_f32()
            )),
        }
    }
}

/// Exit status, stdout and stderr of the child.
async fn communicate(
    mut child: Child,
    component: &[u8],
) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let send = async move {
        // A write fails if the child has exited. Its exit status tells why.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(component).await;
        }
    };
    let ((), code, stderr) = tokio::join!(
        send,
        read(stdout, PRECOMPILED_BYTES_MAX as u64),
        read(stderr, STDERR_BYTES_MAX)
    );
    Ok((child.wait().await?, code?, stderr?))
}

/// The rest above `max` is not read.
async fn read(from: Option<impl AsyncRead + Unpin>, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(max).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn failure(status: ExitStatus, stderr: &[u8]) -> String {
    let stderr = String::from_utf8_lossy(stderr);
    match stderr.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) if status.code().is_some() => line.trim_start_matches("pylon: ").to_owned(),
        _ => format!("the compiler failed ({status})"),
    }
}

/// The child of [`SubprocessCompiler`]: lowers its priority and limits, then compiles stdin to
/// stdout for engines with the default limits.
pub fn compile_stdin(engine: EngineKind) -> Result<(), String> {
    restrict().map_err(|error| format!("the compiler cannot limit itself: {error}"))?;
    let limits = match engine {
        EngineKind::Policy => Limits::POLICY,
        EngineKind::Handler => Limits::HANDLER,
    };
    let mut component = Vec::new();
    io::stdin()
        .lock()
        .take(COMPONENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut component)
        .map_err(|error| format!("cannot read the component: {error}"))?;
    let code = in_process::compile(engine, &limits, &component)?;
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&code)
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write the compiled code: {error}"))
}

/// Called before any untrusted bytes are read.
fn restrict() -> io::Result<()> {
    nice(LOWEST_PRIORITY)?;
    for (resource, limit) in [
        (Resource::As, ADDRESS_SPACE_BYTES_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        // No files, no core dumps.
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        // A lower limit stays in place.
        let current = rustix::process::getrlimit(resource);
        let limit = current.maximum.map_or(limit, |hard| hard.min(limit));
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}
